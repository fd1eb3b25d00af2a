"""State that threads share: its lock, and waiting until it changes."""

from __future__ import annotations

import queue
from _thread import RLock

from simsync.runtime.deadline import seconds_until


class Changes(RLock):  # type: ignore[misc]  # in no Python is it final
    """The lock of some state, which wakes whoever waits for a change of it::

        while True:
            with changes:
                if is_ready():
                    return
                ticket = changes.ticket()
            if not ticket.wait(deadline):
                raise ...

    So nobody holds the lock while waiting. It is the lock in C itself: ``threading.Condition`` enters and leaves in
    Python code, and Ctrl-C in there leaves the lock taken for ever.
    """

    def __init__(self) -> None:
        self._waiting: list[queue.SimpleQueue[None]] = []

    def ticket(self) -> Ticket:
        """For one wait for the next change. Call while holding the lock, and wait when it is free again."""
        news: queue.SimpleQueue[None] = queue.SimpleQueue()  # its ``get`` is C too, and ends with a signal
        self._waiting.append(news)
        return Ticket(self, news)

    def notify_all(self) -> None:
        """Call while holding the lock."""
        # Forgotten last: should Ctrl-C come before, they are told the next time.
        for news in self._waiting:
            news.put(None)
        self._waiting.clear()

    def forget(self, news: queue.SimpleQueue[None]) -> None:
        with self:
            if news in self._waiting:
                self._waiting.remove(news)


class Ticket:
    """See :class:`Changes`."""

    def __init__(self, changes: Changes, news: queue.SimpleQueue[None]) -> None:
        self._changes = changes
        self._news = news

    def wait(self, deadline: float | None) -> bool:
        """True when it is time to look again; False when ``deadline`` (monotonic seconds) had passed before."""
        told = False
        try:
            left = seconds_until(deadline)
            if left is not None and left <= 0:
                return False
            self._news.get(timeout=left)
            told = True
        except queue.Empty:
            pass  # one last look
        finally:
            if not told:
                self._changes.forget(self._news)
        return True
