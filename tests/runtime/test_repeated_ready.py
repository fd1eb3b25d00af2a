"""A server that says to each client which attaches that the engine waits, with a new number: nothing was answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import simsync
from tests.until import Logged

from .scripted_control import Talk, scripted

OPTIONS = simsync.Options(backoff_initial=0.001, continue_grace=0.05)


def by_hand(session: simsync.ParallelSession, merged: bool) -> Iterator[simsync.Event]:
    """The loop of the documentation."""
    if merged:
        for sub, event in session.events(timeout=20):
            yield event
            if isinstance(event, simsync.ReadyForContinue):
                sub.send_continue(advance_count=1)
    else:
        (sub,) = session.sub_sessions
        for event in sub.events(timeout=20):
            yield event
            if isinstance(event, simsync.ReadyForContinue):
                sub.send_continue(advance_count=1)


def stay(talk: Talk) -> None:
    """The connection is lost while the engine waits and the caller has not continued yet."""
    talk.create(start=1, end=2)
    talk.drop()


def go_on(talk: Talk) -> None:
    with talk.at_once():  # before the caller can continue
        talk.attach()
        talk.event(3, "status", {"status": "takenUp"})
        talk.event(4, "readyForContinue")
    talk.expect("continueSessionV1")
    talk.event(5, "slotNotification", 2)
    talk.event(6, "completed", {"summary": None})
    talk.goodbye()  # the next message is no second continue


@pytest.mark.parametrize("queue_continues", [False, True])
@pytest.mark.parametrize("merged", [False, True])
def test_a_loop_by_hand_goes_on(merged: bool, queue_continues: bool) -> None:
    options = simsync.Options(backoff_initial=0.001, continue_grace=0.05, queue_continues=queue_continues)
    seen: list[simsync.Event] = []
    with scripted(stay, go_on) as url, Logged("the control connection is back") as back:
        create = simsync.CreateSession(1, 2)
        with simsync.Client(url, "key", options=options).parallel(create, timeout=20) as session:
            events = by_hand(session, merged)
            seen.append(next(events))
            back.wait()
            seen.extend(events)
    assert [type(event).__name__ for event in seen] == ["Slot", "ReadyForContinue", "Status", "Slot", "Completed"]


def test_a_step_is_not_ended_by_it() -> None:
    with scripted(stay, go_on) as url, Logged("attempt 1 follows") as lost:
        create = simsync.CreateSession(1, 2)
        with simsync.Client(url, "key", options=OPTIONS).parallel(create, timeout=20) as session:
            (sub,) = session.sub_sessions
            lost.wait()  # a continue that the lost connection took with it would be in doubt
            result = sub.advance(timeout=20)
    assert result.slots == (2,)
    assert result.completed
