"""What a user reads before a capture is passed on, and the generation that it shows."""

from __future__ import annotations

from typing import Any

import pytest

from simsync import Dialect
from simsync.doctor import Generation, Record, Redaction, generation_of, remaining_texts, removed
from simsync.doctor.generation import SIGNS
from simsync.doctor.redaction import shape


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
        (3, 1, "status", "warming"),
        (3, 1, "", "api_key_name"),
        (4, 1, "text", "plain words"),
    ]
    assert remaining_texts([]) == []


def test_every_placeholder_is_counted() -> None:
    redaction = Redaction.of("the-key", "wss://sim.example/backtest", ["hidden text"])
    message = {
        "rpcEndpoint": "https://other.example/backtest",
        "error": "sim.example refused the-key and hidden text of Jane at 4711123",
        "organization": "x",
        "transaction": "AQ==",
        "Jane": "x",
    }
    found = removed([received(redaction.value(message)), received(shape({"cost": "x"}))])
    once = ("api-key", "host", "other-host", "word", "number", "bytes", "key", "text", "hidden")
    assert found == {**dict.fromkeys(once, 1), "private": 2}


def created(**params: Any) -> Record:
    return received({"method": "sessionCreated", "params": {"session_id": "<session-1>", **params}})


def create(transactions: Any = None, anchor: Any = "afterSlot", key: str = "transactions") -> Record:
    action = {"anchor": anchor, key: transactions} if transactions else {"anchor": anchor}
    return received({"method": "createBacktestSession", "params": {"actions": [action]}}, "sent")


EVERY = {"afterEverySlot": {"everyNSlots": 1}}
PLAIN = received({"method": "createBacktestSession", "params": {}}, "sent")
REFUSED = received({"method": "error", "params": "x"})


def event(kind: str, **params: Any) -> Record:
    inner = {"method": kind, "params": params}
    return received({"method": "sessionEventV2", "params": {"event": inner}})


@pytest.mark.parametrize(
    ("records", "least", "most", "words"),
    [
        ([], None, None, "does not tell"),
        ([created(task_id=None)], 13, None, "from 0.13 on; whether it takes lists of transactions is unproven"),
        (
            [create(["AQ=="]), REFUSED, PLAIN, created(task_id=None)],
            14,
            None,
            'from 0.14 on: set Options(dialect=Dialect.for_generation("0.14"))',
        ),
        ([create(["AQ=="]), REFUSED, PLAIN, created()], None, None, "does not tell"),
        (
            [create(), created(), create(None, EVERY), REFUSED],
            18,
            22,
            'set Options(dialect=Dialect.for_generation("0.18"))',
        ),
        ([create(), REFUSED, create(None, EVERY), REFUSED, PLAIN, created(task_id=None)], 13, None, "from 0.13 on"),
        (
            [create(None, EVERY), created()],
            23,
            None,
            'from 0.23 on: set Options(dialect=Dialect.for_generation("0.23"))',
        ),
        (
            [create(["AQ=="]), created(task_id=None)],
            13,
            13,
            '0.13: set Options(dialect=Dialect.for_generation("0.13"))',
        ),
        ([create(["AQ=="]), created()], 11, 13, 'set Options(dialect=Dialect.for_generation("0.11"))'),
        ([create("AQ==", key="transaction"), created()], 10, 10, 'set Options(dialect=Dialect.for_generation("0.10"))'),
        ([create(["AQ=="]), received({"method": "error", "params": "x"}), created()], None, None, "does not tell"),
        ([event("completed", summary={"unsanitizable": 0})], 23, None, "from 0.23 on"),
        ([event("discoveryBatch", transactionIndices=[])], 28, None, "from 0.28 on"),
        ([received({"method": "sessionsCreated", "params": {}})], None, 22, "at most 0.22; which one, the capture"),
        ([event("discoveryBatch", transactionIndices=[]), create(["AQ=="]), created()], None, None, "does not tell"),
    ],
)
def test_the_generation(records: list[Record], least: Any, most: Any, words: str) -> None:
    found = generation_of(records)
    assert (found.least, found.most) == (least, most)
    assert words in found.advice()


@pytest.mark.parametrize(
    ("least", "most", "generation", "words"),
    [
        (13, 13, "0.13", 'of the generation 0.13; "0.13" is set, which fits.'),
        (18, 22, "0.20", "which fits."),
        (23, None, "0.28", "which fits."),
        (None, 22, "0.13", "which fits; whether it takes lists of transactions is unproven."),
        (13, None, "0.13", "which fits; whether it takes lists of transactions is unproven."),
        (13, None, "0.12", "which is wrong; whether it takes lists of transactions is unproven. So set no generation"),
        (18, None, "0.14", 'which is wrong: set Options(dialect=Dialect.for_generation("0.18")).'),
        (18, None, None, 'from 0.18 on: set Options(dialect=Dialect.for_generation("0.18")).'),
        (None, 22, "0.23", "which is wrong; which one, the capture does not tell."),
        (None, None, "0.23", "does not tell"),
    ],
)
def test_the_advice_for_a_dialect_in_use(least: Any, most: Any, generation: str | None, words: str) -> None:
    assert words in Generation(least, most).advice(Dialect(generation=generation))


def test_each_sign_of_a_generation_holds_for_a_range_of_versions() -> None:
    assert [sign.what for sign in SIGNS if sign.since > sign.until or not sign.versions] == []
