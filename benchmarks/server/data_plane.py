"""One session with transactions: its control connection, and a data connection of its own.

The subscribe is acknowledged; the continue starts both streams. The data ends with the message that the embedded
simulator sends.
"""

from __future__ import annotations

import threading
from pathlib import Path

from benchmarks import traffic, transactions
from benchmarks.server.connection import Connection, ControlConnection, DataConnection
from benchmarks.stream import Stream


class DataPlane:
    """One client at a time. ``count`` transactions, plain or compressed as the subscribe asks."""

    def __init__(self, count: int, folder: Path) -> None:
        slots = -(-count // transactions.PER_SLOT)
        plan = traffic.Plan(slots, 1)
        self._created = plan.created()
        self._stream = plan.stream()
        self._data = transactions.build(folder, count)
        self._continued = threading.Event()
        self.serves = Stream(
            events=slots,
            sessions=1,
            size=sum(map(len, self._data.plain)),
            packed=sum(map(len, self._data.packed)),
            transactions=count,
            signatures=self._data.signatures,
        )

    def serve(self, connection: Connection) -> None:
        if connection.path == "/backtest":
            self._serve_control(ControlConnection(connection, self._created))
        else:
            self._serve_data(connection)

    def _serve_control(self, control: ControlConnection) -> None:
        self._continued = continued = threading.Event()
        control.wait_for_continue()
        continued.set()
        for chunk in self._stream:
            control.send(chunk)
        control.serve_until_gone()

    def _serve_data(self, connection: Connection) -> None:
        continued = self._continued
        data = DataConnection(connection)
        packed = data.configuration.get("compression") == "zstd" and self.serves.packed
        continued.wait()
        for chunk in self._data.packed if packed else self._data.plain:
            data.send(chunk)
            data.answer_pings()
        data.serve_until_gone()
