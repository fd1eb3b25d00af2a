"""Slot and ready events of sub-sessions, which make up nearly all of the traffic, decoded a block at a time.

They are expected in one spelling. If a message of a block has any other form, :func:`read` returns None and the
tolerant decoder (:mod:`~simsync.wire.control`) reads it, with the same result. With msgspec a block is decoded in one
call, straight into the fields that are needed; without it each message becomes a dictionary first.
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Callable, Optional, Union

from simsync.events import ReadyForContinue, Slot
from simsync.wire import json_codec
from simsync.wire.control_messages import SessionEvent
from simsync.wire.payloads import Block

READY = ReadyForContinue()
"""The event has no content, so one object serves all."""

_new = object.__new__
"""Makes a slot event, as nearly all events are, in half the time of calling its class."""


def read_dictionaries(block: Block) -> Optional[list[SessionEvent]]:
    """As :data:`read`, without msgspec."""
    found: list[SessionEvent] = []
    new = _new
    try:
        for message in json_codec.loads_all(block):
            if message["method"] != "sessionEventV2":
                return None
            fields = message["params"]
            session_id, sequence, event = fields["session_id"], fields["seq_id"], fields["event"]
            if type(sequence) is not int or type(session_id) is not str or not session_id:
                return None
            kind = event["method"]
            if kind == "slotNotification" and type(event["params"]) is int:
                slot = new(Slot)
                slot.slot = event["params"]
                found.append((session_id, sequence, slot))
            elif kind == "readyForContinue":
                found.append((session_id, sequence, READY))
            else:
                return None
    except (KeyError, TypeError, ValueError):
        return None
    return found


# guess: the usual form of slots and readies
read: Callable[[Block], Optional[list[SessionEvent]]] = read_dictionaries
"""The events of a block; None if a message has another form than an event is expected to have."""

with contextlib.suppress(ImportError):
    import msgspec

    # msgspec evaluates these annotations, on Python 3.9 too. Whole numbers beyond 64 bits are left to the tolerant
    # decoder, because the JSON libraries do not agree about them.
    _Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    _Name = Annotated[str, msgspec.Meta(min_length=1)]

    class _Slot(msgspec.Struct, gc=False, tag_field="method", tag="slotNotification"):
        params: _Whole

    class _Ready(msgspec.Struct, gc=False, tag_field="method", tag="readyForContinue"):
        pass

    class _Fields(msgspec.Struct, gc=False):
        session_id: _Name
        seq_id: _Whole
        event: Union[_Slot, _Ready]

    class _Message(msgspec.Struct, gc=False, tag_field="method", tag="sessionEventV2"):
        params: _Fields

    _decode_lines = msgspec.json.Decoder(_Message).decode_lines
    _ERRORS = (msgspec.MsgspecError, RecursionError)

    def read_structs(block: Block) -> Optional[list[SessionEvent]]:
        """As :data:`read`, with msgspec."""
        lines = block.lines()
        if lines is None:
            return None
        try:
            messages: list[Any] = _decode_lines(lines)
        except _ERRORS:
            return None
        if len(messages) != len(block):
            return None
        if type(messages[-1].params.event) is not _Slot:
            return _slots_and_readies(messages)
        slots: list[SessionEvent] = []
        append, new = slots.append, _new
        try:
            for message in messages:
                fields = message.params
                slot = new(Slot)
                slot.slot = fields.event.params
                append((fields.session_id, fields.seq_id, slot))
        except AttributeError:  # a ready event has no params
            return _slots_and_readies(messages)
        return slots

    def _slots_and_readies(messages: list[Any]) -> list[SessionEvent]:
        return [
            (fields.session_id, fields.seq_id, Slot(fields.event.params) if type(fields.event) is _Slot else READY)
            for fields in [message.params for message in messages]
        ]

    read = read_structs
