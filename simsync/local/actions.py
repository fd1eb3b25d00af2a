"""Scheduled actions: what a session does by itself at certain slots or around certain batches.

A create request lists them, a schedule says when they are due, and each run has a result.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from solders.pubkey import Pubkey

from simsync.local.encoding import dump_json
from simsync.local.engine.error_texts import describe_error
from simsync.local.request_fields import (
    BadRequest,
    Fields,
    Refused,
    invalid,
    plain,
    read_accounts,
    read_address,
    read_transaction,
)
from simsync.local.solana_json import account_json, return_data_json

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from solders.account import Account
    from solders.transaction import VersionedTransaction

    from simsync.local.engine.transactions import Outcome

_TAGS = ("type", "kind", "method", "tag")
_CONTENTS = ("data", "content", "params", "value")
_EVERY = ("everyNSlots", "every", "n")
_U64 = 2**64 - 1


@dataclass(frozen=True)
class SlotAnchor:
    """The start or end of slots that carry a block: the named slots, or every slot that ``every`` divides."""

    before: bool
    slots: tuple[int, ...] | None = None
    every: int = 1


@dataclass(frozen=True)
class MatchAnchor:
    """Before or after each batch in which a transaction names ``program`` among its account keys."""

    before: bool
    program: Pubkey


Anchor = Union[SlotAnchor, MatchAnchor]


@dataclass(frozen=True)
class Action:
    """One action. ``index`` is its position in the create request; ``commits`` is True for send, not simulate."""

    index: int
    anchor: Anchor
    commits: bool
    transactions: tuple[VersionedTransaction, ...] = ()
    overrides: tuple[tuple[Pubkey, Account], ...] = ()
    return_accounts: tuple[Pubkey, ...] = ()
    label: str | None = None

    @property
    def only_overrides(self) -> bool:
        """It only replaces accounts, and has no result."""
        return bool(self.overrides) and not self.transactions


# -- when an action is due


class Due(NamedTuple):
    """An action that is due, and those of its transactions that run now."""

    action: Action
    transactions: tuple[VersionedTransaction, ...]


class Schedule:
    """The actions of a session, by the places where they are due."""

    def __init__(self, actions: Iterable[Action]) -> None:
        actions = tuple(actions)
        self._periodic = {before: _periodic(actions, before) for before in (True, False)}
        self._by_slot: dict[tuple[bool, int], list[Due]] = {}
        for action in actions:
            for slot, due in _named(action):
                self._by_slot.setdefault((action.anchor.before, slot), []).append(due)
        self._around = [(action, action.anchor) for action in actions if isinstance(action.anchor, MatchAnchor)]

    @property
    def programs(self) -> frozenset[Pubkey]:
        """The programs for which actions around batches wait."""
        return frozenset(anchor.program for _, anchor in self._around)

    def at(self, slot: int, *, before: bool) -> list[Due]:
        """Return the actions due at the start or end of a slot with a block, in the order of the request."""
        due = list(self._by_slot.get((before, slot), ()))
        due.extend(Due(action, action.transactions) for every, action in self._periodic[before] if slot % every == 0)
        return sorted(due, key=lambda one: one.action.index)

    def around(self, keys: Sequence[Container[Pubkey]]) -> Iterator[tuple[Due, bool, int]]:
        """Yield the actions due around a batch whose transactions name these accounts.

        Each comes with whether it runs before the batch, and with the index of the first transaction that matches.
        """
        for action, anchor in self._around:
            for index, named in enumerate(keys):
                if anchor.program in named:
                    yield Due(action, action.transactions), anchor.before, index
                    break


def _periodic(actions: Sequence[Action], before: bool) -> list[tuple[int, Action]]:
    return [
        (action.anchor.every, action)
        for action in actions
        if isinstance(action.anchor, SlotAnchor) and action.anchor.slots is None and action.anchor.before == before
    ]


def _named(action: Action) -> Iterator[tuple[int, Due]]:
    """Yield the slots that an action names, with the transactions that run there.

    Entry i of the transactions runs at entry i of the slots.
    """
    if not isinstance(action.anchor, SlotAnchor) or action.anchor.slots is None:
        return
    slots = action.anchor.slots
    for slot in sorted(set(slots)):
        yield slot, Due(action, tuple(one for at, one in zip(slots, action.transactions) if at == slot))


# -- results


class ActionResult:
    """The result of an action as ``actionSubscribe`` shows it.

    It holds the outcomes of the transactions that ran, and the requested accounts after the last of them.

    ``batch_index`` is None at the start or end of a slot; ``matched`` is the transaction that triggered the action.
    """

    __slots__ = ("_accounts", "_action", "_batch_index", "_encoded", "_form", "_matched", "_outcomes", "slot")

    def __init__(
        self,
        action: Action,
        slot: int,
        outcomes: Sequence[Outcome],
        accounts: Sequence[Account | None],
        *,
        batch_index: int | None = None,
        matched: bytes | None = None,
        form: str = "0.11",
    ) -> None:
        self.slot = slot
        self._action = action
        self._outcomes = outcomes
        self._accounts = accounts
        self._batch_index = batch_index
        self._matched = matched
        self._form = form
        self._encoded: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result in the form of protocol 0.11, or of 0.10, which has only the last transaction."""
        outcomes = [_outcome_json(outcome) for outcome in self._outcomes]
        if self._form == "0.10":
            ran = outcomes[-1] if outcomes else {"err": None, "logs": [], "unitsConsumed": 0}
        else:
            ran = {"transactionOutcomes": outcomes}
        matched = self._matched
        return {
            "context": {"slot": self.slot},
            "slot": self.slot,
            "batchIndex": self._batch_index,
            "actionIndex": self._action.index,
            "label": self._action.label,
            "committed": self._action.commits,
            **ran,
            "accounts": [None if account is None else account_json(account) for account in self._accounts],
            "matched": None if matched is None else {"data": base64.b64encode(matched).decode(), "encoding": "base64"},
        }

    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = dump_json(self.to_json())
        return self._encoded

    def leave_buffer(self) -> None:
        """Free the JSON once the result has left the buffer of the subscriptions."""
        self._encoded = None


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "err": None if outcome.error is None else describe_error(outcome.error),
        "logs": outcome.logs,
        "unitsConsumed": outcome.units,
        "fee": outcome.fee,
        "returnData": return_data_json(outcome),
    }


# -- create requests


def read_actions(items: list[Any], tagging: str = "any") -> tuple[Action, ...]:
    """Return the actions of a create request. Raises BadRequest for the first bad one.

    ``tagging`` is the accepted form of anchors: ``any``, ``external`` or ``tagged``.
    """
    return tuple(_action(index, item, tagging) for index, item in enumerate(items))


def _action(index: int, item: Any, tagging: str) -> Action:
    where = f"actions[{index}]"
    fields = Fields(item, where)
    if fields.flag("feedsReroute"):
        raise invalid(f"feedsReroute of {where} is not supported by the local simulator")
    commits = _kind(fields.get("kind"), where)
    overrides = read_accounts(fields.get("accountOverrides"))
    if commits and overrides:
        raise invalid(f"{where} has accountOverrides, which require the kind simulate")
    label = fields.get("label")
    if label is not None and not isinstance(label, str):
        raise invalid(f"label of {where} must be a string, not {label!r}")
    anchor = fields.get("anchor")
    if tagging != "any" and (tagging == "tagged") != _is_tagged(anchor):
        raise invalid(f"the anchor of {where} must be {tagging}, not {anchor!r}")
    due, transactions = _anchor(anchor, where), _transactions(fields, where)
    if isinstance(due, SlotAnchor) and due.slots is not None and len(transactions) not in (0, len(due.slots)):
        raise invalid(
            f"{where} has {len(transactions)} transactions for {len(due.slots)} slots; it must have one per slot"
        )
    return Action(
        index=index,
        anchor=due,
        commits=commits,
        transactions=transactions,
        overrides=overrides,
        return_accounts=tuple(_return_account(one) for one in fields.items("returnAccounts")),
        label=label,
    )


def _kind(value: Any, where: str) -> bool:
    name, _ = _variant(value, f"kind of {where}")
    if name not in ("send", "simulate"):
        raise invalid(f"kind of {where} must be simulate or send, not {value!r}")
    return name == "send"


def _transactions(fields: Fields, where: str) -> tuple[VersionedTransaction, ...]:
    several, single = fields.get("transactions"), fields.get("transaction")
    if isinstance(several, str):
        raise invalid(f"transactions of {where} must be a list; the compressed form is not supported")
    rows = fields.items("transactions")
    if single is not None:
        if rows:
            raise invalid(f"{where} has both transaction and transactions")
        rows = [single]
    return tuple(read_transaction(index, row) for index, row in enumerate(rows))


def _return_account(value: Any) -> Pubkey:
    try:
        return Pubkey.from_string(value)
    except (ValueError, TypeError) as error:
        raise BadRequest(Refused("invalidAccountPubkey", {"address": str(value), "error": str(error)})) from error


def _anchor(value: Any, where: str) -> Anchor:
    where = f"anchor of {where}"
    name, content = _variant(value, where)
    if name in ("afterslot", "beforeslot"):
        # Servers up to 0.13 know afterSlot without slots, for each slot; beforeSlot came later and always has them.
        return SlotAnchor(name == "beforeslot", _slots(content, where, required=name == "beforeslot"))
    if name in ("beforeeveryslot", "aftereveryslot"):
        return SlotAnchor(name == "beforeeveryslot", None, _every(content, where))
    if name in ("beforematch", "aftermatch"):
        wanted = _member(content, "filter", where)
        return MatchAnchor(name == "beforematch", _program(content if wanted is None else wanted, where))
    raise invalid(f"unknown {where}: {value!r}")


def _slots(content: Any, where: str, *, required: bool) -> tuple[int, ...] | None:
    slots = content if isinstance(content, list) else _member(content, "slots", where)
    if slots is None and not required:
        return None
    if not isinstance(slots, list) or not slots or not all(_is_number(slot, 0) for slot in slots):
        raise invalid(f"slots of the {where} must be a list of slots with at least one, not {slots!r}")
    return tuple(slots)


def _every(content: Any, where: str) -> int:
    if isinstance(content, dict):
        found = (_member(content, name, where) for name in _EVERY)
        content = next((one for one in found if one is not None), None)
    if not _is_number(content, 1):
        raise invalid(f"everyNSlots of the {where} must be a number of at least 1, not {content!r}")
    return int(content)


def _program(value: Any, where: str) -> Pubkey:
    name, content = _variant(value, f"filter of the {where}")
    if name != "programexecuted":
        raise invalid(f"the filter of the {where} must be programExecuted, no other is supported: {value!r}")
    if isinstance(content, dict):
        content = next((_member(content, key, where) for key in ("program", "programId", "address")), None)
    return Pubkey.from_string(read_address(content, f"programExecuted of the {where}"))


def _variant(value: Any, where: str) -> tuple[str, Any]:
    """Return name (lower case, without underscores) and content of an enum in any of serde's forms.

    These are: a bare string; an object with one key; an object with a tag beside the keys of the content, or beside one
    key that holds the content.
    """
    if isinstance(value, str):
        return plain(value), None
    if not isinstance(value, dict):
        raise invalid(f"{where} must be a string or an object, not {value!r}")
    for tag in _TAGS:
        if isinstance(value.get(tag), str):
            rest = {key: item for key, item in value.items() if key != tag}
            if len(rest) == 1 and next(iter(rest)) in _CONTENTS:
                return plain(value[tag]), next(iter(rest.values()))
            return plain(value[tag]), rest
    if len(value) != 1:
        raise invalid(f"{where} must have one key or a tag, not {sorted(value)}")
    ((name, content),) = value.items()
    return plain(name), content


def _is_tagged(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(value.get(tag), str) for tag in _TAGS)


def _member(content: Any, name: str, where: str) -> Any:
    return Fields(content, where).get(name)


def _is_number(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _U64
