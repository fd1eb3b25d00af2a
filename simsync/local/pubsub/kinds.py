"""The kinds of subscriptions: the filter that each accepts, the items that it picks, and how it writes them.

A kind is one class and one row of :data:`KINDS`. It sees every item of a session's stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, Protocol, TypeVar

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.local.actions import ActionResult
from simsync.local.backtest.stream import CHANGES, TRANSACTIONS, SlotBegun, SlotShown
from simsync.local.encoding import dump_json, zstandard
from simsync.local.rpc.params import (
    RpcFault,
    account_encoding,
    account_filters,
    address,
    check_commitment,
    data_slice,
    invalid,
    required,
    signature,
    unexpected,
)
from simsync.local.solana_json import UnsupportedEncoding, account_json

if TYPE_CHECKING:
    from simsync.local.backtest.stream import StreamItem, TransactionItem
    from simsync.local.behaviour import Behaviour
    from simsync.local.engine.message_parts import FindAccount
    from simsync.local.engine.transactions import AccountChange

    Pick = Callable[[StreamItem], Sequence[bytes]]
    Wanted = Callable[[AccountChange], bool]
    Shape = Callable[[Pubkey, "Account | None"], Any]

_Value = TypeVar("_Value")

NOTHING: Sequence[bytes] = ()
_ABSENT = Account(0, b"", Pubkey.default())
_TOO_LARGE = "error: data too large for bs58 encoding"


class Kind(Protocol):
    """A kind of subscription. ``stem`` begins its method names; with ``once`` it ends after the first item it picks."""

    stem: str
    once: bool

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        """Return a function that returns the JSON ``result`` of each notification for an item.

        It is called with every item of the stream in order. ``find`` returns other accounts, which jsonParsed needs.
        Raises RpcFault.
        """
        ...


def config_of(params: list[Any]) -> dict[str, Any]:
    """Return the configuration after the filter, empty if it is missing. A null in it is the same as no entry."""
    found = next((item for item in params[1:] if isinstance(item, dict)), {})
    return {key: value for key, value in found.items() if value is not None}


def filter_of(params: list[Any]) -> Any:
    """Return the filter, None if it is missing."""
    return params[0] if params else None


def default_form(stem: str, params: list[Any], behaviour: Behaviour) -> list[Any]:
    """Return the params with the filter in its default form, if the behaviour selects another form.

    Raises RpcFault.
    """
    wanted = filter_of(params)
    if stem == "transaction" and behaviour.transaction_filter == "address" and wanted != "all":
        if not isinstance(wanted, str):
            raise invalid('the filter must be "all" or an address')
        return [{"mentions": [wanted]}, *params[1:]]
    if stem == "accountDiff" and behaviour.diff_filter == "external":
        if not isinstance(wanted, dict) or len(wanted) != 1 or next(iter(wanted)) not in ("program", "account"):
            raise invalid('the filter must be {"program": X} or {"account": X}')
        ((kind, of),) = wanted.items()
        return [{"address": of, "address_type": kind}, *params[1:]]
    return params


def diff_encoding(params: list[Any]) -> str:
    """Return ``base64+zstd`` if it is requested and available, else ``base64``."""
    wanted = config_of(params).get("encoding")
    return wanted if wanted == "base64+zstd" and zstandard is not None else "base64"


class StateForm:
    """The form of accounts that a subscription requests: encoding, by default base58 as bare text, and a slice."""

    def __init__(self, params: list[Any], find: FindAccount) -> None:
        config = config_of(params)
        check_commitment(config)
        self._encoding = account_encoding(config, "binary")
        self._slice = data_slice(config)
        self._find = find

    def show(self, account: Account | None) -> dict[str, Any]:
        """Return an account, None for a removed one, as Agave's subscriptions show it.

        Unlike calls, they fail on long data in base58 inside the notification.
        """
        account = account or _ABSENT
        try:
            return account_json(account, self._encoding, self._slice, self._find)
        except UnsupportedEncoding:
            text = _TOO_LARGE if self._encoding == "binary" else [_TOO_LARGE, self._encoding]
            return {**account_json(account), "data": text}


# -- accounts


class AccountDiffs:
    """Accounts before and after each change: one account, or all that a program owned before or after.

    The form of the filter is a guess.
    """

    stem = "accountDiff"
    once = False

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        wanted, encoding = _diff_filter(filter_of(params)), diff_encoding(params)

        def pick(item: StreamItem) -> Sequence[bytes]:
            if not isinstance(item, CHANGES):
                return NOTHING
            slot, signature = item.slot, item.signature
            return [_diff(slot, signature, change, encoding) for change in item.changed if wanted(change)]

        return pick


class Accounts:
    """One account after each slot that changed it, or after each write. A removed account shows as empty."""

    stem = "account"
    once = False

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        wanted, form = _named(params, address, "pubkey"), StateForm(params, find)
        return _states(
            lambda change: change.address == wanted, lambda key, account: form.show(account), _every_write(params)
        )


class ProgramAccounts:
    """The accounts of a program that pass the filters, each after every slot that changed it, or after each write."""

    stem = "program"
    once = False

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        program, form = _named(params, address, "pubkey"), StateForm(params, find)
        tests = account_filters(config_of(params).get("filters"))

        def shape(key: Pubkey, account: Account | None) -> Any:
            if account is None or account.owner != program or not all(test(account) for test in tests):
                return None
            return {"pubkey": str(key), "account": form.show(account)}

        return _states(lambda change: _owned(change, program), shape, _every_write(params))


def _every_write(params: list[Any]) -> bool:
    config = config_of(params)
    return config.get("intraSlotUpdates", config.get("intra_slot_updates")) is True


def _diff_filter(value: Any) -> Wanted:
    kind = (value.get("address_type") or value.get("addressType")) if isinstance(value, dict) else None
    if kind not in ("program", "account"):
        raise invalid('the filter must be {"address": X, "address_type": T} with program or account as address_type')
    wanted = address(value.get("address"))
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
    """Return a pick of account states: at the end of the slot that changed them, or at once for ``every_write``.

    Changes while no block is running, by RPC or overrides, are always shown at once.
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


# -- transactions, slots and actions


class Transactions:
    """Transactions, all or those that mention one of some accounts. The forms of the filter are guesses."""

    stem = "transaction"
    once = False

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        wanted = filter_of(params)
        if wanted == "all":
            return lambda item: (item.encoded(),) if isinstance(item, TRANSACTIONS) else NOTHING
        addresses = _mentions(wanted)
        if not addresses:
            raise invalid('the filter must be "all" or {"mentions": [address, ...]}')

        def pick(item: StreamItem) -> Sequence[bytes]:
            if not isinstance(item, TRANSACTIONS) or addresses.isdisjoint(item.mentions):
                return NOTHING
            return (item.encoded(),)

        return pick


class Logs:
    """The logs of transactions as in Solana's logsSubscribe: all but votes, all, or those that mention one account."""

    stem = "logs"
    once = False

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        wanted = required(params, 0, "filter")
        check_commitment(config_of(params))
        mentioned = wanted.get("mentions") if isinstance(wanted, dict) else None
        if mentioned is None and wanted not in ("all", "allWithVotes"):
            raise invalid('the filter must be "all", "allWithVotes" or {"mentions": [one address]}')
        if mentioned is not None and not isinstance(mentioned, list):
            raise unexpected(mentioned, "a sequence")
        if mentioned is not None and len(mentioned) != 1:
            raise invalid("Invalid Request: Only 1 address supported")
        only = None if mentioned is None else str(_named(mentioned, address, "mentions"))

        def pick(item: StreamItem) -> Sequence[bytes]:
            if not isinstance(item, TRANSACTIONS) or (wanted == "all" and item.is_vote):
                return NOTHING
            if only is not None and only not in item.mentions:
                return NOTHING
            return (_logs(item),)

        return pick


class Signatures:
    """One notification when a transaction was executed; then the subscription ends, as in Solana.

    With ``enableReceivedNotification`` another one comes before it, as a node sends when it receives a transaction:
    here that is the moment when it is executed.
    """

    stem = "signature"
    once = True

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        wanted, config = _named(params, signature, "signature"), config_of(params)
        check_commitment(config)
        received = config.get("enableReceivedNotification") is True

        def pick(item: StreamItem) -> Sequence[bytes]:
            if not isinstance(item, TRANSACTIONS) or item.signature != wanted:
                return NOTHING
            context = {"slot": item.slot}
            executed = dump_json({"context": context, "value": {"err": item.error}})
            return (
                (dump_json({"context": context, "value": "receivedSignature"}), executed) if received else (executed,)
            )

        return pick


class Slots:
    """Executed slots, as in Solana's slotSubscribe."""

    stem = "slot"
    once = False

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        return _slot


class Roots:
    """The root after each executed slot, as in Solana's rootSubscribe."""

    stem = "root"
    once = False

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        return lambda item: (dump_json(item.root),) if isinstance(item, SlotShown) else NOTHING


class Actions:
    """The results of all scheduled actions of the session."""

    stem = "action"
    once = False

    def picker(self, params: list[Any], find: FindAccount) -> Pick:
        return lambda item: (item.encoded(),) if isinstance(item, ActionResult) else NOTHING


KINDS: tuple[Kind, ...] = (
    Transactions(),
    AccountDiffs(),
    Actions(),
    Logs(),
    Accounts(),
    ProgramAccounts(),
    Signatures(),
    Slots(),
    Roots(),
)
SUBSCRIBE = {f"{kind.stem}Subscribe": kind for kind in KINDS}
OWN_KINDS = frozenset({"transaction", "accountDiff", "action"})
"""Kinds that no node has."""
OWN_KEYS = frozenset({"compression", "replayFromSlot", "intraSlotUpdates", "intra_slot_updates"})
"""Keys of a configuration that no node knows."""
UNSUBSCRIBE = frozenset(f"{kind.stem}Unsubscribe" for kind in KINDS)


def _named(params: list[Any], read: Callable[[object], _Value], what: str) -> _Value:
    """Return the first param. A node has other texts for a bad one here than in its calls. Raises RpcFault."""
    value = required(params, 0, what)
    try:
        return read(value)
    except RpcFault as fault:
        if isinstance(value, str):
            fault.message = f"Invalid Request: Invalid {what} provided"
        raise


def _mentions(value: object) -> frozenset[str]:
    """Return the addresses of a filter by mentions; empty for another filter. Raises RpcFault."""
    wanted = value.get("mentions") if isinstance(value, dict) else None
    return frozenset(str(address(item)) for item in wanted) if isinstance(wanted, list) else frozenset()


def _slot(item: StreamItem) -> Sequence[bytes]:
    if not isinstance(item, SlotShown):
        return NOTHING
    return (dump_json({"slot": item.slot, "parent": item.parent, "root": item.root}),)


def _logs(item: TransactionItem) -> bytes:
    value = {"signature": item.signature, "err": item.error, "logs": item.logs}
    return dump_json({"context": {"slot": item.slot}, "value": value})
