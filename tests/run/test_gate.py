"""The conditions of a gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import simsync
from simsync.run import Comparison
from simsync.run.gate import crossed_thresholds, incomparable_because, parse_threshold

from .files import METADATA, tx, write_lines


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    """100 transactions: 2 failed before, 5 fail now; 100 compute units become 110; 1 is gone and 1 is new."""
    folder = tmp_path_factory.mktemp("gate")
    base = [tx(10, f"s{n}", compute_units=100, **({"error": "boom"} if n < 2 else {})) for n in range(100)]
    after = [tx(10, f"s{n}", compute_units=110, **({"error": "boom"} if n < 5 else {})) for n in range(99)]
    after.append(tx(11, "new", compute_units=110))
    with Comparison(write_lines(folder / "base", base), write_lines(folder / "after", after)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("condition", "fails"),
    [
        ("regressions", True),
        ("regressions>0", True),
        ("regressions > 2", True),
        ("regressions>3", False),
        ("regressions>=3", True),
        ("regressions>3%", True),  # 3 of 99
        ("regressions>3.1%", False),
        ("improvements", False),
        ("other_errors>0", False),
        ("logs>0", False),
        ("failed>4", True),
        ("failed>5", False),
        ("failed>4.9%", True),
        ("failed>5%", False),
        ("failed>+2", True),
        ("failed>+3", False),
        ("failed>+149%", True),  # from 2 to 5
        ("failed>+150%", False),
        ("units>0", True),
        ("units>989", True),
        ("units>990", False),
        ("units>9.9%", True),
        ("units>+9.9%", True),
        ("units>+10%", False),
        ("unmatched", True),
        ("unmatched>1", True),
        ("unmatched>2", False),
        ("differences", True),
    ],
)
def test_conditions(comparison: Comparison, condition: str, fails: bool) -> None:
    assert incomparable_because(comparison) == []
    (*found,) = crossed_thresholds(comparison, [parse_threshold(condition)])
    assert bool(found) is fails
    assert all(condition.strip() in phrase or condition == "differences" for phrase in found)


@pytest.mark.parametrize(
    "text", ["", "regression", "regressions>", "regressions>x", "regressions<0", "units>-5", "differences>0", "logs>+1"]
)
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(simsync.InvalidParams, match="fail_on"):
        parse_threshold(text)


def test_units_that_were_not_recorded_do_not_pass(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run", [tx(10, "s1")])
    with Comparison(path, path) as comparison:
        (phrase,) = crossed_thresholds(comparison, [parse_threshold("units>+5%")])
    assert "only of 0 of the 1 transactions" in phrase


@pytest.mark.parametrize("side", [0, 1])
def test_units_that_were_hardly_recorded_do_not_pass(tmp_path: Path, side: int) -> None:
    with_units = [tx(10, f"s{n}", compute_units=100) for n in range(160)]
    hardly = [with_units[0], *(tx(10, f"s{n}") for n in range(1, 160))]
    whole, few = write_lines(tmp_path / "whole", with_units), write_lines(tmp_path / "few", hardly)
    for base, other in (((whole, few), (few, whole))[side], (few, few)):
        with Comparison(base, other) as comparison:
            (phrase,) = crossed_thresholds(comparison, [parse_threshold("units>+5%")])
            assert "only of 1 of the 160 transactions" in phrase
            differences = crossed_thresholds(comparison, [parse_threshold("differences")])
            assert differences == ([] if base is other else ["differences in units"])


def test_one_error_in_two_spellings_is_no_difference(tmp_path: Path) -> None:
    error = {"InstructionError": [0, {"Custom": 1}]}
    spellings = [error, json.dumps(error), json.dumps(error, separators=(",", ":"))]
    paths = [write_lines(tmp_path / f"run{n}", [tx(10, "s1", error=one)]) for n, one in enumerate(spellings)]
    for path in paths[1:]:
        with Comparison(paths[0], path) as comparison:
            assert comparison.totals().other_errors == 0
            assert crossed_thresholds(comparison, [parse_threshold("differences")]) == []
    for text in ("{not JSON", "[", "boom"):
        path = write_lines(tmp_path / "other", [tx(10, "s1", error=text)])
        with Comparison(paths[0], path) as comparison:
            assert comparison.totals().other_errors == 1


@pytest.mark.parametrize(("unmatched", "reasons"), [(80, 0), (81, 1), (150, 1)])
def test_an_experiment_with_little_in_common_is_no_experiment(tmp_path: Path, unmatched: int, reasons: int) -> None:
    base = write_lines(tmp_path / "base", [tx(10, f"s{n}") for n in range(160)])
    other = write_lines(tmp_path / "other", [tx(10, f"{'z' if n < unmatched else 's'}{n}") for n in range(160)])
    for paths in ((base, other), (other, base)):
        with Comparison(*paths) as comparison:
            assert len(incomparable_because(comparison)) == reasons


def test_balances_alone_are_a_difference(tmp_path: Path) -> None:
    gains = [[{"account": "a", "pre": 1, "post": after}] for after in (2, 3)]
    paths = [write_lines(tmp_path / f"run{n}", [tx(10, "s1", sol_changes=gain)]) for n, gain in enumerate(gains)]
    with Comparison(paths[0], paths[1]) as comparison:
        assert crossed_thresholds(comparison, [parse_threshold("differences")]) == ["differences in balances"]
    with Comparison(paths[0], paths[0]) as comparison:
        assert crossed_thresholds(comparison, [parse_threshold("differences")]) == []


def test_units_that_even_out_are_a_difference(tmp_path: Path) -> None:
    paths = [
        write_lines(tmp_path / f"run{n}", [tx(10, f"s{m}", compute_units=100 + (n if m else -n)) for m in range(2)])
        for n in range(2)
    ]
    with Comparison(paths[0], paths[1]) as comparison:
        assert comparison.totals().units == 0
        assert crossed_thresholds(comparison, [parse_threshold("differences")]) == ["differences in units"]


def test_no_transaction_in_common(tmp_path: Path) -> None:
    base, other = (write_lines(tmp_path / name, [tx(10, name)]) for name in ("a", "b"))
    with Comparison(base, other) as comparison:
        assert incomparable_because(comparison) == ["no transaction is in both runs"]
    empty = write_lines(tmp_path / "empty", [])
    with Comparison(empty, empty) as comparison:
        assert incomparable_because(comparison) == ["the runs have no transactions"]


def test_other_slots_are_named(tmp_path: Path) -> None:
    base, other = (write_lines(tmp_path / name, [tx(10, "s1")]) for name in ("a", "b"))
    other.write_text(other.read_text(encoding="utf-8").replace('"end_slot": 19', '"end_slot": 29'), encoding="utf-8")
    assert METADATA["end_slot"] == 19
    with Comparison(base, other) as comparison:
        assert incomparable_because(comparison) == ["the runs are over other slots: 10 to 19 and 10 to 29"]


def test_runs_that_do_not_say_their_slots_cannot_be_compared(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run", [tx(10, "s1")])
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    with Comparison(path, path) as comparison:
        assert incomparable_because(comparison) == ["the runs do not say which slots they are over"]


def test_runs_of_other_slots_than_they_say_cannot_be_compared(tmp_path: Path) -> None:
    base, other = (write_lines(tmp_path / f"run{slot}", [tx(slot, "s1")]) for slot in (10, 5_010))
    with Comparison(base, other) as comparison:
        (reason,) = incomparable_because(comparison)
        assert reason == "the second run is not complete: it holds transactions of slots outside of 10 to 19"
