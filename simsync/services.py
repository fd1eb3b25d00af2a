"""The plain HTTP services of a simulator: available ranges, usage, bundles and health."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Callable, SupportsIndex, TypeVar, Union

from simsync.cancel import CancelToken
from simsync.errors import HttpStatusError, InvalidParams
from simsync.options import Options
from simsync.params import checks
from simsync.params.api_key import ApiKey
from simsync.runtime import late_imports
from simsync.runtime.http_retry import HttpRetry, is_transient
from simsync.runtime.http_wait import HttpWait
from simsync.runtime.waiting import deadline_after
from simsync.times import http_date, utc_time
from simsync.wire import services as wire
from simsync.wire import urls

if TYPE_CHECKING:
    from simsync.reports import AvailableRange, BundleBuild, BundleListing, DatasetCredentials, UsageReport
    from simsync.runtime.http import HttpClient

T = TypeVar("T")
Moment = Union[datetime, date, str]

logger = logging.getLogger("simsync.services")

POLL_INTERVAL = 10.0
"""Seconds between two requests for the status of a build."""
_SHORTEST_POLL = 0.01
_UNAVAILABLE = 503
_WITH_KEY = "the API key was refused: check that it is correct and may do this"
_WITHOUT_KEY = "an API key is required: pass api_key or set SIMULATOR_API_KEY"
_UNKNOWN = "not found: the id or the address is wrong, or the simulator is too old for this call"


class HttpServices:
    """The part of :class:`~simsync.Client` that needs no session: blocking calls over plain HTTP.

    May be used from several threads. Each call opens its own connection and closes it. The API key is sent in a header
    to the control host only, and appears in no message.

    Every call raises :class:`~simsync.ConnectError` if there is no reply, :class:`~simsync.HttpStatusError` for an HTTP
    error, :class:`~simsync.ProtocolError` for a reply that cannot be read, and :class:`~simsync.InvalidParams` for a
    wrong argument. Calls that only read are retried after transient failures.
    """

    def __init__(self, control_url: str, api_key: ApiKey, options: Options) -> None:
        self._control_url = control_url
        self._api_key = api_key
        self.options = options

    def available_ranges(self) -> list[AvailableRange]:
        """List the bundles of slots that can be replayed.

        Works without an API key; with one, the bundles of that key are included. See
        :func:`~simsync.filter_ranges` and :func:`~simsync.split_range`.

        Returns:
            One range per bundle, in the order of the server.
        """
        ranges, odd = self._get(wire.RANGES, wire.read_available_ranges)
        _log_unreadable(odd, wire.RANGES)
        return ranges

    def usage(self, since: Moment | None = None, until: Moment | None = None) -> UsageReport:
        """Report what this API key has used.

        Args:
            since: Start of the window, excluded: a ``datetime``, a ``date`` (its first moment) or RFC 3339 text, in
                UTC unless it has a zone. The server rounds it down to the UTC day, and chooses one if it is None.
            until: End of the window, included, in the same forms.

        Returns:
            The report, with the window that the server used.
        """
        begin = None if since is None else utc_time("since", since)
        end = None if until is None else utc_time("until", until)
        if begin is not None and end is not None and end < begin:
            raise InvalidParams("until", until, f"must not be earlier than since ({since})")
        return self._get(wire.usage_path(begin, end), wire.read_usage)

    # guess: which HTTP requests are retried
    def build_bundle(
        self,
        start_slot: SupportsIndex,
        end_slot: SupportsIndex,
        *,
        bundle_size: SupportsIndex | None = None,
        kind: str | None = None,
        idempotency_key: str | None = None,
    ) -> BundleBuild:
        """Request that bundles are built over a range of slots. This may cost money.

        Args:
            start_slot: First slot.
            end_slot: Last slot, included.
            bundle_size: Slots per bundle; None lets the server choose.
            kind: Kind of the bundles; None means ``"blocks"``.
            idempotency_key: Any text. A repeated request with the same text is not charged again. The request is
                retried after transient failures only if this is given: without a reply it is not known whether the
                request arrived.

        Returns:
            The build, usually in progress. Wait for it with :meth:`wait_for_bundle`.
        """
        first, last = checks.slot_range(start_slot, end_slot)
        size = checks.optional_integer("bundle_size", bundle_size, 1, checks.U64)
        if kind is not None:
            _check_word("kind", kind)
        if idempotency_key is not None:
            _check_word("idempotency_key", idempotency_key)
        body = wire.build_request(first, last, size, kind, idempotency_key)
        retry = self._retry()
        with self._http() as http:

            def request() -> BundleBuild:
                # wait: caller | a reply | the peer | `rpc_timeout`
                return wire.read_build(http.post_json(self._address(wire.BUILDS), body, retry.deadline))

            return request() if idempotency_key is None else retry.write(request)

    def bundle_build(self, request_id: str) -> BundleBuild:
        """Return the present status of a build.

        Args:
            request_id: :attr:`BundleBuild.request_id <simsync.BundleBuild.request_id>`.
        """
        return self._get(wire.build_path(_check_id("request_id", request_id)), wire.read_build)

    # guess: a build that failed or needs investigation
    def wait_for_bundle(
        self,
        build: BundleBuild | str,
        *,
        timeout: checks.Number | None = None,
        poll_interval: checks.Number = POLL_INTERVAL,
        on_progress: Callable[[BundleBuild], object] | None = None,
        cancel: CancelToken | None = None,
    ) -> BundleBuild:
        """Wait until a build has ended, however it ended.

        A build that failed or needs investigation is returned, not raised. So is one whose status simsync does not
        know, because only ``"in_progress"`` means that the build is still running. Outages of the server are waited
        out for up to :attr:`Options.reconnect_window <simsync.Options>`.

        Args:
            build: The build or its request id.
            timeout: Seconds to wait; None waits without a limit.
            poll_interval: Seconds between two requests for the status.
            on_progress: Called with the build after each request.
            cancel: Ends the wait when it is fired.

        Returns:
            The build; look at its ``status`` or ``succeeded``.

        Raises:
            EventTimeout: The build has not ended within ``timeout``; it continues on the server.
            Cancelled: ``cancel`` was fired; the build continues on the server.
        """
        from simsync.reports import BundleBuild

        request_id = _check_id("build", build.request_id if isinstance(build, BundleBuild) else build)
        deadline = deadline_after(timeout)
        pause = checks.seconds("poll_interval", poll_interval, _SHORTEST_POLL)
        if cancel is not None and not isinstance(cancel, CancelToken):
            raise InvalidParams("cancel", cancel, "must be a CancelToken()")
        seen = build.status if isinstance(build, BundleBuild) else "nothing"

        def describe() -> str:
            return f"the build {request_id} had not ended (last status: {seen})"

        with self._http() as http, HttpWait(http, describe, deadline, cancel) as waiting:

            def ask() -> BundleBuild:
                # wait: `simsync-http` | a reply | the peer; shutting the socket down | `rpc_timeout`
                return wire.read_build(http.get(self._address(wire.build_path(request_id))))

            retry = HttpRetry(self.options, logger, waiting.pause)
            while True:
                # wait: caller | a reply, the next question | the reply; a `CancelToken` | its timeout
                found = retry.watch(lambda: waiting.run(ask))
                seen = found.status
                if on_progress is not None:
                    on_progress(found)
                if found.finished:
                    return found
                waiting.pause(pause)

    def bundle_builds(self) -> BundleListing:
        """List the builds that this API key has requested, and its bundles."""
        listing, odd = self._get(wire.BUILDS, wire.read_listing)
        _log_unreadable(odd, wire.BUILDS)
        return listing

    def delete_bundle(self, start_slot: SupportsIndex, end_slot: SupportsIndex, kind: str = "blocks") -> Any:
        """Delete the bundle of this API key that has exactly these slots and this kind.

        The request is never retried: a second one could delete a bundle that was built in the meantime.

        Args:
            start_slot: First slot of the bundle.
            end_slot: Last slot, included.
            kind: Kind of the bundle.

        Returns:
            The reply of the server as JSON values or text, None if it is empty.
        """
        first, last = checks.slot_range(start_slot, end_slot)
        path = wire.delete_path(first, last, _check_word("kind", kind))
        with self._http() as http:
            # wait: caller | a reply | the peer | `rpc_timeout`
            return wire.read_deleted(http.delete(self._address(path)))

    def dataset_credentials(self) -> DatasetCredentials:
        """Ask for temporary keys of the bucket with the vendor's prepared data sets. Not retried.

        The vendor's page on prebuilt data sets names the bucket and the columns. The prefixes are
        ``datasets/depth/v2``, ``datasets/depth-diagnostic/v2`` and ``datasets/estimated_fills/v2``. simsync reads none
        of them.

        Returns:
            The keys.
        """
        with self._http() as http:
            # wait: caller | a reply | the peer | `rpc_timeout`
            return wire.read_dataset_credentials(http.post_json(self._address(wire.DATASET_CREDENTIALS), b"{}"))

    def health(self) -> bool:
        """Return True if the server reports that it is healthy."""
        return self._is_up(wire.HEALTH, wire.is_ok)

    def ready(self) -> bool:
        """Return True if the server accepts sessions, False while it drains."""
        return self._is_up(wire.READY, lambda _body: True)

    def server_time(self) -> datetime | None:
        """Return the time of the server's clock, to the second, or None if it sends none. Not retried."""
        with self._http() as http:
            return http_date(http.get_date(self._address(wire.HEALTH)))

    def _get(self, path: str, read: Callable[[bytes], T]) -> T:
        retry = self._retry()
        with self._http() as http:
            # wait: caller | a reply | the peer | `rpc_timeout`
            return retry.read(lambda: read(http.get(self._address(path), retry.deadline)))

    def _is_up(self, path: str, says_so: Callable[[bytes], bool]) -> bool:
        """Ask for a status. Here 503 is an answer, so it is not retried."""
        retry = self._retry()
        with self._http() as http:
            try:
                return says_so(
                    retry.read(
                        # wait: caller | a reply | the peer | `rpc_timeout`
                        lambda: http.get(self._address(path), retry.deadline),
                        lambda error: is_transient(error) and not _is_unavailable(error),
                    )
                )
            except HttpStatusError as error:
                if _is_unavailable(error):
                    return False
                raise

    @contextlib.contextmanager
    def _http(self) -> Iterator[HttpClient]:
        """An HTTP client for one call, so that no connection outlives it."""
        late_imports.load(*late_imports.HTTP)
        from simsync.runtime.http import HttpClient

        refused = _WITH_KEY if self._api_key else _WITHOUT_KEY
        advice = {401: refused, 403: refused, 404: _UNKNOWN, 405: _UNKNOWN}
        http = HttpClient(self.options, self._api_key, advice=advice)
        try:
            yield http
        finally:
            http.close()

    def _retry(self) -> HttpRetry:
        return HttpRetry(self.options, logger)

    def _address(self, path: str) -> str:
        return urls.http_base(self._control_url) + path


def _is_unavailable(error: BaseException) -> bool:
    return isinstance(error, HttpStatusError) and error.status == _UNAVAILABLE


def _log_unreadable(count: int, path: str) -> None:
    if count:
        logger.warning("%s: skipped %d entries that could not be read", path, count)


def _check_word(argument: str, value: object) -> str:
    text = checks.text(argument, value)
    if not text.strip():
        raise InvalidParams(argument, value, "must not be empty")
    return text


def _check_id(argument: str, value: object) -> str:
    text = _check_word(argument, value)
    if text in (".", ".."):  # a path segment that HTTP libraries would resolve
        raise InvalidParams(argument, value, "is not a request id")
    return text
