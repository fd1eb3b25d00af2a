"""Owning a control connection: closing it, however the session object is left."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Callable, TypeVar

from simsync.run_summary import RunSummary, run_summary
from simsync.runtime import at_exit
from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.process import StaysHere
from simsync.sessions.base import SessionBase

Owner = TypeVar("Owner", bound="ConnectionOwner")


class Lifetime:
    """Ends a control connection when nothing refers to its sessions any more.

    The session object, each of its sub-sessions and their ``rpc`` refer to this, and this to none of them: so one
    sub-session is enough to keep the connection, and the last one that is let go ends it at once, without a garbage
    collection.
    """

    _is_open = False  # until all of __init__ has run

    def __init__(
        self,
        connection: ControlConnection,
        forget_token: Callable[[], None],
        sessions: Sequence[SessionBase],
        description: str,
    ) -> None:
        self._connection = connection
        self._forget_token = forget_token
        self._sessions = [weakref.ref(session) for session in sessions]
        self._description = description
        self._closed = False
        for session in sessions:
            session.keep(self)
        self._is_open = True
        at_exit.remember(self)

    def __del__(self) -> None:
        # The flag first: without a GIL, this may run when the interpreter has taken its modules apart.
        if self._is_open and at_exit.forget(self):
            self._cancel_unclosed("the session object was deleted")

    def cancel_at_exit(self) -> None:
        """Begin to end, without waiting, because the interpreter ends."""
        self._cancel_unclosed("the interpreter is ending")

    def _cancel_unclosed(self, reason: str) -> None:
        if not self._connection.process.is_here:
            return  # the threads and the connection are the parent's
        self._connection.cancel(reason)
        if not self._closed:
            warnings.warn(f"{self._description} was not closed", ResourceWarning, source=self, stacklevel=3)

    def close(self, reason: str = "the session was closed") -> None:
        """End everything and wait for the threads."""
        self._closed = True
        self._forget_token()
        self._connection.cancel(reason)
        for reference in self._sessions:
            session = reference()
            if session is not None:
                session.end_subscriptions()
                session.rpc.close()
        self._connection.close(reason)
        at_exit.forget(self)
        self._is_open = False


class ConnectionOwner(StaysHere):
    """A context manager that closes its control connection. The sessions that ``Client`` makes are of this kind."""

    def _own(self, connection: ControlConnection, forget_token: Callable[[], None], description: str) -> None:
        self._connection = connection
        self._closed = False
        self.lifetime = Lifetime(connection, forget_token, self._owned(), description)

    def _owned(self) -> Sequence[SessionBase]:
        """The sessions that end with the connection."""
        raise NotImplementedError

    def __dir__(self) -> Iterable[str]:
        return [name for name in super().__dir__() if name != "lifetime"]

    def __enter__(self: Owner) -> Owner:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._close("the session was closed" if error is None else f"the session was left with {type(error).__name__}")

    @property
    def reconnects(self) -> int:
        """How often the control connection was lost and attached again."""
        return self._connection.reconnects

    def drop_connection(self) -> None:
        """Lose the control connection, as if the network had failed. Returns before it has happened.

        The session is then attached again, as after any lost connection. Use it to test what a run, or a server, does.
        """
        self._connection.drop()

    @property
    def run_summary(self) -> RunSummary:
        """The result of the run so far, over all sessions, in one object that can be logged."""
        sessions = self._owned()
        completions = [session.completion for session in sessions]
        summaries = [completion.summary for completion in completions if completion is not None]
        return run_summary([session.coverage for session in sessions], summaries, self.reconnects)

    def close(self) -> None:
        """End everything and wait for the threads, at most ``Options.close_timeout`` and a second.

        Any thread may call it. Closing twice is allowed.
        """
        self._close("the session was closed")

    def _close(self, reason: str) -> None:
        self._closed = True
        self.lifetime.close(reason)
