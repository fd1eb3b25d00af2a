"""RPC calls against the embedded simulator, and what they send."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

import simsync
from simsync.reports import SignatureStatus
from simsync.runtime.http import HttpClient
from tests import tls

from .test_rpc_replies import ADDRESS, conversing

SOL = 1_000_000_000
PAYER = Keypair.from_seed(bytes([7] * 32))
RECEIVER = Pubkey.from_bytes(bytes([9] * 32))
PROGRAM = Pubkey.from_bytes(bytes([5] * 32))


def payment(lamports: int = SOL) -> Transaction:
    instruction = transfer(TransferParams(from_pubkey=PAYER.pubkey(), to_pubkey=RECEIVER, lamports=lamports))
    return Transaction([PAYER], Message([instruction], PAYER.pubkey()), Hash.default())


@pytest.fixture
def rpc(client: simsync.Client, create: simsync.CreateSession) -> Iterator[simsync.Rpc]:
    """A separate Rpc for a session at its first slot; the payer has 10 SOL."""
    with client.parallel(create) as session:
        rpc = simsync.Rpc(session.sub_sessions[0].rpc_endpoint)
        try:
            rpc.modify_accounts({str(PAYER.pubkey()): simsync.AccountData(10 * SOL)})
            yield rpc
        finally:
            rpc.close()


def test_simple_calls(rpc: simsync.Rpc) -> None:
    assert rpc.get_health() == "ok"
    assert rpc.get_slot() == 1000
    assert rpc.get_balance(PAYER.pubkey()) == 10 * SOL
    assert rpc.get_balance(str(RECEIVER)) == 0
    assert len(bytes(Hash.from_string(rpc.get_latest_blockhash()))) == 32
    assert rpc.get_minimum_balance_for_rent_exemption(0) == 890_880
    assert rpc.get_minimum_balance_for_rent_exemption(165) == 2_039_280


def test_fees(rpc: simsync.Rpc) -> None:
    message = payment().message
    assert rpc.get_fee_for_message(message) == 5000
    assert rpc.get_fee_for_message(bytes(message)) == 5000
    assert rpc.get_fee_for_message(base64.b64encode(bytes(message)).decode()) == 5000
    newer = MessageV0.try_compile(PAYER.pubkey(), message_instructions(), [], Hash.default())
    assert rpc.get_fee_for_message(newer) == 5000


def message_instructions() -> list[Any]:
    return [transfer(TransferParams(from_pubkey=PAYER.pubkey(), to_pubkey=RECEIVER, lamports=1))]


@pytest.mark.parametrize("form", [lambda sent: sent, bytes, lambda sent: base64.b64encode(bytes(sent)).decode()])
def test_simulating_and_sending(rpc: simsync.Rpc, form: Any) -> None:
    sent = payment(3 * SOL)
    simulation = rpc.simulate_transaction(form(sent), accounts=[RECEIVER, str(PAYER.pubkey()), PROGRAM])
    assert simulation.error is None
    assert simulation.compute_units == 150
    assert simulation.return_data is None
    assert any("success" in line for line in simulation.logs)
    receiver, payer, nobody = simulation.accounts
    assert receiver == simsync.AccountData(3 * SOL)
    assert payer == simsync.AccountData(7 * SOL - 5000)
    assert nobody is None
    assert simulation.raw["unitsConsumed"] == 150
    assert rpc.get_balance(RECEIVER) == 0

    signature = rpc.send_transaction(form(sent))
    assert signature == str(sent.signatures[0])
    assert rpc.get_balance(RECEIVER) == 3 * SOL
    assert rpc.get_transaction(sent.signatures[0])["meta"]["err"] is None
    assert rpc.get_transaction(signature)["slot"] == 1000
    assert rpc.get_transaction(Signature.default()) is None
    assert rpc.get_signature_statuses([Signature.default(), signature]) == [
        None,
        SignatureStatus(1000, None, None, "finalized"),
    ]


def test_what_fails_says_so(rpc: simsync.Rpc) -> None:
    too_much = payment(11 * SOL)
    simulation = rpc.simulate_transaction(too_much, accounts=[RECEIVER])
    assert simulation.error == {"InstructionError": [0, {"Custom": 1}]}
    with pytest.raises(simsync.RpcError, match="simulation failed"):
        rpc.send_transaction(too_much)
    signature = rpc.send_transaction(too_much, skip_preflight=True)
    (status,) = rpc.get_signature_statuses([signature])
    assert status is not None
    assert status.error == simulation.error


def test_accounts_of_a_program(rpc: simsync.Rpc) -> None:
    keys = [str(Pubkey.from_bytes(bytes([number] * 32))) for number in range(20, 24)]
    datas = [b"", b"abc", b"xabc", bytes(RECEIVER) + b"!"]
    states = {key: simsync.AccountData(SOL, str(PROGRAM), data) for key, data in zip(keys, datas)}
    rpc.modify_accounts(states)
    assert dict(rpc.get_program_accounts(PROGRAM)) == states
    assert [key for key, _state in rpc.get_program_accounts(str(PROGRAM), data_size=4)] == [keys[2]]
    assert rpc.get_program_accounts(PROGRAM, memcmp=[(1, b"abc")]) == [(keys[2], states[keys[2]])]
    for same in (RECEIVER, str(RECEIVER)):
        assert rpc.get_program_accounts(PROGRAM, data_size=33, memcmp=[(0, same), (32, b"!")]) == [
            (keys[3], states[keys[3]])
        ]
    assert rpc.get_program_accounts(RECEIVER) == []


# feature: batch reads compared with single reads
def test_many_accounts_are_asked_for_in_pieces(rpc: simsync.Rpc) -> None:
    keys = [Pubkey.from_bytes(number.to_bytes(32, "big")) for number in range(1, 206)]
    rpc.modify_accounts({str(key): simsync.AccountData(number + 1) for number, key in enumerate(keys)})
    found = rpc.get_multiple_accounts([RECEIVER, *keys])
    assert [state and state.lamports for state in found] == [None, *range(1, 206)]
    assert rpc.get_multiple_accounts([]) == []


def test_the_pieces() -> None:
    values = [b'{"result":{"value":[%s]}}' % b",".join([b"null"] * size) for size in (100, 100, 1)]
    with conversing(*values) as (rpc, requests):
        assert rpc.get_multiple_accounts([ADDRESS] * 201) == [None] * 201
    assert [len(request["params"][0]) for request in requests] == [100, 100, 1]
    values = [b'{"result":{"value":[%s]}}' % b",".join([b"null"] * size) for size in (256, 44)]
    with conversing(*values) as (rpc, requests):
        assert rpc.get_signature_statuses([Signature.default()] * 300) == [None] * 300
    assert [len(request["params"][0]) for request in requests] == [256, 44]
    assert len({request["id"] for request in requests}) == 2


def test_lookup_tables_come_as_the_server_writes_them(rpc: simsync.Rpc) -> None:
    assert rpc.get_address_lookup_table(RECEIVER)["value"] is None


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda rpc: rpc.get_balance("nobody"), "address"),
        (lambda rpc: rpc.get_account_info(None), "address"),
        (lambda rpc: rpc.get_multiple_accounts([ADDRESS, "nobody"]), r"addresses\[1\]"),
        (lambda rpc: rpc.get_multiple_accounts(ADDRESS), "addresses"),
        (lambda rpc: rpc.get_program_accounts("nobody"), "program"),
        (lambda rpc: rpc.get_program_accounts(ADDRESS, data_size=-1), "data_size"),
        (lambda rpc: rpc.get_program_accounts(ADDRESS, memcmp=[(0, b"a"), 7]), r"memcmp\[1\]"),
        (lambda rpc: rpc.get_program_accounts(ADDRESS, memcmp=7), "memcmp"),
        (lambda rpc: rpc.get_signature_statuses(["sig"]), r"signatures\[0\]"),
        (lambda rpc: rpc.get_signature_statuses("1" * 64), "signatures"),
        (lambda rpc: rpc.get_transaction("sig"), "signature"),
        (lambda rpc: rpc.get_fee_for_message(b""), "message"),
        (lambda rpc: rpc.get_minimum_balance_for_rent_exemption(-1), "size"),
        (lambda rpc: rpc.get_address_lookup_table("nobody"), "address"),
        (lambda rpc: rpc.simulate_transaction(b""), "transaction"),
        (lambda rpc: rpc.simulate_transaction(b"a", accounts=["nobody"]), r"accounts\[0\]"),
        (lambda rpc: rpc.simulate_transaction(b"a", replace_blockhash=1), "replace_blockhash"),
        (lambda rpc: rpc.send_transaction("no base64"), "transaction"),
        (lambda rpc: rpc.send_transaction(b"a", skip_preflight=None), "skip_preflight"),
        (lambda rpc: rpc.modify_accounts({"nobody": simsync.AccountData(1)}), "accounts key"),
        (lambda rpc: rpc.call(7), "method"),
        (lambda rpc: rpc.call("x", {"a": 1}), "params"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(call: Any, argument: str) -> None:
    with conversing() as (rpc, requests), pytest.raises(simsync.InvalidParams, match=f"^{argument}="):
        call(rpc)
    assert requests == []


@pytest.mark.parametrize(
    "endpoint",
    [None, "", "localhost", "ws://host", "http://", "ftp://host", "http://host:x", "http://ho st", "http:///x"],
)
def test_bad_endpoints(endpoint: Any) -> None:
    with pytest.raises(simsync.InvalidParams, match=r"^endpoint="):
        simsync.Rpc(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["http://me:secret@host/", "http://host:secret@/", "ftp://secret@host", "x y@secret"]
)
def test_a_password_in_an_endpoint_is_refused_and_not_shown(endpoint: str) -> None:
    with pytest.raises(simsync.InvalidParams) as caught:
        simsync.Rpc(endpoint)
    assert "secret" not in str(caught.value)


def test_bad_options() -> None:
    with pytest.raises(simsync.InvalidParams, match=r"^options="):
        simsync.Rpc("http://host", {})  # type: ignore[arg-type]


class _Ports(BaseHTTPRequestHandler):
    """Answers getSlot with the client's port, on connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"result":%d}' % self.client_address[1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def ports() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Ports) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


FORKING = """
import os, sys

import simsync
from simsync.runtime.http import HttpClient

QUESTION = b'{"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": []}'
http = HttpClient(simsync.Options(rpc_timeout=20.0))
ask = lambda: http.post_json(sys.argv[1], QUESTION)
before = ask()
assert ask() == before, "a connection is used again"
held = http.connections().lock
held.acquire()  # as another thread may hold it at the moment of the fork
child = os.fork()
if not child:
    mine = ask()
    same = ask()
    http.close()
    os._exit(0 if before != mine == same else 1)
held.release()
_pid, status = os.waitpid(child, 0)
assert status == 0, "the child used a connection of its parent"
assert ask() == before, "the child closed a connection of its parent"
http.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_connections_of_its_own(ports: str) -> None:
    done = subprocess.run([sys.executable, "-c", FORKING, ports], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_thread_has_a_connection_and_ended_threads_leave_none(ports: str) -> None:
    http = HttpClient(simsync.Options(rpc_timeout=20.0))

    def ask() -> bytes:
        return http.post_json(ports, b"{}")

    seen: list[bytes] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: seen.append(ask()))
        thread.start()
        thread.join()
    mine = ask()
    assert len({*seen, mine}) == 4
    assert http.connections().threads() == [threading.current_thread()]
    http.close()
    assert ask() != mine
    http.close()


def test_an_authority_of_ones_own(ports: str) -> None:
    authority = trustme.CA()
    server_side = tls.serving(authority.issue_cert("127.0.0.1"))
    trusting = tls.trusting(authority)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Ports) as server:
        server.socket = server_side.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        endpoint = f"https://127.0.0.1:{server.server_address[1]}"
        rpc = simsync.Rpc(endpoint, simsync.Options(ssl_context=trusting))
        assert rpc.get_slot() > 0
        rpc.close()
        strict = ssl.create_default_context()
        rpc = simsync.Rpc(endpoint, simsync.Options(ssl_context=strict))
        with pytest.raises(simsync.ConnectError, match="server's certificate was not accepted"):
            rpc.call("getSlot")
        rpc.close()
        server.shutdown()
        thread.join()


def test_the_context_of_the_caller_is_left_as_it_was(ports: str) -> None:
    lenient = ssl.create_default_context()
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    rpc = simsync.Rpc(ports.replace("http:", "https:"), simsync.Options(ssl_context=lenient))
    with pytest.raises(simsync.ConnectError):
        rpc.call("getSlot")
    rpc.close()
    assert lenient.verify_mode == ssl.CERT_NONE


def test_an_error_that_somebody_keeps_keeps_no_connection() -> None:
    """Log handlers and debuggers keep exceptions, and with them their frames."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        rpc = simsync.Rpc(f"http://127.0.0.1:{listener.getsockname()[1]}/backtest/x")
        kept: list[simsync.HttpStatusError] = []

        def ask() -> None:
            try:
                rpc.get_slot()
            except simsync.HttpStatusError as error:
                kept.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        listener.settimeout(10)
        connection, _address = listener.accept()
        with connection:
            connection.settimeout(10)
            request = b""
            while not request.endswith(b"}"):
                request += connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")
            asking.join(10)
            assert [error.status for error in kept] == [404]
            rpc.close()
            assert connection.recv(65_536) == b""
