"""A control connection that is lost at any moment: the caller sees what an undisturbed caller sees, each event once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator

FIRST, SLOTS, BUNDLE = 1_000, 15, 5

OPTIONS = simsync.Options(backoff_initial=0.001, continue_grace=0.05, close_timeout=5.0)

Events = dict[int, list[str]]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(seed=1, start_slot=FIRST, slots=SLOTS, transactions_per_slot=2, bundle_size=BUNDLE)


def run(simulator: Simulator, options: simsync.Options = OPTIONS) -> tuple[Events, simsync.ParallelSession]:
    """A whole run over three sub-sessions, two blocks at a time; the events by sub-session."""
    client = simsync.Client(simulator.url, simulator.api_key, options=options)
    create = simsync.CreateSession(FIRST, slot_count=SLOTS, send_summary=True)
    with client.parallel(create, timeout=20) as session:
        events: Events = {sub.start_slot: [] for sub in session.sub_sessions}
        for sub, event in session.events(advance=2, timeout=20):
            events[sub.start_slot].append(repr(event))
        assert all(coverage.complete for coverage in session.coverage)
    return events, session


@pytest.fixture(scope="module")
def undisturbed(ledger: Ledger) -> tuple[Events, int]:
    """The events of a run without faults, and how many control messages it took."""
    faults = Faults()
    with Simulator(ledger, faults=faults) as simulator:
        events, _session = run(simulator)
        return events, faults.control_messages_sent


@pytest.fixture
def simulator(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger, faults=Faults()) as running:
        yield running


@pytest.mark.parametrize("attached_last", [False, True])
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_drop_at_every_message_changes_nothing(
    ledger: Ledger, undisturbed: tuple[Events, int], side: str, attached_last: bool, thorough: bool
) -> None:
    expected, messages = undisturbed
    numbers = range(1, messages + 1) if thorough else range(1 + attached_last, messages + 1, 2)
    with Simulator(ledger, faults=Faults(), replay_before_attached=attached_last) as simulator:
        for number in numbers:
            simulator.faults.reset()
            if side == "before":
                simulator.faults.drop_control(before=number)
            else:
                simulator.faults.drop_control(after=number)
            events, _session = run(simulator)
            assert events == expected, f"dropped {side} message {number}"
            assert simulator.faults.fired == (f"drop_control_{side}",), f"message {number} was not dropped"


@pytest.mark.parametrize("fault", ["lose_continue", "drop_after_continue"])
def test_a_drop_at_every_continue_changes_nothing(
    simulator: Simulator, undisturbed: tuple[Events, int], fault: str
) -> None:
    expected, _messages = undisturbed
    for number in range(1, 7):
        simulator.faults.reset()
        getattr(simulator.faults, fault)(number)
        events, session = run(simulator)
        assert events == expected, f"{fault} {number}"
        assert session.reconnects == 1


def test_several_drops_in_one_run(simulator: Simulator, undisturbed: tuple[Events, int]) -> None:
    expected, messages = undisturbed
    simulator.faults.reset()
    for number in range(6, messages, 3):
        simulator.faults.drop_control(after=number)
    events, session = run(simulator)
    assert events == expected
    assert session.reconnects >= 5


def test_messages_that_come_twice_or_make_no_sense(simulator: Simulator, undisturbed: tuple[Events, int]) -> None:
    expected, messages = undisturbed
    for number in range(1, messages + 1):
        simulator.faults.duplicate_control(number).garbage_control(number)
    events, session = run(simulator)
    assert events == expected
    assert session.reconnects == 0


def test_without_a_disconnect_timeout_a_drop_is_the_end(ledger: Ledger) -> None:
    with Simulator(ledger, faults=Faults().drop_control(after=12)) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=OPTIONS)
        create = simsync.CreateSession(FIRST, slot_count=SLOTS, disconnect_timeout=0)
        with client.parallel(create) as session, pytest.raises(simsync.ControlFailed, match="disconnect_timeout is 0"):
            for _sub, event in session.events(advance=2, timeout=20):
                assert not isinstance(event, simsync.Completed)


def test_a_lost_continue_is_not_sent_again_against_the_will_of_the_caller(ledger: Ledger) -> None:
    options = replace(OPTIONS, resend_continue=False)
    with Simulator(ledger, faults=Faults().lose_continue(2)) as simulator:
        with pytest.raises(simsync.ContinueSendError, match="did not arrive"):
            run(simulator, options)


def test_a_slow_caller_does_not_disturb_the_connection(ledger: Ledger) -> None:
    """The connection lives on pings while nobody takes events."""
    options = replace(OPTIONS, ping_interval=0.05, dead_after=0.2)
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        with client.parallel(simsync.CreateSession(FIRST, slot_count=SLOTS)) as session:
            with pytest.raises(simsync.EventTimeout):
                for _sub, _event in session.events(timeout=0.6):
                    pass
            assert session.reconnects == 0
            assert (
                sum(isinstance(event, simsync.Completed) for _sub, event in session.events(timeout=20, advance=5)) == 3
            )
