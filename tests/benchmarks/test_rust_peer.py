"""Where the Rust peer cannot be built, its rows are left out, and the others are as without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.measures import MEASURES
from benchmarks.readers import rust_tasks
from benchmarks.results import missing
from tests.benchmarks import recorded

ROWS = [measure for measure in MEASURES if measure.name == "rust"]
OTHERS = [measure for measure in MEASURES if measure.name == "bare"]


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The only folder in which programs are looked for; empty."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("SIMSYNC_TEST_DATA", str(recorded.write(tmp_path)))
    rust_tasks.why_missing.cache_clear()
    yield folder
    rust_tasks.why_missing.cache_clear()


def test_without_cargo_its_rows_are_left_out_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "rust"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"left out: {row.label}: there is no cargo." for row in ROWS]


def test_without_its_crates_it_is_left_out_and_nothing_is_downloaded(programs: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    cargo = programs / "cargo"
    cargo.write_text(f'#!/bin/sh\necho "$@" >> {said}\necho warning: first >&2\necho error: no tokio >&2\nexit 101\n')
    cargo.chmod(0o755)
    for row in ROWS:
        reason = missing(row.needs[-1])
        assert reason is not None
        assert "(error: no tokio); cargo fetch" in reason
    (line,) = said.read_text().splitlines()  # asked once
    assert line.startswith("build --release --offline ")


def test_a_check_skips_the_rows_that_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if any(missing(variant) for row in OTHERS for variant in row.needs):
        pytest.skip("orjson, msgspec and zstandard are not installed")
    path = tmp_path / "figures.json"
    medians = [{"label": row.label, "median": 1e9 if row is OTHERS[0] else 1e-9} for row in (*ROWS, *OTHERS)]
    path.write_text(json.dumps({"measures": medians}))
    arguments = ["--rounds", "1", "--events", "640", "--only", "rust", "bare", "--check", str(path)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    head, _, named = printed.partition("worse by more than 5% than in ")
    assert head.count("left out: ") == len(ROWS)
    assert [line.split(":")[0] for line in named.splitlines()[1:]] == [OTHERS[0].label]
