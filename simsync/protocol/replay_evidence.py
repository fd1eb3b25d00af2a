"""What a replay proves: whether anything is missing between two connections of a stream.

The server keeps the last slots and replays from the slot of a cursor, that slot included. So the events of the cursor's
slot come again if the server still has that slot, and then nothing is missing. If later events come instead, the slot
has left the server's buffer, and what came after it may be lost. Whether it is, only the stream itself can tell: one
that never was silent for so many slots has lost events; one that is often silent may have had none, and then nothing is
proven either way.
"""

from __future__ import annotations

from typing import NamedTuple, Optional


class Span(NamedTuple):
    """Slots, both included."""

    first: int
    last: int


class Verdict(NamedTuple):
    """What is missing, and what is not proven to be complete. Neither if the replay proves that nothing is missing."""

    missing: Optional[Span] = None
    unproven: Optional[Span] = None


# guess: slots that the server no longer keeps
class ReplayEvidence:
    """One stream. It outlives the connections.

    ``begins``: the first slot that the stream has to deliver if it has delivered nothing yet.
    """

    def __init__(self) -> None:
        self.begins = 0
        self.awaits_replay = False
        self._reached: int | None = None
        self._longest_silence: int | None = None
        self._was_flowing = True
        self._lost_up_to: int | None = None
        self._ended_early = False

    def lost(self, reached: int | None, longest_silence: int | None, *, flowing: bool) -> None:
        """The connection is gone.

        ``reached``: the last slot that the stream has delivered, None before the first. ``longest_silence``: the most
        slots between two of its notifications, None before the second. ``flowing``: everything that had arrived was
        read, and the caller did not hold the reader up.
        """
        if self.awaits_replay:
            self._was_flowing = self._was_flowing and flowing
            return  # lost again before anything came
        self._reached = reached
        self._longest_silence = longest_silence
        self._was_flowing = flowing
        self.awaits_replay = reached is not None
        self._lost_up_to = None
        self._ended_early = False

    def resumed(self, position: int, depth: int) -> Verdict:
        """The stream is subscribed again, and the engine is at ``position``. The server keeps ``depth`` slots."""
        self._lost_up_to = position - depth
        if self.awaits_replay:
            return self._without_replay(position) if self._ended_early else Verdict()
        if self._reached is not None or self._lost_up_to < self.begins:
            return Verdict()
        span = Span(self.begins, self._lost_up_to)
        self.begins = self._lost_up_to + 1  # the slots before are reported now
        return Verdict(unproven=span) if self._was_flowing else Verdict(missing=span)

    def came(self, slot: int) -> Verdict:
        """The first notification since the stream was subscribed again."""
        assert self._reached is not None
        if slot <= self._reached:
            self.awaits_replay = False  # this slot is still kept, and so are all later ones
            return Verdict()
        return self._without_replay(slot - 1)

    def ended(self, position: int) -> Verdict:
        """The stream has ended before anything was replayed."""
        if self._lost_up_to is None:
            self._ended_early = True  # it is judged once it is known what the server has dropped
            return Verdict()
        return self._without_replay(position)

    def _without_replay(self, last: int) -> Verdict:
        """The slot of the cursor did not come again, so it has left the buffer. Nothing came up to ``last``."""
        assert self._reached is not None
        self.awaits_replay = False
        reached = self._reached
        if self._lost_up_to is not None and self._lost_up_to > reached:
            span = Span(reached + 1, min(last, self._lost_up_to))
        else:
            span = Span(reached, max(last, reached))  # the server keeps less than it is said to
        silence = span.last - reached
        unheard_of = self._longest_silence is not None and silence > self._longest_silence
        return Verdict(missing=span) if unheard_of or not self._was_flowing else Verdict(unproven=span)
