"""A recorded run summed up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import simsync
from simsync.run import summarize

from .files import MINT, PROGRAM, tx, write_lines

WALLET, OTHER = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM", "So11111111111111111111111111111111111111112"


def sol(before: int, after: int, account: str = WALLET) -> dict[str, object]:
    return {"account": account, "pre": before, "post": after}


def test_totals_errors_and_programs(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "run",
        [
            tx(12, "s1", compute_units=100),
            tx(10, "s2", compute_units=200, error="boom"),
            tx(19, "s3", error="boom", logs=[]),
            tx(15, "s4", error="bang"),
        ],
    )
    totals = summarize(path)
    assert (totals.transactions, totals.succeeded, totals.failed) == (4, 1, 3)
    assert (totals.first_slot, totals.last_slot, totals.compute_units) == (10, 19, 300)
    assert list(totals.errors.items()) == [("boom", 2), ("bang", 1)]
    assert (totals.programs[PROGRAM].transactions, totals.programs[PROGRAM].failed) == (3, 2)
    assert totals.complete
    assert json.loads(totals.to_json())["metadata"]["start_slot"] == 10


# feature: `summarize` with `--accounts`
def test_the_lowest_slot_opens_and_the_highest_closes(tmp_path: Path) -> None:
    token = {"mint": MINT, "account": WALLET, "pre": 1, "post": 3}
    path = write_lines(
        tmp_path / "run",
        [
            tx(15, "s1", sol_changes=[sol(70, 60)], token_changes=[token]),
            tx(12, "s2", sol_changes=[sol(100, 70), sol(5, 6, OTHER)]),
            tx(18, "s3", sol_changes=[sol(60, 65)]),
            tx(18, "s4", sol_changes=[sol(65, 61)]),
        ],
    )
    lamports, tokens = summarize(path, [WALLET]).accounts
    assert (lamports.account, lamports.mint) == (WALLET, None)
    assert (lamports.opening, lamports.closing, lamports.changes) == (100, 61, 4)
    assert (tokens.mint, tokens.opening, tokens.closing) == (MINT, 1, 3)
    assert summarize(path).accounts == []


def test_a_run_without_its_summary_is_not_complete(tmp_path: Path) -> None:
    assert not summarize(write_lines(tmp_path / "run", [tx(10, "s1")], end=False)).complete


def test_an_invalid_account(tmp_path: Path) -> None:
    with pytest.raises(simsync.InvalidParams, match=r"accounts\[0\]='typo'"):
        summarize(write_lines(tmp_path / "run", []), ["typo"])
