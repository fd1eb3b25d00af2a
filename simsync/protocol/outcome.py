"""What follows the end of a connection, or of an attempt to make one: connect again, or give up."""

from __future__ import annotations

from typing import NamedTuple, Optional, Union

from simsync.events import BacktestError


class Reconnect(NamedTuple):
    """Connect again: the session can be resumed."""

    reason: str


class GiveUp(NamedTuple):
    """Do not connect again: it would not help.

    ``error`` is what the server reported, if it did; ``transient``: a later request may have another answer.
    """

    reason: str
    error: Optional[BacktestError] = None
    transient: bool = False


Outcome = Union[Reconnect, GiveUp]
