"""A session of its own: the same events and promises as a sub-session."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from tests.threads import join_readers

FIRST, BUNDLE = 1_000, 6
CREATE = simsync.CreateSession(FIRST, slot_count=BUNDLE, send_summary=True)


def whole_run(
    simulator: Simulator, options: simsync.Options, create: simsync.CreateSession = CREATE
) -> tuple[list[str], simsync.BacktestSession]:
    client = simsync.Client(simulator.url, simulator.api_key, options=options)
    with client.session(create, timeout=20) as session:
        events = [repr(event) for event in session.events(advance=2, timeout=20)]
        assert session.coverage.complete, session.coverage.reason
    return events, session


# feature: create a session
def test_a_whole_run(simulator: Simulator, options: simsync.Options) -> None:
    events, session = whole_run(simulator, options)
    slots = [text for text in events if text.startswith("Slot(")]
    assert slots == [f"Slot(slot={slot})" for slot in range(FIRST, FIRST + BUNDLE)]
    assert events[-1].startswith("Completed(")
    assert (session.start_slot, session.end_slot, session.status) == (FIRST, FIRST + BUNDLE - 1, "completed")
    assert repr(session) == f"<BacktestSession {session.session_id} slots 1000-1005 completed>"


def test_the_same_slots_give_the_same_events_as_a_sub_session(client: simsync.Client, options: simsync.Options) -> None:
    with client.session(CREATE) as session:
        session.subscribe_transactions()
        alone = sorted(repr(event) for event in session.events(advance=2, timeout=20))
    with client.parallel(CREATE) as parallel:
        (sub,) = parallel.sub_sessions
        sub.subscribe_transactions()
        among_others = sorted(repr(event) for event in sub.events(advance=2, timeout=20))
    assert alone == among_others


# feature: totals of a run
def test_the_summary_of_a_run(simulator: Simulator, options: simsync.Options, client: simsync.Client) -> None:
    _events, session = whole_run(simulator, options)
    summary = session.run_summary
    assert summary.complete
    assert (summary.sessions, summary.completed, summary.slots_seen) == (1, 1, BUNDLE)
    assert summary.totals is not None
    assert summary.totals.correct_simulation == 4 * BUNDLE
    assert json.loads(summary.to_json())["highest_slot"] == FIRST + BUNDLE - 1
    with client.parallel(simsync.CreateSession(FIRST, slot_count=3 * BUNDLE, send_summary=True)) as parallel:
        assert parallel.run_summary.totals is None
        assert not parallel.run_summary.complete
        assert len(parallel.run_summary.reasons) == 3
        for _sub, _event in parallel.events(advance=2, timeout=20):
            pass
        totals = parallel.run_summary.totals
        assert totals is not None
        assert totals.correct_simulation == 3 * summary.totals.correct_simulation


# feature: a drop ends raw sockets; control must be read all the time
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_drop_at_every_message_changes_nothing(ledger: Ledger, options: simsync.Options, side: str) -> None:
    faults = Faults()
    with Simulator(ledger, faults=faults) as simulator:
        expected, _session = whole_run(simulator, options)
        reconnects = 0
        for number in range(1, faults.control_messages_sent + 1):
            faults.reset()
            faults.drop_control(**{side: number})
            events, session = whole_run(simulator, options)
            assert events == expected, f"dropped {side} message {number}"
            assert faults.fired == (f"drop_control_{side}",)
            reconnects += session.reconnects
        assert reconnects > 0


@pytest.mark.parametrize("fault", ["lose_continue", "drop_after_continue"])
def test_a_drop_at_every_continue_changes_nothing(ledger: Ledger, options: simsync.Options, fault: str) -> None:
    faults = Faults()
    with Simulator(ledger, faults=faults) as simulator:
        expected, _session = whole_run(simulator, options)
        for number in range(1, faults.continues_received + 1):
            faults.reset()
            getattr(faults, fault)(number)
            events, _session = whole_run(simulator, options)
            assert events == expected, f"{fault} {number}"
            assert faults.fired == (fault,)


@pytest.mark.parametrize(
    "switches",
    [
        {"inline_case": "camel", "null_params": True},
        {"binary_frames": True, "error_form": "tagged"},
        {"replay_before_attached": True},
        {"notify_skipped": True, "statuses": True},
    ],
)
def test_every_form_of_the_server_gives_the_same_slots(
    ledger: Ledger, options: simsync.Options, switches: dict[str, Any]
) -> None:
    with Simulator(ledger, faults=Faults().drop_control(after=6), **switches) as simulator:
        events, session = whole_run(simulator, options)
        assert [text for text in events if text.startswith("Slot(")] == [f"Slot(slot={1000 + n})" for n in range(6)]
        assert session.reconnects == 1


def test_without_a_disconnect_timeout_a_lost_connection_ends_the_session(
    ledger: Ledger, options: simsync.Options
) -> None:
    create = simsync.CreateSession(FIRST, slot_count=BUNDLE, disconnect_timeout=0)
    with Simulator(ledger, faults=Faults().drop_control(after=6)) as simulator:
        with pytest.raises(simsync.ControlFailed, match="disconnect_timeout is 0"):
            whole_run(simulator, options, create)
        simulator.faults.reset()
        assert whole_run(simulator, options, create)[1].last_sequence is None


def test_a_range_that_is_no_bundle_is_refused_with_the_words_of_the_server(client: simsync.Client) -> None:
    with pytest.raises(simsync.CreateError, match="BundleNotFound"):
        client.session(simsync.CreateSession(FIRST + 1, slot_count=2))


# feature: create many sessions, with progress and task ids
def test_progress_is_reported_while_a_session_is_created(client: simsync.Client, create: simsync.CreateSession) -> None:
    told: list[simsync.Event] = []
    with client.parallel(create, on_progress=told.append) as session:
        ids = [sub.session_id for sub in session.sub_sessions]
    assert [event.session_id for event in told if isinstance(event, simsync.Created)] == ids
    with client.session(CREATE, on_progress=told.append) as single:
        assert told[-1] == simsync.Created(single.session_id, None)


def test_a_progress_callback_that_raises_ends_the_create(client: simsync.Client, create: simsync.CreateSession) -> None:
    def fail(event: simsync.Event) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        client.parallel(create, on_progress=fail)


def test_errors_of_single_transactions_reach_the_caller_of_a_single_session(
    simulator: Simulator, options: simsync.Options, caplog: pytest.LogCaptureFixture
) -> None:
    text = '{"method":"error","params":{"simulationError":{"error":"bad"}}}'
    simulator.faults.garbage_control(6, text)
    with caplog.at_level(logging.WARNING):
        events, session = whole_run(simulator, options)
    assert sum("SimulationError" in event for event in events) == 1
    assert session.coverage.complete


# feature: minutes of silence; sessions left open
def test_a_session_that_is_not_closed_warns(client: simsync.Client) -> None:
    session = client.session(CREATE)
    with pytest.warns(ResourceWarning, match="was not closed"):
        del session
    join_readers()
