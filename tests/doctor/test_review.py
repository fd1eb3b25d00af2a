"""What a user reads before a capture is passed on, and the generation that it shows."""

from __future__ import annotations

from typing import Any

import pytest

from simsync.doctor import Record, generation_of, remaining_texts, removed


def received(message: Any, direction: str = "received", **more: Any) -> Record:
    return Record(0.0, "control", 1, direction, "text", message=message, **more)


def test_what_was_removed_and_what_stayed() -> None:
    records = [
        received({"method": "error", "params": {"error": "no session <session-1> at <host>"}}),
        received({"method": "error", "params": {"error": "no session <session-1> at <host>"}}),
        received({"method": "status", "params": {"status": "warming", "api_key_name": "<private>"}}),
        received(None, text="plain words"),
        Record(0.0, "probe", text="words of simsync"),
    ]
    assert removed(records) == {"session": 2, "host": 2, "private": 1}
    assert [tuple(one) for one in remaining_texts(records)] == [
        (1, 2, "error", "no session <session-1> at <host>"),
        (4, 1, "text", "plain words"),
    ]
    assert remaining_texts([]) == []


def created(**params: Any) -> Record:
    return received({"method": "sessionCreated", "params": {"session_id": "<session-1>", **params}})


def create(transactions: Any) -> Record:
    params = {"actions": [{"anchor": "afterSlot", "transactions": transactions}]}
    return received({"method": "createBacktestSession", "params": params}, "sent")


def event(kind: str, **params: Any) -> Record:
    inner = {"method": kind, "params": params}
    return received({"method": "sessionEventV2", "params": {"event": inner}})


@pytest.mark.parametrize(
    ("records", "least", "most", "words"),
    [
        ([], None, None, "does not tell"),
        ([created(task_id=None)], 13, None, 'from 0.13 on: set Options(dialect=Dialect.for_generation("0.28"))'),
        (
            [create(["AQ=="]), created(task_id=None)],
            13,
            13,
            '0.13: set Options(dialect=Dialect.for_generation("0.13"))',
        ),
        ([create(["AQ=="]), created()], 11, 13, "0.11 to 0.13"),
        ([create(["AQ=="]), received({"method": "error", "params": "x"}), created()], None, None, "does not tell"),
        ([event("completed", summary={"unsanitizable": 0})], 23, None, "from 0.23 on"),
        ([event("discoveryBatch", transactionIndices=[])], 28, None, "from 0.28 on"),
        ([received({"method": "sessionsCreated", "params": {}})], None, 22, "at most 0.22: set"),
        ([event("discoveryBatch", transactionIndices=[]), create(["AQ=="]), created()], None, None, "does not tell"),
    ],
)
def test_the_generation(records: list[Record], least: Any, most: Any, words: str) -> None:
    found = generation_of(records)
    assert (found.least, found.most) == (least, most)
    assert words in found.words
