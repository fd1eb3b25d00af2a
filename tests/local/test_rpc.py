from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from simsync.local import Ledger, Simulator
from simsync.local.encoding import decode_base58, encode_base58
from simsync.local.engine.programs import LOOKUP_TABLE_PROGRAM, lookup_table_data

from .actors import (
    POOR,
    RICH,
    UPGRADEABLE_LOADER,
    account_data,
    encoded,
    note,
    program_account,
    program_data,
    transaction,
    transfer,
)
from .bare import Control, Data, Rpc

TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
SOL = 1_000_000_000


@pytest.fixture
def control(simulator: Simulator) -> Iterator[Control]:
    with Control(simulator) as control:
        yield control


@pytest.fixture
def rpc(simulator: Simulator, control: Control) -> Rpc:
    """RPC of a session at slot 1020, with a rich and a poor wallet that belong to the test."""
    rpc = Rpc(simulator, control.create(1020, 1029))
    rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(10 * SOL), str(POOR.pubkey()): account_data(SOL)})
    return rpc


def test_balances_are_those_of_the_snapshot_after_the_start_slot(rpc: Rpc, ledger: Ledger) -> None:
    accounts = ledger.bundles[2].accounts
    before = {str(address): account.lamports for address, account in accounts.items()}
    after = {address: rpc.value("getBalance", address) for address in before}
    changed = {address for address in before if before[address] != after[address]}
    assert changed
    block = ledger.block(1020)
    assert block is not None
    from solders.transaction import VersionedTransaction

    touched = {
        str(key)
        for item in block.transactions
        for key in VersionedTransaction.from_bytes(item.wire).message.account_keys
    }
    assert changed <= touched


def test_slot_and_blockhash(rpc: Rpc, control: Control, ledger: Ledger) -> None:
    assert rpc.call("getSlot") == 1020
    assert rpc.call("getHealth") == "ok"
    latest = rpc.call("getLatestBlockhash")
    block = ledger.block(1020)
    assert block is not None
    assert block.height is not None
    assert latest["context"]["slot"] == 1020
    assert latest["value"] == {"blockhash": block.blockhash, "lastValidBlockHeight": block.height + 150}
    control.proceed(2)
    control.until("readyForContinue")
    assert rpc.call("getSlot") == 1022
    assert rpc.value("getLatestBlockhash")["blockhash"] != block.blockhash


def test_account_info_in_all_encodings(rpc: Rpc) -> None:
    address = str(Keypair.from_seed(b"d" * 32).pubkey())
    data = bytes(range(100))
    rpc.call("modifyAccounts", {address: account_data(5 * SOL, data, POOR.pubkey())})
    account = rpc.value("getAccountInfo", address, {"encoding": "base64"})
    assert account == {
        "lamports": 5 * SOL,
        "owner": str(POOR.pubkey()),
        "data": [base64.b64encode(data).decode(), "base64"],
        "executable": False,
        "rentEpoch": 2**64 - 1,
        "space": 100,
    }
    assert rpc.value("getAccountInfo", address, {"encoding": "jsonParsed"})["data"][1] == "base64"
    assert rpc.value("getAccountInfo", address, {"encoding": "base58"})["data"] == [encode_base58(data), "base58"]
    assert decode_base58(rpc.value("getAccountInfo", address)["data"]) == data
    sliced = rpc.value("getAccountInfo", address, {"encoding": "base64", "dataSlice": {"offset": 90, "length": 50}})
    assert (sliced["data"][0], sliced["space"]) == (base64.b64encode(data[90:]).decode(), 100)
    zstandard = pytest.importorskip("zstandard")
    packed, name = rpc.value("getAccountInfo", address, {"encoding": "base64+zstd"})["data"]
    assert name == "base64+zstd"
    assert zstandard.ZstdDecompressor().decompress(base64.b64decode(packed)) == data


def test_the_rent_epoch_tells_whether_an_account_is_exempt(rpc: Rpc) -> None:
    address = str(Keypair.from_seed(b"d" * 32).pubkey())
    least = rpc.call("getMinimumBalanceForRentExemption", 100)
    for lamports, shown in ((least, 2**64 - 1), (least - 1, 0)):
        rpc.call("modifyAccounts", {address: account_data(lamports, bytes(100))})
        assert rpc.value("getAccountInfo", address, {"encoding": "base64"})["rentEpoch"] == shown


def test_accounts_that_do_not_exist(rpc: Rpc) -> None:
    nobody = str(Keypair.from_seed(b"n" * 32).pubkey())
    assert rpc.value("getAccountInfo", nobody) is None
    assert rpc.value("getBalance", nobody) == 0
    rpc.call("modifyAccounts", {str(POOR.pubkey()): account_data(0)})
    accounts = rpc.value("getMultipleAccounts", [nobody, str(RICH.pubkey()), str(POOR.pubkey())])
    assert [account is None for account in accounts] == [True, False, True]


def test_large_data_has_no_base58(rpc: Rpc) -> None:
    address = str(Keypair.from_seed(b"d" * 32).pubkey())
    rpc.call("modifyAccounts", {address: account_data(5 * SOL, bytes(129), POOR.pubkey())})
    assert "128 bytes" in rpc.error("getAccountInfo", address)["message"]


def test_program_accounts_and_filters(rpc: Rpc, control: Control) -> None:
    control.proceed(100)
    control.until("completed")
    found = rpc.call("getProgramAccounts", TOKEN, {"encoding": "base64"})
    sizes = {row["account"]["space"] for row in found}
    assert sizes == {82, 165}
    holders = rpc.call("getProgramAccounts", TOKEN, {"encoding": "base64", "filters": [{"dataSize": 165}]})
    assert 0 < len(holders) < len(found)
    mint = base64.b64decode(holders[0]["account"]["data"][0])[:32]
    compare: dict[str, Any] = {"offset": 0, "bytes": str(Pubkey.from_bytes(mint))}
    of_mint = rpc.call(
        "getProgramAccounts", TOKEN, {"filters": [{"dataSize": 165}, {"memcmp": compare}], "encoding": "base64"}
    )
    assert holders[0] in of_mint
    assert all(base64.b64decode(row["account"]["data"][0])[:32] == mint for row in of_mint)
    compare = {"offset": 0, "bytes": base64.b64encode(mint).decode(), "encoding": "base64"}
    again = rpc.call(
        "getProgramAccounts", TOKEN, {"filters": [{"memcmp": compare}], "withContext": True, "encoding": "base64"}
    )
    assert [row["pubkey"] for row in again["value"]] == [row["pubkey"] for row in of_mint]


def test_rent_and_fees(rpc: Rpc) -> None:
    assert rpc.call("getMinimumBalanceForRentExemption", 165) == 2_039_280
    message = base64.b64encode(bytes(transfer(1).message)).decode()
    assert rpc.value("getFeeForMessage", message) == 5000


def test_send_transaction_executes_at_once_in_the_current_slot(rpc: Rpc, simulator: Simulator) -> None:
    with Data(simulator, rpc.url.rpartition("/")[2]) as data:
        data.subscribe(params=[{"mentions": [str(RICH.pubkey())]}, {}])
        sent = transfer(SOL)
        signature = rpc.call("sendTransaction", encoded(sent), {"encoding": "base64"})
        assert signature == str(sent.signatures[0])
        shown = data.recv()["params"]["result"]
    assert shown["slot"] == 1020
    assert shown["transaction"]["signatures"] == [signature]
    assert shown == rpc.call("getTransaction", signature, {"maxSupportedTransactionVersion": 0})
    assert rpc.value("getBalance", str(POOR.pubkey())) == 2 * SOL
    assert rpc.call("getSlot") == 1020
    assert rpc.value("getSignatureStatuses", [signature, "1" * 64]) == [
        {
            "slot": 1020,
            "confirmations": None,
            "err": None,
            "status": {"Ok": None},
            "confirmationStatus": "finalized",
        },
        None,
    ]
    assert rpc.call("sendTransaction", encode_base58(bytes(transfer(7)))) == str(transfer(7).signatures[0])


def test_a_failing_preflight_executes_nothing(rpc: Rpc) -> None:
    text = encoded(transfer(50 * SOL))
    error = rpc.error("sendTransaction", text, {"encoding": "base64"})
    assert error["code"] == -32002
    assert error["message"] == (
        "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
    )
    assert error["data"]["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert any("insufficient lamports" in line for line in error["data"]["logs"])
    assert rpc.value("getBalance", str(RICH.pubkey())) == 10 * SOL
    signature = rpc.call("sendTransaction", text, {"encoding": "base64", "skipPreflight": True})
    assert rpc.value("getBalance", str(RICH.pubkey())) == 10 * SOL - 5000
    assert rpc.call("getTransaction", signature)["meta"]["status"] == {"Err": {"InstructionError": [0, {"Custom": 1}]}}


def test_get_transaction_of_history_in_all_encodings(rpc: Rpc, ledger: Ledger) -> None:
    from solders.transaction import VersionedTransaction

    block = ledger.block(1020)
    assert block is not None
    newest = {"maxSupportedTransactionVersion": 0}
    for item in block.transactions:
        transaction = VersionedTransaction.from_bytes(item.wire)
        signature = str(transaction.signatures[0])
        reply = rpc.call("getTransaction", signature, newest)
        assert (reply["slot"], reply["blockTime"]) == (1020, block.time)
        assert reply["meta"]["err"] == item.error
        assert reply["transaction"]["message"]["accountKeys"] == list(map(str, transaction.message.account_keys))
        assert reply["transaction"]["message"]["recentBlockhash"] == block.blockhash
        for index, compiled in enumerate(transaction.message.instructions):
            shown = reply["transaction"]["message"]["instructions"][index]
            assert decode_base58(shown["data"]) == compiled.data
            assert shown["accounts"] == list(compiled.accounts)
        wire, name = rpc.call("getTransaction", signature, {"encoding": "base64", **newest})["transaction"]
        assert (base64.b64decode(wire), name) == (item.wire, "base64")
        wire, name = rpc.call("getTransaction", signature, {"encoding": "base58", **newest})["transaction"]
        assert (decode_base58(wire), name) == (item.wire, "base58")
    assert rpc.call("getTransaction", "1" * 64) is None


def test_simulate_transaction_keeps_nothing(rpc: Rpc) -> None:
    config = {
        "encoding": "base64",
        "accounts": {"encoding": "base64", "addresses": [str(POOR.pubkey()), TOKEN]},
        "innerInstructions": True,
    }
    value = rpc.value("simulateTransaction", encoded(transfer(SOL)), config)
    assert value["err"] is None
    assert value["unitsConsumed"] == 150
    assert value["accounts"][0]["lamports"] == 2 * SOL
    assert value["accounts"][1]["executable"] is True
    assert value["innerInstructions"] == []
    assert rpc.value("getBalance", str(POOR.pubkey())) == SOL
    failed = rpc.value(
        "simulateTransaction", encoded(note("x", payer=Keypair.from_seed(b"n" * 32))), {"encoding": "base64"}
    )
    assert failed["err"] == "AccountNotFound"


def test_a_program_can_be_replaced(rpc: Rpc) -> None:
    program = Keypair.from_seed(b"g" * 32).pubkey()
    address, account = program_account(program)
    data = account_data(account.lamports, bytes(account.data), UPGRADEABLE_LOADER)
    rpc.call(
        "modifyAccounts",
        {
            str(program): {**data, "executable": True},
            str(address): account_data(SOL, program_data(0), UPGRADEABLE_LOADER),
        },
    )
    call = encoded(transaction(Instruction(program, b"", [])))
    assert rpc.value("simulateTransaction", call, {"encoding": "base64"})["err"] is None
    rpc.call("modifyAccounts", {str(address): account_data(SOL, program_data(7), UPGRADEABLE_LOADER)})
    error = rpc.value("simulateTransaction", call, {"encoding": "base64"})["err"]
    assert error == {"InstructionError": [0, {"Custom": 7}]}


def test_modify_accounts_answers_null_or_an_error(rpc: Rpc) -> None:
    assert rpc.call("modifyAccounts", {}) is None
    broken = {**account_data(1), "data": {"data": "%", "encoding": "base64"}}
    error = rpc.error("modifyAccounts", {str(RICH.pubkey()): broken})
    assert error["code"] == -32602
    assert (
        rpc.error("modifyAccounts", {"SysvarC1ock11111111111111111111111111111111": account_data(1)})["code"] == -32602
    )
    assert rpc.error("modifyAccounts", [])["code"] == -32602


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getBalance", []),
        ("getBalance", ["here"]),
        ("getBalance", [7]),
        ("getAccountInfo", [TOKEN, "base64"]),
        ("getAccountInfo", [TOKEN, {"encoding": "hex"}]),
        ("getAccountInfo", [TOKEN, {"dataSlice": {"offset": -1, "length": 1}}]),
        ("getMultipleAccounts", [TOKEN]),
        ("getMultipleAccounts", [[TOKEN] * 101]),
        ("getProgramAccounts", [TOKEN, {"filters": [{"size": 1}]}]),
        ("getProgramAccounts", [TOKEN, {"filters": [{"dataSize": 1}] * 5}]),
        ("getProgramAccounts", [TOKEN, {"filters": [{"memcmp": {"offset": 0, "bytes": "0"}}]}]),
        ("getMinimumBalanceForRentExemption", [-1]),
        ("getFeeForMessage", ["AQID"]),
        ("getSignatureStatuses", ["x"]),
        ("getTransaction", []),
        ("sendTransaction", ["AQID", {"encoding": "base64"}]),
        ("sendTransaction", ["AQID", {"encoding": "hex"}]),
        ("sendTransaction", ["0OIl"]),
        ("sendTransaction", [base64.b64encode(bytes(1233)).decode(), {"encoding": "base64"}]),
        ("simulateTransaction", [7]),
        ("getSlot", {"commitment": "confirmed"}),
    ],
)
def test_bad_params(rpc: Rpc, method: str, params: Any) -> None:
    reply = rpc.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    assert reply["error"]["code"] == -32602, reply
    assert reply["id"] == 1


def test_the_envelope(rpc: Rpc) -> None:
    assert rpc.error("getNothing")["code"] == -32601
    assert rpc.post("{")["error"]["code"] == -32700
    assert rpc.post([])["error"]["code"] == -32600
    assert rpc.post("7")["error"]["code"] == -32600
    batch = rpc.post([{"jsonrpc": "2.0", "id": number, "method": "getSlot"} for number in (1, 2)] + [5])
    assert [reply.get("result") for reply in batch] == [1020, 1020, None]
    assert batch[2]["error"]["code"] == -32600


def test_unknown_and_ended_sessions_are_not_found(simulator: Simulator, control: Control, rpc: Rpc) -> None:
    assert requests.post(f"{simulator.url}/backtest/backtest_x", json={}, timeout=5).status_code == 404
    control.proceed(100)
    control.until("completed")
    # A completed session is served until it is closed.
    assert rpc.call("getSlot") == 1029
    control.ask("closeBacktestSession")
    control.until("success")
    assert requests.post(rpc.url, json={}, timeout=5).status_code == 404


def test_a_completed_session_may_end_at_once(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(serve_completed=False)
    with Control(simulator) as control:
        session = control.create(1020, 1029)
        with Data(simulator, session) as data:
            data.subscribe()
            control.proceed(100)
            control.until("completed")
            assert Rpc(simulator, session).call("getSlot") == 1029
            assert len(list(data.results())) == 72
            data.close()
        while requests.post(Rpc(simulator, session).url, json={}, timeout=5).status_code == 200:
            pass


def test_a_lookup_table(rpc: Rpc, ledger: Ledger) -> None:
    (found,) = [
        (key, account) for key, account in ledger.bundles[2].accounts.items() if account.owner == LOOKUP_TABLE_PROGRAM
    ]
    key, account = found
    value = rpc.value("getAddressLookupTable", str(key))
    assert bytes(account.data) == lookup_table_data(
        Pubkey.from_string(value["authority"]), [Pubkey.from_string(one) for one in value["addresses"]]
    )
    assert value["deactivationSlot"] == str(2**64 - 1)
    assert (value["lastExtendedSlot"], value["lastExtendedSlotStartIndex"]) == ("0", 0)
    for other in (RICH.pubkey(), LOOKUP_TABLE_PROGRAM):
        assert rpc.value("getAddressLookupTable", str(other)) is None
    nothing = Keypair().pubkey()
    rpc.call("modifyAccounts", {str(nothing): account_data(SOL, bytes(56), LOOKUP_TABLE_PROGRAM)})
    assert rpc.value("getAddressLookupTable", str(nothing)) is None
