"""Mistakes and failures: one exception that says what was attempted and what to do, quickly."""

from __future__ import annotations

import logging
import socket
import threading
import time

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from tests.threads import join_readers

QUICK = 2.0
"""Seconds within which a mistake must be reported where the network is not waited for."""


def attempt(url: str, key: str, create: simsync.CreateSession, **options: object) -> simsync.SimsyncError:
    began = time.monotonic()
    with pytest.raises(simsync.SimsyncError) as raised:
        simsync.Client(url, key, options=simsync.Options(**options)).parallel(create)  # type: ignore[arg-type]
    assert time.monotonic() - began < QUICK
    return raised.value


def test_a_wrong_key(simulator: Simulator, create: simsync.CreateSession) -> None:
    error = attempt(simulator.url, "wrong-key", create)
    assert isinstance(error, simsync.HttpStatusError)
    assert error.status == 401
    assert "SIMULATOR_API_KEY" in str(error)
    assert "wrong-key" not in str(error)


# feature: address, key, connect and request timeouts
def test_nothing_is_listening(create: simsync.CreateSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = attempt(f"ws://127.0.0.1:{port}", "key", create)
    assert isinstance(error, simsync.ConnectError)
    assert f"nothing is listening on 127.0.0.1:{port}" in str(error)


def test_a_host_that_does_not_resolve(create: simsync.CreateSession) -> None:
    error = attempt("ws://no-such-host.invalid", "key", create)
    assert "'no-such-host.invalid' does not resolve" in str(error)


def test_a_range_that_is_not_available(client: simsync.Client) -> None:
    with pytest.raises(simsync.CreateError) as raised:
        client.parallel(simsync.CreateSession(5, 10))
    assert "BundleNotFound(start_slot=5, end_slot=10)" in str(raised.value)
    assert isinstance(raised.value.__cause__, simsync.RemoteError)


def test_a_bad_address(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session, pytest.raises(simsync.InvalidParams) as raised:
        session.sub_sessions[0].subscribe_transactions(["0OIl"])
    assert "program_ids[0]='0OIl'" in str(raised.value)


@pytest.mark.parametrize("url", ["ftp://host", "ws://", "", "ws://user:secret@host", "ws://host:port"])
def test_a_bad_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIMULATOR_URL", raising=False)
    with pytest.raises(simsync.InvalidParams) as raised:
        simsync.Client(url)
    assert raised.value.argument == "url"
    assert "secret" not in str(raised.value)


def test_the_environment_names_the_simulator(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATOR_URL", simulator.url)
    monkeypatch.setenv("SIMULATOR_API_KEY", simulator.api_key)
    with simsync.Client().parallel(simsync.CreateSession(1_000, slot_count=6)) as session:
        assert len(session.sub_sessions) == 1


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_final(ledger: Ledger, create: simsync.CreateSession, status: int) -> None:
    with Simulator(ledger, faults=Faults().refuse_upgrade(status)) as simulator:
        error = attempt(simulator.url, simulator.api_key, create)
        assert isinstance(error, simsync.HttpStatusError)
        assert error.status == status


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_is_tried_again(ledger: Ledger, create: simsync.CreateSession, status: int) -> None:
    with Simulator(ledger, faults=Faults().refuse_upgrade(status, times=2)) as simulator:
        options = simsync.Options(backoff_initial=0.01)
        with simsync.Client(simulator.url, simulator.api_key, options=options).parallel(create) as session:
            assert len(session.sub_sessions) == 3


def test_the_budget_ends_the_attempts(ledger: Ledger, create: simsync.CreateSession) -> None:
    with Simulator(ledger, faults=Faults().refuse_upgrade(503, times=100)) as simulator:
        error = attempt(simulator.url, simulator.api_key, create, backoff_initial=0.01, reconnect_attempts=3)
        assert isinstance(error, simsync.HttpStatusError)
        assert error.status == 503


def test_a_server_that_goes_away_fails_the_run_with_the_reason(ledger: Ledger, create: simsync.CreateSession) -> None:
    simulator = Simulator(ledger)
    options = simsync.Options(backoff_initial=0.01, reconnect_attempts=2)
    with simsync.Client(simulator.url, simulator.api_key, options=options).parallel(create) as session:
        sub = session.sub_sessions[0]
        events = [sub.next_event(timeout=20)]
        simulator.close()
        with pytest.raises(simsync.ControlFailed, match="nothing is listening") as raised:
            for event in sub.events(timeout=20):
                events.append(event)
        # What had arrived was delivered first.
        assert isinstance(events[-1], (simsync.ReadyForContinue, simsync.Slot, simsync.Status))
        assert raised.value.__cause__ is not None
        for call in (sub.send_continue, lambda: sub.next_event(timeout=1), lambda: list(session.events())):
            with pytest.raises(simsync.ControlFailed):
                call()
        assert sub.status == "failed"
        assert "nothing is listening" in sub.coverage.reason


def test_one_failed_session_does_not_stop_the_merged_loop(ledger: Ledger, create: simsync.CreateSession) -> None:
    with Simulator(ledger, faults=Faults().drop_data(after=3, times=100)) as simulator:
        options = simsync.Options(backoff_initial=0.01, reconnect_attempts=3)
        with simsync.Client(simulator.url, simulator.api_key, options=options).parallel(create) as session:
            session.sub_sessions[0].subscribe_transactions()
            completed = []
            with pytest.raises(simsync.SubscriptionFailed, match="transactionSubscribe"):
                for sub, event in session.events(advance=2, timeout=20):
                    if isinstance(event, simsync.Completed):
                        completed.append(sub.start_slot)
            assert sorted(completed) == [1006, 1012]
            assert not session.sub_sessions[0].coverage.complete


def test_a_stream_without_an_end_is_incomplete(ledger: Ledger, create: simsync.CreateSession) -> None:
    with Simulator(ledger, faults=Faults().withhold_terminal()) as simulator:
        options = simsync.Options(drain_idle=0.3)
        with simsync.Client(simulator.url, simulator.api_key, options=options).parallel(create) as session:
            sub = session.sub_sessions[0]
            sub.subscribe_transactions()
            transactions = 0
            with pytest.raises(simsync.SubscriptionFailed, match="at slot 1005"):
                for event in sub.events(advance=10, timeout=20):
                    assert not isinstance(event, simsync.Completed)
                    transactions += isinstance(event, simsync.Transaction)
            assert transactions == sum(len(block.transactions) for block in ledger.blocks if block.slot <= 1005)


def test_a_stream_without_an_end_ends_the_merged_loop_too(ledger: Ledger, create: simsync.CreateSession) -> None:
    with Simulator(ledger, faults=Faults().withhold_terminal()) as simulator:
        options = simsync.Options(drain_idle=0.3)
        with simsync.Client(simulator.url, simulator.api_key, options=options).parallel(create) as session:
            session.sub_sessions[2].subscribe_transactions()
            with pytest.raises(simsync.SubscriptionFailed):
                for _sub, event in session.events(advance=10, timeout=20):
                    assert event is not None


@pytest.mark.parametrize("form", ["a", "b", "c"])
def test_every_form_of_the_end_of_a_stream(
    ledger: Ledger, create: simsync.CreateSession, options: simsync.Options, form: str
) -> None:
    with Simulator(ledger, end_of_stream=form) as simulator:
        with simsync.Client(simulator.url, simulator.api_key, options=options).parallel(create) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
            events = [event for _sub, event in session.events(advance=4, timeout=20)]
        assert sum(isinstance(event, simsync.Completed) for event in events) == 3
        executed = sum(len(block.transactions) for block in ledger.blocks)
        assert sum(isinstance(event, simsync.Transaction) for event in events) == executed


def test_cancelling_wakes_every_wait(client: simsync.Client, create: simsync.CreateSession) -> None:
    token = simsync.CancelToken()
    raised: list[BaseException] = []
    waiting = threading.Barrier(4)

    with client.parallel(create, cancel=token) as session:
        one, two, three = session.sub_sessions

        def wait(call: object) -> None:
            waiting.wait(20)
            try:
                call()  # type: ignore[operator]
            except simsync.SimsyncError as error:
                raised.append(error)

        def all_of_two() -> list[simsync.Event]:
            return list(two.events())

        def busy_continue() -> None:
            three.send_continue(advance_count=1)
            list(three.events())

        threads = [
            threading.Thread(target=wait, args=(call,))
            for call in (lambda: list(one.events()), all_of_two, busy_continue)
        ]
        for thread in threads:
            thread.start()
        waiting.wait(20)
        token.cancel()
        for thread in threads:
            thread.join(QUICK)
            assert not thread.is_alive()
        assert [type(error) for error in raised] == [simsync.Cancelled] * 3


def test_a_fired_token_prevents_the_start(client: simsync.Client, create: simsync.CreateSession) -> None:
    token = simsync.CancelToken()
    child = token.child()
    token.cancel()
    with pytest.raises(simsync.Cancelled):
        client.parallel(create, cancel=child)


def test_a_create_that_takes_too_long(ledger: Ledger, create: simsync.CreateSession) -> None:
    with Simulator(ledger, create_delay=30.0) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=simsync.Options(close_timeout=1.0))
        with pytest.raises(simsync.EventTimeout):
            client.parallel(create, timeout=0.2)


def test_closing_twice_and_from_another_thread(client: simsync.Client, create: simsync.CreateSession) -> None:
    session = client.parallel(create)
    other = threading.Thread(target=session.close)
    other.start()
    session.close()
    other.join(20)
    session.close()
    with pytest.raises(simsync.Cancelled):
        session.sub_sessions[0].next_event()
    with pytest.raises(simsync.Cancelled):
        session.sub_sessions[0].send_continue()
    assert session.sub_sessions[0].status == "closed"


def test_closing_one_sub_session_leaves_the_others(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create) as session:
        with session.sub_sessions[1] as sub:
            assert isinstance(sub.next_event(timeout=20), simsync.Event)
        with pytest.raises(simsync.Cancelled, match="was closed"):
            sub.next_event(timeout=20)
        for other in (session.sub_sessions[0], session.sub_sessions[2]):
            assert isinstance(list(other.events(advance=2, timeout=20))[-1], simsync.Completed)


def test_the_last_sub_session_that_is_closed_says_so(client: simsync.Client) -> None:
    """Also once the connection, which nobody needs any more, has ended."""
    with client.parallel(simsync.CreateSession(1_000, slot_count=6)) as session:
        (sub,) = session.sub_sessions
        sub.close()
        join_readers()
        for call in (sub.send_continue, sub.ensure_ready, sub.advance, sub.next_event):
            with pytest.raises(simsync.Cancelled, match="was closed"):
                call()


def test_a_merged_loop_goes_on_without_a_closed_sub_session(
    client: simsync.Client, create: simsync.CreateSession
) -> None:
    with client.parallel(create) as session:
        completed = []
        for sub, event in session.events(advance=2, timeout=20):
            if sub.start_slot == 1006:
                sub.close()
            elif isinstance(event, simsync.Completed):
                completed.append(sub.start_slot)
        assert sorted(completed) == [1000, 1012]


def test_a_forgotten_session_warns_and_ends(client: simsync.Client, create: simsync.CreateSession) -> None:
    session = client.parallel(create)
    with pytest.warns(ResourceWarning, match="was not closed"):
        del session


def test_the_key_is_nowhere_to_be_seen(
    ledger: Ledger, create: simsync.CreateSession, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "s3cr3t-k3y-of-the-user"
    caplog.set_level(logging.DEBUG)
    with Simulator(ledger, api_key=secret, faults=Faults().drop_control(after=9)) as simulator:
        client = simsync.Client(simulator.url, secret, options=simsync.Options(backoff_initial=0.01))
        with client.parallel(create) as session:
            shown = [repr(client), repr(session), *(repr(sub) for sub in session.sub_sessions), repr(client.options)]
            shown += [repr(event) for _sub, event in session.events(advance=3, timeout=20)]
            shown.append(repr(session.sub_sessions[0].rpc))
    mine = [record for record in caplog.records if record.name.startswith("simsync")]
    assert mine
    assert not [text for text in [*shown, *(record.getMessage() for record in mine)] if secret in text]
