"""A control server that follows a script per connection, and an RPC endpoint that answers ``getSlot``."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Callable

import simsync

from .wire_peer import CLOSE, PING, PONG, SAFETY_NET, TEXT, FrameParser, accept, close_frame, encode

SESSION, CONTROL = "backtest_a", "parallel_c"


class Talk:
    """One connection, from the side of the server."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._parser = FrameParser()
        self._frames: list[tuple[int, bytes]] = []
        self._held: list[bytes] | None = None

    def send(self, method: str, params: Any = None) -> None:
        self.send_frame(encode(TEXT, json.dumps({"method": method, "params": params}).encode()))

    def send_frame(self, frame: bytes) -> None:
        if self._held is None:
            self.sock.sendall(frame)
        else:
            self._held.append(frame)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Send what is sent inside in one piece at the end, so that the client receives it together."""
        held: list[bytes] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
        self.sock.sendall(b"".join(held))

    def event(self, sequence: int, kind: str, params: Any = None, session_id: str = SESSION) -> None:
        inner = {"method": kind, "params": params}
        self.send("sessionEventV2", {"session_id": session_id, "seq_id": sequence, "event": inner})

    def expect(self, method: str) -> Any:
        """Read until a text message, which must be ``method``; its params. Pings are answered."""
        while True:
            opcode, payload = self._frame()
            if opcode == PING:
                self.sock.sendall(encode(PONG, payload))
            elif opcode == TEXT:
                message = json.loads(payload)
                assert message["method"] == method, message
                return message.get("params")

    def expect_frame(self, wanted: int, payload: bytes | None = None) -> None:
        """Read until a frame with that opcode (and payload)."""
        while True:
            opcode, found = self._frame()
            if opcode == wanted and (payload is None or found == payload):
                return

    def expect_end(self) -> None:
        """Read until the client has closed the connection."""
        with contextlib.suppress(ConnectionResetError):
            while self.sock.recv(1 << 16):
                pass

    def _frame(self) -> tuple[int, bytes]:
        while not self._frames:
            data = self.sock.recv(1 << 16)
            assert data, "the client has closed"
            self._frames = [(frame.opcode, frame.payload) for frame in self._parser.feed(data)]
        return self._frames.pop(0)

    def create(self, endpoint: str = "/backtest/a", start: int = 1, end: int = 9) -> None:
        """Answer the create with one sub-session that is ready at ``start``."""
        self.expect("createBacktestSession")
        self.finish_create(endpoint, start, end)

    def finish_create(self, endpoint: str = "/backtest/a", start: int = 1, end: int = 9) -> None:
        self.send("sessionCreated", {"session_id": SESSION, "rpc_endpoint": endpoint})
        ranges = {"start_slots": [start], "end_slots": [end]}
        self.send("sessionsCreatedV2", {"control_session_id": CONTROL, "session_ids": [SESSION], **ranges})
        self.event(1, "slotNotification", start)
        self.event(2, "readyForContinue")

    def attach(self) -> Any:
        params = self.expect("attachParallelControlSessionV2")
        self.send("parallelSessionAttachedV2", {"control_session_id": CONTROL, "session_ids": [SESSION]})
        return params

    def drop(self) -> None:
        """Reset the connection."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def goodbye(self) -> None:
        """Answer the close request and the close frame."""
        self.expect("closeBacktestSession")
        self.send("success")
        self.expect_frame(CLOSE)
        self.sock.sendall(close_frame(1000))


@contextlib.contextmanager
def scripted(*scripts: Callable[[Talk], None], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve one connection per script, in this order, each in a thread. Errors of a script come out at the end."""
    errors: list[BaseException] = []

    def serve(script: Callable[[Talk], None], sock: socket.socket) -> None:
        try:
            with sock:
                script(Talk(sock))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the test
            errors.append(error)

    def accept_all(listener: socket.socket) -> None:
        threads = []
        try:
            for script in scripts:
                thread = threading.Thread(target=serve, args=(script, accept(listener, context)), daemon=True)
                thread.start()
                threads.append(thread)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread of the test
            errors.append(error)
        finally:
            listener.close()
        for thread in threads:
            thread.join(SAFETY_NET)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SAFETY_NET)
        address = f"{'wss' if context else 'ws'}://127.0.0.1:{listener.getsockname()[1]}"
        acceptor = threading.Thread(target=accept_all, args=(listener,), name="scripted-control", daemon=True)
        acceptor.start()
        try:
            yield address
        finally:
            acceptor.join(2 * SAFETY_NET)
            assert not acceptor.is_alive(), "a script has not ended"
    if errors:
        raise errors[0]


@contextlib.contextmanager
def answering_slots(slots: Sequence[int | None]) -> Iterator[tuple[str, queue.SimpleQueue[str]]]:
    """An RPC endpoint that answers with the next of ``slots``, 503 for None; yields its address and what was called."""
    remaining = list(slots)
    called: queue.SimpleQueue[str] = queue.SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            slot = remaining.pop(0)
            body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": slot}).encode()
            self.send_response(503 if slot is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            called.put(request["method"])

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/rpc", called
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def resumed(
    slots: Sequence[int | None],
    options: simsync.Options,
    losing: Callable[[Talk], None],
    resuming: Callable[[Talk, queue.SimpleQueue[str]], None],
) -> Iterator[tuple[simsync.ParallelSession, queue.SimpleQueue[str]]]:
    """A session over the slots 1 to 9 that loses its connection and attaches again.

    ``losing`` goes on behind the create and ends the connection, ``resuming`` goes on behind the attach and gets the
    calls of the RPC, which answers with ``slots``. Yields the session and these calls.
    """

    def first(talk: Talk) -> None:
        talk.create(endpoint)
        losing(talk)

    def second(talk: Talk) -> None:
        talk.attach()
        resuming(talk, called)
        talk.goodbye()

    with answering_slots(slots) as (endpoint, called), scripted(first, second) as url:
        with simsync.Client(url, "key", options=options).parallel(simsync.CreateSession(1, 9), timeout=20) as session:
            yield session, called
