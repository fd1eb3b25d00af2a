"""Each continue is answered at once: with the slots of its blocks, then a ready, or ``completed`` if it is the last."""

from __future__ import annotations

import re

from benchmarks.server.connection import Connection, ControlConnection
from benchmarks.stream import Stream
from benchmarks.traffic import Plan

_SESSION_ID = re.compile(rb'"session_?[iI]d"\s*:\s*"([^"]+)"')


class ClosedLoop:
    """``events`` blocks in all. The answers to what one read brings go out in one send.

    ``slots``: blocks of a continue, each with its slot event; 0 for continues of one block without a slot event.
    """

    def __init__(self, events: int, sessions: int, slots: int = 0) -> None:
        plan = Plan(events, sessions)
        advance = max(1, slots)
        self._created = plan.created()
        self._answers = {
            session_id.encode(): list(plan.answers(number, count // advance, slots))
            for number, (session_id, count) in enumerate(zip(plan.ids, plan.counts))
        }
        size = sum(len(answer) for answers in self._answers.values() for answer in answers)
        self.serves = Stream(events=events, sessions=sessions, size=size, advance=advance)

    def serve(self, connection: Connection) -> None:
        control = ControlConnection(connection, self._created)
        left = {session_id: iter(answers) for session_id, answers in self._answers.items()}
        while True:
            found = (_SESSION_ID.search(text) for text in control.continues())
            answers = [next(left[match.group(1)]) for match in found if match is not None]
            if answers:
                control.send(b"".join(answers))
