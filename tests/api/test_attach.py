"""Going on with a session that another client made, after each of its events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import simsync
from simsync.local import Ledger, Simulator

FIRST, BUNDLE = 1_000, 6
CREATE = simsync.CreateSession(FIRST, slot_count=BUNDLE, send_summary=True)


def undisturbed(client: simsync.Client) -> list[str]:
    with client.session(CREATE) as session:
        return [repr(event) for event in session.events(advance=2, timeout=20)]


def events_with_a_change_of_client(client: simsync.Client, handled: int) -> tuple[list[str], simsync.BacktestSession]:
    """Handle so many events with one client, then take the session over with another; both see to the continues."""
    events: list[str] = []
    token = simsync.CancelToken()
    first = client.session(CREATE, cancel=token)
    try:
        for event in first.events(advance=2, timeout=20):
            events.append(repr(event))
            if len(events) == handled:
                break
        # The first client is still connected: attaching takes the session from it, as after a death unnoticed so far.
        with client.attach(first.session_id, first.last_sequence, create=CREATE, timeout=20) as second:
            events += [repr(event) for event in second.events(advance=2, timeout=20)]
            assert second.coverage.complete, second.coverage.reason
            return events, second
    finally:
        token.cancel()
        first.close()


@pytest.fixture
def quiet_client(simulator: Simulator, options: simsync.Options) -> simsync.Client:
    """Does not take the session back when it is taken away."""
    return simsync.Client(simulator.url, simulator.api_key, options=replace(options, reconnect_attempts=0))


# feature: attach by id and cursor
def test_every_event_comes_once_wherever_the_first_client_stopped(quiet_client: simsync.Client) -> None:
    expected = undisturbed(quiet_client)
    for handled in range(1, len(expected)):
        events, _session = events_with_a_change_of_client(quiet_client, handled)
        assert events == expected, f"changed clients after event {handled}: {expected[handled - 1]}"


def test_without_a_number_everything_that_is_kept_comes_again(quiet_client: simsync.Client) -> None:
    first = quiet_client.session(CREATE)
    first.advance(2, timeout=20)
    seen = [repr(event) for event in first.pending()]
    with quiet_client.attach(first.session_id, timeout=20) as second:
        assert [repr(second.next_event(timeout=20)) for _ in seen] == seen
        assert (second.start_slot, second.end_slot) == (None, None)
        assert not second.coverage.complete
        while not second.advance(2, timeout=20).completed:
            pass
        assert second.coverage.complete
        assert second.coverage.end_slot is None
    first.close()


def test_an_engine_that_waits_is_ready_although_its_ready_was_handled_before(quiet_client: simsync.Client) -> None:
    first = quiet_client.session(CREATE)
    first.ensure_ready(timeout=20)
    list(first.pending())
    with quiet_client.attach(first.session_id, first.last_sequence, create=CREATE, timeout=20) as second:
        assert second.status == "ready"
        assert list(second.pending()) == []
        second.send_continue(advance_count=100, timeout=20)
        assert isinstance(list(second.events(timeout=20))[-1], simsync.Completed)
    first.close()


# feature: session id, endpoint, cursor, RPC, status
def test_the_number_of_the_last_handled_event(client: simsync.Client) -> None:
    with client.session(CREATE) as session:
        numbers: list[int | None] = []
        assert session.last_sequence is None
        for _event in session.events(advance=2, timeout=20):
            numbers.append(session.last_sequence)
        assert numbers == list(range(2, len(numbers) + 2))
    assert session.last_sequence == numbers[-1]


def test_data_events_do_not_count_for_the_number(client: simsync.Client) -> None:
    with client.session(CREATE) as session:
        session.subscribe_transactions()
        number, transactions = 1, 0
        for event in session.events(advance=2, timeout=20):
            number += not isinstance(event, simsync.Transaction)
            transactions += isinstance(event, simsync.Transaction)
            assert (session.last_sequence or 1) == number
        assert transactions > 0


def test_closing_early_keeps_the_number_of_what_was_handled(client: simsync.Client) -> None:
    session = client.session(CREATE)
    session.advance(3, timeout=20)
    events = session.events(timeout=20)
    for _ in range(3):
        next(events)
    session.close()
    assert session.last_sequence == 4


def test_subscriptions_after_an_attach_begin_where_they_are_told_to(
    ledger: Ledger, quiet_client: simsync.Client
) -> None:
    first = quiet_client.session(CREATE)
    first.advance(3, timeout=20)
    list(first.pending())
    with quiet_client.attach(first.session_id, first.last_sequence, create=CREATE, timeout=20) as second:
        second.subscribe_transactions(from_slot=FIRST + 2)
        slots = [event.slot for event in second.events(advance=9, timeout=20) if isinstance(event, simsync.Transaction)]
        assert set(slots) == set(range(FIRST + 2, FIRST + BUNDLE))
        assert len(slots) == 4 * (BUNDLE - 2)
    first.close()


def test_a_subscription_from_a_slot_that_is_gone_fails_and_one_from_what_is_kept_does_not(
    ledger: Ledger, options: simsync.Options
) -> None:
    options = replace(options, reconnect_attempts=0, replay_slots=2)
    with Simulator(ledger, replay_slots=2) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        first = client.session(CREATE)
        first.advance(4, timeout=20)
        list(first.pending())
        with client.attach(first.session_id, first.last_sequence, create=CREATE, timeout=20) as second:
            second.subscribe_transactions()
            assert list(second.events(advance=9, timeout=20))
        first.close()
        first = client.session(CREATE)
        first.advance(4, timeout=20)
        list(first.pending())
        with client.attach(first.session_id, first.last_sequence, create=CREATE, timeout=20) as second:
            second.subscribe_transactions(from_slot=FIRST + 1)
            with pytest.raises(simsync.SubscriptionFailed, match=r"slots 1001 to 1002 cannot be recovered"):
                list(second.events(advance=9, timeout=20))
        first.close()


@pytest.mark.parametrize("session_id", ["backtest_0199a3c4-51e0-7b21-9c3d-0000000000a1", "nonsense"])
def test_a_session_that_is_not_there(client: simsync.Client, session_id: str) -> None:
    with pytest.raises(simsync.CreateError, match=r"did not attach to .*SessionNotFound"):
        client.attach(session_id, 7)


def test_a_session_that_cannot_be_attached_to(client: simsync.Client) -> None:
    with client.session(replace(CREATE, disconnect_timeout=0)) as session:
        with pytest.raises(simsync.CreateError, match="disconnectTimeoutSecs"):
            client.attach(session.session_id)


@pytest.mark.parametrize("arguments", [("",), ("   ",), (None,), ("backtest_a", -1), ("backtest_a", "7")])
def test_bad_arguments(client: simsync.Client, arguments: tuple[object, ...]) -> None:
    with pytest.raises(simsync.InvalidParams):
        client.attach(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("known", [True, False])
def test_a_continue_that_is_lost_after_an_attach_is_sent_again(
    quiet_client: simsync.Client, simulator: Simulator, options: simsync.Options, known: bool
) -> None:
    client = simsync.Client(simulator.url, simulator.api_key, options=options)
    first = quiet_client.session(CREATE)
    first.advance(2, timeout=20)
    list(first.pending())
    with client.attach(first.session_id, first.last_sequence, create=CREATE if known else None, timeout=20) as second:
        simulator.faults.reset().lose_continue(1)
        assert second.advance(timeout=20).slots == (FIRST + 3,)
        assert simulator.faults.fired == ("lose_continue",)
        assert second.reconnects == 1
    first.close()


def test_an_attach_that_is_given_up_leaves_the_session_alone(
    quiet_client: simsync.Client, simulator: Simulator, options: simsync.Options
) -> None:
    first = quiet_client.session(CREATE)
    first.ensure_ready(timeout=20)
    list(first.pending())
    patient = simsync.Client(simulator.url, simulator.api_key, options=replace(options, continue_grace=30.0))
    with pytest.raises(simsync.EventTimeout):
        patient.attach(first.session_id, first.last_sequence, timeout=0.3)
    with quiet_client.attach(first.session_id, first.last_sequence, create=CREATE, timeout=20) as second:
        assert second.status == "ready"
        assert len(second.advance(timeout=20).slots) == 1
    first.close()


def test_matches_are_still_paused_at_after_an_attach(simulator: Simulator, quiet_client: simsync.Client) -> None:
    token = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
    create = replace(CREATE, discoveries=[simsync.ProgramExecuted(token)])
    with quiet_client.session(create) as undisturbed_session:
        expected = [pause.discovery for pause in undisturbed_session.discoveries(timeout=20)]
    assert expected
    first = quiet_client.session(create)
    first.ensure_ready(timeout=20)
    list(first.pending())
    with quiet_client.attach(first.session_id, first.last_sequence, create=create, timeout=20) as second:
        assert [pause.discovery for pause in second.discoveries(timeout=20)] == expected
    first.close()


def test_attaching_again_and_again_repeats_nothing(quiet_client: simsync.Client) -> None:
    first = quiet_client.session(CREATE)
    first.advance(2, timeout=20)
    list(first.pending())
    number = first.last_sequence
    second = quiet_client.attach(first.session_id, number, create=CREATE, timeout=20)
    assert second.last_sequence == number
    with quiet_client.attach(first.session_id, second.last_sequence, create=CREATE, timeout=20) as third:
        assert list(third.pending()) == []
    for one in (first, second):
        one.close()


def test_a_session_that_was_moved_before_the_attach_is_not_recorded(
    quiet_client: simsync.Client, tmp_path: Path
) -> None:
    first = quiet_client.session(CREATE)
    first.advance(3, timeout=20)
    assert list(first.pending())
    with quiet_client.attach(first.session_id, first.last_sequence, create=CREATE, timeout=20) as second:
        with pytest.raises(simsync.InvalidParams, match="has already executed slots"):
            simsync.record(second, tmp_path / "run.ndjson")
    first.close()
