"""Requests of the control socket, read from JSON with either spelling of a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from simsync.local.action_requests import read_actions
from simsync.local.backtest import Advance, AdvanceTo
from simsync.local.encoding import load_json
from simsync.local.request_fields import Fields, invalid, plain, read_accounts, read_address, read_transaction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simsync.local.actions import Action
    from simsync.local.behaviour import Behaviour

MAX_DISCONNECT_TIMEOUT = 900
"""Longest time in seconds that a session may outlive its control socket."""
_U32 = 2**32 - 1
_INLINE_KEYS = frozenset(("sessionid", "lastsequence", "controlsessionid", "lastsequences"))
_UNSUPPORTED = (
    "agents",
    "replayAccountState",
    "rerouteOrderFlow",
    "detectFailedL1Swaps",
    "reroute",
    "diagnosticProbes",
)


@dataclass(frozen=True)
class Create:
    """Slots inclusive at both ends, ``disconnect_timeout`` in seconds, ``extra_units`` per transaction."""

    start_slot: int
    end_slot: int
    parallel: bool
    signer_filter: frozenset[str]
    send_summary: bool
    disconnect_timeout: int
    discover_programs: tuple[str, ...]
    actions: tuple[Action, ...]
    extra_units: int


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


def read_request(text: str | bytes, behaviour: Behaviour) -> Request:
    """Return the request in a frame, as far as the behaviour accepts its form. Raises BadRequest with the answer."""
    try:
        message = load_json(text)
    except ValueError as error:
        raise invalid(f"not JSON: {error}") from error
    method = message.get("method") if isinstance(message, dict) else None
    if not isinstance(method, str):
        raise invalid("a request is an object with a method")
    params = message.get("params")
    fields = Fields(params, method)
    if method == "createBacktestSession":
        return _create(Fields(_in_case(params, behaviour.create_keys), method), behaviour)
    _check_inline_keys(params, behaviour.inline_keys)
    if method in ("continue", "continueTo"):
        return Continue(None, fields, method == "continueTo")
    if method in ("continueSessionV1", "continueToSessionV1"):
        nested = fields.get("request")
        if behaviour.continue_layout != "any" and (behaviour.continue_layout == "nested") != (nested is not None):
            raise invalid(f"{method} wants its fields {behaviour.continue_layout}")
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
    raise invalid(f"unknown method {method!r}")


def _in_case(params: Any, case: str) -> Any:
    """The params without the keys of another spelling, as a server that ignores unknown keys sees them."""
    if case == "any" or not isinstance(params, dict):
        return params
    return {key: value for key, value in params.items() if _spelling_of(key) in (None, case)}


def _check_inline_keys(params: Any, case: str) -> None:
    if case == "any" or not isinstance(params, dict):
        return
    for key in params:
        if plain(key) in _INLINE_KEYS and _spelling_of(key) not in (None, case):
            raise invalid(f"unknown field `{key}`")


def _spelling_of(key: str) -> str | None:
    """``snake``, ``camel``, or None for a key of one word."""
    if "_" in key:
        return "snake"
    return None if key == key.lower() else "camel"


def _cursors(value: Any) -> dict[str, int]:
    cursors = {} if value is None else value
    if not isinstance(cursors, dict) or not all(isinstance(item, int) for item in cursors.values()):
        raise invalid("lastSequences must map session ids to integers")
    return cursors


def _create(fields: Fields, behaviour: Behaviour) -> Create:
    for name in _UNSUPPORTED:
        if fields.get(name):
            raise invalid(f"{name} is not supported by the local simulator")
    create = Create(
        start_slot=fields.integer("startSlot"),
        end_slot=fields.integer("endSlot"),
        parallel=fields.flag("parallel"),
        signer_filter=frozenset(fields.addresses("signerFilter")),
        send_summary=fields.flag("sendSummary"),
        disconnect_timeout=fields.integer("disconnectTimeoutSecs", 0, MAX_DISCONNECT_TIMEOUT),
        discover_programs=tuple(_program(item, behaviour.discovery_tagging) for item in fields.items("discoveries")),
        actions=read_actions(fields.items("actions"), behaviour.anchor_tagging),
        extra_units=fields.integer("extraComputeUnits", 0, _U32),
    )
    fields.integer("capacityWaitTimeoutSecs", 0)
    if create.end_slot < create.start_slot:
        raise invalid(f"endSlot {create.end_slot} is below startSlot {create.start_slot}")
    return create


def _program(value: Any, tagging: str) -> str:
    fields = Fields(value, "a discovery")
    if tagging == "tagged":
        program = fields.get("program") if fields.get("type") == "programExecuted" else None
    else:
        program = fields.get("programExecuted")
    if program is None:
        raise invalid("the local simulator knows only programExecuted among the discoveries")
    return read_address(program, "programExecuted")


def read_advance(fields: Fields) -> Advance:
    """Return the body of a continue. Raises BadRequest."""
    transactions = tuple(read_transaction(index, item) for index, item in enumerate(fields.items("transactions")))
    accounts = read_accounts(fields.get("modifyAccountStates"))
    return Advance(fields.integer("advanceCount", 1), transactions, accounts)


def read_advance_to(fields: Fields) -> AdvanceTo:
    """Return the body of a continue-to. Raises BadRequest."""
    batch = None if fields.get("batchIndex") is None else fields.integer("batchIndex", most=_U32)
    return AdvanceTo(fields.integer("slot"), batch)
