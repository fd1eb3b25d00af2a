"""Owning a control connection: the end of it, however the session object is left."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Callable, TypeVar

from simsync.run_summary import RunSummary, run_summary
from simsync.runtime import at_exit
from simsync.runtime.control import ControlLink
from simsync.runtime.process import StaysHere

if TYPE_CHECKING:
    from simsync.session import Session

Owner = TypeVar("Owner", bound="LinkOwner")


class LinkOwner(StaysHere):
    """A context manager that closes its connection; mixed into the sessions that :class:`~simsync.Client` makes."""

    def _own(self, link: ControlLink, forget_token: Callable[[], None]) -> None:
        self._link = link
        self._forget_token = forget_token
        self._closed = False
        at_exit.remember(self)

    def _owned(self) -> Sequence[Session]:
        """The sessions that end with the connection."""
        raise NotImplementedError

    def __enter__(self: Owner) -> Owner:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._close("the session was closed" if error is None else f"the session was left with {type(error).__name__}")

    def __del__(self) -> None:
        if at_exit.forget(self):
            self._cancel_unclosed("the session object was deleted")

    def _cancel_at_exit(self) -> None:
        self._cancel_unclosed("the interpreter is ending")

    def _cancel_unclosed(self, reason: str) -> None:
        if not self._link.process.is_here:
            return  # the threads and the connection are the parent's
        self._link.cancel(reason)
        if not self._closed:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=3)

    @property
    def reconnects(self) -> int:
        """How often the control connection was attached again."""
        return self._link.reconnects

    def drop_connection(self) -> None:
        """Lose the control connection without a word, as if the network had failed; returns before it has happened.

        The session is then attached to again like after any loss. For trying out what a run, or a server, does then.
        """
        self._link.drop()

    @property
    def run_summary(self) -> RunSummary:
        """What has come of the run so far, over all sessions, in one object that can be logged."""
        sessions = self._owned()
        completions = [session._delivery.route.completion for session in sessions]
        summaries = [completion.summary for completion in completions if completion is not None]
        return run_summary([session.coverage for session in sessions], summaries, self.reconnects)

    def close(self) -> None:
        """End everything and wait for the threads, within the close timeout. May be called twice, from any thread."""
        self._close("the session was closed")

    def _close(self, reason: str) -> None:
        self._closed = True
        self._forget_token()
        self._link.cancel(reason)
        for session in self._owned():
            session._end_subscriptions()
            session.rpc.close()
        self._link.close(reason)
        at_exit.forget(self)
