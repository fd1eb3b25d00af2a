"""The records of a capture, sorted into control connections, subscriptions, HTTP exchanges and notes of the probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Optional

from simsync.doctor.capture import Record
from simsync.doctor.fields import entries, field, fold, folded, number, text

_EVENTS = folded("readyForContinue slotNotification paused discoveryBatch status completed error")
_ANSWERS = ("sessionCreated", "sessionAttached", "parallelSessionAttachedV2", "success", "error")
_TAGS = ("type", "kind", "code", "method", "error")
_CONTENTS = ("params", "data", "content")

Rows = Sequence[tuple[int, Record]]
"""The records of one connection with their places in the capture."""


@dataclass(frozen=True, eq=False)
class Message:
    """A control message, or the event inside a ``sessionEventV2``.

    ``place`` is the index in the capture and ``method`` is folded. ``form`` says how an event was written: ``plain``
    (at the top level), ``tagged``, ``external`` or ``other``.
    """

    control: Control
    place: int
    method: str
    params: object
    raw: Any
    frame: str
    form: str = "plain"

    @property
    def sequence(self) -> int | None:
        return number(self.raw, "seqId")

    def replies(self, *methods: str) -> list[Message]:
        """The messages with one of these methods that came after this one."""
        return [one for one in self.control.replies(*methods) if one.place > self.place]

    @property
    def answer(self) -> Message | None:
        """The first message after this one that is an answer and not an event."""
        return next(iter(self.replies(*_ANSWERS)), None)

    @property
    def events(self) -> list[Message]:
        """The events after this message."""
        return [one for one in self.control.events if one.place > self.place]

    @property
    def own_events(self) -> list[Message]:
        """The events between this request and the next one."""
        end = next((one.place for one in self.control.sent if one.place > self.place), None)
        return [one for one in self.events if end is None or one.place < end]


class Control:
    """One control connection."""

    def __init__(self, rows: Rows) -> None:
        self.sent: list[Message] = []
        self.received: list[Message] = []
        self.closed = any(record.kind == "close" for _place, record in rows)
        for place, record in rows:
            method, params = text(record.message, "method"), field(record.message, "params")
            if method is not None and record.kind in ("text", "binary"):
                side = self.sent if record.direction == "sent" else self.received
                side.append(Message(self, place, fold(method), params, record.message, record.kind))
        self.events = [event for message in self.received for event in self._event(message)]
        self.create = next(iter(self.requests("createBacktestSession")), None)
        self.created = next(iter(self.replies("sessionCreated")), None)
        split = self.create is not None and bool(field(self.create.params, "parallel"))
        self.is_single = self.create is not None and not split
        self.is_parallel = split or bool(self.requests("attachParallelControlSessionV2"))

    def _event(self, message: Message) -> Iterator[Message]:
        if message.method in _EVENTS:
            yield message
        elif message.method in ("sessioneventv2", "sessioneventv1"):
            method, params, form = _inner(field(message.params, "event"))
            yield Message(self, message.place, method, params, message.params, message.frame, form)

    def requests(self, *methods: str) -> list[Message]:
        return [one for one in self.sent if one.method in map(fold, methods)]

    def replies(self, *methods: str) -> list[Message]:
        return [one for one in self.received if one.method in map(fold, methods)]

    @property
    def completed(self) -> bool:
        return any(event.method == "completed" for event in self.events)

    @property
    def slots(self) -> list[int]:
        """The slots that were notified."""
        params = [event.params for event in self.events if event.method == "slotnotification"]
        return [one for one in params if isinstance(one, int) and not isinstance(one, bool)]


def _inner(event: object) -> tuple[str, object, str]:
    if isinstance(event, str):
        return fold(event), None, "external"
    tag = text(event, "method")
    if tag is not None:
        return fold(tag), field(event, "params"), "tagged"
    if isinstance(event, dict) and len(event) == 1:
        ((key, params),) = event.items()
        return fold(key), params, "external"
    return "", event, "other"


def error_name(raw: object) -> str:
    return read_error(raw)[0]


def read_error(raw: object) -> tuple[str, str]:
    """The name of an error, and its form: ``external``, ``tagged`` or ``other``."""
    if isinstance(raw, str):
        return raw, "external"
    for tag in _TAGS:
        name = text(raw, tag)
        # {"error": "..."} alone is one key with its content, not a tag.
        if name is not None and (tag != "error" or any(field(raw, one) is not None for one in _CONTENTS)):
            return name, "tagged"
    return (str(next(iter(raw))), "external") if isinstance(raw, dict) and len(raw) == 1 else ("", "other")


@dataclass
class Subscribe:
    """One subscribe request with its answer and its notifications."""

    session: str
    method: str
    filter: object
    config: object
    answer: object = None
    answer_place: int = -1
    answer_kind: str = ""
    notifications: list[tuple[int, Record]] = dataclass_field(default_factory=list)
    closed: bool = False
    closed_with: Optional[int] = None

    @property
    def number(self) -> object:
        return field(self.answer, "result")

    @property
    def accepted(self) -> bool:
        return self.number is not None

    @property
    def refusal(self) -> str | None:
        """The reason that the server gave; None if it did not refuse."""
        error = field(self.answer, "error")
        if error is None:
            return None
        return str((field(error, "message") if isinstance(error, dict) else error) or "no reason given")

    @property
    def results(self) -> list[tuple[str, object]]:
        """The method and the result of each notification."""
        messages = [record.message for _place, record in self.notifications]
        return [(str(field(message, "method")), field(message, "params", "result")) for message in messages]


def _subscribes(rows: Rows) -> list[Subscribe]:
    found: dict[str, Subscribe] = {}
    for place, record in rows:
        message, method = record.message, text(record.message, "method")
        request_id = repr(field(message, "id"))
        if record.kind == "close":
            for one in found.values():
                one.closed, one.closed_with = True, record.status
        elif record.direction == "sent" and method is not None:
            wanted, config = (*entries(message, "params"), None, None)[:2]
            found[request_id] = Subscribe(record.url.rsplit("/", 1)[-1], method, wanted, config)
        elif request_id in found and method is None and field(message, "id") is not None:
            one = found[request_id]
            one.answer, one.answer_place, one.answer_kind = message, place, record.kind
    # A notification may come before the answer that says which subscription it belongs to.
    for place, record in rows:
        if record.direction == "received" and text(record.message, "method") is not None:
            subscription = field(record.message, "params", "subscription")
            for one in found.values():
                if subscription is None or (one.accepted and one.number == subscription):
                    one.notifications.append((place, record))
    return list(found.values())


@dataclass(frozen=True)
class Exchange:
    """One HTTP request and its answer. ``path`` begins after the host and has no query; ``call``: the RPC method."""

    method: str
    url: str
    request: object
    status: Optional[int]
    reply: object

    @property
    def path(self) -> str:
        return "/" + self.url.split("://", 1)[-1].partition("/")[2].partition("?")[0]

    @property
    def call(self) -> str | None:
        return text(self.request, "method")


class Capture:
    """Everything that the observations look at."""

    def __init__(self, records: Sequence[Record]) -> None:
        planes: dict[str, dict[int, list[tuple[int, Record]]]] = {"control": {}, "data": {}, "http": {}}
        for place, record in enumerate(records):
            planes.setdefault(record.plane, {}).setdefault(record.connection, []).append((place, record))
        self.records = records
        self.controls = [Control(rows) for rows in planes["control"].values()]
        self.subscribes = [one for rows in planes["data"].values() for one in _subscribes(rows)]
        pairs = [(rows[0][1], rows[1][1]) for rows in planes["http"].values() if len(rows) == 2]
        self.exchanges = [Exchange(one.kind, one.url, one.message, to.status, to.message) for one, to in pairs]
        notes = [(record.kind, record.text or "") for record in records if record.plane == "probe"]
        self.steps = {text for kind, text in notes if kind == "step"}
        self.failures = dict(text.split(": ", 1) for kind, text in notes if kind == "failed" and ": " in text)

    def requests(self, *methods: str) -> list[Message]:
        return [request for control in self.controls for request in control.requests(*methods)]

    def replies(self, *methods: str) -> list[Message]:
        return [reply for control in self.controls for reply in control.replies(*methods)]

    def events(self, method: str) -> list[Message]:
        return [event for control in self.controls for event in control.events if event.method == fold(method)]

    @property
    def received(self) -> list[Message]:
        """All control messages from the server."""
        return [message for control in self.controls for message in control.received]

    def creates_with(self, key: str) -> list[tuple[Message, list[object]]]:
        """The requests for a single session with entries under this key, and these entries."""
        asked = [one.create for one in self.controls if one.is_single and one.create is not None]
        return [(create, values) for create in asked if (values := entries(create.params, key))]

    @property
    def accepted(self) -> list[Subscribe]:
        return [one for one in self.subscribes if one.accepted]

    def subscribed(self, method: str) -> list[Subscribe]:
        return [one for one in self.subscribes if one.method == method]

    def shows_block(self, slot: int) -> bool:
        """Whether a transaction of this slot was received."""
        results = (result for one in self.subscribed("transactionSubscribe") for _method, result in one.results)
        return any(field(result, "slot") == slot for result in results)

    def services(self, path: str) -> list[Exchange]:
        return [one for one in self.exchanges if one.path == path]

    def calls(self, method: str) -> list[Exchange]:
        return [one for one in self.exchanges if one.call == method]
