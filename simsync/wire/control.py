"""Decodes control messages into :mod:`~simsync.wire.control_messages`.

:mod:`~simsync.wire.quick_events` reads the bulk of the traffic in its expected spelling. Everything else is read here,
in any spelling.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Callable, Optional

from simsync.events import (
    SUMMARY_COUNTS,
    BacktestError,
    Completed,
    DiscoveryBatch,
    Event,
    Paused,
    SessionError,
    SessionSummary,
    Slot,
    Status,
    UnknownEvent,
)
from simsync.wire import json_codec, quick_events
from simsync.wire.control_messages import (
    OWN_SESSION,
    ControlMessage,
    ErrorReported,
    NotUnderstood,
    ParallelAttached,
    SessionAttached,
    SessionCreated,
    SessionEvent,
    SessionsCreated,
    Succeeded,
)
from simsync.wire.dialect import Dialect
from simsync.wire.discovered import discovered_transaction
from simsync.wire.payloads import Block, Payloads
from simsync.wire.quick_events import READY
from simsync.wire.server_errors import decode_error
from simsync.wire.spelling import FoldedFields, fold


class _Misfit(ValueError):
    """The payload does not have the form that its method name requires."""


class ControlDecoder:
    """Decodes the messages of control connections.

    Args:
        dialect: decides which errors are terminal.
        quick: decode blocks of messages with :mod:`~simsync.wire.quick_events` where possible. The result is the same.
    """

    def __init__(self, dialect: Dialect, *, quick: bool = True) -> None:
        self._is_terminal = dialect.is_terminal
        self._quick = quick

    def decode_all(self, payloads: Collection[bytes]) -> Iterator[ControlMessage]:
        """Decode received payloads, in order.

        Args:
            payloads: what ``recv_batch`` returned, or any other collection of payloads.

        Returns:
            One message per payload. An event, of a parallel or a single session, is a tuple
            ``(session_id, sequence, event)``, see :data:`~simsync.wire.control_messages.SessionEvent`. Every other
            message is an object of its own class. A payload that cannot be read becomes a :class:`NotUnderstood`;
            nothing raises.
        """
        # Lazy: the messages of a block are freed before the next block is decoded, so that the garbage collector does
        # not have to look at them again and again while they pile up.
        return chain.from_iterable(map(self._decode_block, Payloads.of(payloads).blocks))

    def _decode_block(self, block: Block) -> Sequence[ControlMessage]:
        if not self._quick:
            return [self.decode(payload) for payload in block]
        events = quick_events.read(block)
        if events is not None:
            return events
        messages: list[ControlMessage] = []
        for payload in block:
            alone = quick_events.read(Block([payload]))
            messages.append(self.decode(payload) if alone is None else alone[0])
        return messages

    def decode(self, payload: bytes) -> ControlMessage:
        """Decode one message in any spelling."""
        try:
            message = json_codec.loads(payload)
        except ValueError as error:
            return NotUnderstood(payload, f"not JSON: {error}", is_json=False)
        return self._decode_tolerantly(message)

    # guess: unknown methods, event kinds, statuses
    # guess: numbers of a single session (`seqId` beside `method`)
    def _decode_tolerantly(self, message: object) -> ControlMessage:
        if not isinstance(message, Mapping):
            return NotUnderstood(message, "not an object")
        envelope = FoldedFields(message)
        method = envelope.text("method")
        if method is None:
            return NotUnderstood(message, "no method")
        sequence = envelope.number("seq_id")
        name = fold(method)
        try:
            if name in ("sessioneventv2", "sessioneventv1"):
                return self._session_event(envelope.get("params"))
            if name == "success":
                return Succeeded(sequence)
            if name == "error":
                return ErrorReported(self._error(envelope.get("params")), sequence)
            reader = _RESPONSES.get(name)
            if reader is not None:
                return reader(_object(envelope.get("params"), method), sequence)
            if name in _EVENTS:
                return OWN_SESSION, sequence, self._event(method, envelope.get("params"))
        except _Misfit as misfit:
            return NotUnderstood(message, str(misfit), sequence=sequence)
        return NotUnderstood(message, f"unknown method {method!r}", sequence=sequence)

    # guess: `success` inside a session event
    def _session_event(self, params: object) -> SessionEvent:
        fields = FoldedFields(_object(params, "sessionEvent"))
        session_id = fields.text("session_id")
        if not session_id:
            raise _Misfit("a session event without session id")
        kind, payload = _tagged(fields.get("event"))
        event = None if fold(kind) == "success" else self._event(kind, payload)
        return session_id, fields.number("seq_id"), event

    def _event(self, kind: str, payload: object) -> Event:
        name = fold(kind)
        if name == "error":
            return SessionError(self._error(payload))
        reader = _EVENTS.get(name)
        if reader is None:
            return UnknownEvent(kind, payload)
        try:
            return reader(payload)
        except _Misfit:
            return UnknownEvent(kind, payload)

    def _error(self, raw: object) -> BacktestError:
        error = decode_error(raw)
        error.terminal = self._is_terminal(error)
        return error


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _Misfit(f"{what} without an object as params")
    return value


# guess: form of the event inside `sessionEventV2`
def _tagged(event: object) -> tuple[str, Any]:
    """The kind and payload of an inner event: ``{"method", "params"}``, text or an object with one key. (A guess.)"""
    if isinstance(event, str):
        return event, None
    if isinstance(event, Mapping):
        fields = FoldedFields(event)
        method = fields.text("method")
        if method is not None:
            return method, fields.get("params")
        if len(event) == 1:
            kind, payload = next(iter(event.items()))
            return str(kind), payload
    return "", event  # an unknown form: kept as an event of unknown kind


def _slot_number(payload: object) -> int:
    if isinstance(payload, int) and not isinstance(payload, bool):
        return payload
    if isinstance(payload, Mapping):
        slot = FoldedFields(payload).number("slot")
        if slot is not None:
            return slot
    raise _Misfit("no slot number")


# guess: `paused`
def _paused(payload: object) -> Paused:
    return Paused(_slot_number(payload), FoldedFields(_object(payload, "paused")).number("batch_index"), payload)


# guess: `discoveryBatch`
def _discovery_batch(payload: object) -> DiscoveryBatch:
    fields = FoldedFields(_object(payload, "discoveryBatch"))
    return DiscoveryBatch(
        _slot_number(payload),
        fields.number("batch_index"),
        tuple(fields.list("matched")),
        tuple(fields.list("transactions")),
        payload,
        discovered_transaction,
        tuple(one for one in fields.list("transaction_indices") if type(one) is int and abs(one) < 2**63),
    )


def _status(payload: object) -> Status:
    status = FoldedFields(payload).text("status") if isinstance(payload, Mapping) else payload
    if not isinstance(status, str):
        raise _Misfit("no status")
    return Status(status)


# guess: agent statistics in `completed`
def _completed(payload: object) -> Completed:
    fields = FoldedFields(payload if isinstance(payload, Mapping) else {})
    raw = fields.get("summary")
    if not isinstance(raw, Mapping):
        return Completed(None, fields.get("agent_stats"))
    numbers = FoldedFields(raw)
    values = {name: numbers.number(name) or 0 for name in SUMMARY_COUNTS}
    summary = SessionSummary(**values, reroute_stats=numbers.get("reroute_stats"), raw=raw)
    return Completed(summary, fields.get("agent_stats"))


_EVENTS: dict[str, Callable[[Any], Event]] = {
    "readyforcontinue": lambda _payload: READY,
    "slotnotification": lambda payload: Slot(_slot_number(payload)),
    "paused": _paused,
    "discoverybatch": _discovery_batch,
    "status": _status,
    "completed": _completed,
}


def _text_list(values: list[Any]) -> tuple[str, ...]:
    """Anything that is not text becomes empty text, which matches no session, so that the lists stay parallel."""
    return tuple(value if isinstance(value, str) else "" for value in values)


def _slot_list(values: list[Any]) -> tuple[int, ...]:
    """Anything that is not a number is dropped, so that the lengths of the lists show that something is wrong."""
    return tuple(value for value in values if type(value) is int)


# guess: format of session ids
def _session_created(params: Mapping[str, object], sequence: int | None) -> ControlMessage:
    fields = FoldedFields(params)
    session_id, endpoint = fields.text("session_id"), fields.text("rpc_endpoint")
    if session_id is None or endpoint is None:
        raise _Misfit("sessionCreated without session id or endpoint")
    return SessionCreated(session_id, endpoint, fields.text("task_id"), sequence)


def _session_attached(params: Mapping[str, object], sequence: int | None) -> ControlMessage:
    fields = FoldedFields(params)
    session_id = fields.text("session_id")
    if session_id is None:
        raise _Misfit("sessionAttached without session id")
    return SessionAttached(session_id, fields.text("rpc_endpoint"), fields.text("task_id"), sequence)


def _sessions_created(params: Mapping[str, object], _sequence: int | None) -> ControlMessage:
    fields = FoldedFields(params)
    return SessionsCreated(
        fields.text("control_session_id"),
        _text_list(fields.list("session_ids")),
        tuple(value if isinstance(value, str) else None for value in fields.list("task_ids")),
        _slot_list(fields.list("start_slots")),
        _slot_list(fields.list("end_slots")),
    )


def _parallel_attached(params: Mapping[str, object], _sequence: int | None) -> ControlMessage:
    fields = FoldedFields(params)
    return ParallelAttached(fields.text("control_session_id"), _text_list(fields.list("session_ids")))


_RESPONSES: dict[str, Callable[[Mapping[str, Any], Optional[int]], ControlMessage]] = {
    "sessioncreated": _session_created,
    "sessionattached": _session_attached,
    "sessionscreatedv2": _sessions_created,
    "sessionscreated": _sessions_created,
    "parallelsessionattachedv2": _parallel_attached,
}
