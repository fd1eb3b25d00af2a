"""The plain HTTP services of the control host: paths, queries and bodies of requests, and reading of replies.

The spelling is a guess: requests are sent in snake_case, and replies are read in any spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar
from urllib.parse import quote, urlencode

from simsync.errors import ProtocolError
from simsync.times import format_time, parse_time
from simsync.wire import json_codec
from simsync.wire.spelling import FoldedFields, fold, without_none

if TYPE_CHECKING:  # where a reply is read they are imported, see `late_imports`
    from simsync.reports import AvailableRange, Bundle, BundleBuild, BundleListing, DatasetCredentials, UsageReport

T = TypeVar("T")

HEALTH = "/health"
READY = "/ready"
RANGES = "/available-ranges"
BUILDS = "/build-bundle"
DATASET_CREDENTIALS = "/datasets/credentials"


# guess: names of the window of `/usage`
def usage_path(since: Optional[datetime], until: Optional[datetime]) -> str:
    """Return the path of a usage report. The names in the query are a guess."""
    window = {"since": since and format_time(since), "until": until and format_time(until)}
    query = urlencode(without_none(window))
    return f"/usage?{query}" if query else "/usage"


# guess: path of one build
def build_path(request_id: str) -> str:
    """Return the path of one build. It is a guess."""
    return f"{BUILDS}/{quote(request_id, safe='')}"


# guess: spelling of queries and bodies
def delete_path(start_slot: int, end_slot: int, kind: str) -> str:
    """Return the path that deletes one bundle."""
    return f"/bundles?{urlencode({'start_slot': start_slot, 'end_slot': end_slot, 'kind': kind})}"


# guess: spelling of queries and bodies
def build_request(
    start_slot: int, end_slot: int, bundle_size: Optional[int], kind: Optional[str], idempotency_key: Optional[str]
) -> bytes:
    """Return the body of a request to build bundles."""
    fields = {
        "start_slot": start_slot,
        "end_slot": end_slot,
        "bundle_size": bundle_size,
        "kind": kind,
        "idempotency_key": idempotency_key,
    }
    return json_codec.dumps(without_none(fields))


# guess: health
def is_ok(body: bytes) -> bool:
    """Return True for the reply of a healthy server."""
    return body.strip().strip(b'"').lower() == b"ok"


def read_available_ranges(body: bytes) -> tuple[list[AvailableRange], int]:
    """Return the ranges, and how many entries could not be read. Raises ProtocolError if none could."""
    entries = _json("available ranges", body)
    if not isinstance(entries, list):
        raise ProtocolError("available ranges: the reply is not a list", entries)
    return _readable("available ranges", entries, _available_range)


# guess: keys of HTTP replies
# guess: `daily` and `pricing` of a usage report
def read_usage(body: bytes) -> UsageReport:
    """Read a usage report. Raises ProtocolError."""
    from simsync.reports import UsageReport

    report = _json("usage", body)
    fields = _fields("usage", report)
    if all(fields.get(name) is None for name in ("api_key_name", "sessions", "compute")):
        raise ProtocolError("usage: the reply is not a usage report", report)
    sessions, compute, builds = (_part(fields.get(name)) for name in ("sessions", "compute", "bundle_builds"))
    return UsageReport(
        api_key_name=fields.text("api_key_name"),
        since=_time(fields.get("since")),
        until=_time(fields.get("until")),
        sessions_started=sessions.number("started"),
        sessions_completed=sessions.number("completed"),
        sessions_failed=sessions.number("failed"),
        executed_slot_count=compute.number("executed_slot_count"),
        session_duration_ms=compute.number("session_duration_ms"),
        bundle_builds_requested=builds.number("requested"),
        raw=report,
    )


def read_dataset_credentials(body: bytes) -> DatasetCredentials:
    """Read the keys of the data sets. Raises ProtocolError, without the keys."""
    from simsync.reports import DatasetCredentials

    names = ("access_key_id", "secret_access_key", "session_token", "region")
    fields = _fields("data sets", _json("data sets", body))
    missing = [name for name in names if not fields.text(name)]
    if missing:
        raise ProtocolError(f"data sets: the reply has no {', '.join(missing)}")
    return DatasetCredentials(*(fields.text(name) or "" for name in names))


def read_build(body: bytes) -> BundleBuild:
    """Read one build. Raises ProtocolError."""
    return _build(_json("bundle build", body))


def read_listing(body: bytes) -> tuple[BundleListing, int]:
    """Return the listing, and how many entries could not be read. Raises ProtocolError."""
    from simsync.reports import BundleListing

    listing = _json("bundle builds", body)
    fields = _fields("bundle builds", listing)
    builds, bundles = fields.get("builds"), fields.get("bundles")
    if not isinstance(builds, list) or not isinstance(bundles, (list, type(None))):
        raise ProtocolError("bundle builds: the reply has no lists", listing)
    read_builds, odd_builds = _readable("bundle builds", builds, _build)
    if bundles is None:
        return BundleListing(tuple(read_builds), None, listing), odd_builds
    read_bundles, odd_bundles = _readable("bundles", bundles, _bundle)
    return BundleListing(tuple(read_builds), tuple(read_bundles), listing), odd_builds + odd_bundles


# guess: answer to a deletion
def read_deleted(body: bytes) -> Any:
    """Return the reply to a deletion, whose form is not known: JSON values, else text, None if it is empty."""
    try:
        return json_codec.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace").strip() or None


def _json(what: str, body: bytes) -> Any:
    try:
        return json_codec.loads(body)
    except ValueError as error:
        raise ProtocolError(f"{what}: the reply is not JSON ({error})", body[:1000]) from error


def _fields(what: str, value: object) -> FoldedFields:
    if not isinstance(value, Mapping):
        raise ProtocolError(f"{what}: the reply is not an object", value)
    return FoldedFields(value)


def _part(value: object) -> FoldedFields:
    return FoldedFields(value if isinstance(value, Mapping) else {})


# guess: entries of a list that cannot be read
def _readable(what: str, entries: list[Any], read: Callable[[Any], T]) -> tuple[list[T], int]:
    """Read the entries that can be read, so that an entry of an unknown form does not hide the others."""
    found = []
    for entry in entries:
        try:
            found.append(read(entry))
        except ProtocolError:
            continue
    if entries and not found:
        raise ProtocolError(f"{what}: no entry can be read", entries)
    return found, len(entries) - len(found)


# guess: `/available-ranges`: size of a bundle
def _available_range(entry: object) -> AvailableRange:
    from simsync.reports import BLOCKS, AvailableRange

    fields = _fields("available ranges", entry)
    return AvailableRange(
        start_slot=_slot("available ranges", fields.get("bundle_start_slot"), entry),
        end_slot=fields.number("max_bundle_end_slot"),
        start_time=_time(fields.get("bundle_start_slot_utc")),
        end_time=_time(fields.get("max_bundle_end_slot_utc")),
        size=fields.number("max_bundle_size"),
        kind=fields.text("kind") or BLOCKS,
        scope=fields.text("scope"),
        raw=entry,
    )


# guess: fields of bundle builds and bundles
def _build(entry: object) -> BundleBuild:
    from simsync.reports import STATUSES, BundleBuild

    fields = _fields("bundle build", entry)
    request_id, status = fields.get("request_id"), fields.text("status")
    if isinstance(request_id, int) and not isinstance(request_id, bool):
        request_id = str(request_id)
    if not isinstance(request_id, str) or not request_id or not status:
        raise ProtocolError("bundle build: the reply has no request id or no status", entry)
    return BundleBuild(
        request_id=request_id,
        status=next((known for known in STATUSES if fold(known) == fold(status)), status),
        start_slot=fields.number("start_slot"),
        end_slot=fields.number("end_slot"),
        bundle_size=fields.number("bundle_size"),
        created_at=fields.number("created_at_unix_ms"),
        raw=entry,
    )


# guess: fields of bundle builds and bundles
def _bundle(entry: object) -> Bundle:
    from simsync.reports import BLOCKS, Bundle

    fields = _fields("bundles", entry)
    return Bundle(
        start_slot=_slot("bundles", fields.get("start_slot"), entry),
        end_slot=_slot("bundles", fields.get("end_slot"), entry),
        kind=fields.text("kind") or BLOCKS,
        completed_at=fields.number("completed_at_unix_ms"),
        size_bytes=fields.number("size_bytes"),
        raw=entry,
    )


def _slot(what: str, value: object, entry: object) -> int:
    if type(value) is not int or value < 0:
        raise ProtocolError(f"{what}: an entry has no slot", entry)
    return value


def _time(value: object) -> Optional[datetime]:
    """Return a time, or None for anything else, which is still in ``raw``."""
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
