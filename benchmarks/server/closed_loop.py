"""Each continue is answered at once with a ready, the last one of each sub-session with ``completed``."""

from __future__ import annotations

import re

from benchmarks.server.connection import Connection, ControlConnection
from benchmarks.stream import Stream
from benchmarks.traffic import Plan

_SESSION_ID = re.compile(rb'"session_?[iI]d"\s*:\s*"([^"]+)"')


class ClosedLoop:
    """``events`` trips in all. The answers to what one read brings go out in one send."""

    def __init__(self, events: int, sessions: int) -> None:
        plan = Plan(events, sessions)
        self._created = plan.created()
        self._answers = {
            session_id.encode(): [
                *(plan.ready(number, sequence) for sequence in range(2, count + 1)),
                plan.completed(number, count + 1),
            ]
            for number, (session_id, count) in enumerate(zip(plan.ids, plan.counts))
        }
        size = sum(len(answer) for answers in self._answers.values() for answer in answers)
        self.serves = Stream(events=events, sessions=sessions, size=size)

    def serve(self, connection: Connection) -> None:
        control = ControlConnection(connection, self._created)
        left = {session_id: iter(answers) for session_id, answers in self._answers.items()}
        while True:
            found = (_SESSION_ID.search(text) for text in control.continues())
            answers = [next(left[match.group(1)]) for match in found if match is not None]
            if answers:
                control.send(b"".join(answers))
