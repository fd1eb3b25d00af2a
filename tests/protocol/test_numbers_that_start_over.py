"""Old numbers behind an attach: a replay, or numbers that start over."""

from __future__ import annotations

import pytest

from simsync.errors import ProtocolError, RemoteError
from simsync.events import SessionError

from .conversation_peer import A, attached, delivered, established, event

READY = event(A, 12, "readyForContinue")
RUNNING = [event(A, 11, "slotNotification", 1), READY, event(A, 13, "slotNotification", 2)]


@pytest.mark.parametrize(
    "new",
    [
        event(A, 1, "readyForContinue"),
        event(A, 1, "paused", {"slot": 2, "batchIndex": 1}),
        event(A, 1, "error", {"internal": {"error": "engine died"}}),
        event(A, 13, "readyForContinue"),
        event(A, 12, "paused", {"slot": 2}),
        event(A, 12, "slotNotification", 1),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_an_old_number_of_another_kind_has_started_over(new: bytes, again: bool) -> None:
    machine = established()
    delivered(machine, RUNNING)
    if not again:
        assert delivered(machine, [new]) == {}  # on the same connection it has only come late
        return
    machine.lost()
    machine.connected(2.0)
    assert delivered(machine, [attached(), *RUNNING], 2.0) == {}
    assert machine.sessions[A].failure is None
    (state,) = machine.receive([new], 2.0)
    assert isinstance(state.failure, ProtocolError)
    assert "comes after event 13: the server started the numbers over" in str(state.failure)


def test_what_was_jumped_over_is_no_contradiction() -> None:
    machine = established()
    delivered(machine, [event(A, 11, "slotNotification", 1), event(A, 13, "slotNotification", 2)])
    machine.lost()
    machine.connected(2.0)
    assert delivered(machine, [attached(), READY], 2.0) == {}
    assert machine.sessions[A].failure is None


def test_only_the_last_stops_are_remembered() -> None:
    machine = established()
    rounds = [
        event(A, number, "readyForContinue" if number % 2 else "slotNotification", number) for number in range(99)
    ]
    delivered(machine, rounds)
    machine.lost()
    machine.connected(2.0)
    assert delivered(machine, [attached(), *rounds], 2.0) == {}
    assert machine.sessions[A].failure is None


@pytest.mark.parametrize("number", [1, 12, 13])
def test_the_end_of_a_session_is_no_replay_whatever_its_number(number: int) -> None:
    machine = established()
    delivered(machine, RUNNING)
    machine.lost()
    machine.connected(2.0)
    end = event(A, number, "error", {"advanceSlotFailed": {"slot": 3, "error": "frozen"}})
    ((last,),) = delivered(machine, [attached(), end], 2.0).values()
    assert isinstance(last, SessionError)
    assert isinstance(machine.sessions[A].failure, RemoteError)
