"""The first continue, of any sub-session, starts the whole stream, as fast as the client takes it.

Data connections are quiet: their subscribe is acknowledged, and they end with control.
"""

from __future__ import annotations

import json
import threading

from benchmarks import traffic, transactions
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
        acknowledge(connection)
        sent.wait()
        connection.send(traffic.frame(transactions.END))
        connection.serve_until_gone()


def acknowledge(connection: Connection) -> dict[str, object]:
    """Answer the subscribe of a data connection. Returns its configuration."""
    requests: list[bytes] = []
    while not requests:
        requests = connection.messages()
    request = json.loads(requests[0])
    answer = {"jsonrpc": "2.0", "id": request["id"], "result": transactions.SUBSCRIPTION}
    connection.send(traffic.frame(json.dumps(answer).encode()))
    configuration: dict[str, object] = request["params"][1]
    return configuration
