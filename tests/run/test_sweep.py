"""A strategy over many ranges: every range once, also after failures, on threads, processes and a cluster."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, Callable

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from simsync.run.output_file import OutputBusy
from simsync.run.sweep import RangeResult, SweepFailed, SweepSession
from simsync.run.sweep_capacity import InFlight

from . import sweep_strategies as strategies

FIRST, SLOTS, BUNDLE = 1_000, 24, 4
LAST = FIRST + SLOTS - 1
PIECES = [(start, start + BUNDLE - 1) for start in range(FIRST, LAST, BUNDLE)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(seed=3, start_slot=FIRST, slots=SLOTS, transactions_per_slot=2, bundle_size=BUNDLE)


@pytest.fixture
def simulator(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator(ledger) as running:
        monkeypatch.setenv("SIMULATOR_URL", running.url)
        monkeypatch.setenv("SIMULATOR_API_KEY", running.api_key)
        yield running


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def ranges_of(results: list[RangeResult[Any]]) -> list[tuple[int, int]]:
    return sorted((result.start_slot, result.end_slot) for result in results)


def test_a_range_is_split_where_bundles_start(simulator: Simulator) -> None:
    sweep = simsync.sweep(strategies.slots, (FIRST, LAST))
    assert sweep.total == len(PIECES)
    results = list(sweep)
    assert ranges_of(results) == PIECES
    assert (sweep.done, sweep.failed) == (len(PIECES), 0)
    for result in results:
        value = result.get()
        assert (value["first"], value["last"], value["count"]) == (result.start_slot, result.end_slot, BUNDLE)
        assert result.summary is not None
        assert result.summary.complete
        assert result.attempts == 1
        assert result.seconds > 0


def test_many_ranges_with_their_own_options(simulator: Simulator) -> None:
    ranges = [simsync.CreateSession(start, end, send_summary=True) for start, end in PIECES[:2]]
    results = list(simsync.sweep(strategies.slots, ranges))
    assert ranges_of(results) == PIECES[:2]
    assert all(result.summary is not None and result.summary.totals is not None for result in results)


def test_parallel_sessions_are_split_by_the_server(simulator: Simulator) -> None:
    (result,) = simsync.sweep(strategies.slots, (FIRST, LAST), parallel=True)
    assert result.get()["count"] == SLOTS
    assert result.summary is not None
    assert result.summary.sessions == SLOTS // BUNDLE


def test_failures_are_in_the_results_and_do_not_disturb_others(simulator: Simulator) -> None:
    with simsync.sweep(strategies.failing, (FIRST, LAST)) as sweep:
        results = list(sweep)
    failed = [result for result in results if result.error is not None]
    assert ranges_of(results) == PIECES
    assert ranges_of(failed) == [(start, end) for start, end in PIECES if start % 12 == 8]
    assert sweep.failed == len(failed) == 2
    with pytest.raises(ValueError, match="no luck at"):
        failed[0].get()
    assert failed[0].traceback is not None
    assert "in failing" in failed[0].traceback


def test_on_processes(simulator: Simulator, processes: ProcessPoolExecutor) -> None:
    results = list(simsync.sweep(strategies.failing, (FIRST, LAST), processes, client=strategies.client))
    assert ranges_of(results) == PIECES
    assert sum(isinstance(result.error, ValueError) for result in results) == 2
    used = {result.value["process"] for result in results if result.value is not None}
    assert os.getpid() not in used


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (strategies.unsendable, "the value of the range 1000 to 1003 cannot be sent back from the worker"),
        (strategies.stubborn, "the range 1000 to 1003 failed: Stubborn: one other"),
        (strategies.die, "the workers died before the range 1000 to 1003 was done"),
    ],
)
def test_a_result_that_cannot_be_sent_back_says_so(
    simulator: Simulator, processes: ProcessPoolExecutor, strategy: Callable[[SweepSession], Any], words: str
) -> None:
    (result,) = simsync.sweep(strategy, PIECES[0], processes)
    assert isinstance(result.error, SweepFailed)
    assert words in str(result.error)


def test_after_the_workers_died_the_rest_fails_too(simulator: Simulator, processes: ProcessPoolExecutor) -> None:
    results = list(simsync.sweep(strategies.die, PIECES, processes, in_flight=1))
    assert ranges_of(results) == PIECES
    assert all(isinstance(result.error, SweepFailed) for result in results)


def test_results_come_while_others_run(simulator: Simulator) -> None:
    first_is_taken = threading.Event()

    def strategy(session: SweepSession) -> int:
        if strategies.slots(session)["first"] != FIRST:
            assert first_is_taken.wait(30)
        return 1

    with simsync.sweep(strategy, PIECES, workers=3) as sweep:
        assert next(sweep).start_slot == FIRST
        first_is_taken.set()
        assert [result.get() for result in sweep] == [1] * (len(PIECES) - 1)


def test_results_tell_their_range_and_their_create(simulator: Simulator) -> None:
    creates = [simsync.CreateSession(*PIECES[0], extra_compute_units=units) for units in (0, 1_000, 2_000)]
    results = sorted(simsync.sweep(strategies.slots, creates), key=lambda result: result.index)
    assert [result.index for result in results] == [0, 1, 2]
    assert [result.create.extra_compute_units for result in results] == [0, 1_000, 2_000]
    assert {result.create.capacity_wait_timeout for result in results} == {900}
    (result,) = simsync.sweep(strategies.slots, PIECES[0], capacity_wait=5)
    assert result.create.capacity_wait_timeout == 5
    own = simsync.CreateSession(*PIECES[0], capacity_wait_timeout=1)
    (result,) = simsync.sweep(strategies.slots, own)
    assert result.create.capacity_wait_timeout == 1


@pytest.mark.parametrize(
    ("key", "create"),
    [("wrong", simsync.CreateSession(FIRST, LAST)), (None, simsync.CreateSession(5_000, 5_010))],
)
def test_a_refusal_is_not_tried_again(simulator: Simulator, key: str | None, create: simsync.CreateSession) -> None:
    client = simsync.Client(simulator.url, key or simulator.api_key)
    (result,) = simsync.sweep(strategies.slots, create, client=client, attempts=5, parallel=True)
    assert (result.attempts, result.failure) == (1, "refused")


def test_failures_have_a_class(simulator: Simulator, processes: ProcessPoolExecutor) -> None:
    found = [result.failure for result in simsync.sweep(strategies.failing, (FIRST, LAST), processes)]
    assert sorted(map(str, found)) == ["None"] * 4 + ["strategy"] * 2
    (unsendable,) = simsync.sweep(strategies.unsendable, PIECES[0], processes)
    assert unsendable.failure == "worker"
    nobody = simsync.Client("ws://127.0.0.1:9", "key")
    (unreachable,) = simsync.sweep(strategies.slots, PIECES[0], client=nobody, parallel=True)
    assert (unreachable.failure, unreachable.attempts) == ("temporary", 1)


def test_as_many_are_in_flight_as_the_executor_can_run(simulator: Simulator) -> None:
    ranges = [PIECES[0]] * 40
    with Counting() as executor, simsync.sweep(strategies.slots, ranges, executor) as sweep:
        next(sweep)
        assert executor.submitted <= 2 * 8 + 1


def test_large_results_wait_to_be_taken(simulator: Simulator) -> None:
    with Counting() as executor:
        with simsync.sweep(strategies.large, PIECES, executor, max_bytes=2_500_000) as sweep:
            first = next(sweep)
            assert 1_000_000 <= first.size < 1_100_000
            submitted = executor.submitted  # before a size was known
            for _result in sweep:
                submitted += 1
                assert executor.submitted <= max(submitted, len(PIECES))
    limit = InFlight(None, 4, None, 2_500_000)
    limit.saw(1_000_000)
    assert [limit.allows(1, 0), limit.allows(2, 0), limit.allows(1, 1_000_000)] == [True, False, False]
    assert limit.allows(0, 5_000_000)


# feature: (not the vendor's) one strategy over many ranges
def test_a_journal_holds_what_was_run(simulator: Simulator, tmp_path: Path) -> None:
    journal = tmp_path / "journal.ndjson"
    with simsync.sweep(strategies.counted, PIECES, journal=journal, workers=1) as sweep:
        taken = [next(sweep) for _ in range(3)]
    assert not any(result.journaled for result in taken)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"type":"range","data":{"key":')  # a killed driver
    results = sorted(simsync.sweep(strategies.counted, PIECES, journal=journal), key=lambda result: result.index)
    assert ranges_of(results) == PIECES
    known = [result for result in results if result.journaled]
    assert len(known) >= 3
    for result in known:
        assert result.value == {"first": result.start_slot, "pair": [1, 2]}
        assert result.summary is not None
        assert result.summary.complete
    again = list(simsync.sweep(strategies.counted, PIECES, journal=journal))
    assert all(result.journaled for result in again)
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    assert [line["type"] for line in lines] == ["sweep", *["range"] * len(PIECES)]
    assert sorted(line["data"]["start_slot"] for line in lines[1:]) == [start for start, _end in PIECES]
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-1])  # as some editors leave it
    assert all(result.journaled for result in simsync.sweep(strategies.counted, PIECES, journal=journal))
    assert journal.read_bytes() == whole
    more = list(simsync.sweep(strategies.counted, [*PIECES, PIECES[0]], journal=journal))
    assert [result.index for result in more if not result.journaled] == [len(PIECES)]


def test_what_a_journal_refuses(simulator: Simulator, tmp_path: Path) -> None:
    journal = tmp_path / "journal.ndjson"
    with simsync.sweep(strategies.counted, PIECES[:1], journal=journal) as sweep:
        with pytest.raises(OutputBusy):
            simsync.sweep(strategies.counted, PIECES[:1], journal=journal)
        list(sweep)
    with pytest.raises(simsync.InvalidParams, match=r"journal=.*is of another sweep \(strategy: .*:counted then"):
        simsync.sweep(strategies.slots, PIECES[:1], journal=journal)
    for content in ('{"type":"metadata","data":{}}\n', '{"type":"metadata","data":{}}', "notes", " "):
        (tmp_path / "other").write_text(content, encoding="utf-8")
        with pytest.raises(simsync.InvalidParams, match="is not the journal of a sweep"):
            simsync.sweep(strategies.slots, PIECES[:1], journal=tmp_path / "other")
        assert (tmp_path / "other").read_text(encoding="utf-8") == content
    for beginning in ("", '{"ty', '{"type":"sweep","data":{"fing'):
        (tmp_path / "begun").write_text(beginning, encoding="utf-8")
        (result,) = simsync.sweep(strategies.slots, PIECES[0], journal=tmp_path / "begun")
        assert result.failure is None
    for strategy in (strategies.unsendable, strategies.not_a_number):
        (unsent,) = simsync.sweep(strategy, PIECES[0], journal=tmp_path / strategy.__name__)
        assert (unsent.failure, unsent.value) == ("worker", None)
        assert "return what JSON can hold" in str(unsent.error)
    (half,) = simsync.sweep(strategies.half_a_pair, PIECES[0], journal=tmp_path / "half_a_pair")
    (again,) = simsync.sweep(strategies.half_a_pair, PIECES[0], journal=tmp_path / "half_a_pair")
    assert half.value == again.value == "\ufffd"
    assert again.journaled


def test_a_journal_is_of_the_arguments_of_its_strategy(simulator: Simulator, tmp_path: Path) -> None:
    def swept(spread: Decimal) -> RangeResult[str]:
        strategy = functools.partial(strategies.spread, spread=spread)
        (result,) = simsync.sweep(strategy, PIECES[0], journal=tmp_path / "journal.ndjson")
        return result

    assert not swept(Decimal("0.01")).journaled
    again = swept(Decimal("0.01"))
    assert (again.value, again.journaled) == ("0.01", True)
    with pytest.raises(simsync.InvalidParams, match=r"is of another sweep \(strategy_arguments"):
        swept(Decimal("0.05"))


def test_a_journal_holds_values_of_numpy(simulator: Simulator, tmp_path: Path) -> None:
    for journaled in (False, True):
        (result,) = simsync.sweep(strategies.of_numpy, PIECES[0], journal=tmp_path / "journal.ndjson")
        assert result.value == {"slots": PIECES[0][1] - PIECES[0][0] + 1, "share": [0.5, True]}
        assert result.journaled is journaled


def test_failed_ranges_are_run_again(simulator: Simulator, tmp_path: Path) -> None:
    journal = tmp_path / "journal.ndjson"
    assert sum(result.failure == "strategy" for result in simsync.sweep(strategies.failing, PIECES, journal=journal))
    again = list(simsync.sweep(strategies.failing, PIECES, journal=journal))
    assert [result.failure is None for result in again] == [result.journaled for result in again]


def test_a_full_disk_under_the_journal_ends_the_sweep(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with simsync.sweep(strategies.counted, PIECES, journal=tmp_path / "journal") as sweep:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(OSError, match=r"No space left on device: .*journal"):
            list(sweep)


class Counting(ThreadPoolExecutor):
    """Counts what is submitted and not finished."""

    def __init__(self) -> None:
        super().__init__(8)
        self.submitted = 0

    def submit(self, *arguments: Any, **more: Any) -> Future[Any]:
        self.submitted += 1
        return super().submit(*arguments, **more)


def test_no_more_is_submitted_than_asked_for(simulator: Simulator) -> None:
    with Counting() as executor, simsync.sweep(strategies.slots, PIECES, executor, in_flight=2) as sweep:
        for number, _result in enumerate(sweep, 1):
            assert executor.submitted <= number + 1


def test_another_attempt(ledger: Ledger) -> None:
    faults = Faults().refuse_upgrade(404, times=2)
    with Simulator(ledger, faults=faults) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        (result,) = simsync.sweep(strategies.slots, PIECES[0], client=client, attempts=3)
        assert (result.error, result.attempts) == (None, 3)
        faults.refuse_upgrade(404, times=2)
        (result,) = simsync.sweep(strategies.slots, PIECES[0], client=client, attempts=2)
        assert isinstance(result.error, simsync.ConnectError)
        (result,) = simsync.sweep(strategies.failing, PIECES[1], client=client, attempts=2)
        assert (type(result.error), result.attempts) == (ValueError, 1)  # it would fail again


def test_leaving_early_cancels_what_runs(simulator: Simulator) -> None:
    waiting = threading.Semaphore(0)

    def strategy(session: simsync.BacktestSession) -> None:
        if session.start_slot != FIRST:
            waiting.release()
            for _event in session:  # nothing more comes without a continue
                pass

    with simsync.sweep(strategy, PIECES, workers=3) as sweep:
        assert next(sweep).start_slot == FIRST
        assert waiting.acquire(timeout=30)
    assert list(sweep) == []


@pytest.mark.parametrize(
    ("arguments", "more", "words"),
    [
        ((1, PIECES), {}, "strategy=1: must be a function"),
        ((strategies.slots, "10-20"), {}, "ranges='10-20'"),
        ((strategies.slots, [(1,)]), {}, r"ranges\[0\]=\(1,\): must be \(start_slot, end_slot\)"),
        ((strategies.slots, [(9, 4)]), {}, "end_slot=4"),
        ((strategies.slots, PIECES, 5), {}, "executor=5: must have submit"),
        ((strategies.slots, PIECES), {"workers": 0}, "workers=0"),
        ((strategies.slots, PIECES), {"attempts": 0}, "attempts=0"),
        ((strategies.slots, PIECES), {"client": "key"}, "client='key': must be a Client"),
        ((strategies.slots, (FIRST + 1, LAST)), {}, "start_slot=1001"),
    ],
)
def test_bad_input(simulator: Simulator, arguments: tuple[Any, ...], more: dict[str, Any], words: str) -> None:
    with pytest.raises(simsync.InvalidParams, match=words):
        simsync.sweep(*arguments, **more)


def test_what_cannot_be_sent_to_a_process_is_rejected_at_once(
    simulator: Simulator, processes: ProcessPoolExecutor
) -> None:
    with pytest.raises(simsync.InvalidParams, match=r"strategy=.* define it at the top level of a module"):
        simsync.sweep(lambda session: None, PIECES, processes)
    with pytest.raises(simsync.InvalidParams, match="its key must not leave this one"):
        simsync.sweep(strategies.slots, PIECES, processes, client=simsync.Client())


CLUSTER = """
import json, sys
from distributed import Client, LocalCluster
import simsync
from tests.run import sweep_strategies as strategies

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50,
                      host="127.0.0.1") as cluster, Client(cluster) as dask:
        with dask.get_executor() as executor:
            results = list(simsync.sweep(strategies.die_once, (1000, 1023), executor))
    print(json.dumps([[one.start_slot, one.end_slot, repr(one.error), one.value] for one in results]))
"""


def test_a_cluster_runs_the_ranges_of_a_dead_worker_again(simulator: Simulator, tmp_path: Path) -> None:
    program, mark = tmp_path / "cluster.py", tmp_path / "mark"
    program.write_text(CLUSTER, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SWEEP_TEST_MARK": str(mark), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert mark.exists()  # a worker has died
    assert sorted((start, end) for start, end, _error, _value in results) == PIECES
    for start, end, error, value in results:
        assert error == "None"
        assert (value["first"], value["last"]) == (start, end)
