"""Amounts, filters and the roles of accounts are those of a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from simsync.local import Ledger, Simulator
from simsync.local.engine.programs import MEMO_PROGRAM, SYSTEM_PROGRAM, TOKEN_PROGRAM, UPGRADEABLE_LOADER

from .actors import RICH, account_data, encoded, transaction
from .bare import Control, Rpc
from .test_rpc_of_clients import mint_data, token_data

SOL = 1_000_000_000
NEWEST = {"maxSupportedTransactionVersion": 0}
SYSVARS = "Sysvar1111111111111111111111111111111111111"
CLOCK = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
MINT, HELD = (Keypair.from_seed(bytes([number]) * 32).pubkey() for number in (11, 12))
OWNER = RICH.pubkey()


@pytest.fixture
def rpc(simulator: Simulator) -> Iterator[Rpc]:
    """A session at slot 1020 with a rich wallet, a mint and a token account."""
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1020, 1029))
        accounts = {
            str(OWNER): account_data(10 * SOL),
            str(MINT): account_data(SOL, mint_data(5, 6), TOKEN_PROGRAM),
            str(HELD): account_data(SOL, token_data(OWNER, 5), TOKEN_PROGRAM),
        }
        rpc.call("modifyAccounts", accounts)
        yield rpc


@pytest.mark.parametrize(
    ("amount", "decimals", "shown", "text"),
    [
        (5, 19, 5e-19, "0.0000000000000000005"),
        # A node can divide by no higher power of ten.
        (5, 20, None, "0.00000000000000000005"),
        (5, 255, None, "0." + "0" * 254 + "5"),
        (0, 0, 0.0, "0"),
        # It rounds before it divides.
        (8300653786080112452, 16, 830.0653786080113, "830.0653786080112452"),
    ],
)
def test_amounts_are_shown_as_by_a_node(rpc: Rpc, amount: int, decimals: int, shown: Any, text: str) -> None:
    rpc.call("modifyAccounts", {str(MINT): account_data(SOL, mint_data(amount, decimals), TOKEN_PROGRAM)})
    value = rpc.value("getTokenSupply", str(MINT))
    assert value == {"amount": str(amount), "decimals": decimals, "uiAmount": shown, "uiAmountString": text}


def test_token_accounts_are_filtered_and_bytes_are_compared(rpc: Rpc) -> None:
    def found(*filters: object) -> set[str]:
        config = {"encoding": "base64", "filters": list(filters)}
        return {row["pubkey"] for row in rpc.call("getProgramAccounts", str(TOKEN_PROGRAM), config)}

    holders = found("tokenAccountState")
    assert str(HELD) in holders
    assert str(MINT) not in holders
    assert holders == found({"dataSize": 165})
    of_mint = found({"memcmp": {"offset": 0, "bytes": list(bytes(MINT))}})
    assert of_mint == found({"memcmp": {"offset": 0, "bytes": str(MINT)}}) == {str(HELD)}
    for wrong in (
        "tokenAccount",
        {"memcmp": {"offset": 0, "bytes": [256]}},
        {"memcmp": {"offset": 0, "bytes": [True]}},
    ):
        error = rpc.error("getProgramAccounts", str(TOKEN_PROGRAM), {"filters": [wrong]})
        assert error["code"] == -32602


def in_parsed_form(rpc: Rpc, signatures: list[str]) -> list[Any]:
    return [rpc.call("getTransaction", one, {"encoding": "jsonParsed"}) for one in signatures]


@pytest.mark.parametrize("recorded", [False, True])
def test_what_a_transaction_cannot_write_is_shown_as_read_only(
    rpc: Rpc, simulate: Callable[..., Simulator], recorded: bool
) -> None:
    marked = [AccountMeta(key, False, True) for key in (CLOCK, MEMO_PROGRAM, MINT)]
    named, also_loader = (
        Instruction(SYSTEM_PROGRAM, b"\2\0\0\0" + bytes(8), [AccountMeta(OWNER, True, True), *marked, *more])
        for more in ([], [AccountMeta(UPGRADEABLE_LOADER, False, True)])
    )
    notes = [Instruction(MEMO_PROGRAM, text, []) for text in (b"a", b"b")]
    expected = {str(OWNER), str(MINT)}
    signatures = [
        rpc.call("sendTransaction", encoded(one), {"encoding": "base64", "skipPreflight": True})
        for one in (transaction(named, notes[0]), transaction(also_loader, notes[1]))
    ]
    if recorded:
        block = rpc.call("getBlock", 1020, {"encoding": "json", **NEWEST})
        simulator = simulate(Ledger.from_blocks([(1020, {**block, "transactions": block["transactions"][-2:]})]))
        with Control(simulator) as control:
            shown = in_parsed_form(Rpc(simulator, control.create(1020, 1020)), signatures)
    else:
        shown = in_parsed_form(rpc, signatures)
        # It was not written, so nothing knows of it.
        assert rpc.call("getProgramAccounts", SYSVARS, {"encoding": "base64"}) == []
    writable = [
        {key["pubkey"] for key in one["transaction"]["message"]["accountKeys"] if key["writable"]} for one in shown
    ]
    # A program that is called can be written if the loader of programs is named too.
    assert writable == [expected, expected | {str(MEMO_PROGRAM)}]
