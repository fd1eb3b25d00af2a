"""A TCP proxy in front of a server that knows where WebSocket messages begin and end, so a fault can be put anywhere.

What goes over one connection in one direction is a row of units: unit 0 is the head of the HTTP upgrade, each further
one a frame. A :class:`Plan` says at which unit which fault takes the place of plain forwarding. Connections that do not
upgrade (the RPC) have one unit in each direction. A ``raw`` proxy knows nothing of all that: a unit is a byte.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from typing import Callable

CONTROL, DATA, RPC, RAW = "control", "data", "rpc", "raw"
DOWN, UP = "down", "up"
"""From the server to the client, and from the client to the server."""

_READ = 1 << 16


class Over(Exception):
    """The connection has ended."""


Fault = Callable[["Relay", str, bytes], None]
"""Gets the relay, the direction and the unit that is due; forwards what it likes of it."""


class Plan:
    """One fault: at unit ``unit`` (None: at each) of one plane and direction, ``times`` times. Knows what has happened.

    ``sizes``: bytes of each unit that went by, by plane and direction.
    """

    def __init__(
        self,
        fault: Fault | None = None,
        plane: str = CONTROL,
        direction: str = DOWN,
        unit: int | None = 0,
        times: int = 1,
    ) -> None:
        self.fault = fault
        self.plane = plane
        self._direction = direction
        self._unit = unit
        self._lock = threading.Lock()  # guards what follows
        self._left = times
        self.fired = 0
        self._second: tuple[Fault, str, str] | None = None
        self.sizes: dict[tuple[str, str], list[int]] = {}

    def and_also(self, fault: Fault, plane: str, direction: str) -> Plan:
        """From when the first fault has had its turn: another one, for each first unit of another plane."""
        self._second = (fault, plane, direction)
        return self

    @property
    def is_over(self) -> bool:
        """The fault has had all its turns."""
        return self.fault is not None and not self._left

    def due(self, plane: str, direction: str, unit: int, size: int = 0) -> Fault | None:
        with self._lock:
            key = (plane, direction)
            if unit == len(self.sizes.setdefault(key, [])):
                self.sizes[key].append(size)
            if self._second is not None and self.fired and unit == 0 and key == self._second[1:]:
                return self._second[0]
            here = key == (self.plane, self._direction) and self._unit in (None, unit)
            if self.fault is None or not here or not self._left:
                return None
            self._left -= 1
            self.fired += 1
            return self.fault


class _Units:
    """Cuts one direction of a connection into units."""

    def __init__(self) -> None:
        self._rest = b""
        self._head_seen = False

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        units: list[bytes] = []
        while True:
            size = self._size()
            if not size or size > len(self._rest):
                return units
            units.append(self._rest[:size])
            self._rest = self._rest[size:]
            self._head_seen = True

    def _size(self) -> int:
        """Bytes of the next unit, 0 while that is not known."""
        rest = self._rest
        if not self._head_seen:
            return rest.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in rest else 0
        if len(rest) < 2:
            return 0
        length, start = rest[1] & 0x7F, 2
        if length > 125:
            start = 4 if length == 126 else 10
            if len(rest) < start:
                return 0
            length = int.from_bytes(rest[2:start], "big")
        return start + 4 * bool(rest[1] & 0x80) + length


class Relay:
    """One connection through the proxy; everything happens in its own thread. Faults use the methods without ``_``."""

    def __init__(
        self, client: socket.socket, server: socket.socket, plan: Plan, stopped: socket.socket, *, raw: bool = False
    ) -> None:
        self._socks = {UP: client, DOWN: server}  # by the direction that begins there
        self._plan = plan
        self._stopped = stopped
        self._cutters = {UP: _Units(), DOWN: _Units()}
        self._counts = {UP: 0, DOWN: 0}
        self._open = {UP, DOWN}
        self._dropped: set[str] = set()
        self._held = {UP: b"", DOWN: b""}
        self._begun = b""
        self.plane: str | None = RAW if raw else None

    def run(self) -> None:
        with contextlib.suppress(Over, OSError):
            while self._open:
                for direction in self._ready(self._open):
                    self._pump(direction)
        for sock in self._socks.values():
            sock.close()

    def _ready(self, directions: set[str], seconds: float | None = None) -> list[str]:
        waiting = [direction for direction in directions if _pending(self._socks[direction])]
        socks = [self._socks[direction] for direction in directions]
        readable, _writable, _failed = select.select([*socks, self._stopped], [], [], 0.0 if waiting else seconds)
        if self._stopped in readable:
            raise Over
        return [one for one in directions if one in waiting or self._socks[one] in readable]

    def _pump(self, direction: str) -> None:
        data = self._socks[direction].recv(_READ)
        if not data:
            self._open.discard(direction)
            if direction == UP:
                raise Over  # the client has closed
            if direction not in self._dropped:
                self.half_close(direction)
            return
        if direction in self._dropped:
            return
        if self.plane == RAW:
            if self._plan.is_over:
                self.send(direction, data)
                return
            for position in range(len(data)):
                self._take(direction, data[position : position + 1])
            return
        if self.plane is None and direction == UP:
            self._begun += data
            if b"\r\n\r\n" not in self._begun:
                return
            data = self._begun
            self._recognise(data)
            if self.plane == RPC:
                self._take(direction, data)
                return
        if self.plane == RPC:
            self.send(direction, data)
            return
        for unit in self._cutters[direction].feed(data):
            held, self._held[direction] = self._held[direction], b""
            self._take(direction, unit)
            if direction in self._dropped:
                return
            self.send(direction, held)

    def _take(self, direction: str, unit: bytes) -> None:
        number = self._counts[direction]
        self._counts[direction] += 1
        fault = self._plan.due(self.plane or "", direction, number, len(unit))
        if fault is None:
            self.send(direction, unit)
        else:
            fault(self, direction, unit)

    def _recognise(self, head: bytes) -> None:
        line = head.split(b"\r\n", 1)[0].split(b" ")
        upgrade = b"upgrade: websocket" in head.lower()
        self.plane = RPC if not upgrade else CONTROL if line[1].endswith(b"/backtest") else DATA

    def end(self) -> None:
        """From another thread: the connection ends soon."""
        for sock in self._socks.values():
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    # What faults do.

    def send(self, direction: str, data: bytes) -> None:
        """On to the other side."""
        self._socks[DOWN if direction == UP else UP].sendall(data)

    def hold(self, direction: str, unit: bytes) -> None:
        """Forward it behind the next unit of that direction."""
        self._held[direction] += unit

    def finish(self) -> None:
        """End the side of the client in the ordinary way; what it still sends is read, or it would see a reset."""
        self.half_close(DOWN)
        self.stall()

    def feed(self, direction: str, data: bytes, most: int) -> int:
        """Send ``data`` again and again until the receiver ends the connection; how many bytes it took, up to most."""
        sent = 0
        with contextlib.suppress(OSError):
            while sent < most:
                self.send(direction, data)
                sent += len(data)
        return sent

    def pause(self, seconds: float) -> None:
        """Nothing is forwarded for that time, in either direction."""
        readable, _writable, _failed = select.select([self._stopped], [], [], seconds)
        if readable:
            raise Over

    def cut(self) -> None:
        """End both sides in the ordinary way of TCP."""
        raise Over

    def reset(self) -> None:
        """End both sides with a reset."""
        for sock in self._socks.values():
            _reset(sock)
        raise Over

    def half_close(self, direction: str) -> None:
        """Whoever receives in that direction sees the end; the other direction goes on."""
        self._dropped.add(direction)
        sock = self._socks[DOWN if direction == UP else UP]
        # Not the TLS object's own shutdown, which would end its other direction too.
        socket.socket.shutdown(sock, socket.SHUT_WR)

    def mute(self, direction: str) -> None:
        """Nothing is forwarded in that direction any more; the other goes on."""
        self._dropped.add(direction)

    def stall(self) -> None:
        """Nothing is forwarded any more, until the client has closed."""
        while True:
            if self._ready({UP}) and not self._socks[UP].recv(_READ):
                raise Over


def _reset(sock: socket.socket) -> None:
    """Closing it will be a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _pending(sock: socket.socket) -> bool:
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


class Proxy:
    """Listens on a port of this machine and forwards to ``port``. One plan at a time: :meth:`use`.

    With ``context`` the side of the client is TLS. ``raw``: units are bytes.
    """

    def __init__(self, port: int, context: ssl.SSLContext | None = None, *, raw: bool = False) -> None:
        self.server_port = port
        self._raw = raw
        self._refusing = 0
        self.plan = Plan()
        self.context = context
        self.accepted = 0
        self._relays: list[threading.Thread] = []
        self._open: set[Relay] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._stop_sender, self._stopped = socket.socketpair()
        scheme = "wss" if context is not None else "ws"
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, name="fault-proxy", daemon=True)
        self._acceptor.start()

    def use(self, plan: Plan) -> Plan:
        """For the connections that are made from now on."""
        self.plan = plan
        return plan

    def drop_all(self) -> None:
        """End every connection that is open now, from any thread."""
        for relay in list(self._open):
            relay.end()

    def refuse(self, attempts: int) -> None:
        """Reset the next ``attempts`` connections at once."""
        self._refusing = attempts

    def _accept(self) -> None:
        while True:
            readable, _writable, _failed = select.select([self._listener, self._stopped], [], [])
            if self._stopped in readable:
                return
            client, _address = self._listener.accept()
            self.accepted += 1
            if self._refusing:
                self._refusing -= 1
                _reset(client)
                client.close()
                continue
            thread = threading.Thread(target=self._serve, args=(client, self.plan), name="fault-relay", daemon=True)
            self._relays = [relay for relay in self._relays if relay.is_alive()]
            self._relays.append(thread)
            thread.start()

    def _serve(self, client: socket.socket, plan: Plan) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.context is not None:
            client.settimeout(20)
            try:
                client = self.context.wrap_socket(client, server_side=True)
            except OSError:
                client.close()
                return
            client.settimeout(None)
        try:
            server = socket.create_connection(("127.0.0.1", self.server_port))
        except OSError:
            client.close()
            return
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        relay = Relay(client, server, plan, self._stopped, raw=self._raw)
        self._open.add(relay)
        try:
            relay.run()
        finally:
            self._open.discard(relay)

    def close(self) -> None:
        self._stop_sender.send(b"x")
        self._acceptor.join()
        for relay in self._relays:
            relay.join()
        for sock in (self._listener, self._stop_sender, self._stopped):
            sock.close()


@contextlib.contextmanager
def in_front_of(port: int, context: ssl.SSLContext | None = None, *, raw: bool = False) -> Iterator[Proxy]:
    proxy = Proxy(port, context, raw=raw)
    try:
        yield proxy
    finally:
        proxy.close()
