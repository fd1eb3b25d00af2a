"""Every exception that simsync raises, in one tree.

    SimsyncError
    ├── InvalidParams            (also ValueError)   refused before anything was sent
    ├── MissingExtra             (also ImportError)  an optional package is not installed
    ├── ConnectError                                 no connection could be made
    │   └── HttpStatusError      .url .status .body  the server answered with an HTTP error
    ├── CreateError                                  the server did not create the session
    ├── ControlClosed                                the control connection ended, nothing is left to deliver
    ├── ControlFailed                                the control connection failed for good
    ├── SubscriptionFailed                           the data plane is incomplete
    ├── ContinueSendError                            a continue was refused or may not have arrived
    ├── Cancelled                                    a CancelToken fired or the session was closed
    ├── EventTimeout             (also TimeoutError) nothing arrived in time; nothing is lost
    ├── RemoteError              .error              the simulator reported an error
    ├── RpcError                 .code .message .data  a JSON-RPC call was answered with an error
    └── ProtocolError            .raw                the server said something that makes no sense

Messages say what was attempted, with what, and what to do next. The exception that caused a failure is kept as
``__cause__``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simsync.events import BacktestError


class SimsyncError(Exception):
    """Root of all exceptions raised by simsync."""


class InvalidParams(SimsyncError, ValueError):
    """An argument is wrong; nothing was sent.

    ``argument`` is the name of the argument, ``value`` what was given.
    """

    def __init__(self, argument: str, value: object, rule: str) -> None:
        try:
            shown = repr(value)
        except (ValueError, RecursionError):  # an int of thousands of digits, a structure that is nested too deeply
            shown = f"<{type(value).__name__}>"
        if len(shown) > 120:
            shown = shown[:117] + "..."
        super().__init__(f"{argument}={shown}: {rule}")
        self.argument = argument
        self.value = value
        self.rule = rule

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.argument, self.value, self.rule)


class MissingExtra(SimsyncError, ImportError):
    """A feature needs an optional package that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs optional packages: pip install 'simsync[{extra}]'")
        self.feature = feature
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.feature, self.extra)


class ConnectError(SimsyncError):
    """No connection could be made to the simulator."""


class HttpStatusError(ConnectError):
    """The server answered an HTTP request or a WebSocket upgrade with an error status."""

    def __init__(self, url: str, status: int, body: str, advice: str = "") -> None:
        text = f"{url} answered HTTP {status}"
        if body.strip():
            text += f": {body.strip()[:300]}"
        if advice:
            text += f" ({advice})"
        super().__init__(text)
        self.url = url
        self.status = status
        self.body = body
        self.advice = advice

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url, self.status, self.body, self.advice)


class CreateError(SimsyncError):
    """The server did not create the session."""


class ControlClosed(SimsyncError):
    """The control connection has ended and every event was delivered; there is nothing more to wait for."""


class ControlFailed(SimsyncError):
    """The control connection failed for good; the message holds the reason."""


class SubscriptionFailed(SimsyncError):
    """A data-plane subscription failed, so the stream of events is incomplete."""


class ContinueSendError(SimsyncError):
    """A continue was refused, or it is not certain that it arrived."""


class Cancelled(SimsyncError):
    """A :class:`~simsync.CancelToken` fired, or the session was closed, while the call was waiting."""


class EventTimeout(SimsyncError, TimeoutError):
    """Nothing arrived within the timeout. Nothing is lost: the next call goes on where this one stopped."""


class RemoteError(SimsyncError):
    """The simulator reported an error; ``error`` holds it as it came."""

    def __init__(self, error: BacktestError, context: str = "") -> None:
        super().__init__(f"{context}: {error}" if context else str(error))
        self.error = error
        self.context = context

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.error, self.context)


class RpcError(SimsyncError):
    """A JSON-RPC call was answered with an error object."""

    def __init__(self, method: str, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{method}: {message} (code {code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.method, self.code, self.message, self.data)


class ProtocolError(SimsyncError):
    """The server sent something that cannot be accepted; ``raw`` holds it."""

    def __init__(self, message: str, raw: Any = None) -> None:
        super().__init__(message)
        self.raw = raw

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.raw)
