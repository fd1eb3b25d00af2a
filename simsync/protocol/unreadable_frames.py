"""Frames that are no JSON, or not even UTF-8: whether one is worth a re-attach."""

from __future__ import annotations


class UnreadableFrames:
    """Any of them may have been the very message that everybody waits for.

    After a re-attach the server sends that message again. If another one comes although no event came in between, the
    frame is sent each time, so re-attaching would never end. ``skipped``: how many frames were given up on.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._attached_at: int | None = None
        self._while_creating = 0

    def note_while_creating(self) -> None:
        """Another create would hold capacity a second time, so the create continues without the frame."""
        self.skipped += 1
        self._while_creating += 1

    def take_created(self) -> bool:
        """The create is answered. True if events that came before may be missing, and an attach brings them."""
        missing, self._while_creating = self._while_creating > 0, 0
        return missing

    @property
    def may_hold_the_answer(self) -> bool:
        """The answer to the create may have been among them."""
        return self._while_creating > 0

    # guess: Text and Binary frames
    def is_worth_an_attach(self, position: int) -> bool:
        """Once per ``position``, which grows with each event that has a number."""
        if position == self._attached_at:
            self.skipped += 1
            return False
        self._attached_at = position
        return True
