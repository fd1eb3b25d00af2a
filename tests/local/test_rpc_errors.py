"""Calls that cannot be carried out are refused with the codes and texts of a node."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.transaction_metadata import TransactionMetadata

from simsync.local import Simulator
from simsync.local.encoding import encode_base58
from simsync.local.engine.programs import TOKEN_PROGRAM
from simsync.local.rpc.calls import CALLS

from .actors import RICH, account_data, encoded, transaction, transfer
from .bare import Control, Rpc

SOL = 1_000_000_000
KEY = str(RICH.pubkey())
LONG = str(Keypair.from_seed(b"l" * 32).pubkey())
SIGNATURE = "1" * 64
WIRE = encoded(transfer(SOL))
BASE64 = {"encoding": "base64"}
BLOCK = {"encoding": "json", "transactionDetails": "full", "maxSupportedTransactionVersion": 0}
ACCOUNT: dict[str, Any] = {"encoding": "base64", "dataSlice": {"offset": 0, "length": 4}, "commitment": "confirmed"}
SIMULATED = {**BASE64, "accounts": {"encoding": "base64", "addresses": [KEY]}, "minContextSlot": 1000}

GOOD: dict[str, list[Any]] = {
    "getAccountInfo": [KEY, ACCOUNT],
    "getAddressLookupTable": [KEY],
    "getBalance": [KEY, {"commitment": "confirmed", "minContextSlot": 1000}],
    "getBlock": [1001, BLOCK],
    "getBlockHeight": [{"commitment": "confirmed"}],
    "getBlockTime": [1001],
    "getBlocks": [1000, 1001],
    "getBlocksWithLimit": [1000, 2],
    "getEpochInfo": [{"commitment": "confirmed"}],
    "getEpochSchedule": [],
    "getFeeForMessage": [base64.b64encode(bytes(transfer(1).message)).decode()],
    "getFirstAvailableBlock": [],
    "getGenesisHash": [],
    "getHealth": [],
    "getLatestBlockhash": [{"commitment": "confirmed"}],
    "getMinimumBalanceForRentExemption": [165],
    "getMultipleAccounts": [[KEY], ACCOUNT],
    "getProgramAccounts": [
        KEY,
        {**ACCOUNT, "filters": [{"dataSize": 5}, {"memcmp": {"offset": 0, "bytes": KEY, "encoding": "base58"}}]},
    ],
    "getRecentPrioritizationFees": [[KEY]],
    "getSignatureStatuses": [[SIGNATURE]],
    "getSignaturesForAddress": [KEY, {"limit": 3, "before": SIGNATURE, "until": SIGNATURE}],
    "getSlot": [{"commitment": "confirmed"}],
    "getTokenAccountBalance": [KEY],
    "getTokenAccountsByDelegate": [KEY, {"programId": str(TOKEN_PROGRAM)}, ACCOUNT],
    "getTokenAccountsByOwner": [KEY, {"programId": str(TOKEN_PROGRAM)}, ACCOUNT],
    "getTokenLargestAccounts": [KEY],
    "getTokenSupply": [KEY],
    "getTransaction": [SIGNATURE, {"encoding": "json", "maxSupportedTransactionVersion": 0}],
    "getTransactionCount": [],
    "getVersion": [],
    "isBlockhashValid": [KEY],
    "getClusterNodes": [],
    "getIdentity": [],
    "getRecentPerformanceSamples": [3],
    "getSlotLeader": [{"commitment": "confirmed"}],
    "getStakeMinimumDelegation": [{"commitment": "confirmed"}],
    "getSupply": [{"commitment": "confirmed"}],
    "minimumLedgerSlot": [],
    "modifyAccounts": [{KEY: account_data(10 * SOL)}],
    "requestAirdrop": [KEY, SOL],
    "sendTransaction": [WIRE, {**BASE64, "preflightCommitment": "confirmed"}],
    "simulateTransaction": [WIRE, SIMULATED],
}
"""Params of each method that it can read."""
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    5,
    2**63,
    2**64 - 1,
    1.5,
    "",
    "abc",
    "0OIl",
    "x" * 99,
    [],
    [5],
    ["abc"],
    {},
    {"a": 1},
)


@pytest.fixture
def rpc(simulator: Simulator) -> Iterator[Rpc]:
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        rpc.call("modifyAccounts", {KEY: account_data(10 * SOL), LONG: account_data(SOL, bytes(129), RICH.pubkey())})
        control.proceed(2)
        control.until("readyForContinue")
        yield rpc


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value inside a value, as keys and indices."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield (key,)
        yield from ((key, *rest) for rest in places(one))


def replaced(value: Any, place: tuple[Any, ...], by: Any) -> Any:
    if not place:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = replaced(value[place[0]], place[1:], by)
    return copy


def test_the_params_of_every_method_are_here() -> None:
    assert set(GOOD) == set(CALLS)


@pytest.mark.parametrize("method", GOOD)
def test_a_value_of_the_wrong_type_is_no_internal_error(rpc: Rpc, method: str) -> None:
    params = GOOD[method]
    tried = [replaced(params, place, wrong) for place in places(params) for wrong in WRONG]
    tried += [params[:count] for count in range(len(params))] + [[wrong] for wrong in WRONG]
    batch = [{"jsonrpc": "2.0", "id": index, "method": method, "params": one} for index, one in enumerate(tried)]
    for reply in rpc.post(batch):
        if "error" in reply:
            assert reply["error"]["code"] not in (-32603, -32700), (tried[reply["id"]], reply)


SIZE, LETTER = "Invalid param: WrongSize", "Invalid param: Invalid"
TOO_LONG = "Encoded binary (base 58) data should be less than 128 bytes, please use Base64 encoding."


@pytest.mark.parametrize(
    ("method", "params", "code", "message"),
    [
        ("getBalance", ["abc"], -32602, SIZE),
        ("getBalance", [KEY + "1"], -32602, SIZE),
        ("getBalance", ["0OIl"], -32602, LETTER),
        ("getBalance", [5], -32602, "Invalid params: invalid type: integer `5`, expected a string."),
        ("getBalance", [], -32602, "`params` should have at least 1 argument(s)"),
        ("getBalance", {"address": KEY}, -32602, "`params` should be an array"),
        ("getTransaction", ["abc"], -32602, SIZE),
        ("getSignatureStatuses", [["abc"]], -32602, SIZE),
        ("getSignaturesForAddress", [KEY, {"before": "abc"}], -32602, SIZE),
        ("isBlockhashValid", ["abc"], -32602, "WrongSize"),
        ("getMultipleAccounts", [[KEY] * 101], -32602, "Too many inputs provided; max 100"),
        ("getSignatureStatuses", [[SIGNATURE] * 257], -32602, "Too many inputs provided; max 256"),
        ("getRecentPrioritizationFees", [[KEY] * 129], -32602, "Too many inputs provided; max 128"),
        ("getProgramAccounts", [KEY, {"filters": [{"dataSize": 1}] * 5}], -32602, "Too many filters provided; max 4"),
        ("getSignaturesForAddress", [KEY, {"limit": 0}], -32602, "Invalid limit; max 1000"),
        ("getSignaturesForAddress", [KEY, {"limit": 1001}], -32602, "Invalid limit; max 1000"),
        ("getTokenLargestAccounts", [KEY], -32602, "Invalid param: not a Token mint"),
        ("getTokenAccountsByOwner", [KEY, {"mint": KEY}], -32602, "Invalid param: not a Token mint"),
        ("getAccountInfo", [LONG], -32600, TOO_LONG),
        ("getAccountInfo", [LONG, {"encoding": "base58"}], -32600, TOO_LONG),
        ("getProgramAccounts", [KEY], -32600, TOO_LONG),
        (
            "simulateTransaction",
            [WIRE, {**BASE64, "sigVerify": True, "replaceRecentBlockhash": True}],
            -32602,
            "sigVerify may not be used with replaceRecentBlockhash",
        ),
        (
            "simulateTransaction",
            [WIRE, {**BASE64, "accounts": {"addresses": [KEY], "encoding": "base58"}}],
            -32602,
            "base58 encoding not supported",
        ),
        (
            "getSlot",
            [{"commitment": "sure"}],
            -32602,
            "Invalid params: unknown variant `sure`, expected one of `processed`, `confirmed`, `finalized`.",
        ),
        (
            "getTransaction",
            [SIGNATURE, "hex"],
            -32602,
            "Invalid params: unknown variant `hex`, expected one of "
            "`binary`, `base64`, `base58`, `json`, `jsonParsed`.",
        ),
        ("getMinimumBalanceForRentExemption", [10 * 2**20 + 1], -32600, "Invalid request"),
        ("getMinimumBalanceForRentExemption", [2**64 - 1], -32600, "Invalid request"),
        ("getNothing", [], -32601, "Method not found"),
    ],
)
def test_errors_have_the_codes_and_texts_of_a_node(rpc: Rpc, method: str, params: Any, code: int, message: str) -> None:
    error = rpc.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})["error"]
    assert (error["code"], error["message"]) == (code, message)


def test_a_bad_address_is_named_beside_the_text_of_a_node(rpc: Rpc) -> None:
    assert rpc.error("getBalance", "abc")["data"] == "'abc' is not a Solana address (base58 of 32 bytes)"


def test_levels_of_old_clients_are_taken(rpc: Rpc) -> None:
    for level in ("recent", "single", "singleGossip", "root", "max"):
        assert rpc.value("getBalance", KEY, {"commitment": level}) == 10 * SOL


def test_an_airdrop_of_all_lamports_is_refused_and_changes_nothing(rpc: Rpc) -> None:
    assert rpc.error("requestAirdrop", KEY, 2**64 - 1)["code"] == -32602
    assert rpc.value("getBalance", KEY) == 10 * SOL


def test_sums_of_lamports_stop_where_their_numbers_end(rpc: Rpc) -> None:
    rpc.call("modifyAccounts", {LONG: account_data(2**64 - 1)})
    assert rpc.value("getSupply")["total"] == 2**64 - 1
    dear = transaction(set_compute_unit_limit(1_400_000), set_compute_unit_price(2**64 - 1))
    message = base64.b64encode(bytes(dear.message)).decode()
    has_priority_fees = hasattr(TransactionMetadata, "fee")  # solders 0.27 does not
    assert rpc.value("getFeeForMessage", message) == (2**64 - 1 if has_priority_fees else 5_000)


def test_the_old_encoding_binary_is_base58_as_bare_text(rpc: Rpc) -> None:
    signature = rpc.call("sendTransaction", WIRE, BASE64)
    text = encode_base58(base64.b64decode(WIRE))
    assert rpc.call("getTransaction", signature, {"encoding": "binary"})["transaction"] == text
    shown = rpc.call("getBlock", 1002, {"encoding": "binary", "maxSupportedTransactionVersion": 0})
    assert shown["transactions"][-1]["transaction"] == text


def test_simulations_have_every_key_that_a_node_shows(rpc: Rpc) -> None:
    keys = {
        "err",
        "logs",
        "accounts",
        "unitsConsumed",
        "loadedAccountsDataSize",
        "returnData",
        "innerInstructions",
        "replacementBlockhash",
    }
    value = rpc.value("simulateTransaction", WIRE, BASE64)
    assert set(value) == keys
    assert (value["innerInstructions"], value["replacementBlockhash"]) == (None, None)
    wanted = {**BASE64, "innerInstructions": True, "replaceRecentBlockhash": True}
    value = rpc.value("simulateTransaction", WIRE, wanted)
    assert value["innerInstructions"] == []
    assert value["replacementBlockhash"] == rpc.value("getLatestBlockhash")
    too_much = encoded(transfer(100 * SOL))
    assert set(rpc.error("sendTransaction", too_much, BASE64)["data"]) == keys


def test_a_program_that_does_not_exist_is_refused_as_litesvm_does(rpc: Rpc) -> None:
    call = encoded(transaction(Instruction(Pubkey(b"u" * 32), b"", [])))
    assert rpc.error("sendTransaction", call, BASE64)["data"]["err"] == "InvalidProgramForExecution"
