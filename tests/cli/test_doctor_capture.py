"""``doctor --capture`` where things go wrong, what it prints, and what it leaves in the file."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simsync.cli.app import run
from simsync.doctor import CaptureFile, Limits, Redaction, findings, probe, read_capture
from simsync.doctor.observation import DIFFERS
from simsync.local import Faults, Ledger, Simulator
from simsync.local.faults.control import ContinueRequest
from simsync.local.faults.fault import NumberedFault

KEY = "the-key-of-this-test"


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(seed=5, slots=10, transactions_per_slot=10, bundle_size=10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.ndjson"


class DyingFaults(Faults):
    """Tells when the continue with a number arrives."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.arrived = threading.Event()
        self.control.continues.add(Arrival(number, self.arrived))


class Arrival(NumberedFault[ContinueRequest]):
    name = "arrival"

    def __init__(self, number: int, arrived: threading.Event) -> None:
        super().__init__(number)
        self._arrived = arrived

    def apply(self, occasion: ContinueRequest) -> None:
        self._arrived.set()


@pytest.fixture
def simulator(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger, api_key=KEY) as running:
        yield running


def test_the_table_and_what_it_says_below(simulator: Simulator, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--url", simulator.url, "--api-key", KEY, "doctor", "--capture", str(path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.startswith("guess ")
    for words in (
        'accepts {"mentions": [id]}',
        '[string, "base64"]',
        "0 need a setting",
        "27 are not observable",
        str(path),
    ):
        assert words in captured.out
    assert "oracle updates" not in captured.out


def test_verbose_lists_what_no_capture_shows(
    simulator: Simulator, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--url", simulator.url, "--api-key", KEY, "doctor", "--verbose", "--capture", str(path)]) == 0
    out = capsys.readouterr().out
    assert "oracle updates" in out
    assert "an error could also mean that the server lacks the feature" in out


# feature: log raw frames
def test_nothing_of_the_user_is_in_the_file(
    simulator: Simulator, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = "ATokenGPvbdGVxr1b9hvZbsiqW5xWH25efTNsLJA8knL"
    assert run(["--url", simulator.url, "--api-key", KEY, "doctor", "--capture", str(path), "--hide", program]) == 0
    text = path.read_text()
    for secret in (KEY, "127.0.0.1", f":{simulator.port}", program, "backtest_", "parallel_"):
        assert secret not in text
    for placeholder in ("<host>", "<hidden-1>", "<session-1>", "<control-1>"):
        assert placeholder in text


def test_the_same_table_comes_from_the_file(simulator: Simulator, path: Path) -> None:
    with CaptureFile(path, Redaction.of(KEY, simulator.ws_url)) as capture:
        assert probe(simulator.ws_url, KEY, capture) is None
    assert findings(read_capture(path)) == findings(capture.records)


def test_a_wrong_key(simulator: Simulator, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--url", simulator.url, "--api-key", "another-key", "doctor", "--capture", str(path)]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "the API key was refused" in captured.err
    assert any(record.status == 401 for record in read_capture(path))
    assert "another-key" not in path.read_text()


def test_a_key_that_only_the_control_connection_refuses(
    simulator: Simulator, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator.faults.refuse_upgrade(403, times=99)
    assert run(["--url", simulator.url, "--api-key", KEY, "doctor", "--capture", str(path)]) == 3
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert [record.status for record in read_capture(path) if record.kind == "refused"] == [403]


def test_nobody_listens(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        assert run(["--url", url, "--api-key", KEY, "doctor", "--capture", str(path)]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "nothing is listening" in captured.err
    assert read_capture(path)


@pytest.mark.parametrize("at", [1, 3])
def test_a_server_that_dies_in_the_middle(
    ledger: Ledger, path: Path, capsys: pytest.CaptureFixture[str], at: int
) -> None:
    faults = DyingFaults(at)
    with Simulator(ledger, api_key=KEY, faults=faults, slot_delay=0.05) as simulator:

        def die() -> None:
            faults.arrived.wait(30)
            simulator.close()

        killer = threading.Thread(target=die)
        killer.start()
        code = run(["--url", simulator.url, "--api-key", KEY, "doctor", "--json", "--capture", str(path)])
        killer.join()
    captured = capsys.readouterr()
    assert code == 1
    assert captured.err.count("\n") == 1
    assert "could not reach the server" in captured.err
    lines = {line["guess"]: line for line in json.loads(captured.out)}
    assert lines["keys and method names on receipt"]["server"] == "snake_case"
    assert lines["tagging of discovery filters"]["result"] == "not seen"
    assert any(record.kind == "failed" for record in read_capture(path))


@pytest.mark.parametrize("older", [None, "older\n"])
def test_an_interrupted_capture_keeps_its_frames(ledger: Ledger, path: Path, older: str | None) -> None:
    if older is not None:
        path.write_text(older)
    faults = DyingFaults(1)
    with Simulator(ledger, api_key=KEY, faults=faults, slot_delay=0.05) as simulator:
        command = [sys.executable, "-m", "simsync", "--url", simulator.url, "doctor", "--capture", str(path)]
        doctor = subprocess.Popen(command, env={**os.environ, "SIMULATOR_API_KEY": KEY}, stderr=subprocess.PIPE)
        assert faults.arrived.wait(30)
        doctor.send_signal(signal.SIGTERM)
        _, error = doctor.communicate(timeout=30)
    assert (doctor.returncode, error) == (143, b"simsync: received SIGTERM\n")
    assert path.read_text() == older if older is not None else len(read_capture(path)) > 10
    assert list(path.parent.iterdir()) == [path]


def test_a_simulator_without_ranges(simulator: Simulator, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulator.faults.refuse_http(404, times=99, path="/available-ranges")
    assert run(["--url", simulator.url, "--api-key", KEY, "doctor", "--capture", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_services_that_this_server_does_not_have(ledger: Ledger, path: Path) -> None:
    faults = Faults().refuse_http(404, times=99, path="/usage").refuse_http(404, times=99, path="/build-bundle")
    with Simulator(ledger, api_key=KEY, faults=faults) as simulator, CaptureFile(path, Redaction()) as capture:
        assert probe(simulator.ws_url, KEY, capture) is None
    found = {one.guess: one for one in findings(capture.records)}
    assert found["names of the window of `/usage`"].server == "/usage answered HTTP 404"
    assert found["fields of bundle builds and bundles"].server == "/build-bundle answered HTTP 404"
    assert found["commitment"].server == "accepted"


def test_streams_that_never_end(ledger: Ledger, path: Path) -> None:
    faults = Faults().withhold_terminal()
    with Simulator(ledger, api_key=KEY, faults=faults) as simulator, CaptureFile(path, Redaction()) as capture:
        assert probe(simulator.ws_url, KEY, capture, Limits(wait=1.0)) is None
    end = next(one for one in findings(capture.records) if one.guess == "a stream without an end")
    assert (end.result, end.setting) == (DIFFERS, "Dialect(ends_stream=...)")


def test_the_time_for_everything_is_bounded(ledger: Ledger, path: Path) -> None:
    with Simulator(ledger, api_key=KEY, create_delay=30.0) as simulator, CaptureFile(path, Redaction()) as capture:
        reason = probe(simulator.ws_url, KEY, capture, Limits(total=0.5))
    assert reason == "not done within 0.5 s, in the step 'subscriptions'"


def test_a_file_that_cannot_be_written(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--url", simulator.url, "--api-key", KEY, "doctor", "--capture"]
    assert run([*command, str(tmp_path / "no" / "folder.ndjson")]) == 2
    assert "No such file" in capsys.readouterr().err
    if Path("/dev/full").exists():
        assert run([*command, "/dev/full"]) == 1
        assert capsys.readouterr().err == "simsync: [Errno 28] No space left on device\n"


def test_malformed_answers_break_no_observation(simulator: Simulator, path: Path) -> None:
    with CaptureFile(path, Redaction()) as capture:
        assert probe(simulator.ws_url, KEY, capture) is None
    chance = random.Random(7)
    places = [place for place, record in enumerate(capture.records) if isinstance(record.message, (dict, list))]
    for _ in range(100):
        records = list(capture.records)
        for place in chance.sample(places, chance.choice((1, 3, 30))):
            records[place] = replace(records[place], message=_spoiled(records[place].message, chance))
        assert len(findings(records)) > 90


def _spoiled(value: Any, chance: random.Random) -> Any:
    """The value with something else in one place of it."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(sorted(value))
        return {**value, key: _spoiled(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        return [_spoiled(value[0], chance), *value[1:]]
    return chance.choice([None, 5, -1.5, True, "text", "", [], [1], {}, {"a": 1}])


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1", "-"])
@pytest.mark.parametrize(("more", "shown"), [(["--json"], "the JSON document"), ([], "the table")])
def test_the_frames_do_not_go_where_the_table_goes(
    capsys: pytest.CaptureFixture[str], target: str, more: list[str], shown: str
) -> None:
    assert run(["--url", "ws://127.0.0.1:1", "doctor", "--capture", target, *more]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"--capture {target}: {shown} goes to standard output as well; pass a file" in captured.err


def test_options_that_need_a_capture(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--url", "ws://127.0.0.1:1", "doctor", "--verbose"]) == 2
    assert "--hide, --review and --verbose need --capture" in capsys.readouterr().err
