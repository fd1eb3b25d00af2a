"""Errors that a program can tell apart, and whether trying again can help."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

import simsync
from simsync.events import BacktestError
from simsync.local import Simulator
from simsync.protocol.outcome import GiveUp
from simsync.runtime.failure import given_up
from simsync.wire.server_errors import decode_error, is_terminal, is_transient

CREATE = simsync.CreateSession(1_000, slot_count=10)


def failure(call: object) -> simsync.SimsyncError:
    assert callable(call)
    with pytest.raises(simsync.SimsyncError) as caught:
        call()
    return caught.value


def test_a_refused_key_is_an_authentication_error(simulator: Simulator) -> None:
    client = simsync.Client(simulator.url, "not-the-key")
    for call in (lambda: client.parallel(CREATE, timeout=20), client.usage):
        error = failure(call)
        assert type(error) is simsync.AuthenticationError
        assert isinstance(error, simsync.HttpStatusError) and error.status == 401
        assert not error.retryable


def test_a_session_that_is_not_created_has_the_reason_and_the_servers_error(simulator: Simulator) -> None:
    client = simsync.Client(simulator.url, simulator.api_key)
    error = failure(lambda: client.session(simsync.CreateSession(5, slot_count=1), timeout=20))
    assert isinstance(error, simsync.CreateError)
    assert error.error is not None and error.error.name == "BundleNotFound"
    assert error.reason == str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    ("raw", "kind", "retryable"),
    [
        ("noCapacity", simsync.CapacityError, True),
        ({"other": "all simulators are busy"}, simsync.CapacityError, True),
        ("sessionNameTaken", simsync.CreateError, False),
        ({"sessionNameTaken": {"name": "busy-desk"}}, simsync.CreateError, False),
        ({"invalidRequest": "unknown field capacityWaitTimeoutSecs"}, simsync.CreateError, False),
        ({"invalidRequest": "too many actions"}, simsync.CreateError, False),
        ({"internal": "try again"}, simsync.CreateError, True),
        ({"clerkError": "no answer"}, simsync.CreateError, True),
        ({"other": "a bad word"}, simsync.CreateError, False),
    ],
)
def test_which_errors_of_a_create_pass(raw: Any, kind: type[simsync.CreateError], retryable: bool) -> None:
    reported = decode_error(raw)
    reported.terminal = is_terminal(reported)
    is_capacity = simsync.Dialect().is_capacity
    outcome = GiveUp("the server did not create the session", reported, is_transient(reported))
    error = given_up(outcome, is_capacity, established=False)
    assert type(error) is kind
    assert error.retryable is retryable


def test_a_session_that_a_terminal_error_has_ended_cannot_be_retried() -> None:
    is_capacity = simsync.Dialect().is_capacity
    reported = BacktestError("NoMoreBlocks", {}, "noMoreBlocks", terminal=True)
    ended = given_up(GiveUp("ended", reported), is_capacity, established=True)
    assert isinstance(ended, simsync.ControlFailed) and not ended.retryable
    assert given_up(GiveUp("lost"), is_capacity, established=True).retryable


@pytest.mark.parametrize(("status", "retryable"), [(429, True), (503, True), (500, False), (404, False), (401, False)])
def test_statuses_that_pass_are_retryable(status: int, retryable: bool) -> None:
    assert simsync.HttpStatusError("http://x", status, "").retryable is retryable


@pytest.mark.parametrize("how", ["a session", "a service", "the RPC"])
def test_where_nothing_listens_there_is_one_traceback(how: str) -> None:
    client = simsync.Client("ws://127.0.0.1:9", "key")
    calls = {
        "a session": lambda: client.session(CREATE),
        "a service": client.health,
        "the RPC": simsync.Rpc("http://127.0.0.1:9/x").get_slot,
    }
    error = failure(calls[how])
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    assert text.count("Traceback") == 1
    assert "nothing is listening on 127.0.0.1:9" in text
    assert type(error) is simsync.ConnectError and error.retryable
