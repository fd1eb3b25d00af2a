"""Messages that simsync cannot use: it counts them, logs them without flooding the log, and continues."""

from __future__ import annotations

import logging
import reprlib
from collections import Counter

from simsync.protocol.connection_log import Adapter

_REASON_LENGTH = 200
_KINDS = 100

# Bounded in depth and length: a message may be large, and nested more deeply than repr() can follow.
_shown = reprlib.Repr()
_shown.maxlevel = 12
_shown.maxdict = _shown.maxlist = _shown.maxtuple = 50
_shown.maxstring = _shown.maxother = 2_000


class SkippedMessages:
    """Counts by reason. Logs the 1st, 10th, 100th … of each reason; the message itself at DEBUG only."""

    def __init__(self, log: logging.Logger | Adapter) -> None:
        self.log = log
        self.counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def note(self, reason: str, raw: object) -> None:
        reason = reason[:_REASON_LENGTH]
        if reason not in self.counts and len(self.counts) >= _KINDS:
            reason = "other"  # a hostile server must not fill the memory with reasons
        self.counts[reason] += 1
        count = self.counts[reason]
        if count == 10 ** (len(str(count)) - 1):
            self.log.warning("skipped a message: %s (seen %d times)", reason, count)
        if self.log.isEnabledFor(logging.DEBUG):
            self.log.debug("skipped message: %s", _shown.repr(raw))
