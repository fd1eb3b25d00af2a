"""``simsync demo``: every command that it prints is run and does what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from simsync.cli.app import run
from simsync.run import summarize


# feature: (not the vendor's) strategies, pages, tables, a demo
def test_the_whole_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    assert run(["demo", "--folder", str(folder)]) == 0
    output = capsys.readouterr().out
    commands = [line.split()[2] for line in output.splitlines() if line.startswith("$ simsync ")]
    assert commands == ["ranges", "run", "run", "compare", "show", "sql", "report"]
    assert {path.name for path in folder.iterdir()} == {"base.ndjson", "v2.ndjson", "v2.so", "v2.ndjson.html"}
    base, experiment = (summarize(folder / name) for name in ("base.ndjson", "v2.ndjson"))
    assert base.complete
    assert experiment.complete
    assert base.failed < experiment.failed
    assert "regressions: newly failing" in output


def test_without_the_extra_the_page_is_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simsync.cli.demo.find_spec", lambda name: None)
    assert run(["demo", "--folder", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "$ simsync run" in captured.out
    assert "$ simsync report" not in captured.out
    assert "pip install 'simsync[report]'" in captured.err


def test_without_the_embedded_simulator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("simsync.local")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "solders", None)
    assert run(["demo", "--folder", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'simsync[local]'" in line
