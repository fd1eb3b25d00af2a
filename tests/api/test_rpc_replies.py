"""RPC replies that are missing, empty or wrong."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Callable, Union

import pytest

import simsync
from simsync.runtime import http_retry

ADDRESS = "11111111111111111111111111111111"
SIGNATURE = "1" * 64
DROP = "drop"
Answer = Union[bytes, int, object]


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the delays between attempts."""
    monkeypatch.setattr(http_retry, "READ_BACKOFF", 0.001)
    monkeypatch.setattr(http_retry, "WRITE_DELAY", 0.001)


@contextlib.contextmanager
def answering(*answers: Answer) -> Iterator[tuple[simsync.Rpc, list[str]]]:
    """An endpoint that sends these replies in order; also yields the methods that were called.

    An answer is a body, an HTTP status, or DROP for a connection that ends without one.
    """
    called: list[str] = []
    with conversing(*answers) as (rpc, requests):
        try:
            yield rpc, called
        finally:
            called += [request["method"] for request in requests]


@contextlib.contextmanager
def conversing(*answers: Answer) -> Iterator[tuple[simsync.Rpc, list[dict[str, Any]]]]:
    """The same, with the requests as bytes."""
    remaining = list(answers)
    requests: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = remaining.pop(0)
            if answer is DROP:
                return
            status, body = (answer, b"busy") if isinstance(answer, int) else (200, answer)
            assert isinstance(body, bytes)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        rpc = simsync.Rpc(f"http://127.0.0.1:{server.server_address[1]}/rpc", simsync.Options(rpc_timeout=20.0))
        try:
            yield rpc, requests
        finally:
            rpc.close()
            server.shutdown()
            thread.join()


DONE = b'{"jsonrpc":"2.0","id":1,"result":null}'


READS: list[Callable[[simsync.Rpc], object]] = [
    lambda rpc: rpc.get_health(),
    lambda rpc: rpc.get_slot(),
    lambda rpc: rpc.get_balance(ADDRESS),
    lambda rpc: rpc.get_account_info(ADDRESS),
    lambda rpc: rpc.get_multiple_accounts([ADDRESS]),
    lambda rpc: rpc.get_program_accounts(ADDRESS),
    lambda rpc: rpc.get_latest_blockhash(),
    lambda rpc: rpc.get_fee_for_message(b"message"),
    lambda rpc: rpc.get_signature_statuses([SIGNATURE]),
    lambda rpc: rpc.get_transaction(SIGNATURE),
    lambda rpc: rpc.get_minimum_balance_for_rent_exemption(5),
    lambda rpc: rpc.get_address_lookup_table(ADDRESS),
    lambda rpc: rpc.simulate_transaction(b"transaction"),
]
REFUSAL = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"account data is not base64","data":7}}'


@pytest.mark.parametrize("failure", [b"", DROP, 429, 502, 503, 504], ids=str)
def test_a_read_is_tried_again(failure: Answer, delays: None) -> None:
    with answering(failure, failure, failure, b'{"result":7}') as (rpc, called):
        assert rpc.get_slot() == 7
    assert called == ["getSlot"] * 4


@pytest.mark.parametrize("read", READS)
def test_each_read_is_tried_again_and_not_for_ever(read: Callable[[simsync.Rpc], object], delays: None) -> None:
    with answering(*[503] * 9) as (rpc, called), pytest.raises(simsync.HttpStatusError):
        read(rpc)
    assert len(called) == 4
    assert len(set(called)) == 1


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (400, simsync.HttpStatusError),
        (404, simsync.HttpStatusError),
        (500, simsync.HttpStatusError),
        (302, simsync.HttpStatusError),
        (REFUSAL, simsync.RpcError),
        (b"<html>", simsync.ProtocolError),
        (b" ", simsync.ProtocolError),
    ],
)
def test_what_will_not_pass_is_not_tried_again(failure: Answer, error: type[Exception]) -> None:
    for call in (READS[1], lambda rpc: rpc.modify_accounts({ADDRESS: simsync.AccountData(1)})):
        with answering(failure, DONE) as (rpc, called), pytest.raises(error):
            call(rpc)
        assert len(called) == 1


def test_the_end_of_a_session_is_explained() -> None:
    with answering(404) as (rpc, _called), pytest.raises(simsync.HttpStatusError, match="the session has ended"):
        rpc.get_slot()


def test_the_waits_between_attempts_grow(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    waits: list[float] = []
    policy = http_retry.HttpRetry(simsync.Options(), logging.getLogger("simsync.rpc"), waits.append)

    def fail() -> None:
        raise simsync.ConnectError("nobody there")

    with pytest.raises(simsync.ConnectError):
        policy.write(fail)
    assert waits == pytest.approx([0.3, 0.6, 0.9, 1.2])
    waits.clear()
    with pytest.raises(simsync.ConnectError):
        policy.read(fail)
    assert [low <= wait <= low + 0.2 for low, wait in zip((0.15, 0.3, 0.6), waits)] == [True] * 3
    assert "nobody there; attempt 2 follows in 0.3 s" in caplog.text
    # The exception says it within seconds; only who waits longer is warned.
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    with pytest.raises(simsync.ConnectError):
        policy.watch(fail)
    assert caplog.records[-1].levelno == logging.WARNING


# feature: `modify_accounts`, with retries after empty replies
# feature: retries of account writes
@pytest.mark.parametrize("failure", [b"", DROP, 429, 502, 503, 504], ids=str)
def test_a_write_of_accounts_is_tried_up_to_five_times(failure: Answer, delays: None) -> None:
    with answering(*[failure] * 4, DONE) as (rpc, called):
        rpc.modify_accounts({ADDRESS: simsync.AccountData(1)})
    assert called == ["modifyAccounts"] * 5
    with answering(*[failure] * 9) as (rpc, called), pytest.raises(simsync.SimsyncError):
        rpc.modify_accounts({ADDRESS: simsync.AccountData(1)})
    assert len(called) == 5


@pytest.mark.parametrize("failure", [b"", DROP, 503], ids=str)
def test_a_transaction_and_an_unknown_call_are_never_sent_twice(failure: Answer) -> None:
    with answering(failure, failure, DONE) as (rpc, called):
        with pytest.raises(simsync.SimsyncError):
            rpc.send_transaction(b"transaction")
        with pytest.raises(simsync.SimsyncError):
            rpc.call("moveTheMoon")
    assert called == ["sendTransaction", "moveTheMoon"]


def test_an_error_says_what_the_server_said() -> None:
    with answering(REFUSAL) as (rpc, _called), pytest.raises(simsync.RpcError, match="is not base64") as raised:
        rpc.modify_accounts({ADDRESS: simsync.AccountData(1)})
    assert (raised.value.code, raised.value.data) == (-32602, 7)


NESTED = b'{"result":{"value":%s}}' % (b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"id":1}', b'{"result":"x"}', b'{"result":true}', NESTED])
def test_a_reply_that_makes_no_sense(body: bytes) -> None:
    with answering(body) as (rpc, _called), pytest.raises(simsync.ProtocolError):
        rpc.get_slot()


SENSELESS = [b"null", b"7", b'"x"', b"[]", b"[7]", b"{}", b'{"value":7.5}', b'{"value":[[]]}', b'{"value":{"x":[]}}']


@pytest.mark.parametrize("result", SENSELESS, ids=str)
@pytest.mark.parametrize("read", READS)
def test_no_reply_makes_a_read_raise_anything_of_its_own(read: Callable[[simsync.Rpc], object], result: bytes) -> None:
    with conversing(b'{"result":%s}' % result) as (rpc, requests), contextlib.suppress(simsync.ProtocolError):
        read(rpc)
    assert len(requests) == 1


def test_nobody_there(delays: None) -> None:
    with answering() as (rpc, _called):
        pass
    with pytest.raises(simsync.ConnectError):
        rpc.get_slot()
    rpc.close()
