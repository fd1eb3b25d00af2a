"""Every number that governs a client, in one place."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, fields
from typing import Optional

from simsync.errors import InvalidParams
from simsync.frames import OnFrame
from simsync.params import checks
from simsync.wire.dialect import Dialect


@dataclass(frozen=True)
class Options:
    """Settings of a :class:`~simsync.Client`. Times are in seconds.

    Connecting
        ``connect_timeout``: TCP, TLS and upgrade together. ``handshake_timeout``: for each awaited answer.
        ``create_timeout``: between two messages of a parallel create, where the server may wait for capacity.
        ``retry_first_connect``: also retry when nothing listens or the host does not resolve at the very first attempt.
        ``ssl_context``: for ``wss`` addresses, for example with an own CA.
    Keeping alive
        ``ping_interval``; ``dead_after``: without any inbound frame for so long the peer counts as dead.
    Reconnecting
        The n-th attempt waits ``backoff_initial`` · 2^(n-1), at most ``backoff_max``, times 1 ± ``backoff_jitter``.
        ``reconnect_attempts`` and ``reconnect_window`` bound one outage; both start afresh once a connection was up for
        ``uptime_reset``.
    Data plane
        ``compression``: ask for zstd where it can be read. ``buffer_events`` and ``buffer_bytes``: what may wait for
        the caller per subscription; when full, its socket is not read any more and the server feels it.
        ``ungated_reconnects``: how many attempts a lost subscription makes before it waits until no other sub-session
        is streaming. ``replay_slots``: for how many slots the server keeps subscription events.
    Continues
        ``continue_queue``: how many may wait for the writer. ``continue_grace``: how long after a re-attach an event
        may take to prove that a continue arrived, before the session's RPC is asked. ``resend_continue``: send again a
        continue that almost surely did not arrive; False fails that sub-session instead. ``queue_continues``: let
        ``send_continue`` wait while the engine is running, instead of refusing.
    Completing
        ``drain_idle``: after ``completed``, how long a subscription may be silent before its end.
        ``coverage_tolerance``: slots at the end of a range that may carry no block.
        ``close_timeout``: for closing in all. ``strict_sequence``: a jump in sequence numbers fails the sub-session.
    Limits
        ``max_message``: bytes of one message, inflated, and of one HTTP reply, at least 65,536.
        ``max_sub_sessions``: how many a server may announce. ``rpc_timeout``: for one RPC call.
    Speed
        ``fast_path=False``: every frame is cut out by websocket-client and every message decoded by itself, with equal
        results; to find out whether a fault lies in the quick way.
    Watching
        ``on_frame``: called with a :class:`~simsync.Frame` for each frame of each connection and each HTTP exchange, in
        the thread that writes or reads it, so in several at once. What it raises is logged, and it gets no more frames
        of that connection.
    """

    connect_timeout: float = 30.0
    handshake_timeout: float = 180.0
    create_timeout: float = 900.0
    retry_first_connect: bool = False
    ssl_context: Optional[ssl.SSLContext] = field(default=None, repr=False)
    ping_interval: float = 15.0
    dead_after: float = 45.0
    backoff_initial: float = 0.5
    backoff_max: float = 30.0
    backoff_jitter: float = 0.2
    reconnect_attempts: int = 20
    reconnect_window: float = 900.0
    uptime_reset: float = 60.0
    compression: bool = True
    buffer_events: int = 50_000
    buffer_bytes: int = 64 * 1024 * 1024
    ungated_reconnects: int = 5
    replay_slots: int = 100
    continue_queue: int = 256
    continue_grace: float = 5.0
    resend_continue: bool = True
    queue_continues: bool = False
    drain_idle: float = 60.0
    coverage_tolerance: int = 8
    close_timeout: float = 5.0
    strict_sequence: bool = False
    max_message: int = 64 * 1024 * 1024
    max_sub_sessions: int = 4_096
    rpc_timeout: float = 30.0
    fast_path: bool = True
    dialect: Dialect = field(default_factory=Dialect)
    on_frame: Optional[OnFrame] = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for option in fields(self):
            value = getattr(self, option.name)
            if option.type == "float":
                checks.seconds(option.name, value)
            elif option.type == "bool":
                checks.flag(option.name, value)
        if self.ssl_context is not None and not isinstance(self.ssl_context, ssl.SSLContext):
            raise InvalidParams("ssl_context", self.ssl_context, "must be an ssl.SSLContext")
        if not isinstance(self.dialect, Dialect):
            raise InvalidParams("dialect", self.dialect, "must be a Dialect(...)")
        if self.on_frame is not None and not callable(self.on_frame):
            raise InvalidParams("on_frame", self.on_frame, "must be a function of one Frame")
        checks.integer("reconnect_attempts", self.reconnect_attempts, 0, checks.U32)
        checks.integer("ungated_reconnects", self.ungated_reconnects, 0, checks.U32)
        checks.integer("replay_slots", self.replay_slots, 1, checks.U32)
        checks.integer("buffer_events", self.buffer_events, 1, checks.U32)
        checks.integer("buffer_bytes", self.buffer_bytes, 1, checks.U32)
        checks.integer("continue_queue", self.continue_queue, 1, checks.U32)
        checks.integer("coverage_tolerance", self.coverage_tolerance, 0, checks.U32)
        checks.integer("max_message", self.max_message, 65_536, checks.U32)
        checks.integer("max_sub_sessions", self.max_sub_sessions, 1, checks.U32)
        for name in ("connect_timeout", "handshake_timeout", "create_timeout", "ping_interval", "rpc_timeout"):
            if getattr(self, name) <= 0:
                raise InvalidParams(name, getattr(self, name), "must be more than 0 seconds")
        if self.dead_after <= self.ping_interval:
            raise InvalidParams(
                "dead_after", self.dead_after, f"must be more than ping_interval={self.ping_interval:g}"
            )
        if self.backoff_jitter >= 1:
            raise InvalidParams("backoff_jitter", self.backoff_jitter, "must be less than 1")
