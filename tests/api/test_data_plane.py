"""The stream of what happened: complete across lost connections, bounded in memory, or loudly incomplete."""

from __future__ import annotations

import gc
import logging
import threading
from collections import Counter
from dataclasses import replace

import pytest

import simsync
from simsync.events import TransactionFields
from simsync.local import Faults, Ledger, Simulator

from ..until import until

FIRST, SLOTS = 1_000, 40
OPTIONS = simsync.Options(backoff_initial=0.001, backoff_max=0.05, continue_grace=0.05, drain_idle=5.0)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Two bundles of twenty slots."""
    return Ledger.generate(seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=6, bundle_size=20)


Stream = dict[int, list[tuple[int, str]]]


def run(simulator: Simulator, options: simsync.Options = OPTIONS, advance: int = 3) -> Stream:
    """All transactions of a whole run by sub-session, as (slot, signature)."""
    client = simsync.Client(simulator.url, simulator.api_key, options=options)
    with client.parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=20) as session:
        stream: Stream = {sub.start_slot: [] for sub in session.sub_sessions}
        for sub in session.sub_sessions:
            sub.subscribe_transactions()
        for sub, event in session.events(advance=advance, timeout=20):
            if isinstance(event, simsync.Transaction):
                stream[sub.start_slot].append((event.slot, event.signature))
        assert all(coverage.complete for coverage in session.coverage)
    return stream


@pytest.fixture(scope="module")
def undisturbed(ledger: Ledger) -> Stream:
    with Simulator(ledger) as simulator:
        stream = run(simulator)
    assert sum(map(len, stream.values())) == ledger.transaction_count
    return stream


@pytest.mark.parametrize("after", [1, 2, 5, 6, 7, 30, 119, 120])
def test_a_lost_data_connection_loses_nothing_and_doubles_nothing(
    ledger: Ledger, undisturbed: Stream, after: int
) -> None:
    with Simulator(ledger, faults=Faults().drop_data(after=after, times=3)) as simulator:
        assert run(simulator) == undisturbed


# feature: diffs of one account, many accounts, a program
@pytest.mark.parametrize("end_of_stream", ["a", "b", "c"])
def test_drops_with_every_form_of_the_end(ledger: Ledger, undisturbed: Stream, end_of_stream: str) -> None:
    with Simulator(ledger, faults=Faults().drop_data(after=11, times=6), end_of_stream=end_of_stream) as simulator:
        assert run(simulator) == undisturbed


def test_drops_of_both_kinds_of_connection(ledger: Ledger, undisturbed: Stream) -> None:
    faults = Faults().drop_data(after=17, times=8)
    for number in range(9, 40, 5):
        faults.drop_control(after=number)
    with Simulator(ledger, faults=faults) as simulator:
        assert run(simulator) == undisturbed


@pytest.mark.parametrize("compression", [True, False])
def test_compression_changes_nothing(ledger: Ledger, undisturbed: Stream, compression: bool) -> None:
    with Simulator(ledger, faults=Faults().drop_data(after=23, times=2)) as simulator:
        assert run(simulator, replace(OPTIONS, compression=compression)) == undisturbed


def test_notifications_before_the_acknowledgement(ledger: Ledger, undisturbed: Stream) -> None:
    with Simulator(ledger, overtake_acks=True) as simulator:
        assert run(simulator) == undisturbed


# feature: background task with a callback per event
def test_a_transaction_of_two_programs_comes_once(ledger: Ledger) -> None:
    system, memo = "11111111111111111111111111111111", "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
    with Simulator(ledger, faults=Faults().drop_data(after=40, times=2)) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)
        with client.parallel(simsync.CreateSession(FIRST, slot_count=20), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe_transactions([system, memo])
            seen = [event for event in sub.events(advance=5, timeout=20) if isinstance(event, simsync.Transaction)]
    both = [event for event in seen if {system, memo} <= set(event.account_keys)]
    assert both
    assert max(Counter((event.slot, event.signature) for event in seen).values()) == 1


def test_a_refused_subscribe_is_reported_with_the_words_of_the_server(ledger: Ledger) -> None:
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)
        with client.parallel(simsync.CreateSession(FIRST, slot_count=20), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("weatherSubscribe", {"sky": "blue"})
            with pytest.raises(simsync.SubscriptionFailed, match="the server refused weatherSubscribe"):
                list(sub.events(advance=5, timeout=20))
            with pytest.raises(simsync.SubscriptionFailed):
                sub.send_continue(timeout=20)


# feature: subscriptions of any other kind, with any config keys
def test_an_own_decoder(ledger: Ledger) -> None:
    class SlotNote(simsync.Event):
        def __init__(self, slot: int) -> None:
            self.slot = slot

    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)
        with client.parallel(simsync.CreateSession(FIRST, slot_count=20), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe", decode=lambda _method, result: SlotNote(result["slot"]))
            notes = [event.slot for event in sub.events(advance=5, timeout=20) if isinstance(event, SlotNote)]
    assert notes == list(range(FIRST, FIRST + 20))


def test_a_full_buffer_holds_the_server_back_and_loses_nothing(ledger: Ledger, undisturbed: Stream) -> None:
    options = replace(OPTIONS, buffer_events=7, ping_interval=0.2, dead_after=0.8)
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        with client.parallel(simsync.CreateSession(FIRST, slot_count=20), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe_transactions()
            sub.send_continue(advance_count=100, timeout=20)
            until(sub.queue.changed, lambda: sub.queue.qsize() >= 7)
            # Longer than a dead peer would be given, on both connections.
            threading.Event().wait(1.2)
            assert sub.queue.qsize() < 7 + 200  # one batch more than the limit, at the most
            seen = [event for event in sub.events(timeout=20) if isinstance(event, simsync.Transaction)]
            assert sub.data_reconnects == 0
            assert session.reconnects == 0
    assert [(event.slot, event.signature) for event in seen] == undisturbed[FIRST]


# feature: incomplete captures go unnoticed
def test_what_the_server_does_not_keep_any_more_fails_the_run() -> None:
    long = Ledger.generate(seed=2, start_slot=FIRST, slots=60, transactions_per_slot=2, bundle_size=60)
    options = replace(OPTIONS, replay_slots=10, buffer_events=4)
    with Simulator(long, replay_slots=10, faults=Faults().drop_data(after=80)) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        with client.parallel(simsync.CreateSession(FIRST, slot_count=60), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe_transactions()
            sub.send_continue(advance_count=100, timeout=20)
            # Nothing is taken while the engine runs to the end; then the connection is lost behind the 40th slot.
            assert not sub.ensure_ready(timeout=20)
            events = []
            with pytest.raises(simsync.SubscriptionFailed, match=r"slots \d+ to 1049 cannot be recovered"):
                for event in sub.events(timeout=20):
                    events.append(event)
    assert not any(isinstance(event, simsync.Completed) for event in events)


def test_lazy_events_cost_nothing_until_they_are_looked_at(ledger: Ledger) -> None:
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)
        with client.parallel(simsync.CreateSession(FIRST, slot_count=20), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe_transactions()
            (event, *_rest) = [one for one in sub.events(advance=9, timeout=20) if isinstance(one, simsync.Transaction)]
    assert event.slot == FIRST
    assert not any(isinstance(held, (dict, TransactionFields)) for held in gc.get_referents(event))
    assert event.logs is not None
    assert any(isinstance(held, TransactionFields) for held in gc.get_referents(event))
    assert event.raw["slot"] == FIRST
    assert event.raw is event.raw


# feature: log raw frames
def test_nothing_is_logged_above_debug_but_state_changes(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "simsync")
    with Simulator(ledger) as simulator:
        run(simulator)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
