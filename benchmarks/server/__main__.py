"""A process that serves frames that were built before anybody connected.

It prints one line of JSON once it listens, the fields of :class:`benchmarks.stream.Stream`, and ends when its standard
input does, so it cannot outlive whoever started it. Where it can, it keeps to the last processor. The port speaks TLS
with those who do, if trustme is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import ssl
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Callable, Protocol

from benchmarks.server.closed_loop import ClosedLoop
from benchmarks.server.connection import Connection, Gone
from benchmarks.server.data_plane import DataPlane
from benchmarks.server.flood import Flood
from benchmarks.server.paced import Paced
from benchmarks.stream import Stream

_TLS_HANDSHAKE = b"\x16"


class Service(Protocol):
    """What a kind of server does with a connection. Several may be served at a time, each in its thread."""

    serves: Stream

    def serve(self, connection: Connection) -> None: ...


KINDS: dict[str, Callable[[int, int], Service]] = {"flood": Flood, "paced": Paced}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=[*KINDS, "closed-loop", "data-plane"])
    parser.add_argument("--events", type=int, required=True, help="of a data plane: transactions")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--slots", type=int, default=0, help="of a closed loop: slot events for each continue")
    parser.add_argument("--data", type=Path, help="folder with recorded transactions")
    options = parser.parse_args()
    threading.Thread(target=_end_with_input, daemon=True).start()
    service: Service
    if options.kind == "data-plane":
        service = DataPlane(options.events, options.data)
    elif options.kind == "closed-loop":
        service = ClosedLoop(options.events, options.sessions, options.slots)
    else:
        service = KINDS[options.kind](options.events, options.sessions)
    context, authority = _tls()
    core = _keep_to_one_core()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/backtest"
        print(json.dumps(asdict(replace(service.serves, url=url, core=core, ca=authority))), flush=True)
        while True:
            sock, _address = listener.accept()
            threading.Thread(target=_serve, args=(sock, context, service), daemon=True).start()


def _serve(sock: socket.socket, context: ssl.SSLContext | None, service: Service) -> None:
    with contextlib.suppress(Gone, OSError), sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None and sock.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
            with context.wrap_socket(sock, server_side=True) as secured:
                service.serve(Connection(secured))
        else:
            service.serve(Connection(sock))


def _tls() -> tuple[ssl.SSLContext | None, str]:
    """A certificate for this run, and the authority that signed it."""
    try:
        import trustme
    except ImportError:
        return None, ""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, authority.cert_pem.bytes().decode()


def _keep_to_one_core() -> int:
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[-1]})
            return cores[-1]
    return -1


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # the main thread may be in a call that nothing ends


if __name__ == "__main__":
    main()
