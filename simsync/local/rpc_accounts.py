"""JSON-RPC calls about accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsync.local.account_json import MalformedAccount, UnsupportedEncoding, account_json, read_modifications
from simsync.local.engine import AccountRefused
from simsync.local.rpc_errors import INVALID_PARAMS, RpcFault
from simsync.local.rpc_params import address, binary, config_at, invalid, required, unsigned

if TYPE_CHECKING:
    from collections.abc import Callable

    from solders.account import Account

    from simsync.local.session import Session

MAX_MULTIPLE_ACCOUNTS = 100
MAX_FILTERS = 4


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
    filters = config.get("filters") or []
    if not isinstance(filters, list) or len(filters) > MAX_FILTERS:
        raise invalid(f"filters must be a list of at most {MAX_FILTERS}")
    tests = [_filter(item) for item in filters]
    found = [
        {"pubkey": str(key), "account": shown_account(account, config, "binary")}
        for key, account in session.backtest.engine.owned_by(program)
        if all(test(account) for test in tests)
    ]
    return with_context(session, found) if config.get("withContext") else found


def _filter(item: Any) -> Callable[[Account], bool]:
    if isinstance(item, dict) and "dataSize" in item:
        size = unsigned(item["dataSize"], "dataSize")
        return lambda account: len(account.data) == size
    compare = item.get("memcmp") if isinstance(item, dict) else None
    if not isinstance(compare, dict):
        raise invalid(f"unknown filter {item!r}")
    offset = unsigned(compare.get("offset"), "offset of memcmp")
    wanted = binary(compare.get("bytes"), compare.get("encoding") or "base58")
    return lambda account: bytes(account.data)[offset : offset + len(wanted)] == wanted


def _get_minimum_balance(session: Session, params: list[Any]) -> int:
    return session.backtest.engine.rent_exempt_minimum(unsigned(required(params, 0, "size"), "size"))


def _modify_accounts(session: Session, params: list[Any]) -> None:
    value = required(params, 0, "account modifications")
    try:
        session.backtest.engine.set_accounts(read_modifications(value))
    except (MalformedAccount, AccountRefused) as error:
        raise RpcFault(INVALID_PARAMS, str(error)) from error


CALLS = {
    "getAccountInfo": _get_account_info,
    "getMultipleAccounts": _get_multiple_accounts,
    "getBalance": _get_balance,
    "getProgramAccounts": _get_program_accounts,
    "getMinimumBalanceForRentExemption": _get_minimum_balance,
    "modifyAccounts": _modify_accounts,
}
