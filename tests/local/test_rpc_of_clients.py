"""RPC calls that clients of a cluster make, in the shapes of a node."""

from __future__ import annotations

import base64
import copy
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from solders.compute_budget import set_compute_unit_price
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata

from simsync.local import Ledger, Simulator
from simsync.local.engine.programs import (
    TOKEN_PROGRAM,
    associated_address,
    create_associated_account,
    memo,
    token_transfer,
)
from simsync.local.rpc.calls import CALLS
from simsync.local.surface import HOSTED

from .actors import POOR, RICH, account_data, encoded, note, transaction, transfer
from .bare import Control, Data, Rpc

SOL = 1_000_000_000
VOTE = "Vote111111111111111111111111111111111111111"
NEWEST = {"maxSupportedTransactionVersion": 0}
MINT, HELD = (Keypair.from_seed(bytes([number]) * 32).pubkey() for number in (11, 12))
OWNER, OTHER = RICH.pubkey(), POOR.pubkey()


def mint_data(supply: int, decimals: int) -> bytes:
    return struct.pack("<I32sQBBI32x", 1, bytes(OWNER), supply, decimals, 1, 0)


def token_data(owner: Pubkey, amount: int, delegate: Pubkey | None = None) -> bytes:
    approved = (1, bytes(delegate), 5) if delegate is not None else (0, bytes(32), 0)
    base = bytes(MINT) + bytes(owner) + struct.pack("<QI32sB", amount, approved[0], approved[1], 1)
    return base + struct.pack("<IQQI32x", 0, 0, approved[2], 0)


@pytest.fixture
def rpc(simulator: Simulator) -> Iterator[Rpc]:
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1020, 1029))
        held = account_data(2_039_280, token_data(OWNER, 2_500_000, OTHER), TOKEN_PROGRAM)
        accounts = {
            str(OWNER): account_data(10 * SOL),
            str(OTHER): account_data(SOL),
            str(MINT): account_data(1_461_600, mint_data(2_500_000, 6), TOKEN_PROGRAM),
            str(HELD): held,
        }
        rpc.call("modifyAccounts", accounts)
        control.proceed(3)
        control.until("readyForContinue")
        yield rpc


def test_epoch_slot_and_height_agree(rpc: Rpc, ledger: Ledger) -> None:
    info = rpc.call("getEpochInfo")
    block = ledger.block(rpc.call("getSlot"))
    assert block is not None
    assert (info["absoluteSlot"], info["blockHeight"]) == (block.slot, block.height)
    assert (info["epoch"], info["slotIndex"], info["slotsInEpoch"]) == (0, block.slot, 432_000)
    assert info["transactionCount"] == rpc.call("getTransactionCount") == 4 * 8
    assert rpc.call("getBlockHeight") == block.height
    assert rpc.call("getEpochSchedule")["slotsPerEpoch"] == 432_000


def test_a_blockhash_is_valid_while_a_node_would_accept_it(rpc: Rpc, ledger: Ledger) -> None:
    latest = rpc.value("getLatestBlockhash")["blockhash"]
    assert latest == ledger.blocks_between(0, rpc.call("getSlot"))[-1].blockhash
    assert rpc.value("isBlockhashValid", latest) is True
    assert rpc.value("isBlockhashValid", "1" * 31 + "2") is False


def test_the_context_names_a_version_of_a_node(rpc: Rpc) -> None:
    context = rpc.call("getBalance", str(OWNER))["context"]
    assert context["apiVersion"] == rpc.call("getVersion")["solana-core"]
    assert len(rpc.call("getGenesisHash")) > 40


def test_a_later_context_slot_is_refused(rpc: Rpc) -> None:
    error = rpc.error("getBalance", str(OWNER), {"minContextSlot": 1029})
    assert (error["code"], error["data"]) == (-32016, {"contextSlot": 1023})
    assert rpc.value("getBalance", str(OWNER), {"minContextSlot": 1023}) == 10 * SOL


def test_tokens_of_an_owner_and_of_a_delegate(rpc: Rpc) -> None:
    amount = {"amount": "2500000", "decimals": 6, "uiAmount": 2.5, "uiAmountString": "2.5"}
    assert rpc.value("getTokenAccountBalance", str(HELD)) == amount
    assert rpc.value("getTokenSupply", str(MINT)) == amount
    assert rpc.value("getTokenLargestAccounts", str(MINT)) == [{"address": str(HELD), **amount}]
    for wanted in ({"mint": str(MINT)}, {"programId": str(TOKEN_PROGRAM)}):
        for method, of in (("getTokenAccountsByOwner", OWNER), ("getTokenAccountsByDelegate", OTHER)):
            (row,) = rpc.value(method, str(of), wanted, {"encoding": "jsonParsed"})
            assert row["pubkey"] == str(HELD)
            parsed = row["account"]["data"]["parsed"]
            assert parsed["type"] == "account"
            assert parsed["info"]["tokenAmount"] == amount
            assert parsed["info"]["delegatedAmount"]["amount"] == "5"
    assert rpc.value("getTokenAccountsByOwner", str(OTHER), {"mint": str(MINT)}) == []


def test_calls_about_tokens_refuse_other_accounts(rpc: Rpc) -> None:
    absent = str(Keypair.from_seed(b"z" * 32).pubkey())
    assert rpc.error("getTokenAccountBalance", absent)["message"] == "Invalid param: could not find account"
    assert rpc.error("getTokenAccountBalance", str(MINT))["message"] == "Invalid param: not a Token account"
    assert rpc.error("getTokenSupply", str(HELD))["message"] == "Invalid param: not a Token mint"
    wanted = {"programId": str(OWNER)}
    assert "unrecognized" in rpc.error("getTokenAccountsByOwner", str(OWNER), wanted)["message"]
    assert "could not find mint" in rpc.error("getTokenAccountsByOwner", str(OWNER), {"mint": absent})["message"]


def test_a_mint_is_parsed(rpc: Rpc) -> None:
    data = rpc.value("getAccountInfo", str(MINT), {"encoding": "jsonParsed"})["data"]
    assert (data["program"], data["space"], data["parsed"]["type"]) == ("spl-token", 82, "mint")
    info = data["parsed"]["info"]
    assert (info["decimals"], info["supply"], info["mintAuthority"]) == (6, "2500000", str(OWNER))
    assert info["freezeAuthority"] is None


def test_accounts_that_cannot_be_parsed_come_in_base64(rpc: Rpc) -> None:
    assert rpc.value("getAccountInfo", str(OWNER), {"encoding": "jsonParsed"})["data"] == ["", "base64"]


def test_signatures_of_an_address_newest_first(rpc: Rpc) -> None:
    sent = [rpc.call("sendTransaction", encoded(note(text)), {"encoding": "base64"}) for text in ("a", "b", "c")]
    rows = rpc.call("getSignaturesForAddress", str(OWNER))
    assert [row["signature"] for row in rows] == sent[::-1]
    assert (rows[0]["slot"], rows[0]["err"], rows[0]["memo"]) == (1023, None, "[1] c")
    find = [
        [row["signature"] for row in rpc.call("getSignaturesForAddress", str(OWNER), config)]
        for config in ({"limit": 1}, {"before": sent[2]}, {"until": sent[0]}, {"before": sent[2], "until": sent[0]})
    ]
    assert find == [sent[2:], sent[1::-1], sent[:0:-1], [sent[1]]]
    assert rpc.error("getSignaturesForAddress", str(OWNER), {"limit": 1001})["code"] == -32602


def test_paging_through_signatures_ends_although_one_was_used_twice(rpc: Rpc) -> None:
    sent = [encoded(note(text)) for text in ("a", "b", "a", "c", "a")]
    names = [rpc.call("sendTransaction", one, {"encoding": "base64"}) for one in sent]
    for limit in (1, 2, 10):
        found: list[str] = []
        config: dict[str, Any] = {"limit": limit}
        while page := rpc.call("getSignaturesForAddress", str(OWNER), config):
            assert len(page) <= limit
            found += [row["signature"] for row in page]
            assert len(found) <= len(sent)
            config["before"] = found[-1]
        # The one that was used again is listed where it was used last.
        assert found == [names[4], names[3], names[1]]


def test_null_in_a_configuration_is_no_entry(rpc: Rpc) -> None:
    nothing = {"limit": None, "before": None, "until": None, "commitment": None, "minContextSlot": None}
    assert rpc.call("getSignaturesForAddress", str(OWNER), nothing) == rpc.call("getSignaturesForAddress", str(OWNER))
    account = {"encoding": "base64", "dataSlice": None, "minContextSlot": None, "commitment": None}
    for method, params in (
        ("getAccountInfo", [str(MINT)]),
        ("getProgramAccounts", [str(TOKEN_PROGRAM)]),
        ("getTokenAccountsByOwner", [str(OWNER), {"mint": str(MINT)}]),
    ):
        config = {**account, "filters": None, "withContext": None}
        assert rpc.call(method, *params, config) == rpc.call(method, *params, {"encoding": "base64"})


def test_an_airdrop_can_be_confirmed(rpc: Rpc) -> None:
    fresh = str(Keypair.from_seed(b"f" * 32).pubkey())
    signatures = [rpc.call("requestAirdrop", fresh, SOL) for _ in range(2)]
    assert rpc.value("getBalance", fresh) == 2 * SOL
    assert len(set(signatures)) == 2
    assert [status["err"] for status in rpc.value("getSignatureStatuses", signatures)] == [None, None]
    assert rpc.call("getTransaction", signatures[0])["meta"]["err"] is None


@pytest.mark.skipif(not hasattr(TransactionMetadata, "fee"), reason="solders 0.27 does not check rent")
def test_an_airdrop_below_rent_says_so(rpc: Rpc) -> None:
    error = rpc.error("requestAirdrop", str(Keypair.from_seed(b"f" * 32).pubkey()), 5)
    assert "insufficient funds for rent" in error["message"]


def test_a_block_has_its_transactions(rpc: Rpc, ledger: Ledger) -> None:
    block, before = ledger.block(1021), ledger.block(1020)
    assert block is not None
    assert before is not None
    own = rpc.call("sendTransaction", encoded(note("x")), {"encoding": "base64"})
    shown = rpc.call("getBlock", 1021, NEWEST)
    assert (shown["blockhash"], shown["parentSlot"], shown["blockHeight"]) == (block.blockhash, 1020, block.height)
    assert (shown["previousBlockhash"], shown["blockTime"]) == (before.blockhash, block.time)
    names = [one["transaction"]["signatures"][0] for one in shown["transactions"]]
    assert len(names) == len(block.transactions) == 8
    short = rpc.call("getBlock", 1021, {"transactionDetails": "signatures", "rewards": False})
    assert short["signatures"] == names
    assert "rewards" not in short
    assert "transactions" not in rpc.call("getBlock", 1021, {"transactionDetails": "none"})
    accounts = rpc.call("getBlock", 1021, {"transactionDetails": "accounts", **NEWEST})["transactions"][0]
    assert accounts["transaction"]["accountKeys"][0]["signer"] is True
    assert "logMessages" not in accounts["meta"]
    current = rpc.call("getBlock", 1023, {"transactionDetails": "signatures"})["signatures"]
    assert current[-1] == own


def test_blocks_that_are_not_there_are_told_apart(rpc: Rpc) -> None:
    assert rpc.error("getBlock", 1025)["code"] == -32004
    assert rpc.error("getBlock", 1019)["code"] == -32001
    assert rpc.error("getBlockTime", 1025)["code"] == -32004
    assert rpc.call("getFirstAvailableBlock") == 1020


def test_slots_with_a_block(rpc: Rpc, ledger: Ledger) -> None:
    assert rpc.call("getBlocks", 1021, 1029) == [block.slot for block in ledger.blocks_between(1021, 1023)]
    assert rpc.call("getBlocks", 1022) == [1022, 1023]
    assert rpc.call("getBlocksWithLimit", 1021, 2) == [block.slot for block in ledger.blocks_between(1021, 1023)][:2]
    block = ledger.block(1022)
    assert block is not None
    assert rpc.call("getBlockTime", 1022) == block.time


def test_the_end_of_a_range_of_blocks_is_no_later_than_the_current_slot(rpc: Rpc) -> None:
    for end in ([1023], [1029], [2**40], [2**64 - 1], [], [None], [{"commitment": "confirmed"}]):
        assert rpc.call("getBlocks", 1021, *end) == [1021, 1022, 1023]
    assert rpc.call("getBlocks", 1023, 1022) == rpc.call("getBlocks", 1024) == []


def test_a_range_of_blocks_is_limited(simulate: Callable[..., Simulator]) -> None:
    start = 312_000_000
    simulator = simulate(Ledger.generate(start_slot=start, slots=4, bundle_size=4, transactions_per_slot=1))
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(start, start + 3))
        control.proceed(2)
        control.until("readyForContinue")
        assert rpc.call("getBlocks", start, 2**40) == [start, start + 1, start + 2]
        # Without an end it is the limit.
        assert rpc.call("getBlocks", 0) == []
        assert rpc.call("getBlocks", 0, 500_000) == []
        error = rpc.error("getBlocks", start - 499_999, start + 2)
        assert (error["code"], error["message"]) == (-32602, "Slot range too large; max 500000")
        assert rpc.call("getBlocks", start - 499_998) == [start, start + 1, start + 2]


def test_no_call_lists_a_block_from_before_the_session(rpc: Rpc) -> None:
    first = rpc.call("getFirstAvailableBlock")
    fees = [row["slot"] for row in rpc.call("getRecentPrioritizationFees")]
    for listed in (rpc.call("getBlocks", 0), rpc.call("getBlocksWithLimit", 0, 1000), fees):
        assert listed == [1020, 1021, 1022, 1023]
        assert listed[0] == first
        for slot in listed:
            assert rpc.call("getBlock", slot, NEWEST)["blockTime"] == rpc.call("getBlockTime", slot)


def test_a_skipped_slot_is_named(simulator: Simulator) -> None:
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        control.proceed(6)
        control.until("readyForContinue")
        error = rpc.error("getBlock", 1006)
        assert (error["code"], error["message"][:21]) == (-32007, "Slot 1006 was skipped")


def test_parsed_transactions_name_their_programs(rpc: Rpc) -> None:
    target = associated_address(OTHER, MINT)
    moved = transaction(
        create_associated_account(OWNER, OTHER, MINT), token_transfer(HELD, MINT, target, OWNER, 1_000_000, 6)
    )
    signature = rpc.call("sendTransaction", encoded(moved), {"encoding": "base64"})
    reply = rpc.call("getTransaction", signature, {"encoding": "jsonParsed"})
    create, move = reply["transaction"]["message"]["instructions"]
    assert (create["program"], create["parsed"]["type"]) == ("spl-associated-token-account", "create")
    assert move["parsed"] == {
        "type": "transferChecked",
        "info": {
            "source": str(HELD),
            "mint": str(MINT),
            "destination": str(target),
            "authority": str(OWNER),
            "tokenAmount": {"amount": "1000000", "decimals": 6, "uiAmount": 1.0, "uiAmountString": "1"},
        },
    }
    inner = [one["parsed"]["type"] for one in reply["meta"]["innerInstructions"][0]["instructions"]]
    assert "createAccount" in inner
    assert "loadedAddresses" not in reply["meta"]
    first = reply["transaction"]["message"]["accountKeys"][0]
    assert first == {"pubkey": str(OWNER), "signer": True, "source": "transaction", "writable": True}


def test_memo_and_transfer_are_parsed(rpc: Rpc) -> None:
    signatures = [
        rpc.call("sendTransaction", encoded(one), {"encoding": "base64"}) for one in (note("hello"), transfer(7))
    ]
    shown = [
        rpc.call("getTransaction", one, {"encoding": "jsonParsed"})["transaction"]["message"]["instructions"][0]
        for one in signatures
    ]
    assert (shown[0]["program"], shown[0]["parsed"]) == ("spl-memo", "hello")
    info = {"source": str(OWNER), "destination": str(OTHER), "lamports": 7}
    assert shown[1]["parsed"] == {"type": "transfer", "info": info}


def test_a_newer_version_must_be_asked_for(rpc: Rpc, ledger: Ledger) -> None:
    both: dict[Any, str] = {}
    for block in ledger.blocks_between(1020, 1023):
        for item in block.transactions:
            found = VersionedTransaction.from_bytes(item.wire)
            both["legacy" if isinstance(found.message, Message) else 0] = str(found.signatures[0])
    error = rpc.error("getTransaction", both[0])
    assert error["code"] == -32015
    assert '"maxSupportedTransactionVersion": 0' in error["message"]
    assert rpc.call("getTransaction", both[0], NEWEST)["version"] == 0
    assert "version" not in rpc.call("getTransaction", both["legacy"])
    assert rpc.call("getTransaction", both["legacy"], NEWEST)["version"] == "legacy"


def test_prioritization_fees_are_those_of_the_blocks(rpc: Rpc) -> None:
    rows = rpc.call("getRecentPrioritizationFees", [str(OWNER)])
    assert rows[-1] == {"slot": 1023, "prioritizationFee": 0}


@pytest.mark.parametrize("encoding", ["json", "jsonParsed"])
def test_prioritization_fees_of_recordings(rpc: Rpc, simulate: Callable[..., Simulator], encoding: str) -> None:
    for price in (7_000, 9_000):
        paying = transaction(set_compute_unit_price(price), memo(OWNER, str(price)))
        rpc.call("sendTransaction", encoded(paying), {"encoding": "base64"})
    block = rpc.call("getBlock", 1023, {"encoding": encoding, **NEWEST})
    block["transactions"] = block["transactions"][-2:]
    if encoding == "jsonParsed":
        # A vote pays no price, and does not count.
        vote = copy.deepcopy(block["transactions"][0])
        parsed = {"type": "vote", "info": {}}
        vote["transaction"]["message"]["instructions"] = [{"program": "vote", "programId": VOTE, "parsed": parsed}]
        block["transactions"].append(vote)
    simulator = simulate(Ledger.from_blocks([(1023, block)]))
    with Control(simulator) as control:
        recorded = Rpc(simulator, control.create(1023, 1023))
        assert recorded.call("getRecentPrioritizationFees") == [{"slot": 1023, "prioritizationFee": 7_000}]
        wanted = [str(Keypair.from_seed(b"f" * 32).pubkey())]
        assert recorded.call("getRecentPrioritizationFees", wanted)[0]["prioritizationFee"] == 0


def test_failed_preflight_carries_logs(rpc: Rpc) -> None:
    error = rpc.error("sendTransaction", encoded(transfer(100 * SOL)), {"encoding": "base64"})
    assert error["code"] == -32002
    assert error["message"] == (
        "Transaction simulation failed: Error processing Instruction 0: custom program error: 0x1"
    )
    assert any("insufficient lamports" in line for line in error["data"]["logs"])


def test_calls_about_the_cluster_tell_what_is_true_of_the_session(rpc: Rpc, ledger: Ledger) -> None:
    assert rpc.call("minimumLedgerSlot") == rpc.call("getFirstAvailableBlock") == 1020
    assert rpc.call("getIdentity")["identity"] == rpc.call("getSlotLeader")
    assert Pubkey.from_string(rpc.call("getSlotLeader")) != Pubkey.default()
    assert rpc.call("getClusterNodes") == []
    before = rpc.value("getSupply")
    rpc.call("modifyAccounts", {str(OTHER): account_data(3 * SOL)})
    after = rpc.value("getSupply", {"excludeNonCirculatingAccountsList": True})
    assert after["total"] - before["total"] == 2 * SOL
    assert (after["circulating"], after["nonCirculating"]) == (after["total"], 0)


def test_the_least_delegation_is_what_the_stake_program_says(rpc: Rpc) -> None:
    stake = Pubkey.from_string("Stake11111111111111111111111111111111111111")
    ask = transaction(Instruction(stake, struct.pack("<I", 13), []))
    returned = rpc.value("simulateTransaction", encoded(ask), {"encoding": "base64"})["returnData"]["data"][0]
    assert rpc.value("getStakeMinimumDelegation") == int.from_bytes(base64.b64decode(returned), "little")


def test_performance_samples_count_the_transactions_of_the_session(
    rpc: Rpc, simulate: Callable[..., Simulator], long_ledger: Ledger
) -> None:
    (sample,) = rpc.call("getRecentPerformanceSamples", 5)
    assert (sample["slot"], sample["numSlots"], sample["numTransactions"]) == (1023, 4, 4 * 8)
    assert rpc.call("getRecentPerformanceSamples", 0) == []
    assert rpc.error("getRecentPerformanceSamples", 721)["message"] == "Invalid limit; max 720"
    simulator = simulate(long_ledger)
    with Control(simulator) as control:
        long = Rpc(simulator, control.create(1000, 1149))
        control.proceed(200)
        control.until("completed")
        (sample,) = long.call("getRecentPerformanceSamples")
        assert (sample["numTransactions"], sample["samplePeriodSecs"]) == (300, 59)


def test_the_hosted_surface_can_be_kept_to(simulate: Callable[..., Simulator]) -> None:
    simulator = simulate(hosted_surface=True)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        rpc = Rpc(simulator, session)
        for method in CALLS:
            reply = rpc.post({"jsonrpc": "2.0", "id": 3, "method": method, "params": []})
            error = reply.get("error", {})
            assert (error.get("code") == -32601) == (method not in HOSTED), method
        with Data(simulator, session) as data:
            assert data.call("rootSubscribe", [])["error"]["code"] == -32601
            assert "result" in data.call("slotSubscribe", [])
