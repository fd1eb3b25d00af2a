"""The parts of fault plans: one rule, and what the rules mean for one message."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class ControlPlan:
    """What to do around one control message."""

    drop_before: bool = False
    drop_after: bool = False
    copies: int = 1
    replays: int = 0
    inserts: list[str] = field(default_factory=list)
    delay: float = 0.0


@dataclass
class DataPlan:
    """What to do around one notification; ``dead`` tells how a stall looks."""

    delay: float = 0.0
    copies: int = 1
    corrupt: bool = False
    drop: bool = False
    close: bool = False
    stall: bool = False
    dead: bool = False


@dataclass
class HttpPlan:
    """What to do with one HTTP request: refuse it with ``status``, or drop it, once it was ``taken`` or before."""

    status: int | None
    taken: bool = False


@dataclass
class Rule:
    """One fault; ``number`` is that of a message, ``times`` how often it still works.

    ``where`` is a kind of socket, a method or the beginning of a path. A rule with ``followed_by`` is one of an endless
    row: once it took effect, the next one is made from its number.
    """

    what: str
    number: int
    times: int = 1
    text: str = ""
    seconds: float = 0.0
    status: int = 0
    where: str = ""
    dead: bool = False
    taken: bool = False
    messages: int = 0
    fired: bool = False
    followed_by: Callable[[int], Rule] | None = None

    def is_due(self, number: int) -> bool:
        """Is this the message? One of an endless row may be late, as it must not be missed."""
        return number == self.number or (self.followed_by is not None and number > self.number)

    def soften(self) -> None:
        """What would be lost for good: a rule of an endless row becomes a stall instead."""
        if self.followed_by is not None and self.what in _STALLS:
            self.what = _STALLS[self.what]


HTTP_RULES = frozenset({"refuse_http", "drop_http"})
"""Rules about plain HTTP requests, by the beginning of their path."""
CONTROL_RULES = frozenset(
    {
        "drop_control_before",
        "drop_control_after",
        "duplicate_control",
        "replay_control",
        "garbage_control",
        "delay_control",
    }
)
"""Rules about control messages, by their number over all control sockets."""
DATA_RULES = frozenset({"drop_data_at", "close_data", "stall_data", "corrupt_data", "duplicate_data", "delay_data"})
"""Rules about notifications, by their number over all data sockets."""
_STALLS = {
    "drop_control_before": "delay_control",
    "drop_control_after": "delay_control",
    "drop_data_at": "delay_data",
}
EVER = 2**62
"""As ``times``: the rule works until the next reset."""
