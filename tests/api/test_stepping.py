"""Moving the engine step by step; no event is taken on the way."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator

import pytest
from solders.pubkey import Pubkey

import simsync
from simsync.local import Faults, Ledger, Simulator
from simsync.local.engine.programs import TOKEN_PROGRAMS
from simsync.sessions.session import Session
from tests.threads import join_readers

FIRST, BUNDLE = 1_000, 6
LAST = FIRST + BUNDLE - 1
CREATE = simsync.CreateSession(FIRST, slot_count=BUNDLE, send_summary=True)
TOKEN = next(str(program) for program in TOKEN_PROGRAMS if str(program).startswith("Tokenkeg"))
MATCHES = simsync.CreateSession(FIRST, slot_count=BUNDLE, discoveries=[simsync.ProgramExecuted(TOKEN)])


def open_session(client: simsync.Client, kind: str, create: simsync.CreateSession) -> Iterator[Session]:
    if kind == "single":
        with client.session(create, timeout=20) as single:
            yield single
    else:
        with client.parallel(create, timeout=20) as parallel:
            yield parallel.sub_sessions[0]


@pytest.fixture(params=["single", "sub-session"])
def session(client: simsync.Client, request: pytest.FixtureRequest) -> Iterator[Session]:
    yield from open_session(client, request.param, CREATE)


@pytest.fixture(params=["single", "sub-session"])
def matching(client: simsync.Client, request: pytest.FixtureRequest) -> Iterator[Session]:
    """With the token program as discovery filter."""
    yield from open_session(client, request.param, MATCHES)


# feature: `advance` and its result
def test_steps_say_what_they_did(session: Session) -> None:
    first = session.advance(2, timeout=20)
    assert first.slots == (FIRST + 1, FIRST + 2)
    assert (first.last_slot, first.ready, first.completed, first.summary) == (FIRST + 2, True, False, None)
    last = session.advance(100, timeout=20)
    assert (last.last_slot, last.ready, last.completed) == (LAST, False, True)
    assert last.summary is not None
    assert last.summary.correct_simulation > 0
    with pytest.raises(simsync.ContinueSendError, match="is completed"):
        session.advance(timeout=20)


# feature: `ensure_ready`, without losing events
def test_no_event_is_taken_by_stepping(session: Session, client: simsync.Client) -> None:
    with client.session(CREATE) as other:
        expected = [repr(event) for event in other.events(advance=2, timeout=20)]
    assert session.ensure_ready(timeout=20)
    while not session.advance(2, timeout=20).completed:
        pass
    assert not session.ensure_ready(timeout=20)
    assert [repr(event) for event in session.events(timeout=20)] == expected


# feature: raw requests, raw responses, response stream
def test_the_events_of_a_step_are_at_hand_when_it_returns(session: Session) -> None:
    session.ensure_ready(timeout=20)
    assert simsync.ReadyForContinue() in list(session.pending())
    assert list(session.pending()) == []
    for slot in range(FIRST + 1, LAST):
        session.advance(timeout=20)
        assert list(session.pending()) == [simsync.Slot(slot), simsync.ReadyForContinue()]
    assert session.advance(timeout=20).completed
    *_slots, last = session.pending()
    assert isinstance(last, simsync.Completed)
    assert session.coverage.complete


# feature: `SessionCoverage`, with a tolerance
def test_a_run_that_was_only_stepped_is_complete(session: Session) -> None:
    session.advance(2, timeout=20)
    assert not session.coverage.complete
    while not session.advance(2, timeout=20).completed:
        pass
    assert session.coverage.complete, session.coverage.reason


# feature: `continue_until_ready`
def test_a_step_with_own_transactions_and_accounts(session: Session) -> None:
    rich = Pubkey.from_bytes(bytes([7] * 32))
    session.advance(1, modify_accounts={str(rich): simsync.AccountData(77)}, timeout=20)
    assert session.rpc.get_balance(rich) == 77
    refused = session.continue_until_ready(simsync.Continue(1, transactions=["AAAA"]), timeout=20)
    assert [error.name for error in refused.errors] == ["InvalidTransactionFormat"]
    assert refused.slots == ()
    assert session.ensure_ready(timeout=20)


def test_running_to_a_slot_and_a_batch(client: simsync.Client, ledger: Ledger, options: simsync.Options) -> None:
    with Simulator(ledger, batch_size=2) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        with client.session(CREATE) as session:
            step = session.continue_to(FIRST + 2, 1, timeout=20)
            assert step.paused is not None
            assert (step.paused.slot, step.paused.batch_index, step.slots) == (FIRST + 2, 1, (FIRST + 1,))
            assert session.continue_to(FIRST + 4, timeout=20).slots == (FIRST + 2, FIRST + 3)


def test_waiting_in_vain_loses_nothing(ledger: Ledger, options: simsync.Options) -> None:
    with Simulator(ledger, slot_delay=0.2) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        with client.session(CREATE) as session:
            session.ensure_ready(timeout=20)
            with pytest.raises(simsync.EventTimeout, match="timed out waiting for the end of a step"):
                session.advance(2, timeout=0.05)
            assert session.ensure_ready(timeout=20)
            assert session.advance(1, timeout=20).slots == (FIRST + 3,)
            slots = [event.slot for event in session.events(advance=9, timeout=20) if isinstance(event, simsync.Slot)]
            assert slots == list(range(FIRST, LAST + 1))


@pytest.mark.parametrize("kind", ["single", "sub-session"])
def test_a_closed_session_wakes_a_step(ledger: Ledger, options: simsync.Options, kind: str) -> None:
    with Simulator(ledger, slot_delay=0.5) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        with contextlib.contextmanager(open_session)(client, kind, CREATE) as session:
            session.ensure_ready(timeout=20)
            failures: list[BaseException] = []

            def step() -> None:
                try:
                    session.advance(5)
                except simsync.SimsyncError as error:
                    failures.append(error)

            stepping = threading.Thread(target=step)
            stepping.start()
            while session.next_event(timeout=20) != simsync.Slot(FIRST + 1):
                pass
            session.close()  # type: ignore[attr-defined]
            stepping.join(10)
            assert [type(failure) for failure in failures] == [simsync.Cancelled]
            # Also for whoever looks only after the connection has ended with its last session.
            join_readers()
            with pytest.raises(simsync.Cancelled):
                session.advance(1, timeout=20)


def test_stepping_and_taking_events_in_two_threads(session: Session) -> None:
    taken: list[simsync.Event] = []
    reading = threading.Thread(target=lambda: taken.extend(session.events(timeout=20)))
    reading.start()
    while not session.advance(1, timeout=20).completed:
        pass
    reading.join(20)
    assert [event.slot for event in taken if isinstance(event, simsync.Slot)] == list(range(FIRST, LAST + 1))
    assert isinstance(taken[-1], simsync.Completed)


# Discovery.


# feature: `advance_to_discovery`
def test_each_match_is_a_pause_with_the_state_before_it(matching: Session) -> None:
    pauses = list(matching.discoveries(timeout=20))
    assert pauses
    places = [(pause.discovery.slot, pause.discovery.batch_index) for pause in pauses]
    assert places == sorted(set(places))
    for pause in pauses:
        assert pause.paused is not None
        assert (pause.paused.slot, pause.paused.batch_index) == (pause.discovery.slot, pause.discovery.batch_index)
        assert {"programExecuted": TOKEN} in pause.discovery.matched
    events = list(matching.events(timeout=20))
    announced = [event for event in events if isinstance(event, simsync.DiscoveryBatch)]
    assert sorted((one.slot, one.batch_index) for one in announced) == places
    assert isinstance(events[-1], simsync.Completed)
    assert matching.coverage.complete


# feature: `advance_to_discovery`
# feature: `ensure_ready` loses discovery batches
def test_ready_and_then_a_match_in_a_range_of_one_slot(client: simsync.Client) -> None:
    create = simsync.CreateSession(FIRST, slot_count=1, discoveries=[simsync.ProgramExecuted(TOKEN)])
    with client.session(create) as session:
        assert session.ensure_ready(timeout=20)
        pause = session.advance_to_discovery(timeout=20)
        assert isinstance(pause, simsync.DiscoveryPause)
        assert (pause.discovery.slot, pause.step.slots) == (FIRST, ())
        assert isinstance(session.advance_to_discovery(timeout=20), simsync.Completed)
        assert session.coverage.complete


def test_without_a_match_the_range_is_run_to_its_end(client: simsync.Client) -> None:
    nobody = simsync.ProgramExecuted("whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc")
    with client.session(simsync.CreateSession(FIRST, slot_count=BUNDLE, discoveries=[nobody])) as session:
        assert isinstance(session.advance_to_discovery(timeout=20), simsync.Completed)
        assert session.coverage.slots_seen == BUNDLE


def test_without_a_filter_nothing_is_run(session: Session) -> None:
    with pytest.raises(simsync.InvalidParams, match="create the session with"):
        session.advance_to_discovery(timeout=20)
    with pytest.raises(simsync.InvalidParams, match="create the session with"):
        list(session.discoveries(timeout=20))
    assert session.status == "ready"


def test_a_match_that_was_passed_is_told(matching: Session, caplog: pytest.LogCaptureFixture) -> None:
    pause = matching.advance_to_discovery(timeout=20)
    assert isinstance(pause, simsync.DiscoveryPause)
    matching.advance(4, timeout=20)
    matching.advance_to_discovery(timeout=20)
    assert re.search(r"passed [1-9]\d* match\(es\) without a pause", caplog.text)


def test_a_lost_connection_in_every_step(ledger: Ledger, options: simsync.Options) -> None:
    for fault in ("lose_continue", "drop_after_continue"):
        faults = Faults()
        for number in range(1, 6):
            getattr(faults, fault)(number)
        with Simulator(ledger, faults=faults) as simulator:
            client = simsync.Client(simulator.url, simulator.api_key, options=options)
            with client.session(CREATE) as session:
                session.ensure_ready(timeout=20)
                steps = [session.advance(1, timeout=20).slots for _ in range(BUNDLE - 1)]
                assert steps == [(slot,) for slot in range(FIRST + 1, LAST + 1)], fault
            assert fault in faults.fired


def test_the_body_still_runs_before_the_engine_moves_on_after_steps(session: Session) -> None:
    for _ in range(3):
        session.advance(timeout=20)
    handed_out = FIRST
    for event in session.events(advance=1, timeout=20):
        if isinstance(event, simsync.Slot):
            handed_out = event.slot
        elif isinstance(event, simsync.ReadyForContinue):
            # Three steps were made before the loop; none may be added while their events are handed out.
            assert session.rpc.get_slot() == max(handed_out, FIRST + 3)
    assert session.coverage.complete
