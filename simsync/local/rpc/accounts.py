"""RPC calls about accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsync.local.engine.accounts import AccountRefused
from simsync.local.engine.programs import LOOKUP_TABLE_PROGRAM
from simsync.local.parsed.accounts import lookup_table_of
from simsync.local.rpc.params import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    RpcFault,
    account_encoding,
    account_filters,
    address,
    config_at,
    data_slice,
    listed,
    required,
    unsigned,
)
from simsync.local.solana_json import MalformedAccount, UnsupportedEncoding, account_json, read_modifications
from simsync.params.account_encodings import LARGEST_ACCOUNT

if TYPE_CHECKING:
    from solders.account import Account

    from simsync.local.backtest.backtest import Backtest

API_VERSION = "2.3.0"
"""The version of a node whose replies these follow."""
MAX_MULTIPLE_ACCOUNTS = 100


def with_context(backtest: Backtest, value: object) -> dict[str, Any]:
    """Return a value with its context, the current slot."""
    return {"context": {"slot": backtest.slot, "apiVersion": API_VERSION}, "value": value}


def shown_account(
    backtest: Backtest, account: Account | None, config: dict[str, Any], default: str
) -> dict[str, Any] | None:
    """Return an account in the encoding and slice that ``config`` requests."""
    encoding, piece = account_encoding(config, default), data_slice(config)
    if account is None or (not account.lamports and not account.data):
        return None
    try:
        return account_json(account, encoding, piece, backtest.engine.account)
    except UnsupportedEncoding as error:
        # base58 of long data: to a node this is no fault of the params.
        raise RpcFault(INVALID_REQUEST, str(error)) from error


def get_account_info(backtest: Backtest, params: list[Any]) -> Any:
    account = backtest.engine.account(address(required(params, 0, "address")))
    return with_context(backtest, shown_account(backtest, account, config_at(params, 1), "binary"))


def get_multiple_accounts(backtest: Backtest, params: list[Any]) -> Any:
    wanted = listed(required(params, 0, "addresses"), MAX_MULTIPLE_ACCOUNTS)
    engine, config = backtest.engine, config_at(params, 1)
    accounts = [shown_account(backtest, engine.account(address(item)), config, "base64") for item in wanted]
    return with_context(backtest, accounts)


def get_balance(backtest: Backtest, params: list[Any]) -> Any:
    balance = backtest.engine.balance(address(required(params, 0, "address")))
    return with_context(backtest, balance)


def get_program_accounts(backtest: Backtest, params: list[Any]) -> Any:
    program = address(required(params, 0, "program id"))
    config = config_at(params, 1)
    tests = account_filters(config.get("filters"))
    found = [
        {"pubkey": str(key), "account": shown_account(backtest, account, config, "binary")}
        for key, account in backtest.engine.owned_by(program)
        if all(test(account) for test in tests)
    ]
    return with_context(backtest, found) if config.get("withContext") else found


def get_minimum_balance(backtest: Backtest, params: list[Any]) -> int:
    size = unsigned(required(params, 0, "size"), "size")
    if size > LARGEST_ACCOUNT:
        raise RpcFault(INVALID_REQUEST, "Invalid request", f"an account holds at most {LARGEST_ACCOUNT} bytes")
    return backtest.engine.rent_exempt_minimum(size)


def get_address_lookup_table(backtest: Backtest, params: list[Any]) -> Any:
    """Return a table as a node parses it. The vendor does not document the form."""
    account = backtest.engine.account(address(required(params, 0, "address")))
    found = None
    if account is not None and account.owner == LOOKUP_TABLE_PROGRAM:
        found = lookup_table_of(bytes(account.data))
    return with_context(backtest, found)


def modify_accounts(backtest: Backtest, params: list[Any]) -> None:
    value = required(params, 0, "account modifications")
    try:
        backtest.override(read_modifications(value))
    except (MalformedAccount, AccountRefused) as error:
        raise RpcFault(INVALID_PARAMS, str(error)) from error
    backtest.stream.wake()
