"""A control connection that is lost again and again: progress is not punished, and no progress is not forgiven."""

from __future__ import annotations

from typing import Callable

import pytest

import simsync

from .scripted_control import Talk, scripted

OPTIONS = simsync.Options(reconnect_attempts=2, backoff_initial=0.001, backoff_jitter=0.0, continue_grace=0.05)
FLAPS = 8


def begin(talk: Talk) -> None:
    talk.create(start=1, end=FLAPS + 1)
    talk.expect("continueSessionV1")
    talk.drop()


def run(url: str) -> list[simsync.Event]:
    create = simsync.CreateSession(1, FLAPS + 1)
    with simsync.Client(url, "key", options=OPTIONS).parallel(create, timeout=20) as session:
        (sub,) = session.sub_sessions
        return list(sub.events(advance=FLAPS, timeout=20))


def test_connections_that_each_bring_one_event_go_on_for_ever() -> None:
    def one_slot(number: int) -> Callable[[Talk], None]:
        def script(talk: Talk) -> None:
            assert talk.attach()["last_sequences"] == {"backtest_a": number - 1}
            talk.event(number, "slotNotification", number - 1)
            talk.drop()

        return script

    def last(talk: Talk) -> None:
        talk.attach()
        talk.event(3 + FLAPS, "completed", {"summary": None})
        talk.goodbye()

    with scripted(begin, *(one_slot(3 + index) for index in range(FLAPS)), last) as url:
        events = run(url)
    assert isinstance(events[-1], simsync.Completed)
    assert sum(isinstance(event, simsync.Slot) for event in events) == 1 + FLAPS


@pytest.mark.parametrize("says", ["nothing", "a status", "that it is ready"])
def test_connections_that_bring_nothing_new_use_up_the_attempts(says: str) -> None:
    numbers = iter(range(3, 100))

    def idle(talk: Talk) -> None:
        talk.attach()
        if says != "nothing":
            talk.event(next(numbers), "status", {"status": "takenUp"})
        if says == "that it is ready":
            talk.event(next(numbers), "readyForContinue")
        talk.drop()

    with (
        scripted(begin, idle, idle) as url,
        pytest.raises(simsync.ControlFailed, match="gave up reconnecting: connection lost"),
    ):
        run(url)
