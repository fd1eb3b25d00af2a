"""Session events in bulk: the two kinds that make up nearly all of the traffic, many messages at a time.

A server spells its keys in one way, so the spelling is learned from its first messages and then expected. Whatever
does not fit exactly is left to the tolerant decoder, with the same result. With msgspec a block of messages is decoded
in one call, straight into the two fields that matter; without it each message becomes a dictionary first.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Callable, NamedTuple, Optional, Union

from simsync.events import ReadyForContinue
from simsync.wire import json_codec
from simsync.wire.frame_run import FrameRun
from simsync.wire.spelling import fold

try:
    import msgspec
except ImportError:
    msgspec = None  # type: ignore[assignment]

READY = ReadyForContinue()
"""The event carries nothing, so one object serves all."""

BLOCK = 64
"""Messages that are decoded in one call. One that does not fit costs its block the quick way."""

_LEARNING = 8
"""Spellings that are tried for one connection, so that a server that mixes them costs nothing but the quick way."""

_first, _last = operator.itemgetter(0), operator.itemgetter(-1)
_OPENING, _CLOSING = {ord("{")}, {ord("}")}
"""Bytes with which each message begins and ends that may be decoded together with others, see :class:`FrameRun`."""

QuickEvent = tuple[str, int, Union[int, ReadyForContinue]]
"""Session id, sequence number, event; see :data:`~simsync.wire.control_messages.SessionEvent`."""


class Spelling(NamedTuple):
    """The names of one server. ``tagged``: an event is an object with method and params, not one key or a text."""

    method: str = "method"
    params: str = "params"
    session_event: str = "sessionEventV2"
    session_id: str = "session_id"
    sequence: str = "seq_id"
    event: str = "event"
    event_method: str = "method"
    event_params: str = "params"
    slot: str = "slotNotification"
    ready: str = "readyForContinue"
    tagged: bool = True


Block = Callable[[Sequence[bytes]], "list[QuickEvent] | None"]
"""The events of a block; None when any message of it is of another form."""

Run = Callable[[FrameRun], "list[QuickEvent] | None"]


class QuickEvents:
    """For one connection after the other; for one thread."""

    def __init__(self) -> None:
        self._spelling = Spelling()
        self._known = {self._spelling}
        self._read, self._read_run = _reader(self._spelling)

    def read(self, block: Sequence[bytes]) -> list[QuickEvent] | None:
        """The events of a block of messages; None when any of them is of another form."""
        return self._read(block)

    def read_run(self, run: FrameRun) -> list[QuickEvent] | None:
        """As :meth:`read`, of frames that were not cut up."""
        return self._read_run(run)

    def learn(self, message: Any) -> None:
        """Take on the spelling of a decoded message that did not fit, if it is one of the two kinds of events."""
        if len(self._known) < _LEARNING:
            found = _spelling_of(message, self._spelling)
            if found is not None and found not in self._known:
                self._known.add(found)
                self._spelling = found
                self._read, self._read_run = _reader(found)


def _spelling_of(message: Any, known: Spelling) -> Spelling | None:
    """None when it is no plain event of a session. What it does not show stays as it is known."""
    outer = _names(message, ("method", "params"))
    if len(outer) != 2:
        return None
    method, params = message[outer["method"]], message[outer["params"]]
    inner = _names(params, ("session_id", "seq_id", "event"))
    if not isinstance(method, str) or fold(method) not in ("sessioneventv2", "sessioneventv1") or len(inner) != 3:
        return None
    event = params[inner["event"]]
    tag = _names(event, ("method", "params"))
    kind = event[tag["method"]] if "method" in tag else event
    if isinstance(kind, Mapping) and len(kind) == 1:
        (kind,) = kind
    name = fold(kind) if isinstance(kind, str) else None
    if name not in ("slotnotification", "readyforcontinue"):
        return None
    found = known._replace(
        method=outer["method"],
        params=outer["params"],
        session_event=method,
        session_id=inner["session_id"],
        sequence=inner["seq_id"],
        event=inner["event"],
        event_method=tag.get("method", known.event_method),
        event_params=tag.get("params", known.event_params),
        tagged="method" in tag,
    )
    return found._replace(slot=kind) if name == "slotnotification" else found._replace(ready=kind)


def _names(source: Any, wanted: tuple[str, ...]) -> dict[str, str]:
    """Wanted name → the only key that stands for it."""
    found: dict[str, str] = {}
    if isinstance(source, Mapping):
        for name in wanted:
            keys = [key for key in source if fold(key) == name.replace("_", "")]
            if len(keys) == 1:
                found[name] = keys[0]
    return found


def _reader(spelling: Spelling) -> tuple[Block, Run]:
    return _by_dictionaries(spelling) if msgspec is None else _by_types(spelling)


def _by_dictionaries(names: Spelling) -> tuple[Block, Run]:
    loads = json_codec.loads
    by_the_standard_library = loads is json_codec.loads_with_standard_library
    method, params, event_key = names.method, names.params, names.event
    id_key, sequence_key = names.session_id, names.sequence
    session_event, slot_kind, ready_kind = names.session_event, names.slot, names.ready
    event_method, event_params, tagged = names.event_method, names.event_params, names.tagged

    def read(block: Iterable[bytes]) -> list[QuickEvent] | None:
        try:
            return events([loads(payload) for payload in block])
        except ValueError:
            return None

    def read_run(run: FrameRun) -> list[QuickEvent] | None:
        if not by_the_standard_library:
            return read(run)
        lines = run.lines()
        if lines is None:
            return None
        try:
            return events(json_codec.loads_evenly(lines.decode("ascii"), run.header, run.stride))
        except ValueError:
            return None

    def events(messages: list[Any]) -> list[QuickEvent] | None:
        found: list[QuickEvent] = []
        try:
            for message in messages:
                if message[method] != session_event:
                    return None
                fields = message[params]
                event, sequence, session_id = fields[event_key], fields[sequence_key], fields[id_key]
                if type(sequence) is not int or type(session_id) is not str:
                    return None
                if tagged:
                    kind = event[event_method]
                    slot = event[event_params] if kind == slot_kind else None
                elif type(event) is str:
                    kind, slot = event, None
                else:
                    ((kind, slot),) = event.items()
                if kind == slot_kind and type(slot) is int:
                    found.append((session_id, sequence, slot))
                elif kind == ready_kind and (tagged or type(event) is str):
                    found.append((session_id, sequence, READY))
                else:
                    return None
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        return found

    return read, read_run


@functools.lru_cache(maxsize=_LEARNING)  # a type that was made with msgspec stays for ever
def _types(names: Spelling) -> tuple[Any, Any]:
    """Of a message and of the event of a slot."""
    # What does not fit 64 bits is read differently by the JSON libraries, so it is left to the tolerant way.
    whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

    def struct(name: str, fields: list[Any], **options: Any) -> Any:
        return msgspec.defstruct(name, fields, gc=False, **options)

    if names.tagged:
        ready = struct("Ready", [], tag_field=names.event_method, tag=names.ready)
        slot = struct(
            "SlotSeen",
            [("slot", whole)],
            tag_field=names.event_method,
            tag=names.slot,
            rename={"slot": names.event_params},
        )
        event: Any = Union[slot, ready]
    else:
        slot = struct("SlotSeen", [("slot", whole)], rename={"slot": names.slot}, forbid_unknown_fields=True)
        event = Union[slot, str]
    fields = struct(
        "Fields",
        [("session_id", str), ("sequence", whole), ("event", event)],
        rename={"session_id": names.session_id, "sequence": names.sequence, "event": names.event},
    )
    message = struct(
        "Message",
        [("fields", fields)],
        tag_field=names.method,
        tag=names.session_event,
        rename={"fields": names.params},
    )
    return message, slot


def _by_types(names: Spelling) -> tuple[Block, Run]:
    message, slot = _types(names)
    decode_lines = msgspec.json.Decoder(message).decode_lines
    tagged, ready_kind = names.tagged, names.ready

    def read(block: Sequence[bytes]) -> Optional[list[QuickEvent]]:
        try:
            objects = {*map(_first, block)} == _OPENING and {*map(_last, block)} == _CLOSING
        except IndexError:  # an empty one
            return None
        lines = b"\n".join(block)
        # Text that is not ASCII may be no text at all, which only a complete decoding sees.
        return decode(lines, len(block)) if objects and lines.isascii() else None

    def read_run(run: FrameRun) -> Optional[list[QuickEvent]]:
        lines = run.lines()
        return None if lines is None else decode(lines, run.count)

    def decode(lines: Union[bytes, bytearray], count: int) -> Optional[list[QuickEvent]]:
        try:
            messages = decode_lines(lines)
        except (msgspec.MsgspecError, RecursionError):
            return None
        if len(messages) != count:
            return None
        try:
            return [
                (fields.session_id, fields.sequence, fields.event.slot) for one in messages for fields in (one.fields,)
            ]
        except AttributeError:  # not slots only
            return _mixed(messages)

    def _mixed(messages: list[Any]) -> Optional[list[QuickEvent]]:
        found: list[QuickEvent] = []
        for one in messages:
            fields = one.fields
            event = fields.event
            if type(event) is slot:
                found.append((fields.session_id, fields.sequence, event.slot))
            elif tagged or event == ready_kind:
                found.append((fields.session_id, fields.sequence, READY))
            else:
                return None
        return found

    return read, read_run
