"""Blocks that are fetched from a node: the embedded simulator, and one that refuses, skips and breaks off."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

import pytest
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

import simsync
from simsync.cli.app import run
from simsync.local import Ledger, Simulator, read_account_files
from simsync.run.ledger_capture import Captured, capture_blocks

KEY = "key-in-the-address"
Answer = Callable[[str, list[Any]], tuple[int, dict[str, str], Any]]


@contextlib.contextmanager
def node(answer: Answer) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """A node whose replies are those of ``answer``: status, headers, body. Yields its address and what was asked."""
    asked: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((request["method"], request["params"][0]))
            status, headers, body = answer(request["method"], request["params"])
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/?api-key={KEY}", asked
        finally:
            server.shutdown()
            thread.join()


def block(slot: int) -> dict[str, Any]:
    def transaction(signature: str, *keys: str) -> dict[str, Any]:
        message = {"accountKeys": list(keys), "instructions": [], "recentBlockhash": "1" * 32}
        return {"transaction": {"signatures": [signature], "message": message}, "meta": {"err": None}}

    transactions = [transaction(f"a{slot}", "A" * 32, "B" * 32), transaction(f"b{slot}", "C" * 32)]
    return {"blockhash": "1" * 32, "parentSlot": slot - 1, "blockTime": 1, "transactions": transactions}


def result(value: Any) -> tuple[int, dict[str, str], Any]:
    return 200, {}, {"jsonrpc": "2.0", "id": 1, "result": value}


def error(code: int, message: str = "no") -> tuple[int, dict[str, str], Any]:
    return 200, {}, {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}


ELF = b"\x7fELF"


def accounts_of(folder: Path) -> list[Path]:
    return sorted((folder / "accounts").iterdir())


def key_of(path: Path) -> Pubkey:
    return Pubkey.from_string(path.name.split(".")[0])


def test_blocks_of_the_embedded_simulator_become_an_equal_ledger(tmp_path: Path) -> None:
    ledger = Ledger.generate(seed=8, slots=8, bundle_size=8, transactions_per_slot=3, skip_every=5)
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, slot_count=8), timeout=20) as session:
            while session.coverage.highest_slot != 1_006:
                session.advance(1, timeout=20)
            done = capture_blocks(session.rpc_endpoint, 1_000, 1_006, tmp_path, accounts=True, per_second=1_000)
    assert (done.blocks, done.skipped, done.fetched) == (6, 1, 7)
    accounts = read_account_files(tmp_path / "accounts")
    assert len(accounts) == done.accounts > 0
    captured = Ledger.from_files(tmp_path / "blocks").with_accounts(accounts)
    with Simulator(captured) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, 1_006), timeout=20) as session:
            session.subscribe_transactions()
            again = session.collect(timeout=20)
    wires = [one.wire for found in ledger.blocks_between(1_000, 1_006) for one in found.transactions]
    signatures = [str(VersionedTransaction.from_bytes(wire).signatures[0]) for wire in wires]
    assert [one.signature for one in again.transactions] == signatures


def test_it_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    broken = [True]

    def answer(method: str, params: list[Any]) -> tuple[int, dict[str, str], Any]:
        slot = params[0]
        if slot == 13 and broken[0]:
            return 403, {}, "no"
        return error(-32009) if slot == 11 else error(-32007) if slot == 12 else result(block(slot))

    told: list[int] = []
    with node(answer) as (url, asked):
        with pytest.raises(simsync.HttpStatusError) as caught:
            capture_blocks(url, 10, 14, tmp_path, per_second=1_000, on_block=told.append)
        assert KEY not in f"{caught.value!r} {caught.value}"
        assert told == [10, 11, 12]
        broken[0] = False
        asked.clear()
        assert capture_blocks(url, 10, 14, tmp_path, per_second=1_000) == Captured(3, 2, 0, 2, 0)
        assert [slot for _method, slot in asked] == [13, 14]
    assert [one.slot for one in Ledger.from_files(tmp_path / "blocks").blocks] == [10, 13, 14]


def test_only_transactions_that_mention_a_program(tmp_path: Path) -> None:
    program = "11111111111111111111111111111111"

    def answer(method: str, params: list[Any]) -> tuple[int, dict[str, str], Any]:
        made = block(params[0])
        made["transactions"][1]["meta"]["loadedAddresses"] = {"writable": [], "readonly": [program]}
        return result(made)

    with node(answer) as (url, _asked):
        capture_blocks(url, 5, 5, tmp_path, program=program, per_second=1_000)
    (only,) = Ledger.from_files(tmp_path / "blocks").blocks
    assert [row["transaction"]["signatures"] for row in only.recorded] == [["b5"]]


def test_a_busy_node_is_asked_later_and_never_too_often(tmp_path: Path) -> None:
    refusals = [(429, {"Retry-After": "1"}, "later"), (503, {}, "later")]

    def answer(method: str, params: list[Any]) -> tuple[int, dict[str, str], Any]:
        return refusals.pop(0) if refusals else result(block(params[0]))

    began = time.monotonic()
    with node(answer) as (url, asked):
        capture_blocks(url, 1, 1, tmp_path, per_second=50)
    assert len(asked) == 3
    assert time.monotonic() - began >= 1.0
    began = time.monotonic()
    with node(answer) as (url, asked):
        capture_blocks(url, 2, 6, tmp_path, per_second=20)
    assert time.monotonic() - began >= 4 / 20


@pytest.mark.parametrize(
    "refusal",
    [
        error(429, "Too many requests"),
        error(-32429),
        error(-32005, "Node is behind by 42 slots"),
        error(-32005, "rate limit exceeded"),
        error(-32014, "Block status not yet available for slot"),
        (500, {}, "no"),
    ],
)
def test_an_error_that_passes_is_asked_again(tmp_path: Path, refusal: tuple[int, dict[str, str], Any]) -> None:
    refusals = [refusal]
    with node(lambda _method, params: refusals.pop() if refusals else result(block(params[0]))) as (url, asked):
        assert capture_blocks(url, 1, 1, tmp_path, per_second=1_000).blocks == 1
    assert len(asked) == 2


def test_a_slot_that_the_node_does_not_have_yet_is_asked_for_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {10}

    def answer(method: str, params: list[Any]) -> tuple[int, dict[str, str], Any]:
        return result(block(params[0]) if params[0] in known else None)

    with node(answer) as (url, asked):
        command = ["ledger", "capture", str(tmp_path), "--rpc", url, "--slots", "10-11", "--per-second", "1000"]
        assert run(command) == 0
        assert "the node did not have 1 of the slots (null)" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "blocks").iterdir()] == ["block-10.json.gz"]
        known.add(11)
        asked.clear()
        assert capture_blocks(url, 10, 11, tmp_path, per_second=1_000) == Captured(2, 0, 0, 1, 0)
        assert [slot for _method, slot in asked] == [11]


def test_the_blocks_of_a_folder_have_one_filter(tmp_path: Path) -> None:
    one, other = "11111111111111111111111111111111", "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
    with node(lambda _method, params: result(block(params[0]))) as (url, asked):
        capture_blocks(url, 5, 5, tmp_path / "some", program=one, per_second=1_000)
        capture_blocks(url, 5, 5, tmp_path / "all", per_second=1_000)
        asked.clear()
        for program in (None, other):
            text = rf"block-5.* only those that mention the program {one}: take"
            with pytest.raises(simsync.InvalidParams, match=text):
                capture_blocks(url, 5, 5, tmp_path / "some", program=program, per_second=1_000)
        with pytest.raises(simsync.InvalidParams, match=r"block-5.* holds all transactions: take the same"):
            capture_blocks(url, 5, 5, tmp_path / "all", program=one, per_second=1_000)
        assert not asked
        assert capture_blocks(url, 5, 5, tmp_path / "some", program=one, per_second=1_000).fetched == 0


def test_a_captured_program_can_be_called_and_lookup_tables_are_there(tmp_path: Path) -> None:
    ledger = Ledger.generate(seed=3, slots=6, bundle_size=6, transactions_per_slot=40, tiny_program=True)
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, slot_count=6), timeout=20) as session:
            endpoint = session.rpc_endpoint
            first = capture_blocks(endpoint, 1_000, 1_000, tmp_path, accounts=True, per_second=1_000)
            # As if it had been broken off, or captured without the code: that is fetched, too.
            found = {path: read_account_files(path)[key_of(path)] for path in accounts_of(tmp_path)}
            code = [path for path, account in found.items() if account.data[45:49] == ELF]
            for path in code:
                path.unlink()
            again = capture_blocks(endpoint, 1_000, 1_000, tmp_path, accounts=True, per_second=1_000)
            assert (first.fetched, again.fetched, again.accounts) == (1, 0, len(code))
            assert code
    accounts = read_account_files(tmp_path)
    messages = [VersionedTransaction.from_bytes(one.wire).message for one in ledger.blocks[0].transactions]
    tables = {table.account_key for message in messages for table in getattr(message, "address_table_lookups", ())}
    assert tables
    assert tables <= set(accounts)
    made = Ledger.from_files(tmp_path, accounts=accounts, execute=True)
    with Simulator(made) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, 1_000), timeout=20) as session:
            session.subscribe_transactions()
            shown = session.collect(timeout=20).transactions
    errors = {str(one.error) for one in shown}
    assert len(shown) == 40
    assert not [error for error in errors if "Program" in error or "Lookup" in error], errors


def test_transactions_in_base64_name_their_accounts_too(tmp_path: Path) -> None:
    ledger = Ledger.generate(seed=3, slots=1, bundle_size=1, transactions_per_slot=40)
    wires = [one.wire for one in ledger.blocks[0].transactions]
    messages = [VersionedTransaction.from_bytes(wire).message for wire in wires]
    wanted = {str(key) for message in messages for key in message.account_keys}
    for message in messages:
        wanted.update(str(table.account_key) for table in getattr(message, "address_table_lookups", ()))

    def answer(method: str, params: list[Any]) -> tuple[int, dict[str, str], Any]:
        if method == "getMultipleAccounts":
            account = {"lamports": 1, "owner": "1" * 32, "data": ["", "base64"], "executable": False}
            return result({"context": {"slot": 1}, "value": [account for _ in params[0]]})
        rows = [{"transaction": [base64.b64encode(wire).decode(), "base64"], "meta": None} for wire in wires]
        return result({**block(params[0]), "transactions": rows})

    with node(answer) as (url, _asked):
        capture_blocks(url, 5, 5, tmp_path, accounts=True, per_second=1_000)
    assert {path.name.split(".")[0] for path in accounts_of(tmp_path)} == wanted


@pytest.mark.parametrize("odd", [5, "x", {"transactions": [5]}, {"transactions": [{"transaction": ["x", "base64"]}]}])
def test_a_node_that_sends_no_block_is_named(tmp_path: Path, odd: Any) -> None:
    with node(lambda _method, _params: result(odd)) as (url, _asked):
        with pytest.raises(simsync.ProtocolError, match="the node sent"):
            capture_blocks(url, 5, 5, tmp_path, accounts=True, per_second=1_000)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(-32000), simsync.RpcError),
        (error(-32005, "query returned more than 10000 results"), simsync.RpcError),
        ((401, {}, "no"), simsync.HttpStatusError),
        ((429, {"Retry-After": "9999"}, "no"), simsync.HttpStatusError),
        ((200, {}, ["odd"]), simsync.ProtocolError),
        ((404, {}, f"Cannot POST /?api-key={KEY}"), simsync.HttpStatusError),
        ((200, {}, {"error": {"code": -32000, "message": f"{KEY} is no key"}}), simsync.RpcError),
    ],
)
def test_what_does_not_pass_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Any, expected: type[Exception]
) -> None:
    monkeypatch.setattr("simsync.run.polite_node.ATTEMPTS", 1)
    with node(lambda _method, _params: reply) as (url, asked):
        with pytest.raises(expected) as caught:
            capture_blocks(url, 1, 1, tmp_path, per_second=1_000)
    assert KEY not in str(caught.value)
    assert len(asked) == 1
    assert not list((tmp_path / "blocks").iterdir())


def test_a_node_that_is_not_there_is_named_without_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simsync.run.polite_node.ATTEMPTS", 1)
    with pytest.raises(simsync.ConnectError, match=r"127\.0\.0\.1") as caught:
        capture_blocks(f"http://127.0.0.1:1/{KEY}?api-key={KEY}", 1, 1, tmp_path)
    assert KEY not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with node(lambda _method, params: result(block(params[0]))) as (url, _asked):
        assert run(["ledger", "capture", str(tmp_path), "--rpc", url, "--slots", "7-9", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "blocks": 3,
            "skipped": 0,
            "missing": 0,
            "fetched": 3,
            "accounts": 0,
        }
        assert run(["ledger", "capture", str(tmp_path), "--rpc", url, "--slots", "9-7"]) == 2
        assert run(["ledger", "capture", str(tmp_path), "--rpc", "ftp://x", "--slots", "7"]) == 2
    output, errors = capsys.readouterr()
    assert KEY not in output + errors
    (tmp_path / "blocks" / "block-7.json.gz").write_bytes(b"cut")
    with node(lambda _method, params: result(block(params[0]))) as (url, _asked):
        assert run(["ledger", "capture", str(tmp_path), "--rpc", url, "--slots", "7-9"]) == 2
    assert "block-7.json.gz" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", [f"http://h:99999/{KEY}", f"http://h:{KEY}/", f"http://h h/{KEY}", f"http://[::1/{KEY}", f"ws://h/{KEY}"]
)
def test_a_wrong_address_is_refused_without_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    assert run(["ledger", "capture", str(tmp_path), "--rpc", address, "--slots", "1-1"]) == 2
    error = capsys.readouterr().err
    assert "rpc_url='...'" in error
    assert KEY not in error
