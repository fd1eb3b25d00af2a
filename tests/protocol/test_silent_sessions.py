"""A session that executed when its connection was lost, and of which nothing is heard any more."""

from __future__ import annotations

import pytest

from simsync.errors import ContinueSendError
from simsync.options import Options
from simsync.params import Continue, ContinueTo
from simsync.protocol.continues_in_doubt import PATIENCE
from simsync.protocol.parallel import ParallelProtocol
from simsync.protocol.session_state import SessionState
from simsync.wire import requests
from simsync.wire.dialect import Dialect

from .conversation_peer import A, B, attached, delivered, established, event

OPTIONS = Options(continue_grace=1.0)
READY = event(A, 2, "readyForContinue")


class Silent:
    """A continue was executed up to ``slot`` when the connection was lost. It is up again, and nothing is heard."""

    def __init__(self, request: Continue | ContinueTo, slot: int, *, offset: int | None = None) -> None:
        self.machine: ParallelProtocol = established(OPTIONS)
        self.machine.doubts.offset = offset
        delivered(self.machine, [event(A, 1, "slotNotification", 1), READY])
        self.state: SessionState = self.machine.sessions[A]
        self.state.submit(requests.continue_session(A, request, Dialect()))
        self.state.cycle.take()
        self.now = 10.0
        delivered(
            self.machine, [event(A, number + 1, "slotNotification", number) for number in range(2, slot + 1)], self.now
        )
        self.attach()

    def attach(self) -> None:
        self.machine.lost()
        self.machine.connected(self.now)
        delivered(self.machine, [attached()], self.now)
        assert self.machine.tick(self.now) == []

    def wait(self) -> list[tuple[SessionState, int]]:
        """Until it is time to ask."""
        deadline = self.machine.next_deadline
        if deadline is None:
            return []
        assert deadline == self.now + PATIENCE
        assert self.machine.tick(deadline - 0.001) == []
        self.now = deadline
        return self.machine.tick(deadline)

    def ask(self, *slots: int | None) -> None:
        """The RPC names these slots, one after the other."""
        for slot in slots:
            ((state, inquiry),) = self.wait()
            assert state is self.state
            assert not self.machine.answer_inquiry(state, inquiry, slot)
            assert self.machine.tick(self.now) == []


@pytest.mark.parametrize(
    ("request_", "seen", "offset", "named"),
    [
        (Continue(advance_count=2), 3, None, 3),
        (Continue(advance_count=2), 3, None, 4),  # it may name the next one
        (Continue(advance_count=2), 3, 1, 4),
        (Continue(advance_count=5), 3, 0, 6),  # the events of three slots are missing
        (Continue(advance_count=5), 3, 1, 7),
        (Continue(advance_count=500), 10, None, 10),  # the end of the range
        (ContinueTo(slot=4), 4, None, 4),
    ],
)
def test_a_slot_that_stands_at_the_end_of_the_continue_fails_the_session(
    request_: Continue | ContinueTo, seen: int, offset: int | None, named: int
) -> None:
    silent = Silent(request_, seen, offset=offset)
    silent.ask(named)
    assert silent.state.failure is None
    silent.ask(named)
    assert isinstance(silent.state.failure, ContinueSendError)
    assert f"named slot {named} twice, 12 s apart" in str(silent.state.failure)
    assert silent.machine.receive((), silent.now) == [silent.state]
    assert silent.machine.sessions[B].failure is None


@pytest.mark.parametrize(
    ("request_", "offset", "named"),
    [
        (Continue(advance_count=5), None, 3),
        (Continue(advance_count=5), None, 6),  # the last one, or the one before: it may be executing that
        (Continue(advance_count=5), 1, 6),
        (Continue(advance_count=2), None, None),
        (ContinueTo(slot=4), None, 3),
    ],
)
def test_a_slot_that_stands_elsewhere_is_waited_for(
    request_: Continue | ContinueTo, offset: int | None, named: int | None
) -> None:
    silent = Silent(request_, 3, offset=offset)
    silent.ask(named, named, named, named)
    assert silent.state.failure is None
    delivered(silent.machine, [event(A, 5, "readyForContinue")])
    assert silent.state.cycle.is_ready
    silent.machine.tick(silent.now + 1000)
    assert silent.machine.next_deadline is None


def test_a_slot_that_moves_is_waited_for() -> None:
    silent = Silent(Continue(advance_count=5), 3, offset=0)
    silent.ask(4, 5, 6, None, 6)
    assert silent.state.failure is None
    silent.ask(6)
    assert silent.state.failure is not None


@pytest.mark.parametrize("news", [("slotNotification", 4), ("readyForContinue", None), ("discoveryBatch", {"slot": 9})])
def test_whatever_comes_shows_that_nothing_was_lost(news: tuple[str, object]) -> None:
    silent = Silent(Continue(advance_count=2), 3)
    silent.ask(3)
    delivered(silent.machine, [event(A, 5, *news)], silent.now)
    silent.machine.tick(silent.now)
    assert silent.machine.next_deadline is None


def test_an_event_that_comes_while_it_is_asked_counts() -> None:
    silent = Silent(Continue(advance_count=2), 3)
    silent.ask(3)
    ((state, inquiry),) = silent.wait()
    delivered(silent.machine, [event(A, 5, "slotNotification", 4)], silent.now)
    silent.machine.answer_inquiry(state, inquiry, 3)
    assert silent.state.failure is None


def test_a_status_makes_it_wait_longer() -> None:
    silent = Silent(Continue(advance_count=2), 3)
    silent.ask(3)
    silent.now += 5
    delivered(silent.machine, [event(A, 5, "status", {"status": "working"})], silent.now)
    assert silent.machine.tick(silent.now) == []
    silent.ask(3)
    assert silent.state.failure is None


def test_another_lost_connection_begins_anew() -> None:
    silent = Silent(Continue(advance_count=2), 3)
    silent.ask(3)
    ((state, inquiry),) = silent.wait()
    silent.attach()
    assert not silent.machine.answer_inquiry(state, inquiry, 3)  # asked on the connection before
    silent.ask(3)
    assert silent.state.failure is None
    silent.ask(3)
    assert silent.state.failure is not None


def test_a_session_whose_connection_was_never_lost_is_not_asked() -> None:
    machine = established(OPTIONS)
    delivered(machine, [event(A, 1, "slotNotification", 1), READY])
    machine.sessions[A].submit(requests.continue_session(A, Continue(), Dialect()))
    machine.sessions[A].cycle.take()
    delivered(machine, [event(A, 3, "slotNotification", 2)])
    assert machine.tick(10_000.0) == []
    assert machine.next_deadline is None
