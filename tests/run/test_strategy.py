"""A run whose sessions are driven by a function of the caller: every event is in the file, received by it or not."""

from __future__ import annotations

import inspect
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from solders.pubkey import Pubkey

import simsync
from simsync.local import Ledger, Simulator
from simsync.run import Recorder, RunPlan, keep_finished, read_records, record_run, summarize
from simsync.run.strategy import RecordedSession, Strategy, StrategyFailed

FIRST, SLOTS, BUNDLE = 1_000, 12, 4
CREATE = simsync.CreateSession(FIRST, slot_count=SLOTS)


@pytest.fixture(scope="module")
def client() -> Iterator[simsync.Client]:
    ledger = Ledger.generate(seed=3, start_slot=FIRST, slots=SLOTS, transactions_per_slot=4, bundle_size=BUNDLE)
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key)


def recorded(client: simsync.Client, path: Path, strategy: Strategy | None, workers: int | None = None) -> Counter[str]:
    """How many records of each kind the file of a run has."""
    with Recorder(path) as recorder:
        assert record_run(client, RunPlan(CREATE, True, strategy=strategy, workers=workers), recorder).complete
    return Counter(record.kind for record in read_records(path))


# feature: (not the vendor's) strategies, pages, tables, a demo
def test_every_way_to_take_events_is_recorded(client: simsync.Client, tmp_path: Path) -> None:
    seen: Counter[type] = Counter()

    def strategy(session: RecordedSession) -> None:
        seen[type(session.next_event())] += 1
        session.advance(1)
        for event in session.pending():
            seen[type(event)] += 1
        for event in session.events(advance=1):
            seen[type(event)] += 1
            if isinstance(event, simsync.ReadyForContinue):
                break
        session.send_continue(advance_count=1)
        for event in session:
            seen[type(event)] += 1
            if isinstance(event, simsync.ReadyForContinue):
                session.send_continue(advance_count=1)

    kinds = recorded(client, tmp_path / "run.ndjson", strategy, workers=1)
    assert seen[simsync.Slot] == SLOTS
    assert kinds["tx"] == seen[simsync.Transaction] == 4 * SLOTS
    assert kinds["progress"] == seen[simsync.ReadyForContinue] + seen[simsync.Completed]


def test_a_whole_session_can_be_collected(client: simsync.Client, tmp_path: Path) -> None:
    seen: list[bool] = []
    shown: Counter[type] = Counter()

    def strategy(session: RecordedSession) -> None:
        before = shown.copy()
        shown[type(session.next_event())] += 1

        def interrupted(_own: RecordedSession, event: simsync.Event) -> None:
            shown[type(event)] += 1
            raise KeyError("once")

        with pytest.raises(KeyError):
            session.collect(on_progress=interrupted)
        collected = session.collect(
            advance=1, timeout=20, deadline=60, on_progress=lambda own, event: shown.update([type(event)])
        )
        assert all(own is session for own, _event in collected.pairs)
        assert len(collected) == sum(shown.values()) - sum(before.values()) - 1
        seen.append(collected.complete)
        with pytest.raises(simsync.ControlClosed, match="every event was delivered"):
            session.collect()

    kinds = recorded(client, tmp_path / "run.ndjson", strategy, workers=1)
    assert seen == [True] * (SLOTS // BUNDLE)
    assert kinds["tx"] == shown[simsync.Transaction] == 4 * SLOTS


def test_a_loop_knows_its_slots_and_survives_a_timeout(client: simsync.Client, tmp_path: Path) -> None:
    def strategy(session: RecordedSession) -> None:
        events = session.events(timeout=0.01)
        assert events.slots == BUNDLE
        with pytest.raises(simsync.EventTimeout):
            while True:
                next(events)
        session.send_continue(advance_count=1, timeout=20)
        session.ensure_ready(timeout=20)
        next(events)
        with pytest.raises(simsync.EventTimeout, match="deadline of the loop"):
            list(session.events(deadline=0))

    assert recorded(client, tmp_path / "run.ndjson", strategy)["tx"] == 4 * SLOTS


def test_no_event_can_be_taken_without_recording_it(client: simsync.Client, tmp_path: Path) -> None:
    """Whatever of a session gives events is recorded, takes the same arguments, or is refused."""
    events = re.compile(r"\b(Event|EventStream|EventQueue|Collected)\b")
    giving = set()
    for kind in (simsync.BacktestSession, simsync.SubSession):
        for name, member in inspect.getmembers(kind):
            function = member.fget if isinstance(member, property) else member
            if not inspect.isfunction(function) or (name.startswith("_") and name != "__iter__"):
                continue
            if events.search(str(inspect.signature(function).return_annotation)):
                giving.add(name)
    assert giving == {"__iter__", "collect", "events", "next_event", "pending", "queue"}
    for name in giving - {"queue"}:
        own, theirs = (
            [(one.name, one.kind, one.default) for one in inspect.signature(function).parameters.values()]
            for function in (vars(RecordedSession)[name], getattr(simsync.SubSession, name))
        )
        assert own == theirs

    def strategy(session: RecordedSession) -> None:
        for name in ("queue", "_queue"):
            assert not hasattr(session, name)
        assert session.session_id in session._repr_html_()
        with pytest.raises(AttributeError, match="what is taken from it would not be recorded"):
            session.queue.get()

    recorded(client, tmp_path / "run.ndjson", strategy)


@pytest.mark.parametrize("steps", [0, 1, BUNDLE])
def test_what_a_strategy_leaves_is_run_to_the_end(client: simsync.Client, tmp_path: Path, steps: int) -> None:
    def strategy(session: RecordedSession) -> None:
        for _ in range(steps):
            if session.ensure_ready():
                session.advance(1)

    kinds = recorded(client, tmp_path / "run.ndjson", strategy)
    assert (kinds["tx"], kinds["session_completed"]) == (4 * SLOTS, SLOTS // BUNDLE)


def test_workers_limit_how_many_sessions_are_driven_at_the_same_time(client: simsync.Client, tmp_path: Path) -> None:
    lock, running, most = threading.Lock(), 0, 0
    both = threading.Barrier(2, timeout=30)

    def strategy(session: RecordedSession) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if session.start_slot < FIRST + 2 * BUNDLE:
            both.wait()  # two are driven at the same time ...
        for _event in session.events(advance=1):
            pass
        with lock:
            running -= 1

    recorded(client, tmp_path / "run.ndjson", strategy, workers=2)
    assert most == 2  # ... and never a third


def test_own_records_belong_to_their_session(client: simsync.Client, tmp_path: Path) -> None:
    """Records of a session that is run again are removed."""
    path = tmp_path / "run.ndjson"

    def strategy(session: RecordedSession) -> None:
        session.record("quote", {"price": session.start_slot})

    assert recorded(client, path, strategy)["quote"] == SLOTS // BUNDLE
    lines = path.read_bytes().splitlines(keepends=True)
    last_end = max(number for number, line in enumerate(lines) if b'"session_completed"' in line)
    path.write_bytes(b"".join(lines[:last_end]))
    plan = RunPlan(CREATE, True, strategy=strategy)
    kept = keep_finished(path, plan)
    with Recorder(path, append=True) as recorder:
        assert record_run(client, plan, recorder, kept=kept).complete
    prices = [record.data["price"] for record in read_records(path) if record.kind == "quote"]
    assert sorted(prices) == list(range(FIRST, FIRST + SLOTS, BUNDLE))


def test_after_a_failure_the_other_sessions_run_to_their_end(client: simsync.Client, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"

    def strategy(session: RecordedSession) -> None:
        if session.start_slot == FIRST:
            raise ValueError("no luck")

    with Recorder(path) as recorder, pytest.raises(StrategyFailed, match="ValueError: no luck") as caught:
        record_run(client, RunPlan(CREATE, True, strategy=strategy), recorder)
    assert isinstance(caught.value.__cause__, ValueError)
    kinds = Counter(record.kind for record in read_records(path))
    assert (kinds["session_completed"], kinds["stopped"], kinds["summary"]) == (2, 1, 0)


def test_a_single_session_is_driven_too(client: simsync.Client, tmp_path: Path) -> None:
    path, threads = tmp_path / "run.ndjson", []
    plan = RunPlan(
        simsync.CreateSession(FIRST, slot_count=BUNDLE),
        strategy=lambda session: threads.append(threading.current_thread()),
    )
    with Recorder(path) as recorder:
        assert record_run(client, plan, recorder).complete
    (thread,) = threads
    assert thread.daemon  # so that a strategy that does not end can be left behind


@pytest.mark.parametrize("kind", ["tx", "metadata", "stopped"])
def test_kinds_of_simsync_are_reserved(client: simsync.Client, tmp_path: Path, kind: str) -> None:
    with Recorder(tmp_path / "run.ndjson") as recorder, pytest.raises(simsync.InvalidParams, match="simsync's own"):
        record_run(client, RunPlan(CREATE, True, strategy=lambda session: session.record(kind, {})), recorder)


def test_values_of_numpy_and_solders_are_recorded(client: simsync.Client, tmp_path: Path) -> None:
    path, key = tmp_path / "run.ndjson", Pubkey.default()

    def strategy(session: RecordedSession) -> None:
        values = {"whole": numpy.int64(3), "real": numpy.float32(0.5), "flag": numpy.bool_(True), "keys": [key, (key,)]}
        session.record("values", {"values": values, str(key): {key: None, 5: b"".decode(), numpy.int64(6): 1.5}})

    recorded(client, path, strategy)
    found = [dict(record.data) for record in read_records(path) if record.kind == "values"]
    for one in found:
        del one["session_id"]
        assert one["values"] == {"whole": 3, "real": 0.5, "flag": True, "keys": [str(key), [str(key)]]}
        assert one[str(key)] == {str(key): None, "5": "", "6": 1.5}
    assert len(found) == SLOTS // BUNDLE


ITSELF: dict[str, object] = {}
ITSELF["itself"] = ITSELF


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("quote", {"price": float("nan")}, "data=.*cannot be recorded as JSON"),
        ("quote", {"price": [{"of": float("inf")}]}, "data=.*cannot be recorded as JSON"),
        ("quote", {"price": object()}, "data=.*cannot be recorded as JSON"),
        ("quote", {"price": numpy.float32("nan")}, "data=.*cannot be recorded as JSON"),
        ("quote", ITSELF, "data=.*cannot be recorded as JSON"),
        ("quote", 5, "data=5.*must be a mapping"),
        (" ", {}, "kind=' '.*must be a name"),
        (5, {}, "kind=5.*must be a name"),
    ],
)
def test_what_no_reader_would_take_is_not_recorded(
    client: simsync.Client, tmp_path: Path, kind: Any, data: Any, words: str
) -> None:
    def strategy(session: RecordedSession) -> None:
        with pytest.raises(simsync.InvalidParams, match=words):
            session.record(kind, data)
        session.record("text", {"half": "\ud800", "whole": "\U0001f600"})

    path = tmp_path / "run.ndjson"
    recorded(client, path, strategy, workers=1)
    texts = [record.data for record in read_records(path) if record.kind == "text"]
    assert {(one["half"], one["whole"]) for one in texts} == {("\ufffd", "\U0001f600")}
    assert summarize(path).complete
