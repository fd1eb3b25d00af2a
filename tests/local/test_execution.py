"""Recorded blocks that are executed: what comes out as on chain, what does not, and what cannot be executed."""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from solders.transaction import VersionedTransaction

import simsync
from simsync.cli.app import run as run_command
from simsync.local import Ledger, Simulator

FIRST, LAST = 1_000, 1_007


@pytest.fixture(scope="module")
def original() -> Ledger:
    return Ledger.generate(seed=12, start_slot=FIRST, slots=8, bundle_size=8, transactions_per_slot=6)


@pytest.fixture(scope="module")
def replies(original: Ledger) -> dict[int, Any]:
    """The blocks as a node shows them."""
    with Simulator(original) as simulator, opened(simulator) as session:
        # The last slot completes the session, and with it ends its RPC.
        while session.coverage.highest_slot != LAST - 1:
            session.advance(1, timeout=20)
        config = {"encoding": "json", "maxSupportedTransactionVersion": 0}
        return {slot: session.rpc.call("getBlock", [slot, config]) for slot in range(FIRST, LAST)}


def opened(simulator: Simulator, end_slot: int = LAST) -> simsync.BacktestSession:
    client = simsync.Client(simulator.url, simulator.api_key)
    return client.session(simsync.CreateSession(FIRST, end_slot, send_summary=True), timeout=20)


def summary_of(ledger: Ledger) -> simsync.SessionSummary:
    with Simulator(ledger) as simulator, opened(simulator, ledger.end_slot) as session:
        (completed,) = session.collect(timeout=20).of(simsync.Completed)
    assert completed.summary is not None
    return completed.summary


def test_with_the_accounts_of_that_slot_everything_comes_out_as_recorded(
    original: Ledger, replies: dict[int, Any]
) -> None:
    made = Ledger.from_blocks(replies, accounts=original.accounts, execute=True)
    assert made.transaction_count == 42
    summary = summary_of(made)
    assert (summary.correct_simulation, summary.incorrect_simulation, summary.unsanitizable) == (42, 0, 0)


def test_with_other_accounts_the_summary_says_what_differs(original: Ledger, replies: dict[int, Any]) -> None:
    summary = summary_of(Ledger.from_blocks(replies, execute=True))
    assert summary.correct_simulation == 0
    assert summary.incorrect_simulation + summary.unsanitizable == 42
    changed = copy.deepcopy(replies)
    changed[FIRST]["transactions"][0]["meta"]["postBalances"][0] += 1
    changed[FIRST]["transactions"][1]["meta"]["logMessages"].append("Program x failed: other")
    changed[FIRST]["transactions"][2]["meta"]["err"] = "AccountInUse"
    changed[FIRST]["transactions"][3]["meta"]["logMessages"] = None
    found = summary_of(Ledger.from_blocks(changed, accounts=original.accounts, execute=True))
    assert (found.balance_diff, found.log_diff, found.execution_errors) == (1, 1, 1)
    assert found.correct_simulation == 39


def test_the_bytes_are_those_of_the_chain(original: Ledger, replies: dict[int, Any]) -> None:
    in_base64 = copy.deepcopy(replies)
    made = Ledger.from_blocks(replies, execute=True)
    for block in original.blocks_between(FIRST, LAST - 1):
        executed = made.block(block.slot)
        assert executed is not None
        assert [one.wire for one in executed.transactions] == [one.wire for one in block.transactions]
        for row, one in zip(in_base64[block.slot]["transactions"], block.transactions):
            row["transaction"] = [base64.b64encode(one.wire).decode(), "base64"]
            assert VersionedTransaction.from_bytes(one.wire)
    again = Ledger.from_blocks(in_base64, execute=True)
    assert [block.transactions for block in again.blocks] == [block.transactions for block in made.blocks]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda row: row.update(meta=None), "has no meta"),
        (lambda row: row["meta"].pop("postBalances"), "has no balances"),
        (lambda row: row["transaction"]["message"].pop("header"), "cannot be executed"),
    ],
)
def test_what_cannot_be_executed_is_refused_with_its_slot(replies: dict[int, Any], change: Any, problem: str) -> None:
    odd = copy.deepcopy(replies)
    change(odd[FIRST + 1]["transactions"][2])
    with pytest.raises(simsync.InvalidParams, match=problem) as caught:
        Ledger.from_blocks(odd, execute=True)
    assert caught.value.value == FIRST + 1
    with pytest.raises(simsync.InvalidParams, match="only the accounts before the first block"):
        Ledger.from_blocks(replies, execute=True, bundle_size=2)


def test_it_is_saved_and_made_on_the_command_line(original: Ledger, replies: dict[int, Any], tmp_path: Path) -> None:
    folder, accounts = tmp_path / "blocks", tmp_path / "accounts.json"
    folder.mkdir()
    for slot, reply in replies.items():
        (folder / f"block-{slot}.json").write_text(json.dumps(reply))
    accounts.write_text(
        json.dumps(
            {
                str(address): {
                    "lamports": account.lamports,
                    "owner": str(account.owner),
                    "data": [base64.b64encode(account.data).decode(), "base64"],
                    "executable": account.executable,
                }
                for address, account in original.accounts.items()
            }
        )
    )
    output = tmp_path / "made.ledger"
    command = ["ledger", "import", str(folder), "--execute", "--accounts", str(accounts), "--output", str(output)]
    assert run_command(command) == 0
    assert summary_of(Ledger.load(output)).correct_simulation == 42
