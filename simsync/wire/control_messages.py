"""What the server can say on the control connection, decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

from simsync.events import BacktestError, Event

SessionEvent = tuple[str, Optional[int], Union[Event, int, None]]
"""An event of one sub-session: its id, the sequence number, the event.

An int is the number of a slot that was executed, as nearly all events are; None is an acknowledgement without event.
A plain tuple, and the only message that is one: making an object of a class takes longer than all else that is done
with it.
"""


@dataclass(frozen=True)
class OwnEvent:
    """An event of the single session that owns the connection."""

    event: Event
    sequence: Optional[int]


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
    OwnEvent,
    SessionCreated,
    SessionAttached,
    SessionsCreated,
    ParallelAttached,
    Succeeded,
    ErrorReported,
    NotUnderstood,
]
