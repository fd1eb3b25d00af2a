"""The sockets of HTTP connections: made like those of WebSockets, tracked, and bounded by the end of the call."""

from __future__ import annotations

import socket
import time

from simsync.runtime.abort import Abort
from simsync.runtime.addresses import Unreachable
from simsync.runtime.dial import dial


class Budget:
    """When the present call of a thread has to end. The connections that the thread uses refer to it."""

    def __init__(self, connect_timeout: float) -> None:
        self._connect_timeout = connect_timeout
        self.deadline = 0.0
        """In seconds of :func:`time.monotonic`."""

    def left(self) -> float:
        """Return the seconds that are left. Raises ``socket.timeout`` if there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("the call took too long")
        return left

    def dial(self, url: str, abort: Abort) -> socket.socket:
        """Open a TCP connection. Raises as :func:`simsync.runtime.dial.dial`."""
        self.left()
        deadline = min(self.deadline, time.monotonic() + self._connect_timeout)
        try:
            # wait: caller, `simsync-http` | a connection | the peer; `Abort.fire` | `connect_timeout`, `rpc_timeout`
            sock = dial(url, deadline, abort)
        except socket.timeout as error:
            self.left()  # the call itself may be over
            raise Unreachable(f"no connection within {self._connect_timeout:g} s") from error
        sock.settimeout(self.left())
        return sock
