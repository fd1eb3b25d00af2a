"""Faults without end, drawn from a seed. Each rule that took effect draws the one that follows it.

Nothing is drawn that a client could not make good with the defaults of its options: a lost connection can be made
again at once, what is sent again can be told from what is new, and what stalls goes on by itself. Because a client
waits longer before each further attempt, drops become rarer, and so do the other faults.
"""

from __future__ import annotations

import random

from simsync.local.fault_rules import Rule

_CLOSEST = 12
"""Messages between two faults, at most, until a quarter of all is more."""
_FIRST_DROP = 20
_RARER = 4
"""A drop comes when so many times as many messages were sent as at the one before."""
_LONGEST_STALL = 0.05
"""Seconds."""
_LONGEST_REPLAY = 8
"""Messages."""


class Chaos:
    """The faults of one plane, control or data. The same seed draws the same ones."""

    def __init__(self, seed: int, plane: str) -> None:
        self._draw = random.Random(f"{seed} {plane}")
        self._control = plane == "control"
        self._drop_from = self._draw.randint(1, _FIRST_DROP)

    def rule_after(self, number: int) -> Rule:
        """The rule that follows message ``number``."""
        draw = self._draw
        following = number + draw.randint(1, max(_CLOSEST, number // 4))
        return Rule(
            self._kind(following),
            following,
            seconds=draw.uniform(0, _LONGEST_STALL),
            messages=draw.randint(1, _LONGEST_REPLAY),
            followed_by=self.rule_after,
        )

    def _kind(self, number: int) -> str:
        if number >= self._drop_from:
            self._drop_from = number * _RARER
            return self._draw.choice(("drop_control_before", "drop_control_after")) if self._control else "drop_data_at"
        # Notifications have no number, so one that is sent twice could not be told from two that are alike.
        return self._draw.choice(("delay_control", "replay_control")) if self._control else "delay_data"
