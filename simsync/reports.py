"""Results of the HTTP services and of RPC calls.

The results of the HTTP services have ``to_dict()`` and ``to_json()``, which leave out ``raw``. Times are ``datetime``
objects in UTC, and RFC 3339 text in JSON. A field is None if the server does not send it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Optional

from simsync.events import ErrorInWords
from simsync.html_form import html_table
from simsync.json_form import JsonForm, config
from simsync.params import AccountData
from simsync.times import format_time, parse_time

BLOCKS = "blocks"
"""The kind of bundles whose blocks are executed, and of bundles that name no kind."""

IN_PROGRESS = "in_progress"
COMPLETED = "completed"
STATUSES = (IN_PROGRESS, COMPLETED, "failed", "needs_investigation")
"""What is known of the statuses of a build."""

_TIME_IN_JSON: Any = config(
    encoder=lambda time: None if time is None else format_time(time),
    decoder=lambda text: None if text is None else parse_time(text),
)
_NOT_IN_JSON: Any = config(exclude=lambda _value: True)


@dataclass(frozen=True)
class ConnectionReport(JsonForm):
    """How a simulator is reached, see :meth:`Client.try_connection <simsync.Client.try_connection>`.

    Attributes:
        proxy: The proxy and where it is set, without its password; None if there is none.
        peer: IP address of the simulator or the proxy.
        tls: Version of TLS; None for an address without TLS.
        trusted: Which CA certificates are trusted; None for an address without TLS.
        certificate_until: When the server's certificate ends, as it says it; None if that is not known.
    """

    proxy: Optional[str]
    peer: str
    tls: Optional[str] = None
    trusted: Optional[str] = None
    certificate_until: Optional[str] = None


@dataclass(frozen=True)
class AvailableRange(JsonForm):
    """A bundle of slots that can be replayed: a session may start at its first slot and end in it.

    Attributes:
        start_slot: First slot.
        end_slot: Last slot, included; None if not sent.
        start_time: Time of the first slot; None if not sent.
        end_time: Time of the last slot; None if not sent.
        size: Number of slots; None if not sent.
        kind: Kind of the bundle, usually ``"blocks"``.
        scope: ``"global"``, or ``"user"`` for a bundle of this API key only; None if not sent.
        raw: The entry as JSON values.
    """

    start_slot: int
    end_slot: Optional[int] = None
    start_time: Optional[datetime] = field(default=None, metadata=_TIME_IN_JSON)
    end_time: Optional[datetime] = field(default=None, metadata=_TIME_IN_JSON)
    size: Optional[int] = None
    kind: str = BLOCKS
    scope: Optional[str] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)

    def _repr_html_(self) -> str:
        names = ("start_slot", "end_slot", "start_time", "end_time", "size", "kind", "scope")
        rows = {name: getattr(self, name) for name in names}
        return html_table("AvailableRange", {name: None if rows[name] is None else str(rows[name]) for name in names})


@dataclass(frozen=True)
class UsageReport(JsonForm):
    """What an API key has used in a window of time. A field is None if it was not sent.

    Attributes:
        api_key_name: Name of the API key.
        since: Start of the window, excluded; the server rounds it down to the UTC day.
        until: End of the window, included.
        sessions_started: Number of sessions started in the window. The three numbers are counted separately.
        sessions_completed: Number of sessions completed in the window.
        sessions_failed: Number of sessions failed in the window.
        executed_slot_count: Number of slots executed.
        session_duration_ms: Total duration of the sessions in milliseconds.
        bundle_builds_requested: Number of builds, only sent for API keys that may build bundles.
        raw: The whole report as JSON values.
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
    """A request to build bundles. One build may produce several.

    Attributes:
        request_id: Id of the build.
        status: ``"in_progress"``, ``"completed"``, ``"failed"``, ``"needs_investigation"`` (the outcome is not known),
            or another word of the server.
        start_slot: First slot; None if not sent.
        end_slot: Last slot, included; None if not sent.
        bundle_size: Slots per bundle; None if not sent.
        created_at: Unix time in milliseconds; None if not sent.
        raw: The build as JSON values.
    """

    request_id: str
    status: str
    start_slot: Optional[int] = None
    end_slot: Optional[int] = None
    bundle_size: Optional[int] = None
    created_at: Optional[int] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)

    # guess: unknown statuses of a build
    @property
    def finished(self) -> bool:
        """True if the build has ended. Only ``"in_progress"`` means that it is still running."""
        return self.status != IN_PROGRESS

    @property
    def succeeded(self) -> bool:
        """True if the build is completed."""
        return self.status == COMPLETED


@dataclass(frozen=True)
class Bundle(JsonForm):
    """A bundle of this API key that can be used.

    Attributes:
        start_slot: First slot.
        end_slot: Last slot, included.
        kind: Kind of the bundle.
        completed_at: Unix time in milliseconds; None if not sent.
        size_bytes: Size in bytes; None if not sent.
        raw: The bundle as JSON values.
    """

    start_slot: int
    end_slot: int
    kind: str = BLOCKS
    completed_at: Optional[int] = None
    size_bytes: Optional[int] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)


@dataclass(frozen=True)
class BundleListing(JsonForm):
    """The builds and bundles of an API key.

    Attributes:
        builds: Builds that were requested, newest first.
        bundles: Bundles, ordered by range; None if the server does not list bundles.
        raw: The listing as JSON values.
    """

    builds: tuple[BundleBuild, ...] = ()
    bundles: Optional[tuple[Bundle, ...]] = None
    raw: Any = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)


@dataclass(frozen=True)
class DatasetCredentials:
    """Temporary keys of the bucket with the vendor's prepared data sets.

    ``boto3.client("s3", **credentials.for_s3())`` uses them. The keys are left out of ``repr`` and of logs.

    Attributes:
        access_key_id: Id of the key.
        secret_access_key: The secret.
        session_token: Token of the temporary session.
        region: Region of the bucket.
    """

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    region: str

    def for_s3(self) -> dict[str, str]:
        """The arguments of ``boto3.client`` and of ``s3fs.S3FileSystem(client_kwargs=...)``."""
        return {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_session_token": self.session_token,
            "region_name": self.region,
        }


@dataclass(frozen=True)
class SignatureStatus(ErrorInWords):
    """The status of a transaction. ``error_text`` says an error in words.

    Attributes:
        slot: Slot in which it was executed.
        error: None if it succeeded, else the error as JSON values of the RPC.
        confirmations: Number of confirmations; None if it is final.
        status: ``"processed"``, ``"confirmed"`` or ``"finalized"``; None if not sent.
        raw: The status as JSON values.
    """

    slot: int
    error: Any = field(default=None, hash=False)
    confirmations: Optional[int] = None
    status: Optional[str] = None
    raw: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Simulation(ErrorInWords):
    """The result of a simulated transaction. ``error_text`` says an error in words.

    Attributes:
        error: None if it would succeed, else the error as JSON values of the RPC.
        logs: Log lines of the programs.
        compute_units: Compute units consumed; None if not sent.
        return_data: Return data, None if there is none.
        accounts: The requested accounts after the transaction, in order; None for one that would not exist.
        raw: The result as JSON values.
    """

    error: Any = field(default=None, hash=False)
    logs: Sequence[str] = field(default=(), hash=False)
    compute_units: Optional[int] = None
    return_data: Optional[bytes] = None
    accounts: Sequence[Optional[AccountData]] = field(default=(), hash=False)
    raw: Any = field(default=None, repr=False, compare=False)
