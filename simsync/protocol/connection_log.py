"""The log of one connection: each line names its sessions, and carries them as fields for logs in JSON."""

from __future__ import annotations

import copy
import logging
from collections.abc import Collection, MutableMapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from simsync.frames import CONTROL, DATA
from simsync.protocol.session_state import SessionState

if TYPE_CHECKING:
    Adapter = logging.LoggerAdapter[logging.Logger]
else:
    Adapter = logging.LoggerAdapter

# Asked for once: getLogger() takes a lock of logging, and Ctrl-C at the wrong moment would leave it taken for good.
SUBSCRIPTION = logging.getLogger("simsync.subscription")
WRITER = logging.getLogger("simsync.writer")
FRAMES = logging.getLogger("simsync.frames")
RPC = logging.getLogger("simsync.rpc")

_NAMED = 3
"""Sessions that a line names; a control connection may have thousands."""


def named(session_ids: Collection[str]) -> str:
    """The sessions of a connection in words, empty while there are none."""
    if not session_ids:
        return ""
    first = ", ".join(islice(session_ids, _NAMED))
    more = len(session_ids) - _NAMED
    return f"session{'s' * (len(session_ids) > 1)} {first}" + (f" and {more} more" if more > 0 else "")


class ConnectionLog(Adapter):
    """Puts the sessions before each message, and ``session_id``, ``plane``, ``attempt`` and ``slot`` into the record.

    This one is of a connection without a session.

    Args:
        logger: Where the lines go.
        plane: ``"control"`` or ``"data"``.
    """

    def __init__(self, logger: logging.Logger, plane: str) -> None:
        super().__init__(logger, None)
        self._plane = plane

    def of(self, state: SessionState) -> ConnectionLog:
        """The same log, for lines about one of the sessions."""
        return session_log(self.logger, state, self._plane)

    def to(self, logger: logging.Logger) -> ConnectionLog:
        """The same sessions and fields in another log."""
        other = copy.copy(self)
        other.logger = logger
        return other

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = {"plane": self._plane, "attempt": None, **self._fields(), **(kwargs.get("extra") or {})}
        subject = named(self._session_ids()).replace("%", "%%")
        return (f"{subject}: {msg}" if subject else msg), {**kwargs, "extra": extra}

    def _session_ids(self) -> Collection[str]:
        """The sessions of the connection."""
        return ()

    def _fields(self) -> dict[str, object]:
        """``session_id``, for many sessions that of all together, and ``slot``."""
        return {"session_id": None, "slot": None}


class HasSessions(Protocol):
    """The protocol of a control connection."""

    sessions: dict[str, SessionState]
    control_session_id: str | None


class _ControlLog(ConnectionLog):
    """The log of a control connection. ``slot`` is None if it has more than one session."""

    def __init__(self, logger: logging.Logger, protocol: HasSessions) -> None:
        super().__init__(logger, CONTROL)
        self._protocol = protocol

    def _session_ids(self) -> Collection[str]:
        return self._protocol.sessions

    def _fields(self) -> dict[str, object]:
        states = self._protocol.sessions
        slot = next(iter(states.values())).position if len(states) == 1 else None
        return {"session_id": self._protocol.control_session_id or next(iter(states), None), "slot": slot}


class _SessionLog(ConnectionLog):
    """The log of one session."""

    def __init__(self, logger: logging.Logger, plane: str, state: SessionState) -> None:
        super().__init__(logger, plane)
        self._state = state

    def _session_ids(self) -> Collection[str]:
        return (self._state.session_id,) if self._state.session_id else ()

    def _fields(self) -> dict[str, object]:
        return {"session_id": self._state.session_id or None, "slot": self._state.position}


def control_log(logger: logging.Logger, protocol: HasSessions) -> ConnectionLog:
    """The log of a control connection."""
    return _ControlLog(logger, protocol)


def session_log(logger: logging.Logger, state: SessionState, plane: str = CONTROL) -> ConnectionLog:
    """The log of what concerns one session: of its control connection, or of a subscription."""
    return _SessionLog(logger, plane, state)


def data_log(state: SessionState) -> ConnectionLog:
    """The log of a subscription of one session."""
    return session_log(SUBSCRIPTION, state, DATA)
