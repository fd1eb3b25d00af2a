"""Bundles that clients ask for: builds that take their time, and the bundles they leave.

They are listed and can be deleted, but sessions start at the bundles of the ledger only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from simsync.local.encoding import dump_json
from simsync.local.ids import build_request_id
from simsync.local.request_fields import Fields, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simsync.local.ledger import Ledger

DEFAULT_BUNDLE_SIZE = 50_000
"""Slots per bundle if a request does not say how many."""
KINDS = ("blocks", "account_state")

_NUMBER = re.compile(r"[0-9]{1,20}")


class KeyTaken(Exception):
    """The idempotency key belongs to another request."""


class Range(NamedTuple):
    """Slots, both ends included, and what the bundle holds of them."""

    start_slot: int
    end_slot: int
    kind: str


class BuildRequest(NamedTuple):
    """What to build: the range, cut into bundles of ``bundle_size`` slots."""

    range: Range
    bundle_size: int
    idempotency_key: str | None


@dataclass
class _Build:
    request_id: str
    request: BuildRequest
    created: int
    status: str = "in_progress"

    def to_json(self) -> dict[str, Any]:
        start, end, _ = self.request.range
        return {
            "request_id": self.request_id,
            "start_slot": start,
            "end_slot": end,
            "bundle_size": self.request.bundle_size,
            "status": self.status,
            "created_at_unix_ms": self.created,
        }


def read_build_request(value: Any) -> BuildRequest:
    """Return the request in the body of ``POST /build-bundle``. Raises BadRequest."""
    fields = Fields(value, "a bundle build")
    size = fields.integer("bundle_size", DEFAULT_BUNDLE_SIZE)
    if size < 1:
        raise invalid("bundle_size of a bundle build must be at least 1")
    key = None if fields.get("idempotency_key") is None else fields.text("idempotency_key")
    return BuildRequest(_range(fields, "a bundle build"), size, key)


def read_range(query: Mapping[str, str]) -> Range:
    """Return the range that the query of ``DELETE /bundles`` names. Raises BadRequest."""
    values = {name: int(text) if _NUMBER.fullmatch(text) else text for name, text in query.items()}
    return _range(Fields(values, "a bundle"), "a bundle")


def _range(fields: Fields, what: str) -> Range:
    start, end = fields.integer("start_slot"), fields.integer("end_slot")
    if end < start:
        raise invalid(f"end_slot {end} of {what} is below start_slot {start}")
    kind = "blocks" if fields.get("kind") is None else fields.text("kind")
    if kind not in KINDS:
        raise invalid(f"kind of {what} must be one of {', '.join(KINDS)}, not {kind!r}")
    return Range(start, end, kind)


class BundleBuilds:
    """All builds of a simulator, and the bundles that there are. A build takes ``delay`` seconds.

    ``clock`` returns unix milliseconds and does not go back. Nothing happens in the background: whoever looks finds the
    builds whose time is over completed.
    """

    def __init__(self, ledger: Ledger, delay: float, clock: Callable[[], int]) -> None:
        self._ledger = ledger
        self._delay = round(delay * 1000)
        self._clock = clock
        self._builds: dict[str, _Build] = {}
        self._by_key: dict[tuple[str, str], _Build] = {}
        self._unfinished: list[_Build] = []
        self._bundles: dict[Range, dict[str, Any]] = {}

    def request(self, request: BuildRequest) -> tuple[dict[str, Any], bool]:
        """Take a request; return its status and whether it is new. Raises KeyTaken.

        A request with the idempotency key of an earlier one of its kind is that one, if it asks for the same.
        """
        self._finish_builds()
        name = None if request.idempotency_key is None else (request.idempotency_key, request.range.kind)
        earlier = None if name is None else self._by_key.get(name)
        if earlier is not None:
            if earlier.request != request:
                raise KeyTaken(f"the idempotency key belongs to {earlier.request_id}, which asks for something else")
            return earlier.to_json(), False
        build = _Build(build_request_id(), request, self._clock())
        self._builds[build.request_id] = build
        self._unfinished.append(build)
        if name is not None:
            self._by_key[name] = build
        return build.to_json(), True

    def status(self, request_id: str) -> dict[str, Any] | None:
        """Return how far a build is, None if there is none with that id."""
        self._finish_builds()
        build = self._builds.get(request_id)
        return None if build is None else build.to_json()

    def listing(self) -> dict[str, Any]:
        """Return all builds, the newest first, and all bundles in order of their slots."""
        self._finish_builds()
        builds = [build.to_json() for build in reversed(tuple(self._builds.values()))]
        return {"builds": builds, "bundles": [self._bundles[key] for key in sorted(self._bundles)]}

    def delete(self, wanted: Range) -> dict[str, Any] | None:
        """Remove and return the bundle with exactly that range and kind, None if there is none."""
        self._finish_builds()
        return self._bundles.pop(wanted, None)

    def _finish_builds(self) -> None:
        now = self._clock()
        while self._unfinished and self._unfinished[0].created + self._delay <= now:
            build = self._unfinished.pop(0)
            (start, end, kind), size, _ = build.request
            if start < self._ledger.start_slot or end > self._ledger.end_slot:
                build.status = "failed"
                continue
            build.status = "completed"
            for first in range(start, end + 1, size):
                made = Range(first, min(first + size - 1, end), kind)
                self._bundles[made] = {
                    "start_slot": made.start_slot,
                    "end_slot": made.end_slot,
                    "kind": kind,
                    "completed_at_unix_ms": build.created + self._delay,
                    "size_bytes": self._size(made),
                }

    def _size(self, made: Range) -> int:
        """Return the bytes of the transactions in a range, or those of the accounts that its ledger bundles hold."""
        start, end, kind = made
        if kind == "blocks":
            return sum(
                sum(len(item.wire) for item in block.transactions) + sum(len(dump_json(row)) for row in block.recorded)
                for block in self._ledger.blocks_between(start, end)
            )
        held = (bundle.accounts for bundle in self._ledger.bundles if start <= bundle.start_slot <= end)
        return sum(len(account.data) for accounts in held for account in accounts.values())
