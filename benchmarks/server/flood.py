"""The first continue, of any sub-session, starts the whole stream, as fast as the client takes it.

Data connections are quiet: their subscribe is acknowledged, and they end with control.
"""

from __future__ import annotations

import threading

from benchmarks import traffic, transactions
from benchmarks.server.connection import Connection, ControlConnection, DataConnection
from benchmarks.stream import Stream
from benchmarks.traffic import Plan


class Flood:
    """Later continues change nothing. The stream goes out with one send for each chunk; between two, pings are
    answered."""

    def __init__(self, events: int, sessions: int) -> None:
        plan = Plan(events, sessions)
        self._created = plan.created()
        self._stream = plan.stream()
        self._sent = threading.Event()
        self.serves = Stream(events=events, sessions=sessions, size=sum(map(len, self._stream)))

    def serve(self, connection: Connection) -> None:
        if connection.path != "/backtest":
            self._serve_data(connection)
            return
        self._sent = sent = threading.Event()
        control = ControlConnection(connection, self._created)
        control.wait_for_continue()
        for chunk in self._stream:
            control.send(chunk)
            control.continues(wait=False)
        sent.set()
        control.serve_until_gone()

    def _serve_data(self, connection: Connection) -> None:
        sent = self._sent
        data = DataConnection(connection)
        sent.wait()
        data.send(traffic.frame(transactions.END))
        data.serve_until_gone()
