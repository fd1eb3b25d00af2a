"""The plain HTTP services of a simulator: what can be replayed, what was used, and bundles of one's own."""

from __future__ import annotations

import logging
from datetime import date, datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Callable, TypeVar, Union

from simsync.errors import HttpStatusError, InvalidParams
from simsync.options import Options
from simsync.params import checks
from simsync.params.api_key import ApiKey
from simsync.ranges import moment
from simsync.reports import BLOCKS, AvailableRange, BundleBuild, BundleListing, UsageReport
from simsync.runtime.cancel import CancelToken
from simsync.runtime.retry import HttpRetry, is_transient
from simsync.runtime.waiting import deadline_after
from simsync.runtime.watch import Watch
from simsync.wire import services as wire
from simsync.wire import urls

T = TypeVar("T")
Moment = Union[datetime, date, str]

logger = logging.getLogger("simsync.services")

POLL_INTERVAL = 10.0
"""Seconds between two questions about a build."""
_SHORTEST_POLL = 0.01
_UNAVAILABLE = 503
_WITH_KEY = "the API key was refused: check that it is the right one and may do this"
_WITHOUT_KEY = "an API key is needed: give api_key, or set SIMULATOR_API_KEY"
_UNKNOWN = "not known there: a wrong id or address, or a simulator that is too old for this call"


class Services:
    """Blocking calls to the control host; made by :class:`~simsync.Client`. May be used from several threads.

    The key goes to the control host only, in a header, and into no message. Every call raises
    :class:`~simsync.ConnectError` when there was no answer, :class:`~simsync.HttpStatusError` for an HTTP error, and
    :class:`~simsync.ProtocolError` for an answer that cannot be read. Calls that only read are tried again after
    failures that may pass.
    """

    def __init__(self, control_url: str, api_key: ApiKey | str, options: Options | None = None) -> None:
        key = api_key if isinstance(api_key, ApiKey) else ApiKey(api_key)
        options = options if options is not None else Options()
        self._base = urls.http_base(urls.control_url(control_url))
        refused = _WITH_KEY if key else _WITHOUT_KEY
        from simsync.runtime.http import HttpClient  # requests is imported by whoever makes a client

        self._http = HttpClient(
            options.rpc_timeout,
            key,
            max_body=options.max_message,
            advice={401: refused, 403: refused, 404: _UNKNOWN, 405: _UNKNOWN},
            ssl_context=options.ssl_context,
            on_frame=options.on_frame,
        )
        self._options = options
        self._retry = HttpRetry(options, logger)

    def __repr__(self) -> str:
        return f"Services({self._base!r})"

    def available_ranges(self) -> list[AvailableRange]:
        """The bundles that a session may start with. Works without a key; with one its own bundles are among them."""
        ranges, odd = self._get(wire.RANGES, wire.read_available_ranges)
        _report_odd(odd, wire.RANGES)
        return ranges

    def usage(self, since: Moment | None = None, until: Moment | None = None) -> UsageReport:
        """What this key has used after ``since`` and up to ``until``.

        Both are a ``datetime``, a ``date`` (its first moment) or RFC 3339 text, in UTC where there is no zone. The
        server rounds ``since`` down to the UTC day, and chooses what is not given.
        """
        begin = None if since is None else moment("since", since)
        end = None if until is None else moment("until", until)
        if begin is not None and end is not None and end < begin:
            raise InvalidParams("until", until, f"must not lie before since={since}")
        return self._get(wire.usage_path(begin, end), wire.read_usage)

    def build_bundle(
        self,
        start_slot: int,
        end_slot: int,
        *,
        bundle_size: int | None = None,
        kind: str | None = None,
        idempotency_key: str | None = None,
    ) -> BundleBuild:
        """Ask for bundles over the slots ``start_slot`` to ``end_slot``, both included; may cost money.

        ``bundle_size``: slots per bundle, the server's choice without. ``kind``: ``"blocks"`` when not given.
        ``idempotency_key``: any text of yours; asking again with it is not charged again. Only with one is the request
        tried again after a failure that may pass, because without an answer nobody knows whether it arrived. See
        :meth:`wait_for_bundle`.
        """
        checks.slot_range(start_slot, end_slot)
        checks.optional_integer("bundle_size", bundle_size, 1, checks.U64)
        if kind is not None:
            _check_word("kind", kind)
        if idempotency_key is not None:
            _check_word("idempotency_key", idempotency_key)
        body = wire.build_request(start_slot, end_slot, bundle_size, kind, idempotency_key)

        def request() -> BundleBuild:
            # wait: caller | a reply | the peer | `rpc_timeout` of silence
            return wire.read_build(self._http.post_json(self._base + wire.BUILDS, body))

        return request() if idempotency_key is None else self._retry.write(request)

    def bundle_build(self, request_id: str) -> BundleBuild:
        """How a build stands."""
        return self._get(wire.build_path(_check_id("request_id", request_id)), wire.read_build)

    def wait_for_bundle(
        self,
        build: BundleBuild | str,
        *,
        timeout: float | None = None,
        poll_interval: float = POLL_INTERVAL,
        on_progress: Callable[[BundleBuild], object] | None = None,
        cancel: CancelToken | None = None,
    ) -> BundleBuild:
        """Wait until a build (or its request id) is over; how it ended is in ``status``.

        A build that failed or needs investigation is returned, not raised; so is one with a status that simsync does
        not know, since only ``"in_progress"`` says that it goes on. The server is asked every ``poll_interval``
        seconds, and ``on_progress`` gets each of its answers. An outage is waited out as long as one of a connection
        is (``Options.reconnect_window``). Raises :class:`~simsync.EventTimeout` after ``timeout`` seconds, with what
        was seen last, and :class:`~simsync.Cancelled` as soon as ``cancel`` is fired; the build goes on in both cases.
        """
        request_id = _check_id("build", build.request_id if isinstance(build, BundleBuild) else build)
        deadline = deadline_after(timeout)
        checks.seconds("poll_interval", poll_interval, _SHORTEST_POLL)
        if cancel is not None and not isinstance(cancel, CancelToken):
            raise InvalidParams("cancel", cancel, "must be a CancelToken()")
        url = self._base + wire.build_path(request_id)
        seen = build.status if isinstance(build, BundleBuild) else "nothing"

        def ask() -> BundleBuild:
            # wait: `simsync-http-watch` | a reply | the peer | `rpc_timeout` of silence
            return wire.read_build(self._http.get(url))

        with Watch(lambda: f"the build {request_id} was not over (last seen: {seen})", deadline, cancel) as watch:
            retry = HttpRetry(self._options, logger, watch.pause)
            while True:
                # wait: caller | a reply, the next question | the reply; a `CancelToken` | its timeout
                found = retry.watch(lambda: watch.run(ask))
                seen = found.status
                if on_progress is not None:
                    on_progress(found)
                if found.finished:
                    return found
                watch.pause(poll_interval)

    def bundle_builds(self) -> BundleListing:
        """The builds that this key asked for, and its bundles."""
        listing, odd = self._get(wire.BUILDS, wire.read_listing)
        _report_odd(odd, wire.BUILDS)
        return listing

    def delete_bundle(self, start_slot: int, end_slot: int, kind: str = BLOCKS) -> Any:
        """Delete the bundle of this key with exactly these slots and this kind; what the server tells, as it came.

        Never tried twice: a second attempt would hit whatever was built in the meantime, or nothing.
        """
        checks.slot_range(start_slot, end_slot)
        path = wire.delete_path(start_slot, end_slot, _check_word("kind", kind))
        # wait: caller | a reply | the peer | `rpc_timeout` of silence
        return wire.read_deleted(self._http.delete(self._base + path))

    def health(self) -> bool:
        """Does the server say that it is well?"""
        return self._is_up(wire.HEALTH, wire.is_ok)

    def ready(self) -> bool:
        """Does it take sessions? False while it drains."""
        return self._is_up(wire.READY, lambda _body: True)

    def server_time(self) -> datetime | None:
        """The server's clock, to the second; None when it does not tell. Asked once."""
        header = self._http.get_date(self._base + wire.HEALTH)
        try:
            told = parsedate_to_datetime(header or "")
        except (TypeError, ValueError):  # Python 3.9 raises TypeError for what is no date
            return None
        return told if told.tzinfo is not None else told.replace(tzinfo=timezone.utc)

    def close(self) -> None:
        """Give the connections back. The next call opens another one."""
        self._http.close()

    def _get(self, path: str, read: Callable[[bytes], T]) -> T:
        # wait: caller | a reply | the peer | `rpc_timeout` of silence
        return self._retry.read(lambda: read(self._http.get(self._base + path)))

    def _is_up(self, path: str, says_so: Callable[[bytes], bool]) -> bool:
        """503 is an answer here, and no reason to ask again."""
        try:
            return says_so(
                self._retry.read(
                    # wait: caller | a reply | the peer | `rpc_timeout` of silence
                    lambda: self._http.get(self._base + path),
                    lambda error: is_transient(error) and not _is_unavailable(error),
                )
            )
        except HttpStatusError as error:
            if _is_unavailable(error):
                return False
            raise


def _is_unavailable(error: BaseException) -> bool:
    return isinstance(error, HttpStatusError) and error.status == _UNAVAILABLE


def _report_odd(odd: int, path: str) -> None:
    if odd:
        logger.warning("%s: %d entries could not be read and were left out", path, odd)


def _check_word(argument: str, value: object) -> str:
    text = checks.text(argument, value)
    if not text.strip():
        raise InvalidParams(argument, value, "must not be empty")
    return text


def _check_id(argument: str, value: object) -> str:
    text = _check_word(argument, value)
    if text in (".", ".."):  # no place in a path
        raise InvalidParams(argument, value, "is no request id")
    return text
