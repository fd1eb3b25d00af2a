"""Votes are left out where a node leaves them out, and memos are those of the message, executed or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.transaction import VersionedTransaction

from simsync.local import Ledger, Simulator
from simsync.local.engine.programs import (
    MEMO_PROGRAM,
    OLD_MEMO_PROGRAM,
    VOTE_PROGRAM,
    memo,
    system_transfer,
)

from .actors import BLOCKHASH, POOR, RICH, account_data, encoded, note, transaction
from .bare import Control, Data, Rpc

SOL = 1_000_000_000
PAYER = RICH.pubkey()
SEND = {"encoding": "base64", "skipPreflight": True}
NEWEST = {"maxSupportedTransactionVersion": 0}
VOTE = Instruction(VOTE_PROGRAM, b"", [])


def signed_by_three() -> VersionedTransaction:
    others = [Keypair.from_seed(bytes([seed]) * 32) for seed in (1, 2)]
    metas = [AccountMeta(one.pubkey(), True, False) for one in others]
    message = Message.new_with_blockhash([Instruction(VOTE_PROGRAM, b"", metas)], PAYER, BLOCKHASH)
    return VersionedTransaction(message, [RICH, *others])


def versioned() -> VersionedTransaction:
    return VersionedTransaction(MessageV0.try_compile(PAYER, [VOTE], [], BLOCKHASH), [RICH])


SIMPLE = transaction(VOTE)
OTHERS = [note("x"), transaction(VOTE, memo(PAYER, "x")), signed_by_three(), versioned()]


def sent(rpc: Rpc, items: list[VersionedTransaction]) -> list[str]:
    return [rpc.call("sendTransaction", encoded(item), SEND) for item in items]


@pytest.fixture
def executed(simulator: Simulator) -> Iterator[Rpc]:
    """A session at slot 1020 with a rich wallet."""
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1020, 1029))
        rpc.call("modifyAccounts", {str(PAYER): account_data(10 * SOL)})
        yield rpc


def recorded(rpc: Rpc, count: int, encoding: str) -> Ledger:
    """Return the last transactions of the current slot as a recording."""
    block = rpc.call("getBlock", 1020, {"encoding": encoding, **NEWEST})
    return Ledger.from_blocks([(1020, {**block, "transactions": block["transactions"][-count:]})])


@pytest.fixture(params=["executed", "json", "jsonParsed"])
def replayed(
    request: pytest.FixtureRequest, executed: Rpc, simulator: Simulator, simulate: Callable[..., Simulator]
) -> Iterator[Callable[[list[VersionedTransaction]], tuple[Simulator, Rpc, list[str]]]]:
    """Return a function that returns a session with these transactions, executed or recorded."""
    controls: list[Control] = []

    def show(items: list[VersionedTransaction]) -> tuple[Simulator, Rpc, list[str]]:
        signatures = sent(executed, items)
        if request.param == "executed":
            return simulator, executed, signatures
        other = simulate(recorded(executed, len(items), request.param))
        controls.append(Control(other))
        return other, Rpc(other, controls[-1].create(1020, 1020)), signatures

    yield show
    for control in controls:
        control.drop()


def logged(simulator: Simulator, rpc: Rpc, wanted: Any, last: str) -> list[str]:
    """Return the signatures that a subscription to logs notifies, up to the last one."""
    with Data(simulator, rpc.url.rpartition("/")[2]) as data:
        data.subscribe("logsSubscribe", [wanted])
        found = [""]
        while found[-1] != last:
            found.append(data.recv()["params"]["result"]["value"]["signature"])
        return found


def test_logs_of_all_transactions_are_without_votes(replayed: Any) -> None:
    simulator, rpc, signatures = replayed([SIMPLE, *OTHERS])
    vote, *others = signatures
    last = others[-1]
    assert [one for one in logged(simulator, rpc, "all", last) if one in signatures] == others
    assert [one for one in logged(simulator, rpc, "allWithVotes", last) if one in signatures] == signatures
    mentioned = logged(simulator, rpc, {"mentions": [str(VOTE_PROGRAM)]}, last)
    assert vote in mentioned
    assert others[0] not in mentioned


def test_samples_count_votes_apart(replayed: Any) -> None:
    _, rpc, _ = replayed([SIMPLE, *OTHERS])
    (sample,) = rpc.call("getRecentPerformanceSamples")
    assert sample["numTransactions"] - sample["numNonVoteTransactions"] == 1


def old_memo(data: bytes) -> Instruction:
    return Instruction(OLD_MEMO_PROGRAM, data, [])


MEMOS: list[tuple[VersionedTransaction, str | None]] = [
    (note("plain"), "[5] plain"),
    (transaction(system_transfer(PAYER, POOR.pubkey(), 50 * SOL), memo(PAYER, "after failure")), "[13] after failure"),
    (transaction(memo(PAYER, "ü"), old_memo(b"old")), "[2] ü; [3] old"),
    (transaction(Instruction(MEMO_PROGRAM, b"\xff\xfe", [])), "[2] (unparsable)"),
    (transaction(memo(PAYER, 'a "quote"\nand a line')), '[20] a "quote"\nand a line'),
    (transaction(system_transfer(PAYER, POOR.pubkey(), SOL)), None),
]


def test_memos_are_those_of_the_message(replayed: Any) -> None:
    _, rpc, _ = replayed([item for item, _ in MEMOS])
    rows = rpc.call("getSignaturesForAddress", str(PAYER))
    assert [row["memo"] for row in reversed(rows)] == [memo for _, memo in MEMOS]
