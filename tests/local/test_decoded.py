"""Transactions taken apart: base58, and blocks that sessions share."""

from __future__ import annotations

import random

import pytest

from simsync.local import Ledger
from simsync.local.backtest.backtest import Backtest
from simsync.local.backtest.decoded import DecodedBlocks
from simsync.local.backtest.messages import Advance, Plan
from simsync.local.backtest.stream import ExecutedTransaction
from simsync.local.behaviour import Behaviour
from simsync.local.encoding import decode_base58, encode_base58

LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(slots=8, bundle_size=8, transactions_per_slot=5)


def letter_by_letter(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = LETTERS[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


@pytest.mark.parametrize("power", [1, 42, 43, 44, 86, 129])
def test_base58_of_numbers_around_a_power(power: int) -> None:
    for number in (58**power - 1, 58**power, 58**power + 1):
        data = number.to_bytes(100, "big")
        assert encode_base58(data) == letter_by_letter(data)


def test_base58_of_any_length() -> None:
    numbers = random.Random(58)
    for size in range(150):
        data = bytes(size % 4) + bytes(numbers.randrange(256) for _ in range(size)) + bytes(size % 3)
        assert encode_base58(data) == letter_by_letter(data)
        assert decode_base58(encode_base58(data)) == data


def shown(ledger: Ledger, blocks: DecodedBlocks) -> list[bytes]:
    """Run a session over the ledger and return its transactions."""
    session = Backtest(ledger, Plan(ledger.start_slot, ledger.end_slot), Behaviour(), None, None, blocks)
    session.ensure_started()
    reader = session.stream.reader(None)
    for _ in session.advance(Advance(len(ledger.blocks))):
        pass
    return [item.encoded() for item in reader.read(1_000) if isinstance(item, ExecutedTransaction)]


@pytest.mark.parametrize("most", [1, 12, 1_000])
def test_sessions_that_share_blocks_show_the_same(ledger: Ledger, most: int) -> None:
    alone = shown(ledger, DecodedBlocks())
    assert len(alone) == ledger.transaction_count
    blocks = DecodedBlocks(most)
    assert shown(ledger, blocks) == shown(ledger, blocks) == alone


def test_blocks_that_were_used_last_are_kept(ledger: Ledger) -> None:
    blocks = DecodedBlocks(10)
    first, second, third = ledger.blocks[:3]
    kept, dropped = blocks.transactions(first), blocks.transactions(second)
    assert blocks.transactions(first) is kept
    blocks.transactions(third)
    assert blocks.transactions(first) is kept
    assert blocks.transactions(second) is not dropped


def test_what_was_rendered_is_kept_for_the_slowest_reader_only(ledger: Ledger) -> None:
    session = Backtest(ledger, Plan(ledger.start_slot, ledger.end_slot), Behaviour())
    session.ensure_started()
    quick, slow = session.stream.reader(None), session.stream.reader(None)

    def advance() -> None:
        for _ in session.advance(Advance(1)):
            pass

    advance()
    items = [item for item in quick.read(1_000) if isinstance(item, ExecutedTransaction)]
    texts = [item.encoded() for item in items]
    advance()
    assert all(item.encoded() is text for item, text in zip(items, texts))
    slow.read(1_000)
    advance()
    again = [item.encoded() for item in items]
    assert texts == again
    assert not any(one is text for one, text in zip(again, texts))
    replay = session.stream.reader(items[0].slot)
    advance()
    assert all(item.encoded() is text for item, text in zip(items, again))
    replay.read(1_000)
    advance()
    assert not any(item.encoded() is text for item, text in zip(items, again))
