"""JSON-RPC calls about accounts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from solders.pubkey import Pubkey

from simsync.local.account_filters import account_filters
from simsync.local.account_json import MalformedAccount, UnsupportedEncoding, account_json, read_modifications
from simsync.local.engine import LOOKUP_TABLE_HEADER, AccountRefused
from simsync.local.programs import LOOKUP_TABLE_PROGRAM
from simsync.local.rpc_errors import INVALID_PARAMS, RpcFault
from simsync.local.rpc_params import address, config_at, invalid, required, unsigned

if TYPE_CHECKING:
    from solders.account import Account

    from simsync.local.session import Session

MAX_MULTIPLE_ACCOUNTS = 100
_LOOKUP_TABLE = 1
"""The first number of an account that is a lookup table."""
_AUTHORITY = 22
"""Where its authority stands, if the flag before it is set."""


def with_context(session: Session, value: Any) -> dict[str, Any]:
    """Wrap a value with the current slot."""
    return {"context": {"slot": session.backtest.slot, "apiVersion": "simsync-local"}, "value": value}


def shown_account(account: Account | None, config: dict[str, Any], default: str) -> dict[str, Any] | None:
    """Return an account in the encoding and slice that ``config`` asks for."""
    if account is None or (not account.lamports and not account.data):
        return None
    wanted = config.get("dataSlice")
    data_slice = None
    if wanted is not None:
        if not isinstance(wanted, dict):
            raise invalid("dataSlice must be an object")
        data_slice = (unsigned(wanted.get("offset"), "offset"), unsigned(wanted.get("length"), "length"))
    try:
        return account_json(account, config.get("encoding") or default, data_slice)
    except UnsupportedEncoding as error:
        raise RpcFault(INVALID_PARAMS, str(error)) from error


def _get_account_info(session: Session, params: list[Any]) -> Any:
    account = session.backtest.engine.account(address(required(params, 0, "address")))
    return with_context(session, shown_account(account, config_at(params, 1), "binary"))


def _get_multiple_accounts(session: Session, params: list[Any]) -> Any:
    wanted = required(params, 0, "addresses")
    if not isinstance(wanted, list):
        raise invalid("the addresses must be a list")
    if len(wanted) > MAX_MULTIPLE_ACCOUNTS:
        raise invalid(f"too many inputs provided; max {MAX_MULTIPLE_ACCOUNTS}")
    engine, config = session.backtest.engine, config_at(params, 1)
    accounts = [shown_account(engine.account(address(item)), config, "base64") for item in wanted]
    return with_context(session, accounts)


def _get_balance(session: Session, params: list[Any]) -> Any:
    balance = session.backtest.engine.balance(address(required(params, 0, "address")))
    return with_context(session, balance)


def _get_program_accounts(session: Session, params: list[Any]) -> Any:
    program = address(required(params, 0, "program id"))
    config = config_at(params, 1)
    tests = account_filters(config.get("filters"))
    found = [
        {"pubkey": str(key), "account": shown_account(account, config, "binary")}
        for key, account in session.backtest.engine.owned_by(program)
        if all(test(account) for test in tests)
    ]
    return with_context(session, found) if config.get("withContext") else found


def _get_minimum_balance(session: Session, params: list[Any]) -> int:
    return session.backtest.engine.rent_exempt_minimum(unsigned(required(params, 0, "size"), "size"))


def _get_address_lookup_table(session: Session, params: list[Any]) -> Any:
    """Return a table as a validator parses one. The vendor's form is not known."""
    account = session.backtest.engine.account(address(required(params, 0, "address")))
    if account is None or account.owner != LOOKUP_TABLE_PROGRAM or len(account.data) < LOOKUP_TABLE_HEADER:
        return with_context(session, None)
    kind, deactivation, extended, start, has_authority = struct.unpack_from("<IQQB?", account.data)
    if kind != _LOOKUP_TABLE:
        return with_context(session, None)
    addresses = account.data[LOOKUP_TABLE_HEADER:]
    value: dict[str, Any] = {
        "deactivationSlot": str(deactivation),
        "lastExtendedSlot": str(extended),
        "lastExtendedSlotStartIndex": start,
        "addresses": [str(Pubkey.from_bytes(addresses[at : at + 32])) for at in range(0, len(addresses) - 31, 32)],
    }
    if has_authority:
        value["authority"] = str(Pubkey.from_bytes(account.data[_AUTHORITY : _AUTHORITY + 32]))
    return with_context(session, value)


def _modify_accounts(session: Session, params: list[Any]) -> None:
    value = required(params, 0, "account modifications")
    try:
        session.backtest.override(read_modifications(value))
    except (MalformedAccount, AccountRefused) as error:
        raise RpcFault(INVALID_PARAMS, str(error)) from error
    session.backtest.stream.wake()


CALLS = {
    "getAccountInfo": _get_account_info,
    "getMultipleAccounts": _get_multiple_accounts,
    "getBalance": _get_balance,
    "getProgramAccounts": _get_program_accounts,
    "getAddressLookupTable": _get_address_lookup_table,
    "getMinimumBalanceForRentExemption": _get_minimum_balance,
    "modifyAccounts": _modify_accounts,
}
