"""Every exception that simsync raises, in one tree.

    SimsyncError
    ├── InvalidParams            (also ValueError)     an argument is wrong; nothing was sent
    ├── MissingExtra             (also ImportError)    an optional package is not installed
    ├── ConnectError                                   no connection could be made
    │   └── HttpStatusError      .url .status .body    the server answered with an HTTP error
    │       └── AuthenticationError                    … that it does not accept the API key
    ├── CreateError              .reason .error        the server did not create the session
    │   └── CapacityError                              … because it has no capacity at present
    ├── ControlClosed                                  the control connection has ended; no event is left
    ├── ControlFailed                                  the control connection failed for good
    ├── SubscriptionFailed                             a subscription failed; its events are incomplete
    ├── ContinueSendError                              a continue was refused or may not have arrived
    ├── Cancelled                                      a CancelToken was fired or the session was closed
    ├── EventTimeout             (also TimeoutError)   nothing arrived in time; no event is lost
    ├── RemoteError              .error                the simulator reported an error
    ├── RpcError                 .code .message .data  the reply to a JSON-RPC call is an error
    ├── ProtocolError            .raw                  the server sent something that cannot be read
    ├── OutputBusy               (simsync.run)         another process is writing the file
    ├── StrategyFailed           (simsync.run)         a strategy raised an exception
    └── SweepFailed              (simsync.run.sweep)   a range of a sweep failed, or its result was lost

Each has ``retryable``: True if the same call may succeed later with nothing changed, as after a lost connection.
Messages say what failed, with which value, and what to do next. The exception that caused a failure is its
``__cause__``. All exceptions can be pickled, with their notes; a value that cannot be is replaced by its ``repr``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simsync.events import BacktestError


class SimsyncError(Exception):
    """Base class of all exceptions of simsync.

    What to do: catch it to catch every failure of simsync; retry if ``retryable`` is True.

    Attributes:
        retryable: True if the same call may succeed later with nothing changed.
    """

    retryable: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        # What cannot be pickled, such as a function that was passed as an argument, is replaced by its repr: an
        # exception that cannot be sent to another process would hide the failure that it tells of.
        arguments, args = (tuple(map(_picklable, values)) for values in (self._arguments(), self.args))
        state = {name: _picklable(value) for name, value in vars(self).items()}
        return type(self), arguments, {**state, "args": args}  # args: a message made of the repr would quote it again

    def _arguments(self) -> tuple[object, ...]:
        """The arguments with which the exception is made again."""
        return self.args


def _picklable(value: object) -> object:
    import pickle  # takes long to import, and most programs do not need it

    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 (objects of other libraries raise what they like)
        return _shown(value)
    return value


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 (an int of thousands of digits, a deeply nested value, a repr that fails)
        return f"<{type(value).__name__}>"


class InvalidParams(SimsyncError, ValueError):
    """An argument is wrong. Nothing was sent.

    What to do: correct the argument; the message names it and shows its value.

    Attributes:
        argument: Name of the argument, with an index or key inside it, such as ``"transactions[0]"``.
        value: The value.
        rule: What the value must be.
    """

    def __init__(self, argument: str, value: object, rule: str) -> None:
        shown = _shown(value)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        super().__init__(f"{argument}={shown}: {rule}")
        self.argument = argument
        self.value = value
        self.rule = rule

    def _arguments(self) -> tuple[object, ...]:
        return (self.argument, self.value, self.rule)


class MissingExtra(SimsyncError, ImportError):
    """A feature needs an optional package that is not installed.

    What to do: install the extra that the message names.

    Attributes:
        feature: What needs it.
        extra: The extra to install: ``pip install 'simsync[extra]'``.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs optional packages: pip install 'simsync[{extra}]'")
        self.feature = feature
        self.extra = extra

    def _arguments(self) -> tuple[object, ...]:
        return (self.feature, self.extra)


class ConnectError(SimsyncError):
    """No connection to the simulator could be made, or it was lost before the reply.

    What to do: check the address, the proxy and the certificates (``simsync doctor`` tries them), or retry later if
    ``retryable`` is True. If the message names a limit of the process, raise the limit.

    Attributes:
        retryable: False if another attempt would not help before something is changed, for example the address of a
            proxy that asks for a password, or a certificate that is not trusted.
        retry_after: Seconds for which the server or proxy asked to be left alone (``Retry-After``), 0 if it did not.
    """

    retryable = True
    retry_after: float = 0.0


_TRANSIENT_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
_KEY_STATUSES = frozenset({401, 403})


class HttpStatusError(ConnectError):
    """The server answered an HTTP request or a WebSocket upgrade with an error status.

    A status of 401 or 403 creates an :class:`AuthenticationError`. ``retryable`` is True for 408, 425, 429, 502, 503
    and 504.

    What to do: after 404 or 405 check the address and the id, or use a newer simulator; after 429 and 5xx wait, at
    least for ``retry_after`` seconds.

    Attributes:
        url: The address.
        status: The HTTP status, for example 401.
        body: The body of the reply as text.
        advice: What to do about it, empty if nothing is known.
        retry_after: Seconds for which the server asked to be left alone (``Retry-After``), 0 if it did not.
    """

    def __new__(cls, url: str, status: int, body: str, advice: str = "", retry_after: float = 0.0) -> HttpStatusError:
        return super().__new__(AuthenticationError if cls is HttpStatusError and status in _KEY_STATUSES else cls)

    def __init__(self, url: str, status: int, body: str, advice: str = "", retry_after: float = 0.0) -> None:
        text = f"{url} answered HTTP {status}"
        if body.strip():
            text += f": {body.strip()[:300]}"
        if advice:
            text += f" ({advice})"
        if retry_after:
            text += f" (try again in {retry_after:g} s)"
        super().__init__(text)
        self.url = url
        self.status = status
        self.body = body
        self.advice = advice
        self.retryable = status in _TRANSIENT_STATUSES
        self.retry_after = retry_after

    def _arguments(self) -> tuple[object, ...]:
        return (self.url, self.status, self.body, self.advice, self.retry_after)


class AuthenticationError(HttpStatusError):
    """The server does not accept the API key, or wants one (HTTP 401 or 403). ``retryable`` is False.

    What to do: check ``SIMULATOR_API_KEY``, or ``api_key=`` of the client.
    """


class CreateError(SimsyncError):
    """The server did not create the session, or does not know it any more.

    ``retryable`` is True only after the server's errors ``Internal``, ``ClerkError`` and ``SessionOwnershipBusy``.

    What to do: read ``reason``. Often the range is not available: :meth:`Client.available_ranges()
    <simsync.Client.available_ranges>` lists what can be replayed.

    Attributes:
        reason: Why, in words.
        error: The :class:`~simsync.BacktestError` that the server reported, None if it reported none.
    """

    def __init__(self, reason: str, error: BacktestError | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error

    def _arguments(self) -> tuple[object, ...]:
        return (self.reason, self.error)


class CapacityError(CreateError):
    """The server has no capacity for the session at present.

    Recognised by the words of the server's error, see :class:`~simsync.Dialect`.

    What to do: retry later, or set ``capacity_wait_timeout`` of :class:`~simsync.CreateSession`.
    """

    retryable = True


class ControlClosed(SimsyncError):
    """The control connection has ended and every event was delivered.

    What to do: stop waiting for events of this session; no more will come.
    """


class ControlFailed(SimsyncError):
    """The control connection failed for good; the message gives the reason.

    ``retryable`` is True if the connection was lost and could not be restored, False if the server ended the session
    with an error.

    What to do: create a new session. For longer outages raise ``reconnect_attempts`` and ``reconnect_window`` of
    :class:`~simsync.Options`.
    """

    retryable = True


class SubscriptionFailed(SimsyncError):
    """A data-plane subscription failed, so its events are incomplete.

    What to do: run the range again; the message names the subscription and the slots that are missing.
    """

    retryable = True


class ContinueSendError(SimsyncError):
    """A continue was refused, or it is not known whether it arrived.

    What to do: if the previous continue is still running, wait for its end with ``ensure_ready()``, or set
    ``Options(queue_continues=True)``. If a continue may be lost, create a new session.
    """


class Cancelled(SimsyncError):
    """A :class:`~simsync.CancelToken` was fired, or the session was closed, while the call was waiting.

    What to do: nothing; your program asked for it.
    """


class EventTimeout(SimsyncError, TimeoutError):
    """Nothing arrived within the timeout. No event is lost.

    What to do: call again to keep waiting, or pass a larger ``timeout``.
    """

    retryable = True


class RemoteError(SimsyncError):
    """The simulator reported an error.

    What to do: read ``error.name`` and ``error.fields``; the server decides what they mean.

    Attributes:
        error: The :class:`~simsync.BacktestError`.
        context: What was attempted, empty if that is not known.
    """

    def __init__(self, error: BacktestError, context: str = "") -> None:
        super().__init__(f"{context}: {error}" if context else str(error))
        self.error = error
        self.context = context

    def _arguments(self) -> tuple[object, ...]:
        return (self.error, self.context)


class RpcError(SimsyncError):
    """The reply to a JSON-RPC call is an error.

    What to do: correct the call; ``code`` and ``message`` are those of a Solana node.

    Attributes:
        method: Name of the method.
        code: Error code of the reply, 0 if it has none.
        message: Message of the reply.
        data: Further details as JSON values, None if there are none.
    """

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{method}: {message} (code {code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data

    def _arguments(self) -> tuple[object, ...]:
        return (self.method, self.code, self.message, self.data)


class ProtocolError(SimsyncError):
    """The server sent something that cannot be read.

    What to do: look at ``raw``. If the server speaks another form, ``simsync doctor --capture`` finds the setting.

    Attributes:
        raw: What it sent, as bytes or JSON values.
    """

    def __init__(self, message: str, raw: object = None) -> None:
        super().__init__(message)
        self.raw = raw

    def _arguments(self) -> tuple[object, ...]:
        return (*self.args, self.raw)
