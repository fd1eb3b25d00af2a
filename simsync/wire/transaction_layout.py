"""Finding what routing needs in a notification of a transaction without decoding it.

They make up nearly all of the data plane and are several kilobytes each, and a server writes all of them alike: the
same text up to the number of the slot, and from the last key on. That text is learned from one that was decoded;
whatever does not have it is left to the tolerant way. What stands in between is decoded when somebody asks for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from simsync.wire import json_codec

_SLOT = b'"slot":'
_SUBSCRIPTION = b',"subscription":'
_SIGNATURES = b'"signatures":["'
"""Cannot stand inside a text, where each of its quotes had a backslash before it."""
_KEPT = 8
"""Layouts that are known at a time; each subscription of a connection has its own."""
_LONGEST_SLOT = 20


Found = tuple[str, Any, int, str]
"""Method, subscription, slot, first signature; a plain tuple, which is made in half the time of a named one."""


class _Layout(NamedTuple):
    head: bytes
    tail: bytes
    method: str
    subscription: Any


class TransactionLayouts:
    """Of one subscription connection after the other; for one thread."""

    def __init__(self) -> None:
        self._layouts: list[_Layout] = []
        self._digits, self._slot = b"0", 0  # the last slot, as many transactions have the same

    def find(self, payload: bytes) -> Optional[Found]:
        """What a notification is about; None when its text is not known."""
        for layout in self._layouts:
            if payload.startswith(layout.head) and payload.endswith(layout.tail):
                begin = len(layout.head)
                digits = payload[begin : payload.find(b",", begin, begin + _LONGEST_SLOT + 1)]
                first = payload.find(_SIGNATURES, begin) + len(_SIGNATURES)
                signature = payload[first : payload.find(b'"', first)]
                if first <= begin or not signature.isalnum():
                    return None
                if digits != self._digits:
                    if not digits.isdigit():
                        return None
                    self._digits, self._slot = digits, int(digits)
                return layout.method, layout.subscription, self._slot, signature.decode("ascii")
        return None

    def learn(self, payload: bytes, method: str, subscription: Any, slot: int, key: Any) -> None:
        """Take on the layout of a notification that was decoded, if it would have been found to say the same."""
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
        layout = _Layout(head, tail, method, subscription)
        fits = params == {"subscription": subscription, "result": {"slot": 0}} and payload.endswith(tail)
        if fits and layout not in self._layouts:  # it may be known, and this notification be odd in another way
            before = self._layouts
            self._layouts = [layout, *before[: _KEPT - 1]]
            if self.find(payload) != (method, subscription, slot, key):
                self._layouts = before


def _decoded(text: bytes) -> dict[str, Any]:
    """The object that a text is; an empty one if it is none."""
    try:
        value = json_codec.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
