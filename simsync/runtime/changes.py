"""State that threads share: its lock, and waiting until it changes."""

from __future__ import annotations

import contextlib
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
        self._tickets: list[Ticket] = []

    def ticket(self) -> Ticket:
        """For one wait for the next change. Call while holding the lock, and wait when it is free again."""
        ticket = Ticket(self)
        self._tickets.append(ticket)
        return ticket

    def notify_all(self) -> None:
        """Call while holding the lock."""
        if self._tickets:
            tickets, self._tickets = self._tickets, []
            for ticket in tickets:
                ticket.pull()

    def forget(self, ticket: Ticket) -> None:
        with self, contextlib.suppress(ValueError):
            self._tickets.remove(ticket)


class Ticket:
    """See :class:`Changes`."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()  # its ``get`` is C too, and ends with a signal

    def pull(self) -> None:
        self._news.put(None)

    def wait(self, deadline: float | None) -> bool:
        """True when it is time to look again; False when ``deadline`` (monotonic seconds) had passed before."""
        pulled = False
        try:
            left = seconds_until(deadline)
            if left is not None and left <= 0:
                return False
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=left)
                pulled = True
            return True
        finally:
            if not pulled:
                self._changes.forget(self)
