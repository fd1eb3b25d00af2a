"""Loops over events, as a user writes them."""

from __future__ import annotations

import threading
from collections import defaultdict

import pytest

import simsync
from simsync.local import Ledger
from tests.threads import is_waiting

FIRST, SLOTS, BUNDLE = 1_000, 18, 6


def test_the_sub_sessions_cover_the_range(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        ranges = [(sub.start_slot, sub.end_slot) for sub in session.sub_sessions]
        assert ranges == [(1000, 1005), (1006, 1011), (1012, 1017)]
        assert session.control_session_id.startswith("parallel_")
        assert {sub.session_id[:9] for sub in session.sub_sessions} == {"backtest_"}


# feature: wait for the first pause, run to completion, progress
def test_a_merged_loop_sees_every_slot_of_every_sub_session(
    client: simsync.Client, create: simsync.CreateSession, ledger: Ledger
) -> None:
    slots = []
    completed = []
    with client.parallel(create) as session:
        for sub, event in session.events(advance=2, timeout=20):
            if isinstance(event, simsync.Slot):
                slots.append(event.slot)
            elif isinstance(event, simsync.Completed):
                completed.append(sub)
        assert sorted(slots) == [block.slot for block in ledger.blocks]
        assert sorted(sub.start_slot for sub in completed) == [1000, 1006, 1012]
        assert [coverage.reason for coverage in session.coverage] == ["complete"] * 3


def test_completed_is_the_last_event_and_carries_a_true_summary(
    client: simsync.Client, create: simsync.CreateSession, ledger: Ledger
) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        events = list(sub.events(advance=100, timeout=20))
        assert isinstance(events[-1], simsync.Completed)
        summary = events[-1].summary
        assert summary is not None
        executed = sum(len(block.transactions) for block in ledger.blocks if block.slot <= sub.end_slot)
        assert summary.correct_simulation == executed
        assert list(sub.events(timeout=20)) == []
        with pytest.raises(simsync.ControlClosed):
            sub.next_event(timeout=20)


# feature: every program has the same read loop
def test_the_body_runs_before_the_engine_moves_on(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        seen = sub.start_slot
        for event in sub.events(advance=1, timeout=20):
            if isinstance(event, simsync.Slot):
                seen = event.slot
            elif isinstance(event, simsync.ReadyForContinue):
                assert sub.rpc.get_slot() == seen
        assert seen == sub.end_slot


def test_leaving_a_loop_and_entering_it_again_loses_nothing(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create) as session:
        undisturbed = [repr(event) for event in session.sub_sessions[0].events(advance=2, timeout=20)]
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        taken: list[str] = []
        while not taken or "Completed" not in taken[-1]:
            for event in sub.events(advance=2, timeout=20):
                taken.append(repr(event))
                break
    assert taken == undisturbed


def test_a_continue_of_the_body_takes_the_place_of_the_advance(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        readies = 0
        for event in sub.events(advance=1, timeout=20):
            if isinstance(event, simsync.ReadyForContinue):
                readies += 1
                sub.send_continue(advance_count=3)
        assert readies == 2  # 5 blocks after the first, three at a time


def test_next_event_and_loops_share_one_stream(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        stream = sub.events(timeout=20)
        events = [sub.next_event(timeout=20), next(stream)]
        for event in stream:
            events.append(event)
            if isinstance(event, simsync.ReadyForContinue):
                break
        assert [event for event in events if not isinstance(event, simsync.Status)] == [
            simsync.Slot(1000),
            simsync.ReadyForContinue(),
        ]
        sub.send_continue(advance_count=2)
        assert [next(stream) for _ in range(3)] == [
            simsync.Slot(1001),
            simsync.Slot(1002),
            simsync.ReadyForContinue(),
        ]


def test_a_timeout_loses_nothing(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        sub = session.sub_sessions[0]
        stream = sub.events(timeout=0.05)
        with pytest.raises(simsync.EventTimeout, match="no event is lost"):
            for _event in stream:
                pass
        sub.send_continue(advance_count=100)
        assert isinstance(list(sub.events(timeout=20))[-1], simsync.Completed)


def test_a_timeout_of_the_merged_loop_loses_nothing(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        merged = session.events(timeout=0.05)
        slots = []
        with pytest.raises(simsync.EventTimeout):
            for _sub, event in merged:
                slots.append(event)
        for sub in session.sub_sessions:
            sub.send_continue(advance_count=100)
        slots += [event for _sub, event in session.events(timeout=20)]
        assert sum(isinstance(event, simsync.Completed) for event in slots) == 3
        assert sum(isinstance(event, simsync.Slot) for event in slots) == SLOTS


def test_next_of_the_merged_stream(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        stream = session.events(advance=100, timeout=20)
        events = defaultdict(list)
        while True:
            try:
                sub, event = next(stream)
            except StopIteration:
                break
            events[sub.start_slot].append(type(event).__name__)
        assert {names[-1] for names in events.values()} == {"Completed"}


def test_one_thread_per_sub_session(client: simsync.Client, create: simsync.CreateSession) -> None:
    def count(sub: simsync.SubSession) -> int:
        return sum(isinstance(event, simsync.Slot) for event in sub.events(advance=2, timeout=20))

    with client.parallel(create) as session:
        results = session.map(count)
        assert [result.get() for result in results] == [BUNDLE] * 3
        assert [result.sub_session for result in results] == list(session.sub_sessions)


def test_a_failing_strategy_does_not_kill_the_others(client: simsync.Client, create: simsync.CreateSession) -> None:
    def strategy(sub: simsync.SubSession) -> str:
        if sub.start_slot == 1006:
            raise ZeroDivisionError("a bug of the user")
        return [type(event).__name__ for event in sub.events(advance=2, timeout=20)][-1]

    with client.parallel(create) as session:
        first, second, third = session.map(strategy)
        assert (first.value, third.value) == ("Completed", "Completed")
        with pytest.raises(ZeroDivisionError):
            second.get()


def test_fewer_workers_than_sub_sessions(client: simsync.Client, create: simsync.CreateSession) -> None:
    names = set()

    def strategy(sub: simsync.SubSession) -> bool:
        names.add(threading.current_thread().name)
        return any(isinstance(event, simsync.Completed) for event in sub.events(advance=2, timeout=20))

    with client.parallel(create) as session:
        assert [result.value for result in session.map(strategy, workers=1)] == [True] * 3
    assert names == {"simsync-map-0"}


def test_events_are_for_one_consumer_at_a_time_but_none_is_lost_to_two(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    taken: list[simsync.Event] = []

    with client.parallel(create) as session:
        sub = session.sub_sessions[0]

        def consume() -> None:
            for event in sub.events(advance=1, timeout=20):
                taken.append(event)

        threads = [threading.Thread(target=consume) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(event.slot for event in taken if isinstance(event, simsync.Slot)) == list(range(1000, 1006))
        assert sum(isinstance(event, simsync.Completed) for event in taken) == 1


@pytest.mark.parametrize("merged", [False, True])
def test_closing_a_sub_session_wakes_whoever_waits_for_its_events(
    client: simsync.Client, create: simsync.CreateSession, merged: bool
) -> None:
    with client.parallel(create) as session:
        for sub in session.sub_sessions:
            while not isinstance(sub.next_event(timeout=20), simsync.ReadyForContinue):
                pass
        first = session.sub_sessions[0]
        ends: list[object] = []

        def wait() -> None:
            try:
                ends.append(list(session.events()) if merged else first.next_event())
            except simsync.SimsyncError as error:
                ends.append(type(error))

        waiter = threading.Thread(target=wait)
        waiter.start()
        a_moment = threading.Event()
        while not is_waiting(waiter):
            a_moment.wait(0.001)
        for sub in session.sub_sessions if merged else [first]:
            sub.close()
        waiter.join(20)
        expected: list[object] = [[]] if merged else [simsync.Cancelled]
        assert ends == expected
