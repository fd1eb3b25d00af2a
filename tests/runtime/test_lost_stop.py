"""The end of a continue is lost with the connection and does not come again: the run fails instead of hanging."""

from __future__ import annotations

import queue

import pytest

import simsync

from .scripted_control import Talk, resumed

OPTIONS = simsync.Options(backoff_initial=0.001, continue_grace=0.02, rpc_timeout=5.0)


def losing(talk: Talk) -> None:
    talk.expect("continueSessionV1")
    talk.event(3, "slotNotification", 2)
    talk.drop()


@pytest.mark.parametrize("merged", [False, True])
def test_a_run_that_cannot_go_on_raises(merged: bool) -> None:
    with resumed([2, 2], OPTIONS, losing, lambda _talk, _called: None) as (session, called):
        (sub,) = session.sub_sessions
        with pytest.raises(simsync.ContinueSendError, match="named slot 2 twice"):
            list(session.events(advance=1, timeout=20) if merged else sub.events(advance=1, timeout=20))
    assert called.qsize() == 2


def test_a_slow_engine_is_waited_for() -> None:
    def slow(talk: Talk, called: queue.SimpleQueue[str]) -> None:
        for _ in range(4):
            called.get(timeout=20)  # the slot stands, but the continue goes on to slot 9
        talk.event(4, "slotNotification", 9)
        talk.event(5, "completed", {"summary": None})

    with resumed([2] * 9, OPTIONS, losing, slow) as (session, _called):
        (sub,) = session.sub_sessions
        events = list(sub.events(advance=8, timeout=20))
    assert [type(event).__name__ for event in events] == ["Slot", "ReadyForContinue", "Slot", "Slot", "Completed"]
