"""The entry point: a client of one simulator, which creates sessions."""

from __future__ import annotations

import functools
import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Callable, SupportsIndex, TypeVar, cast

from simsync.cancel import CancelToken
from simsync.errors import InvalidParams
from simsync.events import Event
from simsync.options import Options
from simsync.params import CreateSession, checks
from simsync.params.api_key import ApiKey
from simsync.protocol.connection_log import RPC, session_log
from simsync.protocol.control import ControlProtocol
from simsync.protocol.parallel import ParallelProtocol
from simsync.protocol.session_state import SessionState
from simsync.protocol.single import SingleProtocol
from simsync.rpc import ask_slot
from simsync.runtime import at_exit, late_imports
from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.exhaustion import Exhausted
from simsync.runtime.threads import spawn
from simsync.runtime.trial import proxy_name, try_connection
from simsync.runtime.waiting import deadline_after
from simsync.services import HttpServices
from simsync.sessions import first_mistakes
from simsync.sessions.backtest_session import BacktestSession
from simsync.sessions.owner import ConnectionOwner, Lifetime
from simsync.sessions.parallel_session import ParallelSession
from simsync.weakly_held import WeaklyHeld
from simsync.wire import urls

if TYPE_CHECKING:
    from simsync.reports import ConnectionReport

URL_VARIABLE = "SIMULATOR_URL"
KEY_VARIABLE = "SIMULATOR_API_KEY"

Owner = TypeVar("Owner", bound=ConnectionOwner)
Method = TypeVar("Method", bound=Callable[..., Any])

_FIELDS = frozenset(one.name for one in fields(CreateSession))

Progress = Callable[[Event], object]
"""Called while a session is being created, with a Created for each announced session and with each Status."""


def _takes_create(method: Method) -> Method:
    """Let a method that takes a request point out fields of the request among its own arguments."""

    @functools.wraps(method)
    def checked(*arguments: Any, **named: Any) -> Any:
        for name in named:
            if name in _FIELDS:
                rule = f"is a field of the request: pass CreateSession({name}=...), with all of its fields"
                raise InvalidParams(name, named[name], rule)
        return method(*arguments, **named)

    return cast(Method, checked)


class Client(HttpServices):
    """A client of one simulator. It connects when a method needs a connection.

    As a context manager it closes the sessions that it made. May be used from several threads. The methods that need no
    session are described at :class:`~simsync.services.HttpServices`.

    Args:
        url: A bare host (which means TLS), or a ``ws``, ``wss``, ``http`` or ``https`` address. None reads the
            environment variable ``SIMULATOR_URL``.
        api_key: Sent to the control host only. None reads ``SIMULATOR_API_KEY``; an empty text sends no key.
        options: Timeouts, limits and policies.

    Raises:
        InvalidParams: An argument is wrong, or there is no address.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, *, options: Options | None = None) -> None:
        if url is None:
            url = os.environ.get(URL_VARIABLE)
        if not url:
            embedded = "'simsync local' starts an embedded one"
            raise InvalidParams("url", url, f"pass the address of a simulator or set {URL_VARIABLE} ({embedded})")
        if options is None:
            options = Options()
        control_url = urls.control_url(url)
        key = ApiKey(os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key)
        if not isinstance(options, Options):
            raise InvalidParams("options", options, "must be an Options(...)")
        super().__init__(control_url, key, options)
        self._lifetimes: WeaklyHeld[Lifetime] = WeaklyHeld()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the sessions that this client made and that are still open. It can be used again afterwards."""
        for lifetime in self._lifetimes.all():
            lifetime.close("the client was closed")

    def __repr__(self) -> str:
        return f"Client({self._control_url!r}, api_key={self._api_key!r})"

    @property
    def url(self) -> str:
        """The address of the control connection."""
        return self._control_url

    @property
    def proxy(self) -> str | None:
        """The proxy that leads to the simulator and where it is set, without its password; None without one.

        Raises:
            ConnectError: The setting is not a proxy that can be used.
        """
        return proxy_name(self._control_url, self.options)

    def try_connection(self) -> ConnectionReport:
        """Open a connection as a session does, through the proxy and with TLS, and close it. Nothing is sent.

        Returns:
            How the simulator is reached.

        Raises:
            ConnectError: It is not reached; the message says why.
        """
        # wait: caller | a connection | the peer | `connect_timeout`
        return try_connection(self._control_url, self.options)

    @_takes_create
    def parallel(
        self,
        create: CreateSession,
        *,
        cancel: CancelToken | None = None,
        timeout: checks.Number | None = None,
        on_progress: Progress | None = None,
    ) -> ParallelSession:
        """Create a session that the server splits into sub-sessions, and wait until they exist.

        Args:
            create: Range of slots and settings of the session.
            cancel: Ends this call and later every wait of the session when it is fired.
            timeout: Seconds to wait; None waits without a limit. The server may need minutes to load a range.
            on_progress: Called in this thread with a :class:`~simsync.Created` for each sub-session and with each
                :class:`~simsync.Status`.

        Returns:
            The session, to be used in a ``with`` statement or closed.

        Raises:
            ConnectError: No connection could be made; :class:`~simsync.HttpStatusError` if the key was refused.
            CreateError: The server did not create the session.
            EventTimeout: The session was not created within ``timeout``.
            Cancelled: ``cancel`` was fired.
        """
        protocol = ParallelProtocol(self._checked(create), self.options)
        return self._open(ParallelSession, protocol, cancel, timeout, on_progress)

    @_takes_create
    def session(
        self,
        create: CreateSession,
        *,
        cancel: CancelToken | None = None,
        timeout: checks.Number | None = None,
        on_progress: Progress | None = None,
    ) -> BacktestSession:
        """Create one session over the whole range, and wait until it exists.

        The range must begin at the start of an available range and end inside it, see :meth:`available_ranges` and
        :func:`simsync.split_range`. Arguments and exceptions are those of :meth:`parallel`.
        """
        protocol = SingleProtocol(self.options, self._checked(create))
        return self._open(BacktestSession, protocol, cancel, timeout, on_progress)

    def attach(
        self,
        session_id: str,
        last_sequence: SupportsIndex | None = None,
        *,
        create: CreateSession | None = None,
        cancel: CancelToken | None = None,
        timeout: checks.Number | None = None,
    ) -> BacktestSession:
        """Resume a session that :meth:`session` created, in this process or an earlier one.

        The session must have lost its connection less than its ``disconnect_timeout`` ago. If its engine is waiting
        for a continue, ``status`` is ``ready`` and no ``ReadyForContinue`` is repeated: ``events(advance=n)`` and the
        stepping methods send the next continue, and ``send_continue`` is accepted at once. Finding this out takes
        :attr:`Options.continue_grace <simsync.Options>`.

        Args:
            session_id: The id of the session.
            last_sequence: The :attr:`~simsync.BacktestSession.last_sequence` of the last event that was handled; the
                events after it are delivered. None delivers everything that the server still has.
            create: The request that created the session, so that :attr:`~simsync.BacktestSession.coverage` knows its
                range.
            cancel: As for :meth:`parallel`.
            timeout: As for :meth:`parallel`.

        Raises:
            CreateError: The server does not know the session any more. The other exceptions are those of
                :meth:`parallel`.
        """
        if create is not None:
            _checked_create(create)
        if not checks.text("session_id", session_id).strip():
            raise InvalidParams("session_id", session_id, "must be the id of a session")
        handled = checks.optional_integer("last_sequence", last_sequence, 0, checks.U64)
        protocol = SingleProtocol(self.options, create, session_id, handled)
        return self._open(BacktestSession, protocol, cancel, timeout, None)

    def _open(
        self,
        make: Callable[[ControlConnection, str, Options, Callable[[], None]], Owner],
        protocol: ControlProtocol,
        cancel: CancelToken | None,
        timeout: checks.Number | None,
        on_progress: Progress | None,
    ) -> Owner:
        """Connect, and wait for the session. If this fails, no thread and no socket is left behind."""
        if cancel is not None and not isinstance(cancel, CancelToken):
            raise InvalidParams("cancel", cancel, "must be a CancelToken()")
        if on_progress is not None and not callable(on_progress):
            raise InvalidParams("on_progress", on_progress, "must be a function that takes an event")
        deadline = deadline_after(timeout)
        late_imports.load(*late_imports.SESSION)
        connection = ControlConnection(self._control_url, self._api_key, protocol, self.options, self._ask_slot)
        token = cancel if cancel is not None else CancelToken()
        # In another thread, because a token may be fired in a signal handler while this thread holds any lock.
        forget_token = token.on_cancel(lambda: _cancel_soon(connection, token.reason))
        underway = _Underway(connection)
        at_exit.remember(underway)
        try:
            connection.start(deadline, on_progress)
            owner = make(connection, self._control_url, self.options, forget_token)
            self._lifetimes.add(owner.lifetime)
            return owner
        except BaseException:
            forget_token()
            connection.close()
            raise
        finally:
            at_exit.forget(underway)

    def _checked(self, create: object) -> CreateSession:
        checked = _checked_create(create)
        warning = self.options.dialect.check_create(checked)
        if warning is not None:
            first_mistakes.warn(warning)
        return checked

    def _ask_slot(self, state: SessionState, until: CancelToken, wanted: Callable[[], bool] | None) -> int:
        endpoint = urls.rpc_url(state.rpc_endpoint, self._control_url)
        return ask_slot(endpoint, self.options, until, session_log(RPC, state), wanted)


class _Underway:
    """A session that is being created. If the program ends meanwhile (in a daemon thread), it tells the server."""

    def __init__(self, connection: ControlConnection) -> None:
        self._connection = connection

    def cancel_at_exit(self) -> None:
        self._connection.cancel("the interpreter is ending")

    def close(self) -> None:
        self._connection.close("the interpreter is ending")


def _checked_create(create: object) -> CreateSession:
    if not isinstance(create, CreateSession):
        raise InvalidParams("create", create, "must be a CreateSession(...)")
    return create


def _cancel_soon(connection: ControlConnection, reason: str) -> None:
    try:
        spawn("cancel", lambda: connection.cancel(reason))
    except Exhausted:
        connection.ask_to_cancel(reason)
