"""Scheduled actions in a create request, in the form of each generation of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from solders.pubkey import Pubkey

from simsync.local.action_blob import read_blob
from simsync.local.actions import Action, Anchor, MatchAnchor, SlotAnchor
from simsync.local.encoding import brief
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
from simsync.params import checks

if TYPE_CHECKING:
    from solders.transaction import VersionedTransaction

    from simsync.local.behaviour import Behaviour

_TAGS = ("type", "kind", "method", "tag")
_CONTENTS = ("data", "content", "params", "value")
_EVERY = ("everyNSlots", "every", "n")

# Minor versions from which servers know something.
_SINGLE = 10
_BLOBS = 14
_NAMED_SLOTS = 14
_WITHOUT_TRANSACTIONS = 18
_SINCE = {"beforeslot": 18, "beforeeveryslot": 23, "aftereveryslot": 23}


def read_actions(items: list[object], behaviour: Behaviour) -> tuple[Action, ...]:
    """Return the actions of a create request. Raises BadRequest for the first bad one."""
    return tuple(_action(index, item, behaviour.anchor_tagging, behaviour.minor) for index, item in enumerate(items))


def _action(index: int, item: object, tagging: str, minor: int | None) -> Action:
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
        raise invalid(f"label of {where} must be a string, not {brief(label)}")
    anchor = fields.get("anchor")
    if tagging != "any" and (tagging == "tagged") != _is_tagged(anchor):
        raise invalid(f"the anchor of {where} must be {tagging}, not {brief(anchor)}")
    due, transactions = _anchor(anchor, where, minor), _transactions(fields, where, minor)
    if not transactions and any(account.executable for _address, account in overrides):
        raise invalid(f"{where} overrides a program")
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


def _kind(value: object, where: str) -> bool:
    name, _ = _variant(value, f"kind of {where}")
    if name not in ("send", "simulate"):
        raise invalid(f"kind of {where} must be simulate or send, not {brief(value)}")
    return name == "send"


def _transactions(fields: Fields, where: str, minor: int | None) -> tuple[VersionedTransaction, ...]:
    several, single = fields.get("transactions"), fields.get("transaction")
    if single is not None:
        if several or minor not in (None, _SINGLE):
            raise invalid(f"{where} has a transaction, which only servers of 0.10 know; use transactions")
        several = [single]
    if minor == _SINGLE and single is None:
        raise invalid(f"{where} must have a transaction")
    if minor is not None and not several and minor < _WITHOUT_TRANSACTIONS:
        raise invalid(f"{where} must have transactions")
    if isinstance(several, str):
        if minor is not None and minor < _BLOBS:
            raise invalid(f"transactions of {where} must be a list")
        return tuple(read_transaction(index, row) for index, row in enumerate(read_blob(several, where)))
    if several is not None and minor is not None and minor >= _BLOBS:
        raise invalid(f"transactions of {where} must be one base64 string, not a list")
    rows = fields.items("transactions") if single is None else several
    return tuple(read_transaction(index, row) for index, row in enumerate(rows or []))


def _return_account(value: Any) -> Pubkey:
    try:
        return Pubkey.from_string(value)
    except (ValueError, TypeError) as error:
        raise BadRequest(Refused("invalidAccountPubkey", {"address": str(value), "error": str(error)})) from error


def _anchor(value: object, where: str, minor: int | None) -> Anchor:
    where = f"anchor of {where}"
    name, content = _variant(value, where)
    if minor is not None and minor < _SINCE.get(name, 0):
        raise invalid(f"unknown {where}: {brief(value)}")
    if name in ("afterslot", "beforeslot"):
        slots = _slots(content, where)
        if slots is None and (name == "beforeslot" or (minor or 0) >= _NAMED_SLOTS):
            raise invalid(f"the {where} must have slots")
        if slots is not None and minor is not None and minor < _NAMED_SLOTS:
            raise invalid(f"the {where} has no slots: it means every slot")
        return SlotAnchor(name == "beforeslot", slots)
    if name in ("beforeeveryslot", "aftereveryslot"):
        return SlotAnchor(name == "beforeeveryslot", None, _every(content, where))
    if name in ("beforematch", "aftermatch"):
        wanted = _member(content, "filter", where)
        return MatchAnchor(name == "beforematch", _program(content if wanted is None else wanted, where))
    raise invalid(f"unknown {where}: {brief(value)}")


def _slots(content: object, where: str) -> tuple[int, ...] | None:
    slots = content if isinstance(content, list) else _member(content, "slots", where)
    if slots is None:
        return None
    if not isinstance(slots, list) or not slots or not all(_is_number(slot, 0) for slot in slots):
        raise invalid(f"slots of the {where} must be a list of slots with at least one, not {brief(slots)}")
    return tuple(slots)


def _every(content: Any, where: str) -> int:
    if isinstance(content, dict):
        found = (_member(content, name, where) for name in _EVERY)
        content = next((one for one in found if one is not None), None)
    if not _is_number(content, 1):
        raise invalid(f"everyNSlots of the {where} must be a number of at least 1, not {brief(content)}")
    return int(content)


def _program(value: object, where: str) -> Pubkey:
    name, content = _variant(value, f"filter of the {where}")
    if name != "programexecuted":
        raise invalid(f"the filter of the {where} must be programExecuted, no other is supported: {brief(value)}")
    if isinstance(content, dict):
        content = next((_member(content, key, where) for key in ("program", "programId", "address")), None)
    return Pubkey.from_string(read_address(content, f"programExecuted of the {where}"))


def _variant(value: object, where: str) -> tuple[str, object]:
    """Return name (lower case, without underscores) and content of an enum in any of serde's forms.

    These are: a bare string; an object with one key; an object with a tag beside the keys of the content, or beside one
    key that holds the content.
    """
    if isinstance(value, str):
        return plain(value), None
    if not isinstance(value, dict):
        raise invalid(f"{where} must be a string or an object, not {brief(value)}")
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


def _is_tagged(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(value.get(tag), str) for tag in _TAGS)


def _member(content: object, name: str, where: str) -> object:
    return Fields(content, where).get(name)


def _is_number(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= checks.U64
