"""The settings of a client."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Optional, SupportsIndex, Union

from simsync.errors import InvalidParams
from simsync.frames import OnFrame
from simsync.params import checks
from simsync.wire.dialect import Dialect

_LIMITS = {
    "replay_slots": (1, checks.U32),
    "buffer_events": (1, checks.U32),
    "buffer_bytes": (1, checks.U32),
    "continue_queue": (1, checks.U32),
    "max_message": (65_536, checks.U32),
    "max_sub_sessions": (1, checks.U32),
}
"""Lowest and highest value of the options that are numbers; the others begin with 0."""


@dataclass(frozen=True)
class Options:
    """Settings of a :class:`~simsync.Client`. Times are in seconds.

    Attributes:
        connect_timeout: Limit for making a connection, in seconds: name resolution, all addresses, the proxy, TLS and
            the WebSocket upgrade.
        handshake_timeout: For each reply of a handshake, such as creating or attaching, in seconds.
        create_timeout: For the time between two messages while a parallel session is created, in seconds. The server
            may be waiting for capacity.
        retry_first_connect: Also retry if the very first attempt finds that nothing listens at the address or that the
            host does not resolve. By default, this fails at once.
        ssl_context: Context for ``wss`` and ``https``, for example with a client certificate. None creates one.
        ca_bundle: File or folder with the CA certificates that are trusted instead of those of the system, see
            ``docs/guides/network.md``. None reads ``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``, ``SSL_CERT_FILE`` and
            ``SSL_CERT_DIR``. Not together with ``ssl_context``.
        ping_interval: Seconds between two WebSocket pings.
        dead_after: A connection without any inbound frame for this many seconds is treated as lost. Must be more than
            ``ping_interval``.
        backoff_initial: Seconds before the first attempt to reconnect. Doubled for each further attempt.
        backoff_max: Longest delay between two attempts in seconds.
        backoff_jitter: Each delay is multiplied by a random number between 1 - jitter and 1 + jitter; from 0 to less
            than 1.
        reconnect_attempts: Number of attempts in one outage.
        reconnect_window: Longest outage in seconds.
        uptime_reset: An outage is over after a connection has delivered something new, or was up for this many seconds;
            then both limits and the delays start again.
        compression: Ask for data-plane messages that are compressed with zstd, if the package to read them is
            installed.
        buffer_events: Number of events that may wait for the caller, per subscription. When it is reached, simsync
            stops reading and TCP backpressure slows the server.
        buffer_bytes: The same limit in bytes.
        ungated_reconnects: Number of attempts of a lost subscription before it waits until no other sub-session is
            streaming.
        replay_slots: Number of slots for which the server keeps the events of a subscription.
        continue_queue: Number of continues that may wait to be sent.
        continue_grace: Seconds after a reconnect within which an event may prove that a continue arrived. Then the RPC
            of the session is asked.
        resend_continue: Send a continue again that almost certainly did not arrive. False fails the sub-session
            instead.
        queue_continues: Let ``send_continue`` wait while the engine is running. False raises ContinueSendError.
        drain_idle: After ``completed``, seconds without a notification after which a subscription counts as finished.
        coverage_tolerance: Number of slots at the end of a range that may have no block.
        close_timeout: For closing a session as a whole, in seconds.
        strict_sequence: Fail the sub-session at a jump in the sequence numbers. False counts and logs it.
        strict_replay: Fail the session if a lost connection leaves slots of a quiet subscription unproven. False logs
            them and lists them in :attr:`Coverage.unproven`.
        max_message: Limit of a message, after inflating, and of an HTTP reply, in bytes; at least 65,536.
        max_sub_sessions: Limit of the number of sub-sessions that a server may announce.
        rpc_timeout: For a call over HTTP as a whole, in seconds: connecting, the request, the complete reply, and
            further attempts.
        fast_path: Decode messages in blocks. False lets websocket-client cut each frame and decodes each message
            alone, with equal results, to find out whether the fast path causes a fault.
        dialect: The assumptions about the wire format that can be replaced, see :class:`~simsync.Dialect`.
        on_frame: Called with a :class:`~simsync.Frame` for each frame of each connection and each HTTP message, in the
            thread that writes or reads it. An exception is logged and ends the calls for that connection. None
            turns this off.
    """

    # guess: time to connect
    connect_timeout: float = 30.0
    # guess: time to wait for an answer
    handshake_timeout: float = 180.0
    # guess: time between two messages of a parallel create
    create_timeout: float = 900.0
    retry_first_connect: bool = False
    ssl_context: Optional[ssl.SSLContext] = field(default=None, repr=False)
    ca_bundle: Union[str, os.PathLike[str], None] = None
    # guess: keepalive
    ping_interval: float = 15.0
    # guess: dead peer
    dead_after: float = 45.0
    # guess: delay between attempts
    backoff_initial: float = 0.5
    backoff_max: float = 30.0
    backoff_jitter: float = 0.2
    # guess: reconnect budget of an outage
    reconnect_attempts: int = 20
    reconnect_window: float = 900.0
    # guess: reset of the reconnect budget
    uptime_reset: float = 60.0
    compression: bool = True
    buffer_events: int = 50_000
    buffer_bytes: int = 64 * 1024 * 1024
    ungated_reconnects: int = 5
    replay_slots: int = 100
    # guess: continues waiting to be written
    continue_queue: int = 256
    # guess: proof of a continue after an attach
    continue_grace: float = 5.0
    resend_continue: bool = True
    queue_continues: bool = False
    # guess: silence while draining
    drain_idle: float = 60.0
    coverage_tolerance: int = 8
    # guess: graceful close
    close_timeout: float = 5.0
    strict_sequence: bool = False
    strict_replay: bool = False
    max_message: int = 64 * 1024 * 1024
    max_sub_sessions: int = 4_096
    rpc_timeout: float = 30.0
    fast_path: bool = True
    dialect: Dialect = field(default_factory=Dialect)
    on_frame: Optional[OnFrame] = field(default=None, repr=False)

    if TYPE_CHECKING:

        def __init__(
            self,
            connect_timeout: checks.Number = 30.0,
            handshake_timeout: checks.Number = 180.0,
            create_timeout: checks.Number = 900.0,
            retry_first_connect: bool = False,
            ssl_context: Optional[ssl.SSLContext] = None,
            ca_bundle: Union[str, os.PathLike[str], None] = None,
            ping_interval: checks.Number = 15.0,
            dead_after: checks.Number = 45.0,
            backoff_initial: checks.Number = 0.5,
            backoff_max: checks.Number = 30.0,
            backoff_jitter: checks.Number = 0.2,
            reconnect_attempts: SupportsIndex = 20,
            reconnect_window: checks.Number = 900.0,
            uptime_reset: checks.Number = 60.0,
            compression: bool = True,
            buffer_events: SupportsIndex = 50_000,
            buffer_bytes: SupportsIndex = 64 * 1024 * 1024,
            ungated_reconnects: SupportsIndex = 5,
            replay_slots: SupportsIndex = 100,
            continue_queue: SupportsIndex = 256,
            continue_grace: checks.Number = 5.0,
            resend_continue: bool = True,
            queue_continues: bool = False,
            drain_idle: checks.Number = 60.0,
            coverage_tolerance: SupportsIndex = 8,
            close_timeout: checks.Number = 5.0,
            strict_sequence: bool = False,
            strict_replay: bool = False,
            max_message: SupportsIndex = 64 * 1024 * 1024,
            max_sub_sessions: SupportsIndex = 4_096,
            rpc_timeout: checks.Number = 30.0,
            fast_path: bool = True,
            dialect: Dialect = ...,
            on_frame: Optional[OnFrame] = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if option.type == "float":
                checks.assign(self, **{option.name: checks.seconds(option.name, value)})
            elif option.type == "bool":
                checks.assign(self, **{option.name: checks.flag(option.name, value)})
            elif option.type == "int":
                low, high = _LIMITS.get(option.name, (0, checks.U32))
                checks.assign(self, **{option.name: checks.integer(option.name, value, low, high)})
        if self.ssl_context is not None and not isinstance(self.ssl_context, ssl.SSLContext):
            raise InvalidParams("ssl_context", self.ssl_context, "must be an ssl.SSLContext")
        if self.ca_bundle is not None:
            if not isinstance(self.ca_bundle, (str, os.PathLike)) or not str(self.ca_bundle):
                raise InvalidParams("ca_bundle", self.ca_bundle, "must be the path of a file or folder")
            if self.ssl_context is not None:
                raise InvalidParams("ca_bundle", self.ca_bundle, "cannot be combined with ssl_context: load it there")
        if not isinstance(self.dialect, Dialect):
            raise InvalidParams("dialect", self.dialect, "must be a Dialect(...)")
        if self.on_frame is not None and not callable(self.on_frame):
            raise InvalidParams("on_frame", self.on_frame, "must be a function that takes a Frame")
        for name in ("connect_timeout", "handshake_timeout", "create_timeout", "ping_interval", "rpc_timeout"):
            if getattr(self, name) <= 0:
                raise InvalidParams(name, getattr(self, name), "must be more than 0 seconds")
        if self.dead_after <= self.ping_interval:
            raise InvalidParams(
                "dead_after", self.dead_after, f"must be more than ping_interval ({self.ping_interval:g})"
            )
        if self.backoff_jitter >= 1:
            raise InvalidParams("backoff_jitter", self.backoff_jitter, "must be less than 1")
