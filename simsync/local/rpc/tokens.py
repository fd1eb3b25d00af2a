"""RPC calls about tokens: balances, supplies, and who holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from solders.pubkey import Pubkey

from simsync.local.engine.programs import TOKEN_PROGRAMS
from simsync.local.engine.token_balances import token_account, ui_amount
from simsync.local.parsed.accounts import mint_of
from simsync.local.rpc.accounts import shown_account, with_context
from simsync.local.rpc.params import INVALID_PARAMS, RpcFault, address, config_at, invalid, required

if TYPE_CHECKING:
    from solders.account import Account

    from simsync.local.backtest.backtest import Backtest

_LARGEST = 20
_OWNER, _DELEGATE = slice(32, 64), slice(76, 108)
_HAS_DELEGATE = slice(72, 76)


def get_token_account_balance(backtest: Backtest, params: list[Any]) -> Any:
    account = _existing(backtest, params)
    data = token_account(account)
    if data is None:
        raise _fault("not a Token account")
    return with_context(backtest, ui_amount(_amount(data), _decimals(backtest, Pubkey.from_bytes(data[:32]))))


def get_token_supply(backtest: Backtest, params: list[Any]) -> Any:
    account = _existing(backtest, params)
    mint = mint_of(bytes(account.data)) if account.owner in TOKEN_PROGRAMS else None
    if mint is None:
        raise _fault("not a Token mint")
    return with_context(backtest, ui_amount(int(mint["supply"]), mint["decimals"]))


def get_token_largest_accounts(backtest: Backtest, params: list[Any]) -> Any:
    mint = address(required(params, 0, "mint"))
    decimals = _decimals(backtest, mint)
    found = [(_amount(data), str(key)) for key, data, _ in _token_accounts(backtest, mint=mint)]
    found.sort(key=lambda one: (-one[0], one[1]))
    value = [{"address": key, **ui_amount(amount, decimals)} for amount, key in found[:_LARGEST]]
    return with_context(backtest, value)


def get_token_accounts_by_owner(backtest: Backtest, params: list[Any]) -> Any:
    owner = bytes(address(required(params, 0, "owner")))
    return _accounts_by(backtest, params, lambda data: data[_OWNER] == owner)


def get_token_accounts_by_delegate(backtest: Backtest, params: list[Any]) -> Any:
    delegate = bytes(address(required(params, 0, "delegate")))
    return _accounts_by(
        backtest, params, lambda data: data[_HAS_DELEGATE] == b"\1\0\0\0" and data[_DELEGATE] == delegate
    )


def _accounts_by(backtest: Backtest, params: list[Any], test: Callable[[bytes], bool]) -> object:
    wanted, config = config_at(params, 1), config_at(params, 2)
    if "mint" in wanted:
        mint = address(wanted["mint"])
        _decimals(backtest, mint)
        found = _token_accounts(backtest, mint=mint)
    elif "programId" in wanted:
        program = address(wanted["programId"])
        if program not in TOKEN_PROGRAMS:
            raise _fault("unrecognized Token program id")
        found = _token_accounts(backtest, program=program)
    else:
        raise invalid("Invalid params: expected {mint} or {programId} as the filter.")
    value = [
        {"pubkey": str(key), "account": shown_account(backtest, account, config, "binary")}
        for key, data, account in found
        if test(data)
    ]
    return with_context(backtest, value)


def _token_accounts(
    backtest: Backtest, *, mint: Pubkey | None = None, program: Pubkey | None = None
) -> list[tuple[Pubkey, bytes, Account]]:
    programs = TOKEN_PROGRAMS if program is None else {program}
    wanted = bytes(mint) if mint is not None else b""
    return [
        (key, data, account)
        for owner in sorted(programs, key=bytes)
        for key, account in backtest.engine.owned_by(owner)
        if (data := token_account(account)) is not None and data.startswith(wanted)
    ]


def _existing(backtest: Backtest, params: list[Any]) -> Account:
    account = backtest.engine.account(address(required(params, 0, "address")))
    if account is None:
        raise _fault("could not find account")
    return account


def _decimals(backtest: Backtest, mint: Pubkey) -> int:
    account = backtest.engine.account(mint)
    found = mint_of(bytes(account.data)) if account is not None and account.owner in TOKEN_PROGRAMS else None
    if account is None:
        raise _fault("could not find mint")
    if found is None:
        raise _fault("not a Token mint")
    return int(found["decimals"])


def _amount(data: bytes) -> int:
    return int.from_bytes(data[64:72], "little")


def _fault(text: str) -> RpcFault:
    return RpcFault(INVALID_PARAMS, f"Invalid param: {text}")
