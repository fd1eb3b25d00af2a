"""Waiting for an item of a queue ends in time, on every Python."""

from __future__ import annotations

import queue
import time

import pytest

from simsync.interruptible import get_within, take

TRIES = 100_000
"""On Python 3.9, ``get(timeout=0.0)`` hangs after some 10,000."""


def test_no_wait_ends_in_a_used_queue() -> None:
    source: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(TRIES):
        source.put(number)
        assert get_within(source, 0.0) == number
        with pytest.raises(queue.Empty):
            get_within(source, 0.0)


def test_no_wait_ends_in_a_new_queue() -> None:
    for _ in range(TRIES):
        source: queue.SimpleQueue[int] = queue.SimpleQueue()
        with pytest.raises(queue.Empty):
            get_within(source, 0.0)


def test_what_is_there_is_taken_although_the_deadline_has_passed() -> None:
    source: queue.SimpleQueue[int] = queue.SimpleQueue()
    source.put(7)
    assert take(source, time.monotonic() - 1) == 7
    with pytest.raises(queue.Empty):
        take(source, time.monotonic() - 1)
