"""A single session that a killed run has left on the server is continued from its last stop, or run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import simsync
from simsync.local import Ledger, Simulator
from simsync.run import Recorder, RunPlan, keep_finished, read_records, record_run
from simsync.run.record_file import line_of
from simsync.run.strategy import RecordedSession

FIRST, SLOTS = 1_000, 24
CREATE = simsync.CreateSession(FIRST, slot_count=SLOTS, send_summary=True)
PROGRAM = """
import sys
import simsync
from simsync.run import Recorder, record_run
from tests.run.test_open_session import plan
with Recorder(sys.argv[1]) as recorder:
    record_run(simsync.Client(), plan(), recorder)
"""
ROOT = Path(__file__).resolve().parents[2]

resumed: list[object] = []


def drive(session: RecordedSession) -> None:
    """The strategy of both processes."""
    resumed.append(session.resumed_after)
    session.record("begun", {})
    for _event in session.events(advance=2):
        pass


def plan() -> RunPlan:
    return RunPlan(CREATE, strategy=drive)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    ledger = Ledger.generate(seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=6, bundle_size=SLOTS)
    with Simulator(ledger, slot_delay=0.03) as running:
        yield running


def content(path: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for record in read_records(path):
        if record.kind == "tx":
            found[json.dumps({key: value for key, value in record.data.items() if key != "session_id"})] += 1
    return found


def killed_run(simulator: Simulator, path: Path, stops: int) -> None:
    """Run in a process of its own until the engine has stopped so often, then kill it."""
    environment = {
        **os.environ,
        "SIMULATOR_URL": simulator.url,
        "SIMULATOR_API_KEY": simulator.api_key,
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], env=environment) as process:
        while not path.exists() or sum(record.kind == "progress" for record in read_records(path)) < stops:
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("stops", [9, pytest.param(2, marks=pytest.mark.thorough)])
def test_it_is_continued_from_its_last_stop(simulator: Simulator, tmp_path: Path, stops: int) -> None:
    path, whole = tmp_path / "run.ndjson", tmp_path / "whole.ndjson"
    client = simsync.Client(simulator.url, simulator.api_key, options=simsync.Options(continue_grace=1.0))
    with Recorder(whole) as recorder:
        assert record_run(client, plan(), recorder).complete
    killed_run(simulator, path, stops)
    kept = keep_finished(path, plan())
    assert kept.open is not None
    resumed.clear()
    with Recorder(path, append=True) as recorder:
        summary = record_run(client, plan(), recorder, kept=kept)
    assert summary.complete
    assert summary.slots_seen == SLOTS
    assert resumed == [kept.open.slot]
    sessions = [record.data["session_id"] for record in read_records(path) if record.kind == "session_started"]
    assert sessions == [kept.open.session_id]
    assert content(path) == content(whole)
    assert keep_finished(path, plan()).complete


@pytest.mark.parametrize("ending", ["ndjson.gz"])
def test_without_it_the_range_is_run_again(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    path, whole = tmp_path / f"run.{ending}", tmp_path / "whole.ndjson"
    client = simsync.Client(simulator.url, simulator.api_key, options=simsync.Options(continue_grace=1.0))
    with Recorder(whole) as recorder:
        record_run(client, plan(), recorder)
    killed_run(simulator, path, 3)
    content_of_another = b"".join(
        line_of(*record).replace(b"backtest_", b"backtest_0") for record in read_records(path)
    )
    path.write_bytes(content_of_another)  # plain, which is recognised
    kept = keep_finished(path, plan())
    resumed.clear()
    with Recorder(path, append=True) as recorder:
        assert record_run(client, plan(), recorder, kept=kept).complete
    assert resumed == [None]
    assert "cannot be continued inside its range" in caplog.text
    assert content(path) == content(whole)
    assert keep_finished(path, plan()).complete


def test_after_a_stop_there_is_none(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    client, token = simsync.Client(simulator.url, simulator.api_key), simsync.CancelToken()

    def stop(progress: object) -> None:
        if getattr(progress, "executed", 0) >= 6:
            token.cancel()

    with Recorder(path) as recorder, pytest.raises(simsync.Cancelled):
        record_run(client, plan(), recorder, report=stop, cancel=token)
    assert keep_finished(path, plan()).open is None
