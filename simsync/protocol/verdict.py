"""How a connection attempt or a conversation ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from simsync.events import BacktestError


@dataclass(frozen=True)
class Transient:
    """Connect again: the conversation can go on."""

    reason: str


@dataclass(frozen=True)
class Fatal:
    """Connecting again is pointless. ``error``: what the server reported, if it did."""

    reason: str
    error: Optional[BacktestError] = None
