"""Two recorded runs compared."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import simsync
from simsync.run import Comparison

from .files import ALICE, BOB, MINT, tx, write_lines, write_object


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    base = [
        tx(10, "same", compute_units=100),
        tx(11, "breaks", compute_units=100, sol_changes=[{"account": ALICE, "pre": 50, "post": 40}]),
        tx(12, "mends", error="boom"),
        tx(13, "other error", error="boom"),
        tx(14, "other logs", compute_units=100),
        tx(15, "gone"),
        tx(16, "twice"),
        tx(17, "twice", error="boom"),
    ]
    experiment = [
        tx(17, "twice", error="boom"),
        tx(16, "twice"),
        tx(10, "same", compute_units=100),
        tx(11, "breaks", compute_units=40, error="bang"),
        tx(12, "mends", sol_changes=[{"account": BOB, "pre": 0, "post": 2**70}]),
        tx(13, "other error", error="bang"),
        tx(14, "other logs", compute_units=190, logs=["Program log: hello"]),
        tx(18, "new"),
    ]
    return write_lines(tmp_path / "base", base), write_object(tmp_path / "experiment", experiment)


# feature: `compare` with `regressions`, `improvements`, `balances`
def test_totals(files: tuple[Path, Path]) -> None:
    with Comparison(*files) as comparison:
        totals = comparison.totals()
    assert (totals.base, totals.experiment, totals.matched) == (8, 8, 7)
    assert (totals.only_base, totals.only_experiment) == (1, 1)
    assert (totals.regressions, totals.improvements, totals.other_errors, totals.logs) == (1, 1, 1, 1)
    assert totals.units == 30


def test_the_transactions_of_each_kind(files: tuple[Path, Path]) -> None:
    with Comparison(*files) as comparison:
        found = {
            kind: [(row.slot, row.signature, row.before, row.after) for row in comparison.differences(kind)]
            for kind in ("regressions", "improvements", "other_errors", "logs")
        }
        units = [(row.signature, row.units) for row in comparison.differences("units")]
        assert [row.signature for row in comparison.differences("units", limit=1)] == ["other logs"]
    assert found == {
        "regressions": [(11, "breaks", None, "bang")],
        "improvements": [(12, "mends", "boom", None)],
        "other_errors": [(13, "other error", "boom", "bang")],
        "logs": [(14, "other logs", None, None)],
    }
    assert units == [("other logs", 90), ("breaks", -60)]


def test_balances_of_any_size(files: tuple[Path, Path]) -> None:
    with Comparison(*files) as comparison:
        rows = comparison.balances()
        assert comparison.balances(limit=1) == rows[:1]
    assert [(row.account, row.mint, row.base, row.experiment, row.difference) for row in rows] == [
        (BOB, None, 0, 2**70, 2**70),
        (ALICE, None, -10, 0, 10),
    ]


def test_lamports_precede_tokens_and_equal_gains_are_not_listed(tmp_path: Path) -> None:
    tokens = {"mint": MINT, "account": BOB, "pre": 0, "post": 10**9}
    lamports = {"account": ALICE, "pre": 0, "post": 1}
    equal = {"account": BOB, "pre": 7, "post": 9}
    base = write_lines(tmp_path / "base", [tx(10, "a", sol_changes=[equal])])
    other = write_lines(tmp_path / "other", [tx(10, "a", sol_changes=[equal, lamports], token_changes=[tokens])])
    with Comparison(base, other) as comparison:
        assert [(row.account, row.mint) for row in comparison.balances()] == [(ALICE, None), (BOB, MINT)]


def test_a_run_equals_itself(files: tuple[Path, Path]) -> None:
    with Comparison(files[0], files[0]) as comparison:
        totals = comparison.totals()
        assert comparison.balances() == []
    assert (totals.matched, totals.regressions, totals.improvements, totals.logs, totals.units) == (8, 0, 0, 0, 0)


def test_the_temporary_file_is_removed(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with Comparison(*files):
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        Comparison(files[0], tmp_path / "nothing").__enter__()
    assert list(folder.iterdir()) == []


def test_wrong_use(files: tuple[Path, Path]) -> None:
    with pytest.raises(simsync.InvalidParams, match="with statement"):
        Comparison(*files).totals()
    with Comparison(*files) as comparison:
        with pytest.raises(simsync.InvalidParams, match="must be one of regressions"):
            comparison.differences("surprises")
        with pytest.raises(simsync.InvalidParams, match="limit"):
            comparison.differences("logs", limit=-1)
