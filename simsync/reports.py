"""What RPC calls and the plain HTTP services answer.

The reports of the HTTP services write themselves as JSON (``to_dict``, ``to_json``), without ``raw``. Times are
``datetime`` objects in UTC, and RFC 3339 text in JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Optional

from simsync.json_form import JsonForm, config
from simsync.params import AccountData
from simsync.times import format_time, parse_time

BLOCKS = "blocks"
"""The kind of bundles whose blocks are executed; also what an unlabelled bundle is."""

IN_PROGRESS = "in_progress"
COMPLETED = "completed"
FAILED = "failed"
NEEDS_INVESTIGATION = "needs_investigation"

_TIME_IN_JSON: Any = config(
    encoder=lambda time: None if time is None else format_time(time),
    decoder=lambda text: None if text is None else parse_time(text),
)
_NOT_IN_JSON: Any = config(exclude=lambda _value: True)


@dataclass(frozen=True)
class AvailableRange(JsonForm):
    """A bundle: a session may start at ``start_slot`` and end at or before ``end_slot``.

    ``end_slot``, the times of both, ``size`` (slots) and ``scope`` (``"global"``, or ``"user"`` for a bundle of this
    key only) are None where the server does not tell. ``raw``: the entry as it came.
    """

    start_slot: int
    end_slot: Optional[int] = None
    start_time: Optional[datetime] = field(default=None, metadata=_TIME_IN_JSON)
    end_time: Optional[datetime] = field(default=None, metadata=_TIME_IN_JSON)
    size: Optional[int] = None
    kind: str = BLOCKS
    scope: Optional[str] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)


@dataclass(frozen=True)
class UsageReport(JsonForm):
    """What a key has used after ``since`` and up to ``until``; the server rounds ``since`` down to the UTC day.

    The numbers of sessions are counted apart and need not add up. ``session_duration_ms``: milliseconds. What the
    server does not tell is None; ``bundle_builds_requested`` comes only for keys that may build. ``raw``: the report as
    it came, with whatever else the server told.
    """

    api_key_name: Optional[str] = None
    since: Optional[datetime] = field(default=None, metadata=_TIME_IN_JSON)
    until: Optional[datetime] = field(default=None, metadata=_TIME_IN_JSON)
    sessions_started: Optional[int] = None
    sessions_completed: Optional[int] = None
    sessions_failed: Optional[int] = None
    executed_slot_count: Optional[int] = None
    session_duration_ms: Optional[int] = None
    bundle_builds_requested: Optional[int] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)


@dataclass(frozen=True)
class BundleBuild(JsonForm):
    """A request to build bundles; one build may produce several.

    ``status``: ``"in_progress"``, ``"completed"``, ``"failed"``, ``"needs_investigation"`` (the outcome is not known,
    assume nothing), or another word of the server. ``created_at``: Unix time in milliseconds. What the server does not
    tell is None. ``raw``: the status as it came.
    """

    request_id: str
    status: str
    start_slot: Optional[int] = None
    end_slot: Optional[int] = None
    bundle_size: Optional[int] = None
    created_at: Optional[int] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)

    @property
    def finished(self) -> bool:
        """Is asking again pointless? Only ``"in_progress"`` says that the build goes on."""
        return self.status != IN_PROGRESS

    @property
    def succeeded(self) -> bool:
        return self.status == COMPLETED


@dataclass(frozen=True)
class Bundle(JsonForm):
    """A bundle of this key that can be used. ``completed_at``: Unix time in milliseconds. ``raw``: as it came."""

    start_slot: int
    end_slot: int
    kind: str = BLOCKS
    completed_at: Optional[int] = None
    size_bytes: Optional[int] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)


@dataclass(frozen=True)
class BundleListing(JsonForm):
    """``builds``: requests of this key, newest first. ``bundles``: its bundles by range, None when not available."""

    builds: tuple[BundleBuild, ...] = ()
    bundles: Optional[tuple[Bundle, ...]] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)


@dataclass(frozen=True)
class SignatureStatus:
    """What became of a transaction.

    ``error``: None when it succeeded, else as the RPC writes it. ``confirmations``: None when it is final. ``status``:
    ``"processed"``, ``"confirmed"`` or ``"finalized"``, None when the server does not tell. ``raw``: as it came.
    """

    slot: int
    error: Any = None
    confirmations: Optional[int] = None
    status: Optional[str] = None
    raw: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Simulation:
    """What a transaction would do.

    ``error``: None when it would succeed, else as the RPC writes it. ``return_data``: bytes, None when there are none.
    ``accounts``: the asked-for accounts afterwards, in order, None for one that would not exist. ``raw``: as it came.
    """

    error: Any = None
    logs: Sequence[str] = ()
    compute_units: Optional[int] = None
    return_data: Optional[bytes] = None
    accounts: Sequence[Optional[AccountData]] = ()
    raw: Any = field(default=None, repr=False, compare=False)
