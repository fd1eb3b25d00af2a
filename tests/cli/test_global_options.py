"""The global options may stand before and after the command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import simsync
from simsync.cli.app import run
from simsync.local import Ledger, Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(slots=10, transactions_per_slot=1, bundle_size=5)) as running:
        yield running


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIMULATOR_URL", raising=False)
    monkeypatch.delenv("SIMULATOR_API_KEY", raising=False)


@pytest.mark.parametrize("command", [["usage", "--since", "2026-01-01", "--until", "2026-01-02"], ["bundle", "list"]])
def test_behind_the_command(simulator: Simulator, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--url", simulator.url, "--api-key", simulator.api_key]
    assert run([*options, *command]) == 0
    before = capsys.readouterr().out
    assert run([*command, *options]) == 0
    assert run([*options[:2], *command, *options[2:]]) == 0
    assert capsys.readouterr().out == before * 2


def test_between_a_group_and_its_command(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--url", simulator.url, "--api-key", simulator.api_key]
    assert run([*options, "bundle", "list"]) == 0
    before = capsys.readouterr().out
    assert run(["bundle", *options, "list"]) == 0
    assert run(["bundle", "-q", *options[:2], "list", *options[2:]]) == 0
    assert capsys.readouterr().out == before * 2
    assert run(["ledger", "-vv", "show", "no-such-file"])
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [[], ["ranges"], ["bundle"], ["bundle", "list"], ["doctor"], ["run"], ["sweep"], ["ledger", "show"]]
)
def test_the_version(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--version"]) == 0
    assert capsys.readouterr().out == f"simsync, version {simsync.__version__}\n"


def test_the_short_name_of_an_option_that_a_command_has_itself(simulator: Simulator) -> None:
    assert run(["--url", simulator.url, "--api-key", simulator.api_key, "doctor", "-vv"]) == 0


def test_the_later_one_wins(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--url", "ws://127.0.0.1:9", "ranges", "--url", simulator.url]) == 0
    assert "1000" in capsys.readouterr().out


def test_the_level_of_the_log(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--start-slot", "1000", "--end-slot", "1009", "--output-file", str(tmp_path / "run.ndjson")]
    command.append("--parallel")
    where = ["--url", simulator.url, "--api-key", simulator.api_key, "--force"]
    assert run([*command, *where, "-vv"]) == 0
    assert "DEBUG simsync." in capsys.readouterr().err
    assert run([*command, *where, "-q"]) == 0
    assert " simsync." not in capsys.readouterr().err


def test_options_of_a_command_keep_their_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--verbose"]) == 2
    assert "--capture" in capsys.readouterr().err
