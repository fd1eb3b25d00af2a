"""Reading token accounts and mints, and what a wallet holds."""

from __future__ import annotations

import time
from typing import Any

import pytest

import simsync
from simsync import accounts

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
OTHER = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
THIRD = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"


@pytest.mark.parametrize(
    "more", [{}, {"frozen": True}, {"delegate": OTHER, "delegated_amount": 3}, {"close_authority": OTHER}]
)
@pytest.mark.parametrize("build", [accounts.token_account, accounts.token_2022_account])
def test_what_was_built_is_read(build: Any, more: dict[str, Any]) -> None:
    state = build(MINT, WALLET, 77, **more)
    wanted = accounts.TokenAccount(MINT, WALLET, 77, **more)
    assert accounts.read_token_account(state) == wanted
    assert accounts.read_token_account(state.data) == wanted
    assert accounts.read_token_account(accounts.to_json(state)) == wanted
    extended = simsync.AccountData(5, accounts.TOKEN_2022_PROGRAM, state.data + b"\2" + bytes(40))
    assert accounts.read_token_account(extended) == wanted


def test_wrapped_sol_is_read() -> None:
    read = accounts.read_token_account(accounts.native_token_account(WALLET, 5_000))
    assert (read.mint, read.amount, read.native_reserve) == (accounts.NATIVE_MINT, 5_000, 2_039_280)


def test_mints_are_read() -> None:
    state = accounts.mint_account(6, 1_000, mint_authority=WALLET, freeze_authority=OTHER)
    wanted = accounts.Mint(6, 1_000, WALLET, OTHER)
    assert accounts.read_mint(state) == wanted
    assert accounts.read_mint(accounts.mint_account(0)) == accounts.Mint(0, 0)
    padded = state.data + bytes(165 - 82) + b"\1" + bytes(10)
    assert accounts.read_mint(simsync.AccountData(5, accounts.TOKEN_2022_PROGRAM, padded)) == wanted


@pytest.mark.parametrize(
    "account",
    [
        b"",
        bytes(165),
        bytes(82),
        accounts.system_account(5),
        accounts.mint_account(6).data + bytes(165 - 82) + b"\2",
        accounts.token_account(MINT, WALLET, 1).data + b"\1",
        5,
    ],
)
def test_anything_else_is_rejected(account: Any) -> None:
    assert not accounts.is_token_account(account)
    for read in (accounts.read_token_account, accounts.read_mint):
        with pytest.raises(simsync.InvalidParams, match="account="):
            read(account)


def changed(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


TOKENS, MINTED = accounts.token_account(MINT, WALLET, 1).data, accounts.mint_account(6).data


@pytest.mark.parametrize(
    "data",
    [
        TOKENS + b"\2" + bytes(355 - 166),  # as long as a multisig
        *(changed(TOKENS, place, 2) for place in (72, 109, 129)),
        *(changed(TOKENS, place + 1, 1) for place in (72, 109, 129)),
        *(changed(MINTED, place, 2) for place in (0, 46)),
        MINTED + bytes(165 - 82) + b"\1" + bytes(355 - 166),
    ],
)
def test_what_the_token_program_would_not_read_is_rejected(data: bytes) -> None:
    assert not accounts.is_token_account(data)
    with pytest.raises(simsync.InvalidParams, match="is not an initialized mint"):
        accounts.read_mint(data)


def test_an_account_of_solders_is_read() -> None:
    account = pytest.importorskip("solders.account").Account
    program = pytest.importorskip("solders.pubkey").Pubkey.from_string(accounts.TOKEN_PROGRAM)
    assert accounts.read_token_account(account(5, TOKENS, program)).amount == 1
    assert accounts.read_mint(account(5, MINTED, program)).decimals == 6


def test_the_balance_of_an_unknown_mint_is_an_error(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create, timeout=20) as session:
        with pytest.raises(simsync.RpcError, match="mint"):
            session.sub_sessions[0].rpc.get_token_balance(WALLET, MINT)


def test_a_wallet_holds_the_sum_of_its_token_accounts(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create, timeout=20) as session:
        rpc = session.sub_sessions[0].rpc
        rpc.modify_accounts(
            {
                MINT: accounts.mint_account(6, 100),
                OTHER: accounts.token_account(MINT, WALLET, 70),
                THIRD: accounts.token_account(MINT, WALLET, 30),
            }
        )
        assert rpc.get_token_balance(WALLET, MINT) == 100
        assert rpc.get_token_balance(OTHER, MINT) == 0
        assert {address for address, _account in rpc.get_token_accounts(WALLET, MINT)} == {OTHER, THIRD}


def test_steps_yield_slots_with_their_state(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create, timeout=20) as session:
        sub = session.sub_sessions[0]
        seen = [(slot, sub.rpc.get_slot()) for slot in sub.steps(timeout=20)]
        assert seen and all(slot == reached for slot, reached in seen)
        assert [slot for slot, _reached in seen] == list(range(seen[0][0], sub.end_slot + 1))
        events = list(sub.events(timeout=20))
        assert isinstance(events[-1], simsync.Completed)
        assert [event.slot for event in events if isinstance(event, simsync.Slot)] == list(range(1000, 1006))
        other = session.sub_sessions[1]
        assert list(other.steps(4, timeout=20))[-1] == other.end_slot


def test_steps_that_reach_their_deadline_lose_no_slot(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create, timeout=20) as session:
        sub = session.sub_sessions[0]
        seen = []
        with pytest.raises(simsync.EventTimeout, match=r"deadline of the loop has passed \(2 s\)"):
            for slot in sub.steps(deadline=2):
                seen.append(slot)
                time.sleep(2)  # the deadline passes while the body runs
        seen += sub.steps(timeout=20)
        assert seen == list(range(seen[0], sub.end_slot + 1))


def test_arguments_of_steps_are_checked_at_the_call(client: simsync.Client, create: simsync.CreateSession) -> None:
    with client.parallel(create, timeout=20) as session:
        sub = session.sub_sessions[0]
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("every", {"every": 0}),
            ("every", {"every": True}),
            ("timeout", {"timeout": "1"}),
            ("deadline", {"deadline": -1}),
        ]
        for name, arguments in wrong:
            with pytest.raises(simsync.InvalidParams, match=name):
                sub.steps(**arguments)
