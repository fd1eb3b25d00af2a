"""Subscriptions that step aside for streaming siblings: they get their turn, whatever way the sessions are driven."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from simsync.protocol.session_state import SessionState
from simsync.runtime.event_queue import EventQueue, ReadyQueues
from simsync.runtime.reconnect_turns import ReconnectTurns
from simsync.runtime.subscription_status import SubscriptionStatus
from simsync.runtime.waiting import InterruptSafeCondition

FIRST, SLOTS = 1_000, 40
GATED = simsync.Options(backoff_initial=0.001, ungated_reconnects=0, continue_grace=0.05)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Four bundles of ten slots."""
    return Ledger.generate(seed=6, start_slot=FIRST, slots=SLOTS, transactions_per_slot=4, bundle_size=10)


def subscribed(simulator: Simulator, options: simsync.Options = GATED) -> simsync.ParallelSession:
    client = simsync.Client(simulator.url, simulator.api_key, options=options)
    session = client.parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=20)
    for sub in session.sub_sessions:
        sub.subscribe_transactions()
        sub.subscribe("slotSubscribe")
    return session


def count(sub: simsync.SubSession) -> int:
    return sum(isinstance(event, simsync.Transaction) for event in sub.events(advance=2, timeout=20))


@pytest.mark.parametrize("way", ["one loop", "one after the other", "threads"])
def test_no_way_of_driving_hangs(ledger: Ledger, way: str) -> None:
    with Simulator(ledger, faults=Faults().drop_data(after=3, times=12)) as simulator, subscribed(simulator) as session:
        if way == "one loop":
            events = [event for _sub, event in session.events(advance=2, timeout=20)]
            seen = sum(isinstance(event, simsync.Transaction) for event in events)
        elif way == "one after the other":
            seen = sum(count(sub) for sub in session.sub_sessions)
        else:
            seen = sum(result.get() for result in session.map(count))
        assert seen == ledger.transaction_count
        assert all(coverage.complete for coverage in session.coverage)


def test_refused_upgrades_are_tried_again_without_using_up_the_budget_while_parked(ledger: Ledger) -> None:
    options = replace(GATED, reconnect_attempts=30)
    with Simulator(ledger, faults=Faults().refuse_upgrade(503, times=20, where="data")) as simulator:
        with subscribed(simulator, options) as session:
            assert sum(result.get() for result in session.map(count)) == ledger.transaction_count


def test_closing_wakes_a_parked_subscription(ledger: Ledger) -> None:
    with Simulator(ledger, faults=Faults().refuse_upgrade(503, times=10_000, where="data")) as simulator:
        options = replace(GATED, backoff_initial=30.0, backoff_max=30.0)
        with subscribed(simulator, options) as session:
            with pytest.raises(simsync.EventTimeout):
                session.sub_sessions[0].send_continue(timeout=0.1)


class Connection:
    """What the turns need of a control connection."""

    def __init__(self, count: int) -> None:
        self.lock = threading.RLock()
        self.changed = InterruptSafeCondition(self.lock)
        self.queues = {str(number): event_queue() for number in range(count)}


def event_queue(up: bool = True) -> EventQueue:
    made = EventQueue(SessionState("backtest_x"), ReadyQueues(), 1.0)
    status = SubscriptionStatus("all", lambda: [])
    status.up = up
    made.subscriptions.append(status)
    return made


def running(one: EventQueue) -> None:
    one.state.cycle.submit(b"continue")
    one.state.cycle.take()


class Asking:
    """A task that waits for the turn of a session."""

    def __init__(self, turns: ReconnectTurns, *, stopped: bool = False) -> None:
        self.woken = 0
        self.has_turn: bool | None = None  # None while it waits
        self.stopped = stopped
        self._steps = turns.take(self, lambda: self.stopped)  # type: ignore[arg-type]
        self.look()

    def wake(self) -> None:
        self.woken += 1

    def look(self) -> None:
        try:
            next(self._steps)
        except StopIteration as end:
            self.has_turn = end.value


def test_it_waits_while_a_sibling_streams_and_goes_when_that_stops() -> None:
    connection = Connection(2)
    mine, other = connection.queues.values()
    mine.subscriptions[0].up = False
    running(mine)
    running(other)
    asking = Asking(ReconnectTurns(connection))  # type: ignore[arg-type]
    with connection.lock:
        connection.changed.notify_all()
    assert asking.woken == 1
    asking.look()
    assert asking.has_turn is None
    with connection.lock:
        other.subscriptions[0].ended = True
        connection.changed.notify_all()
    assert asking.woken == 2
    asking.look()
    assert asking.has_turn


@pytest.mark.parametrize("why", ["waits for its driver", "its own subscription is down", "has ended"])
def test_a_sibling_that_cannot_be_waited_for_is_not_waited_for(why: str) -> None:
    connection = Connection(2)
    _mine, other = connection.queues.values()
    if why != "waits for its driver":
        running(other)
    other.subscriptions[0].up = why == "waits for its driver"
    other.subscriptions[0].ended = why == "has ended"
    assert Asking(ReconnectTurns(connection)).has_turn  # type: ignore[arg-type]


def test_one_at_a_time() -> None:
    turns = ReconnectTurns(Connection(2))  # type: ignore[arg-type]
    first, second = Asking(turns), Asking(turns)
    assert first.has_turn
    assert second.has_turn is None
    turns.give_back(first)  # type: ignore[arg-type]
    assert second.woken == 1
    second.look()
    assert second.has_turn


def test_only_the_first_in_the_line_is_woken_by_a_change() -> None:
    """Thousands may wait, and each batch of control events is a change."""
    connection = Connection(1)
    (other,) = connection.queues.values()
    running(other)
    turns = ReconnectTurns(connection)  # type: ignore[arg-type]
    first, second = Asking(turns), Asking(turns)
    woken = second.woken
    for _each in range(3):
        with connection.lock:
            connection.changed.notify_all()
        first.look()
    assert first.woken == 3
    assert second.woken == woken
    first.stopped = True
    first.look()
    assert first.has_turn is False
    second.look()
    other.subscriptions[0].ended = True
    with connection.lock:
        connection.changed.notify_all()
    second.look()
    assert second.has_turn


def test_being_stopped_ends_the_wait_without_a_turn() -> None:
    turns = ReconnectTurns(Connection(2))  # type: ignore[arg-type]
    first = Asking(turns)
    assert first.has_turn
    assert Asking(turns, stopped=True).has_turn is False
    turns.give_back(first)  # type: ignore[arg-type]
    assert Asking(turns).has_turn
