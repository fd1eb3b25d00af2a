"""The entry: where the simulator is, who is asking, and with which options."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from typing import Any, Callable, TypeVar

from simsync.errors import InvalidParams
from simsync.events import Event
from simsync.options import Options
from simsync.params import CreateSession, checks
from simsync.params.api_key import ApiKey
from simsync.protocol.control import ControlProtocol
from simsync.protocol.parallel import ParallelProtocol
from simsync.protocol.session_state import SessionState
from simsync.protocol.single import SingleProtocol
from simsync.reports import BLOCKS, AvailableRange, BundleBuild, BundleListing, UsageReport
from simsync.rpc import Rpc
from simsync.runtime.cancel import CancelToken
from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.threads import spawn
from simsync.runtime.waiting import deadline_after
from simsync.services import POLL_INTERVAL, Moment, Services
from simsync.sessions.backtest_session import BacktestSession
from simsync.sessions.owner import ConnectionOwner
from simsync.sessions.parallel_session import ParallelSession
from simsync.wire import urls

URL_VARIABLE = "SIMULATOR_URL"
KEY_VARIABLE = "SIMULATOR_API_KEY"

Owner = TypeVar("Owner", bound=ConnectionOwner)

Progress = Callable[[Event], object]
"""Called with a Created per announced session and with each Status while a session is being created."""


class Client:
    """Knows a simulator. Making one does not connect.

    ``url``: a bare host, or a ``ws``, ``wss``, ``http`` or ``https`` address; default: the environment variable
    ``SIMULATOR_URL``. ``api_key``: default ``SIMULATOR_API_KEY``; it goes to the control host only. Raises
    :class:`~simsync.InvalidParams`.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, *, options: Options | None = None) -> None:
        if url is None:
            url = os.environ.get(URL_VARIABLE)
        if not url:
            raise InvalidParams("url", url, f"give the address of a simulator, or set {URL_VARIABLE}")
        self._control_url = urls.control_url(url)
        self._api_key = ApiKey(os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key)
        self.options = options if options is not None else Options()
        if not isinstance(self.options, Options):
            raise InvalidParams("options", options, "must be an Options(...)")

    def __repr__(self) -> str:
        return f"Client({self._control_url!r}, api_key={self._api_key!r})"

    @property
    def url(self) -> str:
        """The address of the control connection."""
        return self._control_url

    def parallel(
        self,
        create: CreateSession,
        *,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
        on_progress: Progress | None = None,
    ) -> ParallelSession:
        """Create a session that the server splits into sub-sessions, and wait until they exist.

        A cold range can take minutes; ``timeout`` (seconds) bounds the wait. ``cancel`` ends it, and later every wait
        of the session. ``on_progress`` is called meanwhile, in this thread, with a :class:`~simsync.Created` for each
        sub-session and with each :class:`~simsync.Status`. Raises :class:`~simsync.ConnectError`
        (:class:`~simsync.HttpStatusError` when the key was refused), :class:`~simsync.CreateError`,
        :class:`~simsync.EventTimeout` or :class:`~simsync.Cancelled`.
        """
        protocol = ParallelProtocol(_checked_create(create), self.options)
        return self._open(ParallelSession, protocol, cancel, timeout, on_progress)

    def session(
        self,
        create: CreateSession,
        *,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
        on_progress: Progress | None = None,
    ) -> BacktestSession:
        """Create one session over the whole range, and wait until it exists.

        The range has to begin at the start of an available range and end inside it, see :meth:`available_ranges` and
        :func:`simsync.split_range`. Arguments and exceptions as :meth:`parallel`.
        """
        protocol = SingleProtocol(self.options, _checked_create(create))
        return self._open(BacktestSession, protocol, cancel, timeout, on_progress)

    def attach(
        self,
        session_id: str,
        last_sequence: int | None = None,
        *,
        create: CreateSession | None = None,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> BacktestSession:
        """Go on with a session that :meth:`session` made, in this process or an earlier one.

        It must have lost its connection less than its ``disconnect_timeout`` ago. ``last_sequence``: the
        :attr:`~simsync.BacktestSession.last_sequence` of the last event that was handled; every event after it comes,
        none before. Without it everything comes that the server still keeps. ``create``: what the session was made
        with, so that :attr:`~simsync.BacktestSession.coverage` knows its range.

        If the engine was waiting, and nobody has told it to go on since, ``status`` is ``ready``: ``events(advance=n)``
        and the stepping methods go on by themselves, ``send_continue`` is accepted at once, and no
        ``ReadyForContinue`` comes again. Finding this out takes :attr:`Options.continue_grace`. Exceptions as
        :meth:`parallel`; :class:`~simsync.CreateError` when the server does not know the session any more.
        """
        if create is not None:
            _checked_create(create)
        if not checks.text("session_id", session_id).strip():
            raise InvalidParams("session_id", session_id, "must be the id of a session")
        checks.optional_integer("last_sequence", last_sequence, 0, checks.U64)
        protocol = SingleProtocol(self.options, create, session_id, last_sequence)
        return self._open(BacktestSession, protocol, cancel, timeout, None)

    def _open(
        self,
        make: Callable[[ControlConnection, str, Options, Callable[[], None]], Owner],
        protocol: ControlProtocol,
        cancel: CancelToken | None,
        timeout: float | None,
        on_progress: Progress | None,
    ) -> Owner:
        """The owner of a connection whose session is there. Nothing is left behind when there is none."""
        if cancel is not None and not isinstance(cancel, CancelToken):
            raise InvalidParams("cancel", cancel, "must be a CancelToken()")
        if on_progress is not None and not callable(on_progress):
            raise InvalidParams("on_progress", on_progress, "must be a function of one event")
        deadline = deadline_after(timeout)
        connection = ControlConnection(self._control_url, self._api_key, protocol, self.options, self._ask_slot)
        token = cancel if cancel is not None else CancelToken()
        # In a thread of its own, as a token may be fired in a signal handler, in the middle of anything.
        forget_token = token.on_cancel(lambda: _cancel_soon(connection))
        try:
            connection.start(deadline, on_progress)
            return make(connection, self._control_url, self.options, forget_token)
        except BaseException:
            forget_token()
            connection.close()
            raise

    # Plain HTTP services. The key goes along in a header; exceptions are those of simsync.services.Services.

    def available_ranges(self) -> list[AvailableRange]:
        """What can be replayed, and where a session may start; see :meth:`Services.available_ranges`."""
        with self._services() as services:
            return services.available_ranges()

    def usage(self, since: Moment | None = None, until: Moment | None = None) -> UsageReport:
        """What this key has used; see :meth:`Services.usage`."""
        with self._services() as services:
            return services.usage(since, until)

    def build_bundle(
        self,
        start_slot: int,
        end_slot: int,
        *,
        bundle_size: int | None = None,
        kind: str | None = None,
        idempotency_key: str | None = None,
    ) -> BundleBuild:
        """Ask for bundles over a range of slots; may cost money. See :meth:`Services.build_bundle`."""
        with self._services() as services:
            return services.build_bundle(
                start_slot, end_slot, bundle_size=bundle_size, kind=kind, idempotency_key=idempotency_key
            )

    def bundle_build(self, request_id: str) -> BundleBuild:
        """How a build stands."""
        with self._services() as services:
            return services.bundle_build(request_id)

    def wait_for_bundle(
        self,
        build: BundleBuild | str,
        *,
        timeout: float | None = None,
        poll_interval: float = POLL_INTERVAL,
        on_progress: Callable[[BundleBuild], object] | None = None,
        cancel: CancelToken | None = None,
    ) -> BundleBuild:
        """Wait until a build is over; times in seconds. See :meth:`Services.wait_for_bundle`."""
        with self._services() as services:
            return services.wait_for_bundle(
                build, timeout=timeout, poll_interval=poll_interval, on_progress=on_progress, cancel=cancel
            )

    def bundle_builds(self) -> BundleListing:
        """The builds that this key asked for, and its bundles."""
        with self._services() as services:
            return services.bundle_builds()

    def delete_bundle(self, start_slot: int, end_slot: int, kind: str = BLOCKS) -> Any:
        """Delete a bundle of this key; see :meth:`Services.delete_bundle`."""
        with self._services() as services:
            return services.delete_bundle(start_slot, end_slot, kind)

    def health(self) -> bool:
        """Does the server say that it is well?"""
        with self._services() as services:
            return services.health()

    def ready(self) -> bool:
        """Does it take sessions? False while it drains."""
        with self._services() as services:
            return services.ready()

    def server_time(self) -> datetime | None:
        """The server's clock, to the second; None when it does not tell. Asked once."""
        with self._services() as services:
            return services.server_time()

    def _services(self) -> contextlib.closing[Services]:
        return contextlib.closing(Services(self._control_url, self._api_key, self.options))

    def _ask_slot(self, state: SessionState, until: CancelToken) -> int:
        with contextlib.closing(Rpc(urls.rpc_url(state.rpc_endpoint, self._control_url), self.options)) as rpc:
            forget = until.on_cancel(rpc._call_off)
            try:
                return rpc.get_slot()
            finally:
                forget()


def _checked_create(create: object) -> CreateSession:
    if not isinstance(create, CreateSession):
        raise InvalidParams("create", create, "must be a CreateSession(...)")
    return create


def _cancel_soon(connection: ControlConnection) -> None:
    spawn("cancel", lambda: connection.cancel("the cancel token was fired"))
