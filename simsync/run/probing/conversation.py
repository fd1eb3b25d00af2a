"""The records of a capture as conversations: control connections, subscriptions, HTTP exchanges, notes of the probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property
from typing import Any, Optional

from simsync.run.probing.capture import Record
from simsync.run.probing.fields import entries, field, fold, number, text

_EVENTS = ("readyforcontinue", "slotnotification", "paused", "discoverybatch", "status", "completed")
_TAGS = ("type", "kind", "code", "method", "error")
_CONTENTS = ("params", "data", "content")


@dataclass(frozen=True)
class Message:
    """A control message with its place in the capture; ``method`` is folded."""

    place: int
    method: str
    params: Any
    raw: Any
    kind: str

    @property
    def sequence(self) -> int | None:
        return number(self.raw, "seqId")


@dataclass(frozen=True)
class Event:
    """Something that a session told: at the top level, or inside ``sessionEventV2``.

    ``form``: ``plain`` (top level), ``tagged``, ``external`` or ``other``. ``session`` is None at the top level.
    """

    place: int
    kind: str
    payload: Any
    session: Optional[str]
    sequence: Optional[int]
    form: str


class Control:
    """One control connection."""

    def __init__(self, number: int, rows: Sequence[tuple[int, Record]]) -> None:
        self.number = number
        self.sent: list[Message] = []
        self.received: list[Message] = []
        self.ended_at: int | None = None
        for place, record in rows:
            if record.kind == "close":
                self.ended_at = place
            if record.kind not in ("text", "binary") or not isinstance(record.message, dict):
                continue
            method = field(record.message, "method")
            if isinstance(method, str):
                side = self.sent if record.direction == "sent" else self.received
                params = field(record.message, "params")
                side.append(Message(place, fold(method), params, record.message, record.kind))

    def requests(self, method: str) -> list[Message]:
        return [message for message in self.sent if message.method == fold(method)]

    def replies(self, method: str, after: int = -1) -> list[Message]:
        return [message for message in self.received if message.method == fold(method) and message.place > after]

    @property
    def create(self) -> Message | None:
        return next(iter(self.requests("createBacktestSession")), None)

    @property
    def created(self) -> Message | None:
        return next(iter(self.replies("sessionCreated")), None)

    @property
    def notified(self) -> list[int]:
        """The slots of which it was told."""
        payloads = [event.payload for event in self.events if event.kind == "slotnotification"]
        return [one for one in payloads if isinstance(one, int) and not isinstance(one, bool)]

    @cached_property
    def events(self) -> list[Event]:
        return [event for message in self.received for event in _event(message)]

    def answer(self, place: int) -> Message | None:
        """The first message behind a place that is an answer and no event."""
        answers = ("sessioncreated", "sessionattached", "parallelsessionattachedv2", "success", "error")
        return next((one for one in self.received if one.place > place and one.method in answers), None)


def _event(message: Message) -> Iterator[Event]:
    if message.method in _EVENTS or message.method == "error":
        yield Event(message.place, message.method, message.params, None, message.sequence, "plain")
    elif message.method in ("sessioneventv2", "sessioneventv1"):
        session, sequence = text(message.params, "sessionId"), number(message.params, "seqId")
        kind, payload, form = _inner(field(message.params, "event"))
        yield Event(message.place, kind, payload, session, sequence, form)


def _inner(event: Any) -> tuple[str, Any, str]:
    if isinstance(event, str):
        return fold(event), None, "external"
    if isinstance(event, dict) and isinstance(field(event, "method"), str):
        return fold(field(event, "method")), field(event, "params"), "tagged"
    if isinstance(event, dict) and len(event) == 1:
        ((kind, payload),) = event.items()
        return fold(kind), payload, "external"
    return "", event, "other"


def error_name(raw: Any) -> tuple[str, str]:
    """The name of an error, and its form: ``external``, ``tagged`` or ``other``."""
    if isinstance(raw, str):
        return raw, "external"
    if isinstance(raw, dict):
        for tag in _TAGS:
            name = field(raw, tag)
            beside = any(field(raw, one) is not None for one in _CONTENTS)
            if isinstance(name, str) and (tag != "error" or beside):
                return name, "tagged"
        if len(raw) == 1:
            return str(next(iter(raw))), "external"
    return "", "other"


@dataclass
class Subscribe:
    """One subscribe request and what became of it."""

    place: int
    connection: int
    session: str
    method: str
    filter: Any
    config: Any
    answer: Any = None
    answer_place: int | None = None
    answer_kind: str = ""
    notifications: list[tuple[int, Record]] = dataclass_field(default_factory=list)
    closed_with: int | None = None
    closed_at: int | None = None

    @property
    def number(self) -> Any:
        return field(self.answer, "result")

    @property
    def accepted(self) -> bool:
        return self.number is not None

    @property
    def refusal(self) -> str | None:
        """The server's words, None without a refusal."""
        error = field(self.answer, "error")
        if error is None:
            return None
        words = field(error, "message") if isinstance(error, dict) else error
        return str(words or "no reason given")

    @property
    def results(self) -> list[tuple[str, Any]]:
        """Method and result of each notification."""
        return [
            (str(field(record.message, "method")), field(record.message, "params", "result"))
            for _place, record in self.notifications
        ]


@dataclass(frozen=True)
class Exchange:
    """One HTTP request and its answer. ``path`` begins behind the host and has no query."""

    method: str
    path: str
    url: str
    request: Any
    status: Optional[int]
    reply: Any
    text: Optional[str]

    @property
    def call(self) -> str:
        """The method of an RPC call; empty for services."""
        name = field(self.request, "method")
        return name if isinstance(name, str) else ""


class Capture:
    """Everything that the observations look at."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        rows: dict[tuple[str, int], list[tuple[int, Record]]] = {}
        for place, record in enumerate(records):
            rows.setdefault((record.plane, record.connection), []).append((place, record))
        self.controls = [Control(number, some) for (plane, number), some in rows.items() if plane == "control"]
        self.subscribes = [
            one for (plane, number), some in rows.items() if plane == "data" for one in _subscribes(number, some)
        ]
        self.exchanges = [one for (plane, _number), some in rows.items() if plane == "http" for one in _exchange(some)]
        self.failures = {}
        for record in records:
            if record.plane == "probe" and record.kind == "failed" and record.text:
                step, _, reason = record.text.partition(": ")
                self.failures[step] = reason

    def reached(self, step: str) -> bool:
        return any(one.plane == "probe" and one.kind == "step" and one.text == step for one in self.records)

    @property
    def singles(self) -> list[Control]:
        """The connections on which a single session was asked for."""
        return [one for one in self.controls if one.create is not None and not field(one.create.params, "parallel")]

    @property
    def parallels(self) -> list[Control]:
        """Those of parallel sessions, made or attached to."""
        return [
            one
            for one in self.controls
            if (one.create is not None and field(one.create.params, "parallel"))
            or one.requests("attachParallelControlSessionV2")
        ]

    def events(self, kind: str) -> list[Event]:
        return [event for control in self.controls for event in control.events if event.kind == fold(kind)]

    def control_of(self, session: str) -> Control | None:
        """The connection on which a session was created."""
        for control in self.controls:
            if any(field(message.params, "sessionId") == session for message in control.replies("sessionCreated")):
                return control
        return None

    def shows_block(self, slot: int) -> bool:
        """Did a transaction of this slot come?"""
        results = (result for one in self.subscribed("transactionSubscribe") for _method, result in one.results)
        return any(field(result, "slot") == slot for result in results)

    def subscribed(self, method: str) -> list[Subscribe]:
        return [one for one in self.subscribes if one.method == method]

    def services(self, path: str) -> list[Exchange]:
        return [one for one in self.exchanges if one.path == path]

    def calls(self, method: str) -> list[Exchange]:
        return [one for one in self.exchanges if one.call == method]


def _subscribes(connection: int, rows: Sequence[tuple[int, Record]]) -> list[Subscribe]:
    found: dict[Any, Subscribe] = {}
    for place, record in rows:
        message = record.message
        if record.kind == "close":
            for one in found.values():
                one.closed_with, one.closed_at = record.status, place
        elif record.direction == "sent" and isinstance(field(message, "method"), str):
            params = entries(message, "params")
            session = record.url.rsplit("/", 1)[-1]
            wanted, config = (*params, None, None)[:2]
            method = text(message, "method") or ""
            found[_id(message)] = Subscribe(place, connection, session, method, wanted, config)
        elif field(message, "id") is not None and not isinstance(field(message, "method"), str):
            one_answered = found.get(_id(message))
            if one_answered is not None:
                one_answered.answer, one_answered.answer_place = message, place
                one_answered.answer_kind = record.kind
    for place, record in rows:
        subscription = field(record.message, "params", "subscription")
        if record.direction == "received" and isinstance(field(record.message, "method"), str):
            for one in found.values():
                if (one.number == subscription and one.accepted) or subscription is None:
                    one.notifications.append((place, record))
    return list(found.values())


def _id(message: Any) -> str:
    return repr(field(message, "id"))


def _exchange(rows: Sequence[tuple[int, Record]]) -> Iterator[Exchange]:
    if len(rows) != 2:
        return
    (_, request), (_, reply) = rows
    path = "/" + request.url.split("://", 1)[-1].partition("/")[2].partition("?")[0]
    yield Exchange(request.kind, path, request.url, request.message, reply.status, reply.message, reply.text)
