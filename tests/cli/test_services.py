"""``ranges``, ``usage`` and ``bundle`` against the embedded simulator, as a shell sees them."""

from __future__ import annotations

import io
import json
import re
import socket
from collections.abc import Callable, Iterator

import pytest

from simsync.cli.app import run
from simsync.local import Ledger, Simulator

Shell = Callable[..., "tuple[int, str, str]"]


@pytest.fixture(autouse=True)
def no_simulator_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIMULATOR_URL", raising=False)
    monkeypatch.delenv("SIMULATOR_API_KEY", raising=False)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(slots=20, transactions_per_slot=1, bundle_size=10)) as running:
        yield running


@pytest.fixture
def shell(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Runs a command against the simulator: exit code, output, errors."""

    def call(*arguments: str, key: str = simulator.api_key) -> tuple[int, str, str]:
        code = run(["--url", simulator.url, "--api-key", key, *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_ranges_as_a_table_and_as_json(shell: Shell) -> None:
    code, output, errors = shell("ranges")
    assert (code, errors) == (0, "")
    header, first, second = output.splitlines()
    assert header.split() == ["start", "(UTC)", "end", "(UTC)", "start", "slot", "end", "slot", "size", "kind", "scope"]
    assert first.split()[-5:] == ["1000", "1009", "10", "blocks", "global"]
    assert second.split()[-5:] == ["1010", "1019", "10", "blocks", "global"]
    code, output, _errors = shell("ranges", "--json")
    assert [(one["start_slot"], one["end_slot"]) for one in json.loads(output)] == [(1000, 1009), (1010, 1019)]


# feature: `ranges` with `--after`, `--before`, `--size`, `--json`
def test_ranges_can_be_chosen(shell: Shell) -> None:
    assert [one["start_slot"] for one in json.loads(shell("ranges", "--json", "--after", "1005")[1])] == [1010]
    assert [one["start_slot"] for one in json.loads(shell("ranges", "--json", "--before", "1010")[1])] == [1000]
    assert len(json.loads(shell("ranges", "--json", "--after", "2025-01-01", "--size", "10")[1])) == 2
    assert shell("ranges", "--json", "--size", "5000") == (0, "[]\n", "")
    assert shell("ranges", "--size", "5000") == (0, "no range matches\n", "")


# feature: `usage`
def test_usage(shell: Shell) -> None:
    code, output, errors = shell("usage")
    assert (code, errors) == (0, "")
    assert re.search(r"^executed slots +0 *$", output, re.MULTILINE)
    report = json.loads(shell("usage", "--json", "--since", "2026-01-01")[1])
    assert report["since"] == "2026-01-01T00:00:00Z"
    assert report["sessions_started"] == 0


# feature: `build-bundle`, `bundle build`
def test_building_listing_and_deleting_a_bundle(shell: Shell) -> None:
    assert shell("bundle", "list")[1] == "no builds\nno bundles\n"
    code, output, _errors = shell("bundle", "build", "--start-slot", "1000", "--end-slot", "1009", "--no-wait")
    assert code == 0
    request, status = output.splitlines()[1].split()[:2]
    assert status == "in_progress"
    assert json.loads(shell("bundle", "status", request, "--json")[1])["status"] == "completed"
    assert "1000" in shell("bundle", "list")[1].splitlines()[-1]
    code, output, _errors = shell("bundle", "delete", "--start-slot", "1000", "--end-slot", "1009", "--yes")
    assert (code, output) == (0, "deleted: blocks, slots 1000 to 1009\n")
    assert json.loads(shell("bundle", "list", "--json")[1])["bundles"] == []


def test_waiting_for_a_build_that_fails(shell: Shell) -> None:
    arguments = ["--start-slot", "5000", "--end-slot", "5009", "--timeout", "30"]
    code, output, _errors = shell("bundle", "build", *arguments)
    assert code == 1
    assert "failed" in output


def test_a_deletion_is_confirmed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, output, _errors = shell("bundle", "delete", "--start-slot", "1000", "--end-slot", "1009")
    assert code == 130
    assert "Delete the blocks bundle of slots 1000 to 1009?" in output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ranges", "--after", "last Tuesday"], 2, "must be an RFC 3339 time or a date"),
        (["ranges", "--size", "0"], 2, "not in the range"),
        (["usage", "--since", "2026-02-30"], 2, "since"),
        (["bundle", "build", "--start-slot", "10", "--end-slot", "5"], 2, "must be >= start_slot (10)"),
        (["bundle", "build", "--start-slot", "10"], 2, "--end-slot"),
        (["bundle", "status", "no-such-build"], 1, "unknown build request"),
        (["bundle", "delete", "--start-slot", "1", "--end-slot", "2", "-y"], 1, "no bundle with exactly that range"),
    ],
)
def test_mistakes(shell: Shell, arguments: list[str], code: int, words: str) -> None:
    found, output, errors = shell(*arguments)
    assert (found, output) == (code, "")
    (line,) = errors.splitlines()
    assert words in line


def test_the_exit_code_of_a_wrong_key_and_of_an_unreachable_host(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, errors = shell("usage", key="wrong-key-of-mine")
    assert (code, output) == (3, "")
    assert "the API key was refused" in errors
    assert "wrong-key-of-mine" not in errors
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert run(["--url", f"http://127.0.0.1:{nobody.getsockname()[1]}", "ranges"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing is listening on 127.0.0.1" in line


def test_without_an_address_it_says_how_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ranges"]) == 2
    assert "give --url before the command, or set SIMULATOR_URL" in capsys.readouterr().err


def test_the_environment_names_the_simulator(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMULATOR_URL", simulator.url)
    monkeypatch.setenv("SIMULATOR_API_KEY", simulator.api_key)
    assert run(["usage", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sessions_failed"] == 0


def test_piped_output_has_no_control_characters(shell: Shell) -> None:
    for command in (("ranges",), ("usage",), ("bundle", "list"), ("--help",)):
        assert "\x1b" not in shell(*command)[1]
