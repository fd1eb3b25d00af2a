"""RPC replies that are missing, empty or wrong."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import simsync

ADDRESS = "11111111111111111111111111111111"


@contextlib.contextmanager
def answering(*bodies: bytes) -> Iterator[tuple[simsync.Rpc, list[str]]]:
    """An endpoint that answers with these bodies, one after the other; also the methods that were called."""
    remaining = list(bodies)
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            called.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["method"])
            body = remaining.pop(0)
            self.send_response(200)
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
            yield rpc, called
        finally:
            rpc.close()
            server.shutdown()
            thread.join()


DONE = b'{"jsonrpc":"2.0","id":1,"result":null}'


def test_an_empty_reply_to_a_write_is_tried_again() -> None:
    with answering(b"", b"", DONE) as (rpc, called):
        rpc.modify_accounts({ADDRESS: simsync.AccountData(1)})
    assert called == ["modifyAccounts"] * 3


def test_a_transaction_is_never_sent_twice() -> None:
    with answering(b"", DONE) as (rpc, called), pytest.raises(simsync.ProtocolError):
        rpc.send_transaction(b"transaction")
    assert called == ["sendTransaction"]


def test_an_error_is_not_tried_again() -> None:
    refusal = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"account data is not base64","data":7}}'
    with answering(refusal, DONE) as (rpc, called), pytest.raises(simsync.RpcError, match="is not base64") as raised:
        rpc.modify_accounts({ADDRESS: simsync.AccountData(1)})
    assert (raised.value.code, raised.value.data) == (-32602, 7)
    assert called == ["modifyAccounts"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"id":1}', b'{"result":"x"}'])
def test_a_reply_that_makes_no_sense(body: bytes) -> None:
    with answering(body) as (rpc, _called), pytest.raises(simsync.ProtocolError):
        rpc.get_slot()


def test_nobody_there() -> None:
    with answering() as (rpc, _called):
        pass
    with pytest.raises(simsync.ConnectError):
        rpc.get_slot()
    rpc.close()
