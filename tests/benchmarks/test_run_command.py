"""The benchmark of ``simsync run`` measures recordings that are complete, and notices those that are not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import run_command
from benchmarks.runs import ServerCommand, serving
from tests.benchmarks import recorded

TRANSACTIONS = 120


def test_the_command_measures_both_variants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMSYNC_TEST_DATA", str(recorded.write(tmp_path)))
    monkeypatch.setattr(sys, "argv", ["run_command", "--transactions", str(TRANSACTIONS), "--rounds", "1"])
    assert run_command.main() == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["with [speed]", "without [speed]"]


def test_a_recording_with_other_signatures_is_noticed(tmp_path: Path) -> None:
    target = tmp_path / "run.ndjson"
    with serving(ServerCommand("data-plane", TRANSACTIONS, data=str(recorded.write(tmp_path)))) as stream:
        cost = run_command.record(stream, Path(run_command.__file__).parent.parent, target, speed=True)
    assert cost.processor > 0
    assert run_command.faults(stream, target) == []
    assert run_command.faults(replace(stream, signatures=stream.signatures ^ 1), target)
    lines = target.read_bytes().splitlines(keepends=True)
    target.write_bytes(b"".join(lines[:-1]))
    assert run_command.faults(stream, target) == ["the file ends without a summary"]
