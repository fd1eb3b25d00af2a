"""What follows the end of a connection, or of an attempt to make one: connect again, or give up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Union

from simsync.events import BacktestError


@dataclass(frozen=True)
class Reconnect:
    """Connect again: the session can be resumed."""

    reason: str


@dataclass(frozen=True)
class GiveUp:
    """Do not connect again: it would not help.

    ``error`` is what the server reported, if it did; ``transient``: a later request may have another answer.
    """

    reason: str
    error: Optional[BacktestError] = None
    transient: bool = False


Outcome = Union[Reconnect, GiveUp]
