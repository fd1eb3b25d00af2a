"""Subscriptions to accounts: each change, or the state after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.local.account_filters import account_filters
from simsync.local.account_json import account_json
from simsync.local.encoding import dump_json
from simsync.local.executed import CHANGES
from simsync.local.pubsub_params import (
    NOTHING,
    InvalidSubscription,
    account_encoding,
    address,
    config_of,
    filter_of,
)
from simsync.local.rpc_errors import RpcFault
from simsync.local.stream import SlotBegun, SlotShown

if TYPE_CHECKING:
    from simsync.local.engine import AccountChange
    from simsync.local.pubsub_params import Pick
    from simsync.local.stream import StreamItem

    Wanted = Callable[[AccountChange], bool]
    Shape = Callable[[Pubkey, "Account | None"], Any]

_ABSENT = Account(0, b"", Pubkey.default())


class AccountDiffs:
    """Accounts before and after each change: one account, or all that a program owned before or after.

    The form of the filter is a guess of simsync.
    """

    stem = "accountDiff"
    once = False

    def picker(self, params: list[Any]) -> Pick:
        wanted, encoding = _diff_filter(filter_of(params)), account_encoding(params)

        def pick(item: StreamItem) -> Sequence[bytes]:
            if not isinstance(item, CHANGES):
                return NOTHING
            slot, signature = item.slot, item.signature
            return [_diff(slot, signature, change, encoding) for change in item.changed if wanted(change)]

        return pick


class Accounts:
    """One account after each slot that changed it, or after each write. An account that is gone shows as empty."""

    stem = "account"
    once = False

    def picker(self, params: list[Any]) -> Pick:
        wanted, encoding = Pubkey.from_string(address(filter_of(params))), account_encoding(params)
        return _states(
            lambda change: change.address == wanted,
            lambda key, account: account_json(account or _ABSENT, encoding),
            _every_write(params),
        )


class ProgramAccounts:
    """The accounts of a program that pass the filters, each after every slot that changed it, or after each write."""

    stem = "program"
    once = False

    def picker(self, params: list[Any]) -> Pick:
        program, encoding = Pubkey.from_string(address(filter_of(params))), account_encoding(params)
        try:
            tests = account_filters(config_of(params).get("filters"))
        except RpcFault as fault:
            raise InvalidSubscription(fault.message) from fault

        def shape(key: Pubkey, account: Account | None) -> Any:
            if account is None or account.owner != program or not all(test(account) for test in tests):
                return None
            return {"pubkey": str(key), "account": account_json(account, encoding)}

        return _states(lambda change: _owned(change, program), shape, _every_write(params))


def _every_write(params: list[Any]) -> bool:
    config = config_of(params)
    return config.get("intraSlotUpdates", config.get("intra_slot_updates")) is True


def _diff_filter(value: Any) -> Wanted:
    kind = (value.get("address_type") or value.get("addressType")) if isinstance(value, dict) else None
    if kind not in ("program", "account"):
        raise InvalidSubscription(
            'the filter must be {"address": X, "address_type": T} with program or account as address_type'
        )
    wanted = Pubkey.from_string(address(value.get("address")))
    if kind == "program":
        return lambda change: _owned(change, wanted)
    return lambda change: change.address == wanted


def _owned(change: AccountChange, program: Pubkey) -> bool:
    """Did ``program`` own the account before or after?"""
    _, before, after = change
    return (before is not None and before.owner == program) or (after is not None and after.owner == program)


def _diff(slot: int, signature: str | None, change: AccountChange, encoding: str) -> bytes:
    result: dict[str, Any] = {"context": {"slot": slot}, "account": str(change.address)}
    if signature is not None:
        result["signature"] = signature
    if change.before is not None:
        result["pre"] = account_json(change.before, encoding)
    if change.after is not None:
        result["post"] = account_json(change.after, encoding)
    return dump_json(result)


def _states(wanted: Wanted, shape: Shape, every_write: bool) -> Pick:
    """Return a pick of states after changes: at the end of a block's slot, or at once for ``every_write``.

    What changes while no block is running, by RPC or overrides, is shown at once in any case.
    """
    running = False
    pending: dict[Pubkey, Account | None] = {}

    def show(slot: int, key: Pubkey, account: Account | None) -> list[bytes]:
        value = shape(key, account)
        return [] if value is None else [dump_json({"context": {"slot": slot}, "value": value})]

    def pick(item: StreamItem) -> Sequence[bytes]:
        nonlocal running
        if isinstance(item, CHANGES):
            results: list[bytes] = []
            for change in item.changed:
                if not wanted(change):
                    continue
                if running and not every_write:
                    pending[change.address] = change.after
                else:
                    results += show(item.slot, change.address, change.after)
            return results
        if isinstance(item, SlotBegun):
            running = True
        elif isinstance(item, SlotShown):
            running = False
            results = [text for key, account in pending.items() for text in show(item.slot, key, account)]
            pending.clear()
            return results
        return NOTHING

    return pick
