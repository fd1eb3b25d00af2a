"""A session that the caller has opened, in the place of a client that would create one."""

from __future__ import annotations

import contextlib
from typing import Any, Union

from simsync.errors import InvalidParams
from simsync.params import CreateSession
from simsync.sessions.backtest_session import BacktestSession
from simsync.sessions.parallel_session import ParallelSession

Given = Union[BacktestSession, ParallelSession]


class GivenSession:
    """Has the methods of a client that open sessions, and answers with one that is open, and stays so.

    Args:
        session: The session. Nothing of it may have been executed yet, or that is not recorded.
    """

    def __init__(self, session: Given) -> None:
        self._session = session

    def session(self, *_arguments: object, **_options: object) -> Any:
        """The session, which the end of a ``with`` statement leaves open."""
        return contextlib.nullcontext(self._session)

    parallel = session

    def attach(self, *_arguments: object, **_options: object) -> Any:
        raise InvalidParams("create", self._session, "is open already; it cannot be resumed")


_DIFFS = frozenset({"account_diffs", "program_diffs"})


def create_of(session: Given, *, account_diffs: bool) -> CreateSession:
    """The range of a session, as a request. ``account_diffs``: they are to be recorded, too.

    Raises:
        InvalidParams: The range is not known, or a recording of it would not be complete any more.
    """
    parts = session.sub_sessions if isinstance(session, ParallelSession) else (session,)
    for part in parts:
        if part.status in ("closed", "failed"):
            raise InvalidParams("create", session, f"session {part.session_id} is {part.status}: open another one")
        if part.subscribed & (_DIFFS | {"transactions"} if account_diffs else {"transactions"}):
            rule = f"session {part.session_id} has subscribed to them already: they would be recorded twice"
            raise InvalidParams("create", session, rule)
        if part.has_moved:
            raise InvalidParams(
                "create",
                session,
                f"session {part.session_id} has already executed slots behind its start, which the recording would not"
                " have: record it before anything else, or pass a CreateSession",
            )
    starts = [one.start_slot for one in parts if one.start_slot is not None]
    ends = [one.end_slot for one in parts if one.end_slot is not None]
    if len(starts) != len(parts) or len(ends) != len(parts):
        raise InvalidParams("create", session, "must have a range: pass create= to attach()")
    return CreateSession(min(starts), max(ends))
