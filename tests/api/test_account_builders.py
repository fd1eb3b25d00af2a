"""Built accounts are what the real programs take them for: solders reads them, and LiteSVM's programs work on them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.token.state import Mint, TokenAccount, TokenAccountState

import simsync
from simsync import accounts
from simsync.errors import InvalidParams, ProtocolError
from tests.local.actors import POOR, RICH, transaction, transfer

FIRST = 1_000
MINT, MINE, THEIRS = (Keypair.from_seed(bytes([number]) * 32).pubkey() for number in (1, 2, 3))
OWNER, RECEIVER = RICH.pubkey(), POOR.pubkey()
RENT = 2_039_280
"""Lamports that a validator asks for a token account."""


@pytest.fixture
def sub(client: simsync.Client, create: simsync.CreateSession) -> Iterator[simsync.SubSession]:
    """A sub-session in which the payer of fees has 10 SOL."""
    with client.parallel(create, timeout=20) as session:
        first = session.sub_sessions[0]
        first.rpc.modify_accounts({str(OWNER): accounts.system_account(10_000_000_000)})
        yield first


def transfer_checked(program: str, amount: int, decimals: int = 6) -> Instruction:
    keys = [
        AccountMeta(MINE, False, True),
        AccountMeta(MINT, False, False),
        AccountMeta(THEIRS, False, True),
        AccountMeta(OWNER, True, False),
    ]
    return Instruction(Pubkey.from_string(program), struct.pack("<BQB", 12, amount, decimals), keys)


def close_account(account: Pubkey, receiver: Pubkey) -> Instruction:
    keys = [AccountMeta(account, False, True), AccountMeta(receiver, False, True), AccountMeta(OWNER, True, False)]
    return Instruction(Pubkey.from_string(accounts.TOKEN_PROGRAM), b"\x09", keys)


def amount_at(sub: simsync.SubSession, address: Pubkey) -> int:
    state = sub.rpc.get_account_info(address)
    assert state is not None
    return int(TokenAccount.from_bytes(state.data[:165]).amount)


# What solders reads in them.


def test_a_plain_token_account() -> None:
    built = accounts.token_account(MINT, OWNER, 7)
    state = TokenAccount.from_bytes(built.data)
    assert (built.owner, built.space, built.lamports, built.executable) == (accounts.TOKEN_PROGRAM, 165, RENT, False)
    assert (state.mint, state.owner, state.amount) == (MINT, OWNER, 7)
    assert (state.delegate, state.is_native, state.delegated_amount, state.close_authority) == (None, None, 0, None)
    assert state.state == TokenAccountState.Initialized


@pytest.mark.parametrize(
    ("build", "program"),
    [(accounts.token_account, accounts.TOKEN_PROGRAM), (accounts.token_2022_account, accounts.TOKEN_2022_PROGRAM)],
)
def test_a_token_account_with_everything(build: Any, program: str) -> None:
    built = build(
        str(MINT),
        OWNER,
        2**64 - 1,
        lamports=RENT + 5,
        delegate=MINE,
        delegated_amount=9,
        close_authority=str(THEIRS),
        frozen=True,
    )
    state = TokenAccount.from_bytes(built.data)
    assert (built.owner, built.space, built.lamports) == (program, 165, RENT + 5)
    assert (state.mint, state.owner, state.amount) == (MINT, OWNER, 2**64 - 1)
    assert (state.delegate, state.delegated_amount, state.close_authority) == (MINE, 9, THEIRS)
    assert (state.is_native, state.state) == (None, TokenAccountState.Frozen)


def test_wrapped_sol() -> None:
    built = accounts.native_token_account(OWNER, 500, delegate=MINE, delegated_amount=3)
    state = TokenAccount.from_bytes(built.data)
    assert (built.owner, built.lamports) == (accounts.TOKEN_PROGRAM, RENT + 500)
    assert (str(state.mint), state.owner, state.amount, state.is_native) == (accounts.NATIVE_MINT, OWNER, 500, RENT)
    assert (state.delegate, state.delegated_amount) == (MINE, 3)


def test_mints() -> None:
    built = accounts.mint_account(6, 1_000, mint_authority=OWNER)
    state = Mint.from_bytes(built.data)
    assert (built.owner, built.space, built.lamports) == (accounts.TOKEN_PROGRAM, 82, 1_461_600)
    assert (state.decimals, state.supply, state.is_initialized) == (6, 1_000, True)
    assert (state.mint_authority, state.freeze_authority) == (OWNER, None)
    other = accounts.mint_account(255, freeze_authority=OWNER, lamports=9, program=accounts.TOKEN_2022_PROGRAM)
    state = Mint.from_bytes(other.data)
    assert (other.owner, other.lamports) == (accounts.TOKEN_2022_PROGRAM, 9)
    assert (state.decimals, state.supply, state.mint_authority, state.freeze_authority) == (255, 0, None, OWNER)


def test_wallets() -> None:
    assert accounts.system_account(5) == simsync.AccountData(5, "1" * 32, b"")
    assert accounts.removed_account() == simsync.AccountData(0, "1" * 32, b"")


@pytest.mark.parametrize(
    ("build", "arguments", "argument"),
    [
        (accounts.system_account, (-1,), "lamports"),
        (accounts.token_account, ("mint", OWNER, 1), "mint"),
        (accounts.token_account, (accounts.NATIVE_MINT, OWNER, 1), "mint"),
        (accounts.token_account, (MINT, None, 1), "owner"),
        (accounts.token_account, (MINT, OWNER, 2**64), "amount"),
        (accounts.token_account, (MINT, OWNER, 1.0), "amount"),
        (accounts.token_account, (MINT, OWNER, 1, {"lamports": 0}), "lamports"),
        (accounts.token_account, (MINT, OWNER, 1, {"delegated_amount": 1}), "delegated_amount"),
        (accounts.token_account, (MINT, OWNER, 1, {"delegate": ""}), "delegate"),
        (accounts.token_account, (MINT, OWNER, 1, {"close_authority": 7}), "close_authority"),
        (accounts.token_account, (MINT, OWNER, 1, {"frozen": 1}), "frozen"),
        (accounts.token_2022_account, (MINT, OWNER, -1), "amount"),
        (accounts.native_token_account, (OWNER, -1), "lamports_wrapped"),
        (accounts.native_token_account, (OWNER, 2**64 - RENT), "lamports_wrapped"),
        (accounts.mint_account, (256,), "decimals"),
        (accounts.mint_account, (6, 2**64), "supply"),
        (accounts.mint_account, (6, 0, {"program": "token"}), "program"),
        (accounts.mint_account, (6, 0, {"mint_authority": "me"}), "mint_authority"),
        (accounts.rent_exempt_minimum, (-1,), "size"),
        (accounts.rent_exempt_minimum, (10 * 1024 * 1024 + 1,), "size"),
        (accounts.to_json, ({},), "account"),
    ],
)
def test_what_cannot_be(build: Any, arguments: tuple[Any, ...], argument: str) -> None:
    named = arguments[-1] if len(arguments) > 1 and isinstance(arguments[-1], dict) else {}
    with pytest.raises(InvalidParams) as caught:
        build(*(arguments[:-1] if named else arguments), **named)
    assert caught.value.argument == argument


# What the programs make of them.


# feature: rent-exempt lamports
@pytest.mark.parametrize("size", [0, 36, 82, 165, 100_000])
def test_the_rent_is_the_simulator_s(sub: simsync.SubSession, size: int) -> None:
    assert accounts.rent_exempt_minimum(size) == sub.rpc.call("getMinimumBalanceForRentExemption", [size])


# feature: account builders: balance, token, Token-2022, wrapped SOL, mint, removal
@pytest.mark.parametrize(
    ("build", "program"),
    [(accounts.token_account, accounts.TOKEN_PROGRAM), (accounts.token_2022_account, accounts.TOKEN_2022_PROGRAM)],
)
def test_tokens_move(sub: simsync.SubSession, build: Any, program: str) -> None:
    states = {
        str(MINT): accounts.mint_account(6, 1_000, program=program),
        str(MINE): build(MINT, OWNER, 1_000),
        str(THEIRS): build(MINT, RECEIVER, 0),
    }
    sub.rpc.modify_accounts(states)
    sub.rpc.send_transaction(transaction(transfer_checked(program, 250)))
    assert (amount_at(sub, MINE), amount_at(sub, THEIRS)) == (750, 250)
    with pytest.raises(simsync.RpcError):
        sub.rpc.send_transaction(transaction(transfer_checked(program, 751)))
    with pytest.raises(simsync.RpcError):
        sub.rpc.send_transaction(transaction(transfer_checked(program, 1, decimals=5)))
    sub.rpc.modify_accounts({str(MINE): build(MINT, OWNER, 1_000, frozen=True)})
    with pytest.raises(simsync.RpcError):
        sub.rpc.send_transaction(transaction(transfer_checked(program, 1)))
    assert (amount_at(sub, MINE), amount_at(sub, THEIRS)) == (1_000, 250)


def test_a_delegate_moves_what_it_may(sub: simsync.SubSession) -> None:
    states = {
        str(MINT): accounts.mint_account(6, 1_000),
        str(MINE): accounts.token_account(MINT, RECEIVER, 1_000, delegate=OWNER, delegated_amount=10),
        str(THEIRS): accounts.token_account(MINT, RECEIVER, 0),
    }
    sub.rpc.modify_accounts(states)
    with pytest.raises(simsync.RpcError):
        sub.rpc.send_transaction(transaction(transfer_checked(accounts.TOKEN_PROGRAM, 11)))
    sub.rpc.send_transaction(transaction(transfer_checked(accounts.TOKEN_PROGRAM, 10)))
    assert (amount_at(sub, MINE), amount_at(sub, THEIRS)) == (990, 10)


def test_a_mint_with_an_authority_mints(sub: simsync.SubSession) -> None:
    sub.rpc.modify_accounts(
        {
            str(MINT): accounts.mint_account(6, mint_authority=OWNER),
            str(MINE): accounts.token_account(MINT, RECEIVER, 0),
        }
    )
    keys = [AccountMeta(MINT, False, True), AccountMeta(MINE, False, True), AccountMeta(OWNER, True, False)]
    minting = Instruction(Pubkey.from_string(accounts.TOKEN_PROGRAM), struct.pack("<BQ", 7, 40), keys)
    sub.rpc.send_transaction(transaction(minting))
    assert amount_at(sub, MINE) == 40


def test_closing_wrapped_sol_gives_the_lamports_back(sub: simsync.SubSession) -> None:
    sub.rpc.modify_accounts({str(MINE): accounts.native_token_account(OWNER, 123_456)})
    assert sub.rpc.get_balance(MINE) == RENT + 123_456
    sub.rpc.send_transaction(transaction(close_account(MINE, THEIRS)))
    assert sub.rpc.get_account_info(MINE) is None
    assert sub.rpc.get_balance(THEIRS) == RENT + 123_456


def test_only_the_close_authority_closes(sub: simsync.SubSession) -> None:
    sub.rpc.modify_accounts({str(MINE): accounts.native_token_account(OWNER, 5, close_authority=RECEIVER)})
    with pytest.raises(simsync.RpcError):
        sub.rpc.send_transaction(transaction(close_account(MINE, THEIRS)))
    sub.rpc.modify_accounts({str(MINE): accounts.native_token_account(RECEIVER, 5, close_authority=OWNER)})
    sub.rpc.send_transaction(transaction(close_account(MINE, THEIRS)))
    assert sub.rpc.get_balance(THEIRS) == RENT + 5


def test_a_removed_account_is_gone(sub: simsync.SubSession) -> None:
    sub.rpc.modify_accounts({str(MINE): accounts.token_account(MINT, OWNER, 7)})
    assert sub.rpc.get_account_info(MINE) == accounts.token_account(MINT, OWNER, 7)
    sub.rpc.modify_accounts({str(MINE): accounts.removed_account(), str(OWNER): accounts.removed_account()})
    assert sub.rpc.get_multiple_accounts([MINE, OWNER]) == [None, None]
    with pytest.raises(simsync.RpcError):
        sub.rpc.send_transaction(transfer(1))


# feature: every user writes addresses, conversions and builders
def test_builders_go_with_a_continue(sub: simsync.SubSession) -> None:
    states = {
        str(MINT): accounts.mint_account(6, 1_000),
        str(MINE): accounts.token_account(MINT, OWNER, 1_000),
        str(THEIRS): accounts.token_account(MINT, RECEIVER, 0),
    }
    move = transaction(transfer_checked(accounts.TOKEN_PROGRAM, 1))
    sub.subscribe_account_diffs(accounts=[THEIRS])
    sub.send_continue(simsync.Continue(1, [move], states), timeout=20)
    diffs = []
    for event in sub.events(timeout=20, advance=2):
        if isinstance(event, simsync.AccountDiff):
            diffs.append((accounts.from_state(event.before), accounts.from_state(event.after)))
    written = accounts.token_account(MINT, RECEIVER, 0)
    assert diffs == [(None, written), (written, accounts.token_account(MINT, RECEIVER, 1))]


# To and from JSON.

BUILT = [
    accounts.system_account(2**64 - 1),
    accounts.removed_account(),
    accounts.token_account(MINT, OWNER, 7),
    simsync.AccountData(1, accounts.TOKEN_PROGRAM, bytes(range(256)), executable=True),
]


def test_json_is_that_of_the_rpc() -> None:
    built = simsync.AccountData(5, accounts.TOKEN_PROGRAM, b"abc", executable=True)
    assert accounts.to_json(built) == {
        "lamports": 5,
        "owner": accounts.TOKEN_PROGRAM,
        "data": ["YWJj", "base64"],
        "executable": True,
        "rentEpoch": 0,
        "space": 3,
    }


# feature: account JSON to account data
@pytest.mark.parametrize("built", BUILT, ids=lambda built: f"{built.space} bytes")
def test_there_and_back(built: simsync.AccountData) -> None:
    assert accounts.from_json(accounts.to_json(built)) == built


def test_what_the_rpc_says(sub: simsync.SubSession) -> None:
    built = accounts.token_account(MINT, OWNER, 7)
    sub.rpc.modify_accounts({str(MINE): built})
    raw = sub.rpc.call("getAccountInfo", [str(MINE), {"encoding": "base64"}])["value"]
    assert accounts.from_json(raw) == built
    part = {"encoding": "base64", "dataSlice": {"offset": 0, "length": 32}}
    with pytest.raises(ProtocolError, match="165 bytes of data, but only 32"):
        accounts.from_json(sub.rpc.call("getAccountInfo", [str(MINE), part])["value"])


def test_the_form_in_which_accounts_are_written_is_read_too() -> None:
    raw = {"lamports": 5, "owner": accounts.TOKEN_PROGRAM, "data": {"data": "YWJj", "encoding": "base64"}, "space": 3}
    assert accounts.from_json(raw) == simsync.AccountData(5, accounts.TOKEN_PROGRAM, b"abc")


GOOD = accounts.to_json(BUILT[2])


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "",
        {},
        {**GOOD, "lamports": None},
        {**GOOD, "lamports": "5"},
        {**GOOD, "lamports": -1},
        {**GOOD, "owner": None},
        {**GOOD, "owner": "me"},
        {**GOOD, "data": None},
        {**GOOD, "data": "YWJj"},
        {**GOOD, "data": ["YWJj"]},
        {**GOOD, "data": ["!", "base64"]},
        {**GOOD, "data": ["YWJj", "base58"]},
        {**GOOD, "data": {"program": "spl-token", "parsed": {}, "space": 165}},
        {**GOOD, "executable": "yes"},
        {**GOOD, "space": 3},
    ],
)
def test_json_that_is_no_account(raw: Any) -> None:
    with pytest.raises(ProtocolError):
        accounts.from_json(raw)


def test_no_state_is_no_account() -> None:
    assert accounts.from_state(None) is None


@pytest.mark.parametrize("wrong", [5, "state", {"lamports": 5}, simsync.AccountData(5)], ids=repr)
def test_what_is_no_state_is_rejected(wrong: Any) -> None:
    with pytest.raises(simsync.InvalidParams, match=r"state=.*must be an AccountState, or None"):
        accounts.from_state(wrong)


def test_a_state_that_cannot_be_read() -> None:
    def refuse(_encoded: Any) -> bytes:
        raise ProtocolError("unknown encoding")

    with pytest.raises(ProtocolError):
        accounts.from_state(simsync.AccountState(1, "1" * 32, False, 0, 0, None, refuse))
    with pytest.raises(ProtocolError):
        accounts.from_state(simsync.AccountState(1, "", False, 0, 0, None, lambda _encoded: b""))
