"""How far a continue lets the engine go, read back from its request."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from simsync.wire import json_codec


class Extent(NamedTuple):
    """``blocks``: how many are executed, for a continue. ``slot``: where it pauses, for a continue to a slot."""

    blocks: Optional[int] = None
    slot: Optional[int] = None


def extent_of(payload: bytes) -> Extent:
    """The extent of a request made by :mod:`simsync.wire.requests`."""
    params: Any = json_codec.loads(payload)["params"]
    fields = params.get("request", params)
    return Extent(fields.get("advanceCount"), fields.get("slot"))
