"""The log of one connection: each line names its sessions, and carries them as fields for logs in JSON."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, MutableMapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    Adapter = logging.LoggerAdapter[logging.Logger]
else:
    Adapter = logging.LoggerAdapter

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

    Args:
        logger: Where the lines go.
        plane: ``"control"`` or ``"data"``.
        session_ids: Returns the sessions of the connection.
        fields: Returns ``session_id``, for many sessions that of all together, and ``slot``.
    """

    def __init__(
        self,
        logger: logging.Logger,
        plane: str,
        session_ids: Callable[[], Collection[str]],
        fields: Callable[[], Mapping[str, object]],
    ) -> None:
        super().__init__(logger, {})
        self._plane = plane
        self._session_ids = session_ids
        self._fields = fields

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = {"plane": self._plane, "attempt": None, **self._fields(), **(kwargs.get("extra") or {})}
        subject = named(self._session_ids()).replace("%", "%%")
        return (f"{subject}: {msg}" if subject else msg), {**kwargs, "extra": extra}
