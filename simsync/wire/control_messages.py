"""What the server can say on the control connection, decoded."""

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
    """The end of a parallel create. The lists run in parallel; their lengths are as the server sent them."""

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
    """Acknowledgement of a close or a resume."""

    sequence: Optional[int] = None


@dataclass(frozen=True)
class ErrorReported:
    """An error without a session."""

    error: BacktestError
    sequence: Optional[int] = None


@dataclass(frozen=True)
class NotUnderstood:
    """A frame that is no JSON, no message, or a message of an unknown kind. ``is_json`` tells which."""

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
