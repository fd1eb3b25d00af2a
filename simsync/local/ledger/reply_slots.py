"""The slots of ``getBlock`` replies, which do not hold them: from the name of a file, or from other replies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_NUMBER = re.compile("[0-9]+")
_NO_BLOCKHASH = "1" * 32


def slot_in_name(name: str, block: dict[str, Any] | None) -> int | None:
    """Return the number in the name of a file that is the slot of its block.

    A name may also hold a date, an encoding or a version. The slot is the smallest number above the slot of the parent;
    where none is, or the parent is not known, the longest one, and None if two of that length differ.
    """
    numbers = _NUMBER.findall(name)
    parent = None if block is None else block.get("parentSlot")
    above = [int(one) for one in numbers if int(one) > parent] if type(parent) is int else []
    if above:
        return min(above)
    longest = {int(one) for one in numbers if len(one) == max(map(len, numbers))}
    return longest.pop() if len(longest) == 1 else None


def linked_slots(replies: Sequence[object], blocks: Sequence[dict[str, object] | None]) -> list[int | None]:
    """Return the slots of replies of one file, each None where nothing tells it for certain.

    A block that another one names as its predecessor by hash has the slot that this one gives as its parent's. Else
    the id of the envelope is the slot if all ids of the file can be slots: each is above the slot of the parent, and
    is the slot where a successor tells that one.
    """
    after: dict[object, set[object]] = {}
    for block in blocks:
        if block is not None and isinstance(block.get("previousBlockhash"), str):
            after.setdefault(block["previousBlockhash"], set()).add(_whole(block.get("parentSlot")))
    linked: list[int | None] = []
    ids: list[int | None] = []
    are_slots = True
    for reply, block in zip(replies, blocks):
        if block is None:
            linked.append(None)
            ids.append(None)
            continue
        found = after.get(_text(block.get("blockhash")), set())
        slot = next(iter(found)) if len(found) == 1 else None
        linked.append(slot if isinstance(slot, int) else None)
        number = _whole(reply.get("id")) if isinstance(reply, dict) else None
        parent = _whole(block.get("parentSlot"))
        ids.append(number)
        fits = number is not None and parent is not None and number > parent and linked[-1] in (None, number)
        are_slots = are_slots and fits
    return [number if slot is None and are_slots else slot for slot, number in zip(linked, ids)]


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value != _NO_BLOCKHASH else None
