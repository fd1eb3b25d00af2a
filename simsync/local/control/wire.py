"""The JSON of the control socket: requests in, messages out.

This is the simulator's own reading of the protocol. It shares no code with the client, so that a misreading on one side
becomes visible instead of cancelling out.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from simsync.local.action_requests import read_actions
from simsync.local.backtest.messages import (
    Acknowledged,
    Advance,
    AdvanceTo,
    Completed,
    Discovered,
    Event,
    Paused,
    Ready,
    SlotExecuted,
    StatusChanged,
)
from simsync.local.encoding import dump_json, load_json
from simsync.local.request_fields import Fields, invalid, plain, read_accounts, read_address, read_transaction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simsync.local.actions import Action
    from simsync.local.backtest.messages import Summary
    from simsync.local.behaviour import Behaviour
    from simsync.local.request_fields import Refused


MAX_DISCONNECT_TIMEOUT = 900
"""Longest time in seconds for which a session may outlive its control socket."""
_TASK_IDS = 13
"""Minor version from which sessions are announced with the id of a task."""
_REROUTE_STATISTICS = 23
"""Minor version from which the summary has them, and the number of transactions that could not be sanitized."""
_DISCOVERED_INDICES = 28
"""Minor version from which discoveries have the indices of their transactions."""
_NOT_EXECUTED = bytes(4)
"""The error, balances, logs and inner instructions of a discovered transaction: four options without a value."""
_U32 = 2**32 - 1
_NOTHING = object()
"""A message without params."""
_INLINE_KEYS = frozenset(("sessionid", "lastsequence", "controlsessionid", "lastsequences"))
_UNSUPPORTED = (
    "agents",
    "replayAccountState",
    "rerouteOrderFlow",
    "detectFailedL1Swaps",
    "reroute",
    "diagnosticProbes",
)


# -- requests


@dataclass(frozen=True)
class Create:
    """Create sessions. Slots are inclusive, ``disconnect_timeout`` is in seconds, ``extra_units`` per transaction."""

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
    """Continue ``session_id``, or the only session if that is None. ``body`` is checked when it is carried out."""

    session_id: str | None
    body: Fields
    to_slot: bool


@dataclass(frozen=True)
class CloseAll:
    """Close every session of the socket."""


@dataclass(frozen=True)
class CloseSession:
    """Close one session."""

    session_id: str


@dataclass(frozen=True)
class Attach:
    """Attach to a single session; replay the messages after ``last_sequence``."""

    session_id: str
    last_sequence: int


@dataclass(frozen=True)
class Resume:
    """Resume after an attach."""


@dataclass(frozen=True)
class AttachParallel:
    """Attach to a parallel session; replay the messages after each session's last sequence number."""

    control_session_id: str
    last_sequences: Mapping[str, int]


Request = Union[Create, Continue, CloseAll, CloseSession, Attach, Resume, AttachParallel]


def read_request(text: str | bytes, behaviour: Behaviour) -> Request:
    """Return the request in a frame. Raises BadRequest, also for a form that the behaviour does not accept."""
    try:
        message = load_json(text)
    except ValueError as error:
        raise invalid(f"not JSON: {error}") from error
    method = message.get("method") if isinstance(message, dict) else None
    if not isinstance(method, str):
        raise invalid("a request must be an object with a method")
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
            raise invalid(f"the fields of {method} must be {behaviour.continue_layout}")
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


def _in_case(params: object, case: str) -> object:
    """Return the params without the keys in another case, as a server that ignores unknown keys sees them."""
    if case == "any" or not isinstance(params, dict):
        return params
    return {key: value for key, value in params.items() if _spelling_of(key) in (None, case)}


def _check_inline_keys(params: object, case: str) -> None:
    """Reject ids and cursors in another case, as a server that rejects unknown keys does."""
    if case == "any" or not isinstance(params, dict):
        return
    for key in params:
        if plain(key) in _INLINE_KEYS and _spelling_of(key) not in (None, case):
            raise invalid(f"unknown field `{key}`")


def _spelling_of(key: str) -> str | None:
    """Return ``snake``, ``camel``, or None for a key of one word."""
    if "_" in key:
        return "snake"
    return None if key == key.lower() else "camel"


def _cursors(value: object) -> dict[str, int]:
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
        actions=read_actions(fields.items("actions"), behaviour),
        extra_units=fields.integer("extraComputeUnits", 0, _U32),
    )
    fields.integer("capacityWaitTimeoutSecs", 0)
    if create.end_slot < create.start_slot:
        raise invalid(f"endSlot {create.end_slot} is below startSlot {create.start_slot}")
    return create


def _program(value: object, tagging: str) -> str:
    fields = Fields(value, "a discovery")
    if tagging == "tagged":
        program = fields.get("program") if fields.get("type") == "programExecuted" else None
    else:
        program = fields.get("programExecuted")
    if program is None:
        raise invalid("programExecuted is the only discovery that the local simulator supports")
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


# -- messages


class Encoder:
    """Writes server messages in the forms that a :class:`~simsync.local.Behaviour` selects."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def message(self, method: str, params: object = _NOTHING, sequence: int | None = None) -> bytes:
        """Return a top-level message; ``sequence`` is its number in a session that clients can attach to."""
        message = self._named(method, params)
        if sequence is not None:
            message = {"seqId": sequence, **message}
        return dump_json(message)

    def session_created(self, session_id: str, endpoint: str, sequence: int | None = None) -> bytes:
        """Return the announcement of one session."""
        return self.message("sessionCreated", self._announcement(session_id, endpoint), sequence)

    def session_attached(self, session_id: str, endpoint: str) -> bytes:
        """Return the reply to an attach to a single session."""
        return self.message("sessionAttached", self._announcement(session_id, endpoint))

    def sessions_created(self, control_id: str, ranges: list[tuple[str, int, int]]) -> bytes:
        """Return the end of a parallel create; ``ranges`` holds session id, first and last slot of each session."""
        params = {
            "control_session_id": control_id,
            "session_ids": [session_id for session_id, _, _ in ranges],
            **self._task_ids(len(ranges)),
            "start_slots": [start for _, start, _ in ranges],
            "end_slots": [end for _, _, end in ranges],
        }
        return self.message("sessionsCreatedV2", self._inline(params))

    def parallel_attached(self, control_id: str, session_ids: list[str]) -> bytes:
        """Return the reply to an attach to a parallel session."""
        params = {
            "control_session_id": control_id,
            "session_ids": session_ids,
            **self._task_ids(len(session_ids)),
        }
        return self.message("parallelSessionAttachedV2", self._inline(params))

    def success(self) -> bytes:
        """Return the reply to a request that has no other one."""
        return self.message("success")

    def error(self, refused: Refused) -> bytes:
        """Return the reply to a bad request."""
        return self.message("error", self._error(refused))

    def event(self, event: Event, sequence: int | None) -> bytes:
        """Return an event of a single session."""
        return self.message(*self._event(event), sequence=sequence)

    def session_event(self, session_id: str, event: Event, sequence: int) -> bytes:
        """Return an event of a sub-session."""
        method, params = self._event(event)
        inner: Any
        if self._behaviour.event_form == "external":
            inner = method if params is _NOTHING else {method: params}
        else:
            inner = self._named(method, params)
        body = {"session_id": session_id, "seq_id": sequence, "event": inner}
        return self.message("sessionEventV2", self._inline(body))

    def _named(self, method: str, params: object) -> dict[str, Any]:
        if params is not _NOTHING:
            return {"method": method, "params": params}
        return {"method": method, "params": None} if self._behaviour.null_params else {"method": method}

    def _announcement(self, session_id: str, endpoint: str) -> dict[str, Any]:
        task = {"task_id": None} if self._knows(_TASK_IDS) else {}
        return self._inline({"session_id": session_id, "rpc_endpoint": endpoint, **task})

    def _task_ids(self, count: int) -> dict[str, Any]:
        return {"task_ids": [None] * count} if self._knows(_TASK_IDS) else {}

    def _knows(self, since: int) -> bool:
        minor = self._behaviour.minor
        return minor is None or minor >= since

    def _inline(self, params: dict[str, Any]) -> dict[str, Any]:
        if self._behaviour.inline_case == "camel":
            return {_camel(key): value for key, value in params.items()}
        return params

    def _event(self, event: Event) -> tuple[str, object]:
        if isinstance(event, SlotExecuted):
            return "slotNotification", event.slot
        if isinstance(event, Ready):
            return "readyForContinue", _NOTHING
        if isinstance(event, Paused):
            return "paused", {"slot": event.slot, "batchIndex": event.batch_index}
        if isinstance(event, StatusChanged):
            return "status", {"status": event.status}
        if isinstance(event, Completed):
            summary = None if event.summary is None else _summary(event.summary, self._knows(_REROUTE_STATISTICS))
            return "completed", {"summary": summary}
        if isinstance(event, Discovered):
            return "discoveryBatch", _discovered(event, self._knows(_DISCOVERED_INDICES))
        if isinstance(event, Acknowledged):
            return "success", _NOTHING
        return "error", self._error(event)

    def _error(self, refused: Refused) -> object:
        if self._behaviour.error_form == "tagged":
            return {"type": refused.name, "data": refused.fields} if refused.fields else {"type": refused.name}
        return {refused.name: refused.fields} if refused.fields else refused.name


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _summary(summary: Summary, whole: bool) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "correctSimulation": summary.correct,
        "incorrectSimulation": summary.incorrect,
        "executionErrors": summary.execution_errors,
        "balanceDiff": summary.balance_diff,
        "logDiff": summary.log_diff,
    }
    return {**numbers, "unsanitizable": summary.unsanitizable, "rerouteStats": None} if whole else numbers


def _discovered(event: Discovered, with_indices: bool) -> dict[str, Any]:
    found = {
        "slot": event.slot,
        "batchIndex": event.batch_index,
        "matched": [{"programExecuted": program} for program in event.programs],
        "transactions": [
            {"data": base64.b64encode(wire + _NOT_EXECUTED).decode(), "encoding": "base64"}
            for wire in event.transactions
        ],
    }
    return {**found, "transactionIndices": list(event.indices)} if with_indices else found
