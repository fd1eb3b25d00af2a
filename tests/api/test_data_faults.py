"""Data connections that misbehave: stalled, corrupted, slow, skewed, refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator

FIRST, SLOTS = 1_000, 20
SYSTEM, TOKEN = "11111111111111111111111111111111", "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
OPTIONS = simsync.Options(backoff_initial=0.001, backoff_max=0.05, drain_idle=5.0)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(seed=8, start_slot=FIRST, slots=SLOTS, transactions_per_slot=6, bundle_size=SLOTS)


def run(simulator: Simulator, options: simsync.Options = OPTIONS) -> Counter[str]:
    client = simsync.Client(simulator.url, simulator.api_key, options=options)
    with client.parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=20) as session:
        (sub,) = session.sub_sessions
        sub.subscribe_transactions([SYSTEM, TOKEN])
        sub.subscribe_account_diffs([SYSTEM, TOKEN])
        sub.subscribe("logsSubscribe", "all")
        seen = Counter(repr(event) for event in sub.events(advance=4, timeout=20))
        assert sub.coverage.complete
    return seen


@pytest.fixture(scope="module")
def undisturbed(ledger: Ledger) -> Counter[str]:
    with Simulator(ledger) as simulator:
        seen = run(simulator)
    assert {text.split("(")[0] for text in seen} >= {"Transaction", "AccountDiff", "Notification", "Completed"}
    return seen


def test_a_corrupt_frame_is_a_lost_connection(ledger: Ledger, undisturbed: Counter[str]) -> None:
    faults = Faults()
    for number in (3, 50, 51, 200):
        faults.corrupt_data(number)
    with Simulator(ledger, faults=faults) as simulator:
        assert run(simulator) == undisturbed
        assert faults.fired.count("corrupt_data") == 4


def test_a_connection_that_is_dead_is_made_again(ledger: Ledger, undisturbed: Counter[str]) -> None:
    faults = Faults().stall_data(after=20, dead=True)
    with Simulator(ledger, faults=faults) as simulator:
        assert run(simulator, replace(OPTIONS, ping_interval=0.05, dead_after=0.2)) == undisturbed
        faults.release_data()


def test_a_connection_that_is_alive_but_says_nothing_ends_the_run(ledger: Ledger) -> None:
    faults = Faults().stall_data(after=100)  # long after every subscribe was acknowledged
    with Simulator(ledger, faults=faults) as simulator:
        with pytest.raises(simsync.SubscriptionFailed, match="so the stream is incomplete"):
            run(simulator, replace(OPTIONS, drain_idle=0.5))
        faults.release_data()


def test_streams_may_be_skewed_and_slow(ledger: Ledger, undisturbed: Counter[str]) -> None:
    faults = Faults().lag_data("accountDiff", by=15).slow_data(0.001, times=100)
    with Simulator(ledger, faults=faults) as simulator:
        assert run(simulator) == undisturbed


def test_a_refusal_for_want_of_capacity_is_tried_again(ledger: Ledger, undisturbed: Counter[str]) -> None:
    faults = Faults().refuse_subscribe("too many subscriptions, try again", times=4)
    with Simulator(ledger, faults=faults) as simulator:
        assert run(simulator) == undisturbed
        assert faults.subscribes_refused == 4


def test_any_other_refusal_is_final_and_comes_with_the_words_of_the_server(ledger: Ledger) -> None:
    faults = Faults().refuse_subscribe("diffs are not served on Sundays", method="accountDiffSubscribe")
    with Simulator(ledger, faults=faults) as simulator:
        with pytest.raises(simsync.SubscriptionFailed, match="diffs are not served on Sundays"):
            run(simulator)


def test_a_clean_close_before_the_end_is_a_lost_connection(ledger: Ledger, undisturbed: Counter[str]) -> None:
    with Simulator(ledger, faults=Faults().close_data(after=33)) as simulator:
        assert run(simulator) == undisturbed


@pytest.mark.parametrize("form", ["a", "b", "c"])
def test_a_drop_at_the_end_of_a_stream(ledger: Ledger, undisturbed: Counter[str], form: str) -> None:
    with Simulator(ledger, faults=Faults().drop_at_terminal(times=3), end_of_stream=form) as simulator:
        assert run(simulator) == undisturbed


def test_a_bug_in_an_own_decoder_fails_the_subscription_and_names_itself(ledger: Ledger) -> None:
    def decode(_method: str, _result: object) -> simsync.Event:
        raise ValueError("a bug of the user")

    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)
        with client.parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe("slotSubscribe", decode=decode)
            with pytest.raises(simsync.SubscriptionFailed, match="a bug of the user"):
                list(sub.events(advance=4, timeout=20))
