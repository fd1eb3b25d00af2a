"""The command line: its output, and one line and the right exit code for each mistake."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import simsync
from simsync.__main__ import main
from simsync.cli.app import run
from simsync.local import Ledger


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.jsonl"
    Ledger.generate(slots=10, transactions_per_slot=2, bundle_size=5).save(path)
    return path


def test_making_and_showing_a_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "made.jsonl"
    assert run(["ledger", "make", str(path), "--slots", "6", "--transactions-per-slot", "3", "--bundle-size", "3"]) == 0
    made = capsys.readouterr().out
    assert "slots         1000 to 1005" in made
    assert run(["ledger", "show", str(path)]) == 0
    assert capsys.readouterr().out == made


def test_serving_a_ledger_until_it_is_interrupted(ledger_file: Path) -> None:
    command = [sys.executable, "-m", "simsync", "local", "--ledger", str(ledger_file), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = None
        while url is None:
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            url = re.search(r"serving on (\S+);", line)
        client = simsync.Client(url.group(1), "local-dev-key")
        with client.parallel(simsync.CreateSession(1_000, slot_count=10), timeout=20) as session:
            events = [event for _sub, event in session.events(advance=10, timeout=20)]
        assert sum(isinstance(event, simsync.Completed) for event in events) == 2
        process.send_signal(signal.SIGTERM)
        _output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert errors == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["local", "--ledger", "no-such-file"], 2, "no-such-file"),
        (["local", "--port", "x"], 2, "not a valid integer"),
        (["local", "--colour"], 2, "No such option"),
        (["fly"], 2, "No such command"),
        (["ledger", "show", "no-such-file"], 2, "no-such-file"),
        (["ledger", "make", "/no/such/folder/file", "--slots", "2"], 2, "/no/such/folder/file'"),
    ],
)
def test_mistakes(arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("simsync: ")
    assert words in line


def test_a_port_that_is_taken(ledger_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["local", "--ledger", str(ledger_file), "--port", str(taken.getsockname()[1])]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "click", None)
    monkeypatch.delitem(sys.modules, "simsync.cli.app", raising=False)
    assert main() == 2
    assert "pip install 'simsync[cli]'" in capsys.readouterr().err
