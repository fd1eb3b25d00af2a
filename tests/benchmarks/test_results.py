"""What the command prints and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import variants
from benchmarks.__main__ import main
from benchmarks.earlier import what_fell
from benchmarks.measures import MEASURES
from benchmarks.readers.run import Run
from benchmarks.results import Results, missing, variants_of
from benchmarks.transactions import build
from tests.benchmarks import recorded


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Of two made-up rounds of everything, in which the n-th variant takes n seconds."""
    monkeypatch.setenv("SIMSYNC_TEST_DATA", str(recorded.write(tmp_path)))
    figures = {"p50": 0.001, "p99": 0.004, "bytes": 200.0, "offered": 2_000.0}
    runs = {
        variant: Run(0.1, float(seconds), 1.0, 50_000_000, 1_000, figures=figures)
        for seconds, variant in enumerate(variants_of(MEASURES), start=1)
    }
    return Results(1_000, 64, MEASURES, (runs, runs))


def test_the_table_has_a_row_for_each_measure(results: Results) -> None:
    rows = results.targets().splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [measure.label for measure in MEASURES]
    assert len(rows) == len(set(rows))


def test_a_ratio_is_taken_within_a_round_and_held_against_its_target(results: Results) -> None:
    runs, target = results.rounds[0], results.measures[0].target
    fast = {**runs, variants.loop(True): Run(0.1, runs[variants.WEBSOCKETS].seconds / 5, 0.25, 1, 1_000)}
    row = next(iter(Results(1_000, 64, MEASURES, (runs, fast, fast)).targets().splitlines()[2:]))
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["5.00 [2.00–5.00]", f"≥ {target:g}", "yes", "4.00"]
    row = next(line for line in results.targets().splitlines() if "memory" in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["200 [200–200] bytes", "≤ 150 bytes", "NO", ""]


def test_rows_that_fell_are_named(results: Results) -> None:
    ratio, share = results.measures[0], next(one for one in results.measures if one.at_most)
    medians = {one.label: results.values(one)[0] for one in results.measures}
    assert what_fell(results, medians) == []
    assert what_fell(results, {**medians, ratio.label: medians[ratio.label] * 1.04}) == []
    assert what_fell(results, {**medians, share.label: medians[share.label] * 2}) == []  # less is better
    for measure, factor in ((ratio, 1.25), (share, 0.5)):
        (line,) = what_fell(results, {**medians, measure.label: medians[measure.label] * factor})
        assert line.startswith(f"{measure.label}: ")
        assert line.endswith("worse)")


def test_what_is_no_file_of_figures_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    path.write_text("[]")
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "bare", "--check", str(path)])
    assert f"{path} holds no figures of --json" in capsys.readouterr().err


def test_the_rates_have_a_row_for_each_variant(results: Results) -> None:
    rates = results.rates()
    for variant in results.variants:
        assert variant.label in rates


def test_every_stream_shows_the_head_room_of_its_server(results: Results) -> None:
    if any(map(missing, variants.HEAD_ROOM)):
        pytest.skip("not everything is installed")
    rows = results.head_room().splitlines()[2:]
    assert len(rows) == len(variants.HEAD_ROOM) + 1
    assert "2.00 k" in rows[-1]


def test_the_plot_is_a_picture(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks import plot

    plot.write(results, tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    assert text.count("<svg") == 1


def test_the_command_prints_and_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needed = [measure for measure in MEASURES if measure.name == "bare"]
    if any(missing(variant) for measure in needed for variant in measure.needs):
        pytest.skip("orjson and zstandard are not installed")
    arguments = ["--rounds", "1", "--events", "640", "--only", "bare", "--json", str(tmp_path / "figures.json")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    written = json.loads((tmp_path / "figures.json").read_text())
    assert [row["label"] for row in written["measures"]] == [measure.label for measure in needed]
    for row in written["measures"]:
        assert row["label"] in printed
        assert len(row["values"]) == 1
    assert {row["reader"] for row in written["variants"]} == {
        "loops.read_in_one_loop",
        "bare.read_slots",
        "byte_counts.count_slots",
    }


def test_what_cannot_be_measured_is_left_out_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMSYNC_TEST_DATA", str(tmp_path))
    assert main(["--only", "unread"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("left out: transactions/s, none read") for line in lines)


def test_copies_of_a_transaction_differ_where_real_ones_do(tmp_path: Path) -> None:
    stream = build(recorded.write(tmp_path), 50)
    replies = [_reply(text) for text in b"".join(stream.plain).split(b'"result":')[1:]]
    transactions = replies[:-1]
    assert replies[-1] == {"completed": True}
    assert len(transactions) == 50
    assert len({one["transaction"]["signatures"][0] for one in transactions}) == 50
    assert {one["transaction"]["message"]["accountKeys"][-1] for one in transactions} == {"1" * 32}
    assert len({one["meta"]["preBalances"][0] for one in transactions}) == 50
    assert {len(one["meta"]["logMessages"]) for one in transactions} == {0, 60, 150}
    assert all(
        one["transaction"]["message"]["accountKeys"][0] in one["meta"]["logMessages"][0]
        for one in transactions
        if one["meta"]["logMessages"]
    )


def _reply(text: bytes) -> Any:
    """The JSON value that ``text`` begins with."""
    return json.JSONDecoder().raw_decode(text.decode("latin-1"))[0]
