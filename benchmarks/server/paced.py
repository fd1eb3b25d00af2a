"""Slot events at a steady rate, each sent by itself; ``completed`` tells when they were."""

from __future__ import annotations

import time

from benchmarks.server.connection import Connection, ControlConnection
from benchmarks.stream import Stream
from benchmarks.traffic import Plan

RATE = 2_000
"""Events a second."""


class Paced:
    """``agent_stats`` of each ``completed`` lists when the events of its sub-session were sent, in nanoseconds of the
    monotonic clock, which all processes of a machine share."""

    def __init__(self, events: int, sessions: int) -> None:
        self._plan = Plan(events, sessions)
        self._frames = list(self._plan.slots())
        self.serves = Stream(events=events, sessions=sessions, size=sum(len(item) for _, item in self._frames))

    def serve(self, connection: Connection) -> None:
        control = ControlConnection(connection, self._plan.created())
        control.wait_for_continue()
        sent: list[list[int]] = [[] for _ in self._plan.ids]
        began = time.monotonic()
        for index, (number, item) in enumerate(self._frames):
            delay = began + index / RATE - time.monotonic()
            if delay > 0:
                time.sleep(delay)
            sent[number].append(time.monotonic_ns())
            control.send(item)
        for number, count in enumerate(self._plan.counts):
            control.send(self._plan.completed(number, count + 2, {"sent": sent[number]}))
        control.serve_until_gone()
