"""A control connection that is lost around the end: the sessions are ended all the same, or the log says so."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

import simsync
from tests.until import Logged

from .scripted_control import Talk, scripted

OPTIONS = simsync.Options(backoff_initial=0.05, continue_grace=0.05, close_timeout=5.0)
CREATE = simsync.CreateSession(1, 9)


def opened(url: str, options: simsync.Options = OPTIONS) -> simsync.ParallelSession:
    return simsync.Client(url, "key", options=options).parallel(CREATE, timeout=20)


def finish(talk: Talk) -> None:
    talk.create()
    talk.expect("continueSessionV1")
    talk.event(3, "slotNotification", 9)
    talk.event(4, "completed", {"summary": None})


def finish_and_drop(talk: Talk) -> None:
    finish(talk)
    talk.drop()


def end(talk: Talk) -> None:
    """What the one more connection has to say."""
    assert talk.attach()["control_session_id"] == "parallel_c"
    talk.goodbye()


@pytest.mark.parametrize("merged", [False, True])
def test_lost_with_the_last_message(merged: bool, caplog: pytest.LogCaptureFixture) -> None:
    with scripted(finish_and_drop, end) as url, opened(url) as session:
        (sub,) = session.sub_sessions
        events = session.events(advance=9, timeout=20) if merged else sub.events(advance=9, timeout=20)
        assert len(list(events)) == 4
    assert "could not be told" not in caplog.text


def test_closed_while_it_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    options = simsync.Options(backoff_initial=600.0, backoff_max=600.0, close_timeout=5.0)

    def lose(talk: Talk) -> None:
        talk.create()
        talk.drop()

    with scripted(lose, end) as url, Logged("attempt 1 follows") as lost:
        session = opened(url, options)
        lost.wait()
        session.close()
    assert "could not be told" not in caplog.text


def test_lost_before_the_server_has_answered_the_close() -> None:
    def lose(talk: Talk) -> None:
        talk.create()
        talk.expect("closeBacktestSession")
        talk.drop()

    with scripted(lose, end) as url:
        opened(url).close()


def test_a_server_that_does_not_know_the_session_any_more_has_ended_it(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(talk: Talk) -> None:
        talk.expect("attachParallelControlSessionV2")
        talk.send("error", "sessionNotFound")
        talk.expect_end()

    # The server does not answer the close frame either.
    options = replace(OPTIONS, close_timeout=2.0)
    with scripted(finish_and_drop, refuse) as url, opened(url, options) as session:
        assert len(list(session.events(advance=9, timeout=20))) == 4
    assert "could not be told" not in caplog.text


def test_closed_while_another_connection_is_made_to_tell_it(caplog: pytest.LogCaptureFixture) -> None:
    options = simsync.Options(backoff_initial=600.0, backoff_max=600.0, reconnect_window=9000.0, continue_grace=0.05)

    def drop_when_told(talk: Talk) -> None:
        finish(talk)
        talk.expect("closeBacktestSession")
        talk.drop()

    def tell(talk: Talk) -> None:
        talk.attach()
        talk.goodbye()

    with scripted(drop_when_told, Talk.drop, tell) as url, Logged("attempt 2 follows") as waiting:
        with opened(url, options) as session:
            assert len(list(session.events(advance=9, timeout=20))) == 4
            waiting.wait()
    assert "could not be told" not in caplog.text


@pytest.mark.parametrize("how", ["refused", "lost again"])
def test_what_was_not_ended_is_logged(how: str, caplog: pytest.LogCaptureFixture) -> None:
    over = threading.Event()

    def lose(talk: Talk) -> None:
        talk.create()
        talk.expect("closeBacktestSession")
        talk.drop()

    def lose_again(talk: Talk) -> None:
        talk.expect("attachParallelControlSessionV2")
        talk.drop()
        over.set()

    with scripted(*([lose] if how == "refused" else [lose, lose_again])) as url:
        opened(url).close()
    assert "the server could not be told to end session backtest_a" in caplog.text
    assert over.is_set() == (how == "lost again")


def test_a_session_that_ends_with_its_connection_needs_no_farewell(caplog: pytest.LogCaptureFixture) -> None:
    def lose(talk: Talk) -> None:
        talk.create()
        talk.expect("closeBacktestSession")
        talk.drop()

    with scripted(lose) as url:
        create = simsync.CreateSession(1, 9, disconnect_timeout=0)
        simsync.Client(url, "key", options=OPTIONS).parallel(create, timeout=20).close()
    assert "could not be told" not in caplog.text
