"""Many sub-sessions on one control connection: all are served, by a handful of threads."""

from __future__ import annotations

import threading

import simsync

from .scripted_control import CONTROL, Talk, scripted

COUNT = 256
IDS = [f"backtest_{number:03}" for number in range(COUNT)]


def create_all(talk: Talk) -> None:
    talk.expect("createBacktestSession")
    for session_id in IDS:
        talk.send("sessionCreated", {"session_id": session_id, "rpc_endpoint": f"/backtest/{session_id}"})
    starts = list(range(COUNT))
    created = {"control_session_id": CONTROL, "session_ids": IDS, "start_slots": starts, "end_slots": starts}
    talk.send("sessionsCreatedV2", created)


def serve(talk: Talk) -> None:
    """Create all, then answer each continue with a slot and the end."""
    create_all(talk)
    for session_id in IDS:
        talk.event(1, "readyForContinue", session_id=session_id)
    for _ in IDS:
        session_id = talk.expect("continueSessionV1")["session_id"]
        talk.event(2, "slotNotification", IDS.index(session_id), session_id)
        talk.event(3, "completed", {"summary": None}, session_id)
    talk.goodbye()


def test_one_loop_over_all_of_them() -> None:
    before = threading.active_count()
    with scripted(serve) as url:
        with simsync.Client(url, "key").parallel(simsync.CreateSession(0, COUNT - 1), timeout=20) as session:
            assert len(session.sub_sessions) == COUNT
            # The two of the control connection, and the two of the script.
            assert threading.active_count() - before <= 4
            done = [sub.start_slot for sub, event in session.events(advance=1, timeout=20) if is_last(event)]
            assert sorted(done) == list(range(COUNT))
            assert all(coverage.complete for coverage in session.coverage)


def test_one_thread_for_each_of_them() -> None:
    def drive(sub: simsync.SubSession) -> int:
        return sum(is_last(event) for event in sub.events(advance=1, timeout=20))

    with scripted(serve) as url:
        with simsync.Client(url, "key").parallel(simsync.CreateSession(0, COUNT - 1), timeout=20) as session:
            assert [result.get() for result in session.map(drive)] == [1] * COUNT


def test_they_are_closed_together() -> None:
    def create_and_close(talk: Talk) -> None:
        create_all(talk)
        talk.goodbye()

    with scripted(create_and_close) as url:
        with simsync.Client(url, "key").parallel(simsync.CreateSession(0, COUNT - 1), timeout=20) as session:
            assert {sub.status for sub in session.sub_sessions} == {"starting"}
        assert {sub.status for sub in session.sub_sessions} == {"closed"}


def is_last(event: simsync.Event) -> bool:
    return isinstance(event, simsync.Completed)
