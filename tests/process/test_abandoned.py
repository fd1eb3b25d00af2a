"""Sessions and loops that are let go of without a word, and sessions that many threads use at once."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator

SLOTS = 40


@pytest.fixture(scope="module")
def client() -> Iterator[simsync.Client]:
    ledger = Ledger.generate(seed=6, start_slot=1_000, slots=SLOTS, transactions_per_slot=2, bundle_size=20)
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key, options=simsync.Options(close_timeout=60.0))


def our_threads() -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if thread.name.startswith("simsync-") and not thread.name.startswith("simsync-local")
    ]


def opened(client: simsync.Client) -> tuple[simsync.ParallelSession, list[str]]:
    """A session with a subscription, and its endpoints."""
    session = client.parallel(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20)
    for sub in session.sub_sessions:
        sub.subscribe_transactions()
        sub.send_continue(timeout=20)
    return session, [sub.rpc_endpoint for sub in session.sub_sessions]


@pytest.mark.parametrize("how", ["deleted", "in a cycle"])
def test_a_session_that_is_deleted_warns_and_ends(client: simsync.Client, how: str) -> None:
    session, endpoints = opened(client)
    threads = our_threads()
    names = [thread.name.replace("simsync-", "") for thread in threads]
    assert {"reader", "writer", "subscriptions"} <= set(names)
    if how == "in a cycle":
        session.__dict__["cycle"] = session
    with pytest.warns(ResourceWarning, match="<ParallelSession .* was not closed"):
        del session
        gc.collect()
    for thread in threads:
        thread.join(20)
    assert our_threads() == []
    for endpoint in endpoints:
        with pytest.raises(simsync.HttpStatusError, match="404"):
            simsync.Rpc(endpoint).get_slot()


Part = Callable[[simsync.ParallelSession], Any]
USES: dict[str, tuple[Part, Callable[[Any], object]]] = {
    "a sub-session": (lambda session: session.sub_sessions[1], lambda sub: list(sub.events(advance=20, timeout=20))),
    "a loop": (lambda session: session.events(advance=20, timeout=20), list),
    "an RPC": (lambda session: session.sub_sessions[0].rpc, lambda rpc: rpc.get_slot()),
}


@pytest.mark.parametrize("kind", USES)
def test_a_part_of_a_session_keeps_it_open_and_the_last_part_ends_it(client: simsync.Client, kind: str) -> None:
    take, use = USES[kind]
    part = take(client.parallel(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20))
    gc.collect()
    threads = our_threads()
    assert use(part)
    with pytest.warns(ResourceWarning, match="<ParallelSession .* was not closed"):
        del part
    for thread in threads:
        thread.join(20)
    assert our_threads() == []


def test_a_deleted_session_does_not_leave_a_subscription_that_cannot_connect() -> None:
    faults = Faults().refuse_upgrade(503, times=10_000, where="data")
    options = simsync.Options(backoff_initial=600.0, backoff_max=600.0)
    with Simulator(Ledger.generate(slots=2, transactions_per_slot=1), faults=faults) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        session = client.session(simsync.CreateSession(1_000, slot_count=2), timeout=20)
        session.subscribe_transactions()
        threads = our_threads()
        with pytest.warns(ResourceWarning):
            del session
        for thread in threads:
            thread.join(20)
        assert our_threads() == []


def test_a_session_that_was_closed_does_not_warn(client: simsync.Client, recwarn: pytest.WarningsRecorder) -> None:
    session, _endpoints = opened(client)
    session.close()
    del session
    gc.collect()
    assert not recwarn.list


@pytest.mark.parametrize("merged", [False, True])
def test_an_abandoned_generator_takes_nothing_with_it(client: simsync.Client, merged: bool) -> None:
    session, _endpoints = opened(client)
    with session:
        source = session if merged else session.sub_sessions[0]
        seen: list[Any] = []
        while not (seen and isinstance(seen[-1][1] if merged else seen[-1], simsync.Completed)):
            generator = iter(source.events(advance=3, timeout=20))
            for _ in range(5):
                event = next(generator, None)
                if event is not None:
                    seen.append(event)
            del generator
        events = [event for sub, event in seen if sub is seen[-1][0]] if merged else seen
    start = (seen[-1][0] if merged else session.sub_sessions[0]).start_slot
    assert [event.slot for event in events if isinstance(event, simsync.Slot)] == list(range(start, start + 20))
    assert sum(isinstance(event, simsync.Transaction) for event in events) == 40


def test_a_session_whose_token_was_fired_leaves_no_subscription(client: simsync.Client) -> None:
    token = simsync.CancelToken()
    with client.parallel(simsync.CreateSession(1_000, slot_count=SLOTS), cancel=token, timeout=20) as session:
        (one, _other) = session.sub_sessions
        one.subscribe_transactions()
        threads = our_threads()
        token.cancel()
        with pytest.raises(simsync.Cancelled):
            for _event in one.events(timeout=20):  # a token takes effect in a moment
                pass
        with contextlib.suppress(simsync.ControlClosed):  # if the end has come that far
            one.subscribe_transactions()
        for thread in [*threads, *our_threads()]:
            thread.join(20)
        assert our_threads() == []


def test_many_threads_do_everything_at_once_and_one_closes(client: simsync.Client) -> None:
    ended: list[str] = []
    with client.parallel(simsync.CreateSession(1_000, slot_count=SLOTS), timeout=20) as session:
        one, other = session.sub_sessions
        calls: list[Callable[[], object]] = [
            lambda: one.next_event(timeout=60),
            lambda: next(one.events(timeout=60)),
            lambda: list(session.events(timeout=60)),
            lambda: list(one.pending()),
            lambda: one.subscribe_transactions(),
            lambda: one.ensure_ready(timeout=60),
            lambda: one.advance(timeout=60),
            lambda: other.advance(timeout=60),
            lambda: other.send_continue(timeout=60),
            lambda: one.rpc.get_slot(),
            lambda: (one.status, one.coverage, session.run_summary, one.last_sequence, one.data_reconnects),
        ]
        begun = threading.Barrier(len(calls) + 1)

        def go_on(call: Callable[[], object]) -> None:
            begun.wait()
            for _ in range(1_000):
                try:
                    call()
                except simsync.ContinueSendError:
                    pass  # another thread was first
                except (simsync.Cancelled, simsync.ControlClosed, simsync.HttpStatusError) as error:
                    ended.append(type(error).__name__)
                    return
            ended.append("never")

        threads = [threading.Thread(target=go_on, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        begun.wait()
        session.sub_sessions[1].rpc.get_slot()
        closers = [threading.Thread(target=session.close) for _ in range(3)]
        for closer in closers:
            closer.start()
        for thread in [*threads, *closers]:
            thread.join(30)
            assert not thread.is_alive()
    assert len(ended) == len(calls)
