"""The threads of a run: all are waited for, but not for ever."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator
from simsync.run import Recorder, RunPlan, read_records, record_run, workers
from simsync.run.strategy import RecordedSession
from simsync.run.workers import DaemonThreads, call_for_each


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GRACE", 0.3)


def test_every_item_is_called_and_every_error_told() -> None:
    def call(item: int) -> None:
        if item % 2:
            raise SystemExit(item)

    errors = call_for_each(call, range(5), 2, simsync.CancelToken())
    assert [getattr(error, "code", None) for error in errors] == [None, 1, None, 3, None]


def test_what_does_not_end_is_left_behind() -> None:
    token, stuck, called = simsync.CancelToken(), threading.Event(), []

    def call(item: int) -> None:
        called.append(item)
        token.cancel()
        stuck.wait(30)

    began = time.monotonic()
    with pytest.raises(simsync.Cancelled, match="did not end"):
        call_for_each(call, range(3), 1, token)
    assert time.monotonic() - began < 10
    stuck.set()
    assert called == [0]  # the others were not begun


def test_an_interrupt_waits_for_the_threads_and_fires_the_token() -> None:
    token, ended = simsync.CancelToken(), threading.Event()
    fired = threading.Event()
    token.on_cancel(fired.set)

    def call(_item: int) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if fired.wait(30):
            ended.set()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it runs behind
    try:
        with pytest.raises(KeyboardInterrupt):
            call_for_each(call, [1], None, token)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.is_set()


def test_a_strategy_that_is_left_behind_records_nothing_more(tmp_path: Path) -> None:
    path, token, go_on = tmp_path / "run.ndjson", simsync.CancelToken(), threading.Event()
    outcome: list[Any] = []
    ended = threading.Event()

    def strategy(session: RecordedSession) -> None:
        next(session.events(advance=1))
        token.cancel()
        go_on.wait(30)
        try:
            session.record("late", {})
        except simsync.Cancelled as error:
            outcome.append(error)
        ended.set()

    ledger = Ledger.generate(slots=4, transactions_per_slot=1, bundle_size=4)
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        plan = RunPlan(simsync.CreateSession(1_000, slot_count=4), strategy=strategy)
        with Recorder(path) as recorder, pytest.raises(simsync.Cancelled, match="left behind"):
            record_run(client, plan, recorder, cancel=token)
    before = path.read_bytes()
    go_on.set()
    assert ended.wait(30)
    assert "nothing more is recorded" in str(outcome[0])
    assert path.read_bytes() == before
    assert list(read_records(path))[-1].kind == "stopped"


def test_own_threads_are_an_executor() -> None:
    threads = DaemonThreads(2, "test")
    both = threading.Barrier(2, timeout=30)
    futures = [threads.submit(both.wait) for _ in range(2)]
    assert {future.result(30) for future in futures} == {0, 1}
    failing = threads.submit(lambda: 1 / 0)
    assert isinstance(failing.exception(30), ZeroDivisionError)
    threads.shutdown()
    stuck = threading.Event()
    slow = DaemonThreads(1, "slow")
    slow.submit(stuck.wait, 30)
    began = time.monotonic()
    slow.shutdown()
    assert time.monotonic() - began < 10
    stuck.set()
