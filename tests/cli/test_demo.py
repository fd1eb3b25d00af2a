"""``simsync demo``: every command that it prints is run and does what it says."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

from simsync.cli.app import run
from simsync.run import summarize


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demo, and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert run(["demo", "--folder", str(folder)]) == 0
    return folder, printed.getvalue()


# feature: (not the vendor's) strategies, pages, tables, a demo
def test_the_whole_job(demo: tuple[Path, str]) -> None:
    folder, output = demo
    commands = [line.split()[2] for line in output.splitlines() if line.startswith("$ simsync ")]
    assert commands == ["ranges", "run", "run", "compare", "show", "sql", "report"]
    assert {path.name for path in folder.glob("[!.]*")} == {"base.ndjson", "v2.ndjson", "v2.so", "v2.ndjson.html"}
    base, experiment = (summarize(folder / name) for name in ("base.ndjson", "v2.ndjson"))
    assert base.complete
    assert experiment.complete
    assert base.failed < experiment.failed
    assert "regressions: newly failing" in output


def test_its_results_are_one_document_and_replace_those_of_another_demo(
    demo: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _output = demo
    before = {path: path.stat().st_ino for path in folder.glob("*.ndjson*")}
    assert run(["demo", "--folder", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(folder)
    names = [one["command"].split()[1] for one in found["commands"]]
    assert names == ["ranges", "run", "run", "compare", "show", "sql", "report"]
    assert [one["exit_code"] for one in found["commands"]] == [0, 0, 0, 1, 0, 0, 0]
    assert all(one["result"] for one in found["commands"])
    assert len(before) == 3
    assert all(path.stat().st_ino != number for path, number in before.items())


@pytest.mark.parametrize("name", ["base.ndjson", "v2.ndjson", "v2.so", "v2.ndjson.html"])
def test_files_of_others_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    assert run(["demo", "--folder", str(tmp_path)]) == 2
    assert f"{name} was not made by the demo; choose another --folder" in capsys.readouterr().err
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [(name, "mine")]


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
