"""Requests of the control socket, read from JSON with either spelling of a key."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local.account_json import MalformedAccount, read_modifications
from simsync.local.backtest import Advance, AdvanceTo, Refused
from simsync.local.encoding import load_json

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DISCONNECT_TIMEOUT = 900
"""Longest time in seconds that a session may outlive its control socket."""
_U64 = 2**64 - 1
_UNSUPPORTED = (
    "actions",
    "agents",
    "replayAccountState",
    "rerouteOrderFlow",
    "detectFailedL1Swaps",
    "reroute",
    "diagnosticProbes",
)


class BadRequest(Exception):
    """A request cannot be carried out; ``refused`` is the error to answer."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.name)
        self.refused = refused


@dataclass(frozen=True)
class Create:
    """Slots inclusive at both ends, ``disconnect_timeout`` in seconds."""

    start_slot: int
    end_slot: int
    parallel: bool
    signer_filter: frozenset[str]
    send_summary: bool
    disconnect_timeout: int
    discover_programs: tuple[str, ...]


@dataclass(frozen=True)
class Continue:
    """A continue of ``session_id`` (None: of the only session); ``body`` is checked when its turn comes."""

    session_id: str | None
    body: Fields
    to_slot: bool


@dataclass(frozen=True)
class CloseAll:
    """Close every session of the socket."""


@dataclass(frozen=True)
class CloseSession:
    session_id: str


@dataclass(frozen=True)
class Attach:
    session_id: str
    last_sequence: int


@dataclass(frozen=True)
class Resume:
    """Go on after an attach."""


@dataclass(frozen=True)
class AttachParallel:
    control_session_id: str
    last_sequences: Mapping[str, int]


Request = Union[Create, Continue, CloseAll, CloseSession, Attach, Resume, AttachParallel]


def _invalid(text: str) -> BadRequest:
    return BadRequest(Refused("invalidRequest", {"error": text}))


class Fields:
    """The keys of an object that name fields, found whatever their case and underscores."""

    def __init__(self, value: Any, what: str) -> None:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise _invalid(f"the params of {what} must be an object")
        self._what = what
        self._values = {_plain(key): item for key, item in value.items()}

    def get(self, name: str) -> Any:
        return self._values.get(_plain(name))

    def integer(self, name: str, default: int | None = None, most: int = _U64) -> int:
        value = self.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise _invalid(f"{name} of {self._what} must be an integer from 0 to {most}, not {value!r}")
        return value

    def flag(self, name: str) -> bool:
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise _invalid(f"{name} of {self._what} must be true or false, not {value!r}")
        return bool(value)

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str):
            raise _invalid(f"{name} of {self._what} must be a string, not {value!r}")
        return value

    def items(self, name: str) -> list[Any]:
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise _invalid(f"{name} of {self._what} must be a list")
        return value

    def addresses(self, name: str) -> list[str]:
        return [_address(item, f"{name} of {self._what}") for item in self.items(name)]


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _address(value: Any, where: str) -> str:
    try:
        return str(Pubkey.from_string(value))
    except (ValueError, TypeError) as error:
        raise _invalid(f"{where}: {value!r} is not an address") from error


def read_request(text: str | bytes) -> Request:
    """Return the request in a frame. Raises BadRequest with the error to answer."""
    try:
        message = load_json(text)
    except ValueError as error:
        raise _invalid(f"not JSON: {error}") from error
    method = message.get("method") if isinstance(message, dict) else None
    if not isinstance(method, str):
        raise _invalid("a request is an object with a method")
    fields = Fields(message.get("params"), method)
    if method == "createBacktestSession":
        return _create(fields)
    if method in ("continue", "continueTo"):
        return Continue(None, fields, method == "continueTo")
    if method in ("continueSessionV1", "continueToSessionV1"):
        nested = fields.get("request")
        body = fields if nested is None else Fields(nested, method)
        return Continue(fields.text("sessionId"), body, method == "continueToSessionV1")
    if method == "closeBacktestSession":
        return CloseAll()
    if method == "closeSessionV1":
        return CloseSession(fields.text("sessionId"))
    if method == "attachBacktestSession":
        return Attach(fields.text("sessionId"), fields.integer("lastSequence", 0))
    if method == "resumeAttachedSession":
        return Resume()
    if method == "attachParallelControlSessionV2":
        return AttachParallel(fields.text("controlSessionId"), _cursors(fields.get("lastSequences")))
    raise _invalid(f"unknown method {method!r}")


def _cursors(value: Any) -> dict[str, int]:
    cursors = {} if value is None else value
    if not isinstance(cursors, dict) or not all(isinstance(item, int) for item in cursors.values()):
        raise _invalid("lastSequences must map session ids to integers")
    return cursors


def _create(fields: Fields) -> Create:
    for name in _UNSUPPORTED:
        if fields.get(name):
            raise _invalid(f"{name} is not supported by the local simulator")
    create = Create(
        start_slot=fields.integer("startSlot"),
        end_slot=fields.integer("endSlot"),
        parallel=fields.flag("parallel"),
        signer_filter=frozenset(fields.addresses("signerFilter")),
        send_summary=fields.flag("sendSummary"),
        disconnect_timeout=fields.integer("disconnectTimeoutSecs", 0, MAX_DISCONNECT_TIMEOUT),
        discover_programs=tuple(_program(item) for item in fields.items("discoveries")),
    )
    fields.integer("capacityWaitTimeoutSecs", 0)
    fields.integer("extraComputeUnits", 0)
    if create.end_slot < create.start_slot:
        raise _invalid(f"endSlot {create.end_slot} is below startSlot {create.start_slot}")
    return create


def _program(value: Any) -> str:
    program = Fields(value, "a discovery").get("programExecuted")
    if program is None:
        raise _invalid("the local simulator knows only programExecuted among the discoveries")
    return _address(program, "programExecuted")


def read_advance(fields: Fields) -> Advance:
    """Return the body of a continue. Raises BadRequest."""
    transactions = []
    for index, item in enumerate(fields.items("transactions")):
        transactions.append(read_transaction(index, item))
    try:
        accounts = read_modifications(fields.get("modifyAccountStates"))
    except MalformedAccount as error:
        raise BadRequest(Refused(error.name, error.fields)) from error
    return Advance(fields.integer("advanceCount", 1), tuple(transactions), tuple(accounts))


def read_advance_to(fields: Fields) -> AdvanceTo:
    """Return the body of a continue-to. Raises BadRequest."""
    batch = None if fields.get("batchIndex") is None else fields.integer("batchIndex", most=2**32 - 1)
    return AdvanceTo(fields.integer("slot"), batch)


def read_transaction(index: int, text: Any) -> VersionedTransaction:
    """Return the transaction in a base64 string; ``index`` is its place in the request. Raises BadRequest."""
    if not isinstance(text, str):
        raise _invalid(f"transactions[{index}] must be a base64 string")
    try:
        wire = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(Refused("invalidTransactionEncoding", {"index": index, "error": str(error)})) from error
    try:
        return VersionedTransaction.from_bytes(wire)
    except ValueError as error:
        raise BadRequest(Refused("invalidTransactionFormat", {"index": index, "error": str(error)})) from error
