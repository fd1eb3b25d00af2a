"""The first continue, of any sub-session, starts the whole stream, as fast as the client takes it."""

from __future__ import annotations

from benchmarks.server.connection import Connection, ControlConnection
from benchmarks.stream import Stream
from benchmarks.traffic import Plan


class Flood:
    """Later continues change nothing. The stream goes out with one send for each chunk; between two, pings are
    answered."""

    def __init__(self, events: int, sessions: int) -> None:
        plan = Plan(events, sessions)
        self._created = plan.created()
        self._stream = plan.stream()
        self.serves = Stream(events=events, sessions=sessions, size=sum(map(len, self._stream)))

    def serve(self, connection: Connection) -> None:
        control = ControlConnection(connection, self._created)
        control.wait_for_continue()
        for chunk in self._stream:
            control.send(chunk)
            control.continues(wait=False)
        control.serve_until_gone()
