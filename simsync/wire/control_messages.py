"""The decoded messages of a control connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

from simsync.events import BacktestError, Event

OWN_SESSION = ""
"""Stands for the session in events that do not name one: the single session that the connection belongs to."""

SessionEvent = tuple[str, Optional[int], Optional[Event]]
"""An event of a session: its id or :data:`OWN_SESSION`, the sequence number, the event.

The event is None for an acknowledgement, which has a number but nothing to deliver. This is the only message that is a
tuple: creating an object of a class takes longer than everything else that is done with it.
"""


@dataclass(frozen=True)
class SessionCreated:
    session_id: str
    rpc_endpoint: str
    task_id: Optional[str]
    sequence: Optional[int] = None


@dataclass(frozen=True)
class SessionAttached:
    session_id: str
    rpc_endpoint: Optional[str]
    task_id: Optional[str]
    sequence: Optional[int] = None


@dataclass(frozen=True)
class SessionsCreated:
    """The answer to a parallel create. The lists belong together; their lengths are as the server sent them."""

    control_session_id: Optional[str]
    session_ids: Sequence[str]
    task_ids: Sequence[Optional[str]]
    start_slots: Sequence[int]
    end_slots: Sequence[int]


@dataclass(frozen=True)
class ParallelAttached:
    control_session_id: Optional[str]
    session_ids: Sequence[str]


@dataclass(frozen=True)
class Succeeded:
    """Acknowledges a close or a resume."""

    sequence: Optional[int] = None


@dataclass(frozen=True)
class ErrorReported:
    """An error that names no session."""

    error: BacktestError
    sequence: Optional[int] = None


@dataclass(frozen=True)
class NotUnderstood:
    """A payload that is not JSON (``is_json`` is False), not a message, or a message of an unknown kind."""

    raw: Any
    reason: str
    is_json: bool = True
    sequence: Optional[int] = None


ControlMessage = Union[
    SessionEvent,
    SessionCreated,
    SessionAttached,
    SessionsCreated,
    ParallelAttached,
    Succeeded,
    ErrorReported,
    NotUnderstood,
]
