"""Cancelling from outside: a tree of tokens."""

from __future__ import annotations

import itertools
import threading
from typing import Callable

from simsync.weakly_held import WeaklyHeld


class CancelToken:
    """Ends every wait of the sessions that it was given to, with :class:`~simsync.Cancelled`.

    May be fired from any thread or from a signal handler's thread, more than once. Firing a token fires its children.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may fire the token while its own thread is in here
        self._cancelled = False
        self._reason = "the cancel token was fired"
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()
        self._children: WeaklyHeld[CancelToken] = WeaklyHeld()

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    @property
    def reason(self) -> str:
        """Why it was fired, for the message of :class:`~simsync.Cancelled`."""
        return self._reason

    def cancel(self, reason: str | None = None) -> None:
        """Fire the token.

        Args:
            reason: Why, as a clause; the first one is kept.
        """
        with self._lock:
            if reason is not None and not self._cancelled:
                self._reason = reason
            self._cancelled = True
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
            children = self._children.all()
        for callback in callbacks:
            callback()
        for child in children:
            child.cancel(self._reason)

    def child(self) -> CancelToken:
        """A token that is fired with this one; firing it leaves this one alone."""
        token = CancelToken()
        with self._lock:
            if not self._cancelled:
                self._children.add(token)
                return token
        token.cancel(self._reason)
        return token

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` once when fired (at once if it already was). Returns a function that takes this back."""
        with self._lock:
            if not self._cancelled:
                number = next(self._numbers)
                self._callbacks[number] = callback
                return lambda: self._forget(number)
        callback()
        return lambda: None

    def _forget(self, number: int) -> None:
        with self._lock:
            self._callbacks.pop(number, None)
