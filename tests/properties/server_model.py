"""Servers for the control conversations: they read raw messages, and write what is to be sent when they are told to.

A server does one small thing at a time, so that whoever plays with it chooses the order. Nothing in here uses the
client's code for reading or writing messages.
"""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .engine_model import Continue, Engine, Entry, Habits, new_engine
from .wire_pen import Pen


@dataclass(frozen=True)
class Frame:
    """A message on its way to the client.

    ``means``: what it is beside an event. ``created``, ``attached`` and ``resumed`` are steps of a handshake;
    ``refusal`` and ``no json`` cost a connection that is in its handshake; ``fatal`` ends everything.
    """

    text: bytes
    session_id: str = ""
    entry: Entry | None = None
    means: str = ""


@dataclass
class Link:
    """One connection. Messages are in order; what has not been read when it breaks is lost."""

    to_server: deque[bytes] = field(default_factory=deque)
    to_client: deque[Frame] = field(default_factory=deque)
    told: dict[str, int] = field(default_factory=dict)
    """Per session how much of its history has been sent."""

    said_again: dict[str, tuple[int, list[Entry]]] = field(default_factory=dict)
    """What has no number and is told on this connection alone, once so much of the history has been told."""

    replies: deque[Frame] = field(default_factory=deque)
    """Answers that wait to be sent."""

    answered: bool = False
    """The reply to the create or attach has been sent."""

    said: set[int] = field(default_factory=set)
    """Numbers of replies that were sent."""

    mute: bool = False


class Server(ABC):
    """What servers of both kinds of sessions have in common."""

    def __init__(self, pen: Pen, habits: Habits) -> None:
        self.pen = pen
        self.habits = habits
        self.engines: dict[str, Engine] = {}
        self.abandoned: list[Engine] = []
        self.link: Link | None = None
        self.refuse_next = False
        self.closed = False
        self.last_cursors: dict[str, int] = {}
        self.attempts = 0
        self.forgotten: dict[str, set[int]] = {}

    def accept(self) -> Link:
        self.link = Link()
        return self.link

    def hang_up(self) -> None:
        self.link = None

    @property
    def current(self) -> Link:
        assert self.link is not None
        return self.link

    def lets_work(self, _engine: Engine) -> bool:
        """Does this engine go on as things stand?"""
        return True

    def send_late_errors(self) -> None:
        """While closing nothing is an error any more."""
        self._send(Frame(self.pen.message("error", "sessionNotFound")))

    # Reading.

    def read_one(self) -> None:
        """Read the next message of the client and do what it asks for."""
        message = json.loads(self.current.to_server.popleft())
        params = message.get("params") or {}
        method = message["method"]
        if method == "createBacktestSession":
            self._begin_attempt()
            self._create(params)
        elif method in ("attachBacktestSession", "attachParallelControlSessionV2"):
            self._attach(params)
            for engine in self.engines.values():
                self._take_up(engine)
        elif method == "resumeAttachedSession":
            self._resume()
        elif method == "closeBacktestSession":
            self.closed = True
            self.current.replies.append(Frame(self.pen.message("success"), means="closed"))
        else:
            request = params.get("request", params)
            engine = self.engines.get(params.get("session_id", "")) or next(iter(self.engines.values()))
            engine.take(read_continue(request), refuse=self.refuse_next)
            self.refuse_next = False

    def _begin_attempt(self) -> None:
        self.abandoned.extend(self.engines.values())
        self.engines = {}
        self.attempts += 1

    def _take_up(self, engine: Engine) -> None:
        """A client has attached. Some servers repeat to it that the engine waits."""
        if not engine.waiting or engine.has_plans or self.habits.says_ready_again == "no":
            return
        status = {"status": "takenUp"}
        if self.habits.says_ready_again == "numbered":
            engine.say("status", status)
            engine.say("readyForContinue", None, again=True)
        else:
            said = [Entry(None, "status", status), Entry(None, "readyForContinue", None, again=True)]
            self.current.said_again[engine.session_id] = (len(engine.history), said)

    @abstractmethod
    def _create(self, params: dict[str, Any]) -> None: ...

    @abstractmethod
    def _attach(self, params: dict[str, Any]) -> None: ...

    def _resume(self) -> None:  # noqa: B027 (parallel sessions have none)
        pass

    @abstractmethod
    def _event_frame(self, engine: Engine, entry: Entry) -> Frame: ...

    # Writing.

    def _put_reply(self, frame: Frame) -> None:
        self.current.replies.append(frame)

    @property
    def has_replies(self) -> bool:
        return self.link is not None and bool(self.link.replies)

    def reply(self) -> None:
        """Send the next answer that waits."""
        link = self.current
        frame = link.replies.popleft()
        link.answered = link.answered or frame.means in ("created", "attached")
        if frame.entry is not None and frame.entry.number is not None:
            link.said.add(frame.entry.number)
        self._send(frame)

    def _send(self, frame: Frame) -> None:
        if not self.current.mute:
            self.current.to_client.append(frame)

    def can_tell(self, engine: Engine) -> bool:
        link = self.link
        if link is None or engine.session_id not in link.told:
            return False
        return link.told[engine.session_id] < len(engine.history) or bool(self._say_again_now(link, engine))

    def _say_again_now(self, link: Link, engine: Engine) -> list[Entry]:
        place, entries = link.said_again.get(engine.session_id, (0, []))
        return entries if link.told[engine.session_id] >= place else []

    def tell(self, engine: Engine) -> None:
        """Send the next entry of the history that this connection has not got."""
        link = self.current
        unnumbered = self._say_again_now(link, engine)
        if unnumbered:
            self._send(self._event_frame(engine, unnumbered.pop(0)))
            return
        entry = engine.history[link.told[engine.session_id]]
        link.told[engine.session_id] += 1
        if entry.number not in link.said:
            self._send(self._event_frame(engine, entry))

    def repeat(self, engine: Engine, entries: int) -> None:
        """Begin some entries before the present one again."""
        told = self.current.told
        if engine.session_id in told:
            told[engine.session_id] = max(0, told[engine.session_id] - entries)

    def begin_behind(self, engine: Engine, number: int | None) -> None:
        """This connection gets everything behind that number."""
        kept = engine.history
        self.current.told[engine.session_id] = (
            0 if number is None else sum(entry.number is not None and entry.number <= number for entry in kept)
        )

    def forget(self, engine: Engine, place: int) -> None:
        """Lose one of the last entries of the history, if it is one without which the session can go on."""
        told = 0 if self.link is None else self.link.told.get(engine.session_id, 0)
        kinds = ("status", "discoveryBatch", *(("slotNotification",) if engine.moved else ()))
        last = [entry for entry in engine.history[told:] if entry.kind in kinds and entry.number is not None][-place:]
        if last:
            number = last[0].number
            assert number is not None
            engine.history.remove(last[0])
            self.forgotten.setdefault(engine.session_id, set()).add(number)

    def refuse_connection(self, error: Any, means: str) -> None:
        """Answer the create or the attach with an error, and nothing more on this connection."""
        link = self.current
        link.replies.clear()
        link.told.clear()
        self._send(Frame(self.pen.message("error", error), means=means))
        link.mute = True

    def send_junk(self, choice: int) -> None:
        """Something that is no event of a session, and makes no difference."""
        if self.link is None or self.link.mute:
            return
        harmless = [
            self.pen.message("sessionFlavour", {"x": 1}),
            self.pen.message("sessionEventV2", {"session_id": "backtest_x", "seq_id": 4, "event": "readyForContinue"}),
            self.pen.message("sessionEventV2", {"event": "readyForContinue"}),
            b"[]",
            b'"readyForContinue"',
            b'{"params":{}}',
            self.pen.message("slotNotification", {"slot": "3"}) if isinstance(self, ParallelServer) else b"{}",
        ]
        if choice < len(harmless):
            self._send(Frame(harmless[choice]))
        else:
            self._send(Frame([b"<html>", b"\xff\xfe{}"][choice % 2], means="no json"))


class ParallelServer(Server):
    """One connection, several sub-sessions."""

    control_id = ""

    def __init__(self, pen: Pen, habits: Habits, ranges: Sequence[tuple[int, int]]) -> None:
        super().__init__(pen, habits)
        self._ranges = ranges

    def _create(self, params: dict[str, Any]) -> None:
        assert params["parallel"] is True
        attempt = self.attempts
        self.control_id = f"parallel_{attempt}"
        ids = [f"backtest_{attempt}_{index}" for index in range(len(self._ranges))]
        for session_id, (start, end) in zip(ids, self._ranges):
            engine = self.engines[session_id] = new_engine(session_id, start, end, self.habits)
            self.begin_behind(engine, None)
            self._put_reply(Frame(self.pen.message("status", {"status": "preparingBundle"})))
            self._put_reply(Frame(self.pen.session_created(session_id)))
        self._put_reply(Frame(self.pen.sessions_created(self.control_id, ids, self._ranges), means="created"))

    def _attach(self, params: dict[str, Any]) -> None:
        assert params["control_session_id"] == self.control_id
        self.last_cursors = cursors = params["last_sequences"]
        for engine in self.engines.values():
            self.begin_behind(engine, cursors.get(engine.session_id))
        self._put_reply(Frame(self.pen.parallel_attached(self.control_id, list(self.engines)), means="attached"))

    def _event_frame(self, engine: Engine, entry: Entry) -> Frame:
        return Frame(self.pen.session_event(engine.session_id, entry), engine.session_id, entry)


class SingleServer(Server):
    """One session, whose messages are numbered together with the answers, if those are numbered at all."""

    def __init__(
        self, pen: Pen, habits: Habits, span: tuple[int, int], numbered_replies: str, answers_resume: bool = True
    ) -> None:
        super().__init__(pen, habits)
        self._span = span
        self._numbered_replies = numbered_replies
        self._answers_resume = answers_resume

    @property
    def loses_numbers(self) -> bool:
        """Numbers of answers that were lost on the line never come, which looks as if events were missing."""
        return self._numbered_replies == "unkept"

    @property
    def engine(self) -> Engine:
        return next(iter(self.engines.values()))

    def _numbered(self, kind: str) -> Entry:
        """An answer: ``kept`` in the history like an event, ``unkept``, or with no number at all."""
        number = None if self._numbered_replies == "none" else self.engine.next_number()
        entry = Entry(number, kind, None)
        if self._numbered_replies == "kept":
            self.engine.history.append(entry)
        return entry

    def _create(self, params: dict[str, Any]) -> None:
        assert "parallel" not in params
        session_id = f"backtest_{self.attempts}"
        engine = self.engines[session_id] = new_engine(session_id, *self._span, self.habits)
        self.begin_behind(engine, None)
        self._answer("sessionCreated")

    def _attach(self, params: dict[str, Any]) -> None:
        assert params["session_id"] == self.engine.session_id
        cursor = params.get("last_sequence")
        self.last_cursors = {} if cursor is None else {self.engine.session_id: cursor}
        self.begin_behind(self.engine, cursor)
        self._answer("sessionAttached")

    def _resume(self) -> None:
        if self._answers_resume:
            self._answer("success")

    def _answer(self, kind: str) -> None:
        self._put_reply(self._event_frame(self.engine, self._numbered(kind)))

    def _event_frame(self, engine: Engine, entry: Entry) -> Frame:
        if entry.kind == "sessionCreated":
            text, means = self.pen.session_created(engine.session_id, entry.number), "created"
        elif entry.kind == "sessionAttached":
            text, means = self.pen.attached(engine.session_id, entry.number), "attached"
        else:
            text, means = self.pen.own_event(entry), "resumed" if entry.kind == "success" else ""
        return Frame(text, engine.session_id, entry, means)


def read_continue(request: dict[str, Any]) -> Continue:
    if "advanceCount" in request:
        (transaction,) = request["transactions"]
        return Continue(base64.b64decode(transaction).decode(), request["advanceCount"])
    slot, batch = request["slot"], request.get("batchIndex")
    return Continue(f"to {slot}/{batch}", slot=slot, batch_index=batch)
