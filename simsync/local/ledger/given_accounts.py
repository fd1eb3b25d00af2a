"""The accounts that a caller gives to a ledger, in every form in which sessions take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.errors import InvalidParams
from simsync.local.solana_json import MalformedAccount, read_modifications
from simsync.params import AccountData, checks
from simsync.params.account import checked_modifications

if TYPE_CHECKING:
    from collections.abc import Mapping


def given_accounts(accounts: Mapping[Any, Any]) -> dict[Pubkey, Account]:
    """Return accounts by address as solders has them. Raises InvalidParams."""
    found: dict[Pubkey, Account] = {}
    for key, state in checks.mapping("accounts", accounts).items():
        address = key if isinstance(key, Pubkey) else Pubkey.from_string(checks.address("accounts key", key))
        # An account of solders stays as it is: it alone has a rent epoch.
        found[address] = state if isinstance(state, Account) else _account(address, state)
    return found


def _account(address: Pubkey, state: object) -> Account:
    ((name, checked),) = checked_modifications("accounts", {address: state}).items()
    if isinstance(checked, AccountData):
        return Account(checked.lamports, checked.data, Pubkey.from_string(checked.owner), checked.executable)
    try:
        ((_, account),) = read_modifications({name: checked})
    except MalformedAccount as error:
        raise InvalidParams(f"accounts[{name}]", state, str(error)) from error
    return account
