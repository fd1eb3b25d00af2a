"""Finds the slot and the signature in a transaction notification without decoding it.

Transaction notifications make up nearly all of the data plane and have several kilobytes each. A server writes all of
them alike: the same text up to the slot number, and from the last key on. This layout is learned from a notification
that was decoded. A notification with any other layout is decoded as usual. The part in between is decoded only when
the caller reads a field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.wire import json_codec

_SLOT = b'"slot":'
_SUBSCRIPTION = b',"subscription":'
_SIGNATURES = b'"signatures":["'
"""Cannot occur inside a JSON string, where a backslash would precede each quote."""
_KEPT = 8
"""Layouts that are remembered at a time. Each subscription of a connection has its own."""
_LONGEST_SLOT = 20


Found = tuple[Any, int, str]
"""Subscription, slot, first signature. A plain tuple takes half the time of a named one to create."""


@dataclass
class _Layout:
    """``prefix``: the head with the last slot, because many transactions in a row have the same one."""

    head: bytes
    tail: bytes
    subscription: Any
    prefix: bytes = field(default=b"", compare=False)
    slot: int = field(default=0, compare=False)

    def take_slot(self, payload: bytes) -> bool:
        """Take the slot of a notification. False if it does not have this head, and a slot behind it."""
        begin = len(self.head)
        end = payload.find(b",", begin, begin + _LONGEST_SLOT + 1)
        digits = payload[begin:end]
        if end < 0 or not digits.isdigit() or not payload.startswith(self.head):
            return False
        self.prefix, self.slot = payload[: end + 1], int(digits)
        return True


# guess: position of slot and signature in the text of a transaction
class TransactionLayouts:
    """The layouts of the subscriptions on one connection, kept when it reconnects. For one thread."""

    def __init__(self) -> None:
        self._layouts: list[_Layout] = []

    def find(self, payload: bytes) -> Optional[Found]:
        """The routing fields of a notification; None if it has no known layout."""
        for layout in self._layouts:
            if payload.endswith(layout.tail) and (payload.startswith(layout.prefix) or layout.take_slot(payload)):
                first = payload.find(_SIGNATURES, len(layout.prefix)) + len(_SIGNATURES)
                signature = payload[first : payload.find(b'"', first)]
                if first < len(_SIGNATURES) or not signature.isalnum():
                    return None
                return layout.subscription, layout.slot, signature.decode("ascii")
        return None

    def learn(self, payload: bytes, method: str, subscription: object, slot: int, key: object) -> None:
        """Remember the layout of a decoded notification, if :meth:`find` then reads the same fields from it."""
        place = payload.find(_SLOT)
        head = payload[: place + len(_SLOT)]
        outer = _decoded(head + b"0}}}")
        params = outer.get("params")
        if place < 0 or outer.get("method") != method or not isinstance(params, dict):
            return
        tail = b"}}"
        if "subscription" not in params:
            tail = payload[payload.rfind(_SUBSCRIPTION) :]
            if not tail.endswith(b"}}"):
                return
            params.update(_decoded(b'{"":0' + tail[:-1]))
            params.pop("", None)
        layout = _Layout(head, tail, subscription)
        fits = params == {"subscription": subscription, "result": {"slot": 0}} and layout.take_slot(payload)
        if fits and layout not in self._layouts:  # a known layout does not help if the notification is odd elsewhere
            before = self._layouts
            self._layouts = [layout, *before[: _KEPT - 1]]
            if self.find(payload) != (subscription, slot, key):
                self._layouts = before


def _decoded(text: bytes) -> dict[str, Any]:
    """The JSON object in ``text``; an empty one if there is none."""
    try:
        value = json_codec.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
