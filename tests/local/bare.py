"""A client that shares no code with simsync: plain websocket-client and requests, one message at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Optional, TypeVar

import requests
import websocket

from simsync.local import Simulator

TIMEOUT = 10.0
"""Seconds after which a test gives up waiting for a message."""

Message = dict[str, Any]
_Socket = TypeVar("_Socket", bound="Socket")


class Dropped(Exception):
    """The server ended the connection."""


class Socket:
    """One WebSocket with JSON messages."""

    def __init__(self, url: str, headers: Optional[dict[str, str]] = None) -> None:
        self.raw: Any = websocket.create_connection(url, header=headers or {}, timeout=TIMEOUT)
        self.close_code: Optional[int] = None

    def send_text(self, text: str) -> None:
        self.raw.send(text)

    def send(self, message: Any) -> None:
        self.send_text(json.dumps(message))

    def recv_frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next data frame. Raises Dropped at the end of the connection."""
        try:
            opcode, payload = self.raw.recv_data()
        except (websocket.WebSocketConnectionClosedException, ConnectionError) as error:
            raise Dropped("no close frame") from error
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            raise Dropped(f"close {self.close_code}")
        return opcode, payload

    def recv(self) -> Message:
        message: Message = json.loads(self.recv_frame()[1])
        return message

    def rest(self) -> list[Message]:
        """Return everything until the server ends the connection."""
        messages = []
        while True:
            try:
                messages.append(self.recv())
            except Dropped:
                return messages

    def close(self) -> None:
        """Close with a close frame."""
        self.raw.close()

    def drop(self) -> None:
        """Close without a close frame."""
        self.raw.shutdown()

    def __enter__(self: _Socket) -> _Socket:
        return self

    def __exit__(self, *args: object) -> None:
        self.drop()


class Control(Socket):
    """The control socket."""

    def __init__(self, simulator: Simulator, key: Optional[str] = None) -> None:
        super().__init__(simulator.ws_url, {"X-API-Key": simulator.api_key if key is None else key})

    def ask(self, method: str, params: Any = None) -> None:
        self.send({"method": method} if params is None else {"method": method, "params": params})

    def until(self, *methods: str) -> list[Message]:
        """Return the messages up to and including the first with one of these methods (also inside a session event)."""
        messages = []
        while True:
            messages.append(self.recv())
            if name_of(messages[-1]) in methods:
                return messages

    def create(self, start: int, end: int, **more: Any) -> str:
        """Create a single session and return its id, once it is ready."""
        self.ask("createBacktestSession", {"startSlot": start, "endSlot": end, **more})
        messages = self.until("readyForContinue", "error")
        assert messages[0]["method"] == "sessionCreated", messages
        session: str = messages[0]["params"]["session_id"]
        return session

    def create_parallel(self, start: int, end: int, **more: Any) -> Message:
        """Create a parallel session; return the params of sessionsCreatedV2, once every sub-session is ready."""
        self.ask("createBacktestSession", {"startSlot": start, "endSlot": end, "parallel": True, **more})
        messages = self.until("sessionsCreatedV2", "error")
        created: Message = messages[-1]["params"]
        waiting = set(created["session_ids"])
        for message in messages:
            if name_of(message) == "readyForContinue":
                waiting.discard(message["params"]["session_id"])
        while waiting:
            waiting.discard(self.until("readyForContinue")[-1]["params"]["session_id"])
        return created

    def proceed(self, count: int, session: Optional[str] = None, **more: Any) -> None:
        body = {"advanceCount": count, **more}
        if session is None:
            self.ask("continue", body)
        else:
            self.ask("continueSessionV1", {"session_id": session, "sessionId": session, "request": body})


class Data(Socket):
    """The data socket of one session."""

    def __init__(self, simulator: Simulator, session: str, headers: Optional[dict[str, str]] = None) -> None:
        super().__init__(f"ws://127.0.0.1:{simulator.port}/backtest/{session}", headers)

    def call(self, method: str, params: Any) -> Message:
        self.send({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        return self.recv()

    def call_after(self, method: str, params: Any) -> Message:
        """Call and skip the notifications that come before the reply."""
        message = self.call(method, params)
        while "id" not in message:
            message = self.recv()
        return message

    def subscribe(self, method: str = "transactionSubscribe", params: Any = ("all", {})) -> int:
        reply = self.call(method, list(params))
        assert reply["id"] == 7, reply
        number: int = reply["result"]
        return number

    def results(self) -> Iterator[Any]:
        """Yield the results of notifications until a terminal of form (a)."""
        while True:
            result = self.recv()["params"]["result"]
            if result == {"completed": True}:
                return
            yield result


class Rpc:
    """JSON-RPC of one session over HTTP."""

    def __init__(self, simulator: Simulator, session: str) -> None:
        self.url = f"{simulator.url}/backtest/{session}"

    def post(self, body: Any) -> Any:
        text = body if isinstance(body, str) else json.dumps(body)
        with requests.post(self.url, data=text, timeout=TIMEOUT) as reply:
            assert reply.status_code == 200, reply.text
            return reply.json()

    def call(self, method: str, *params: Any) -> Any:
        reply = self.post({"jsonrpc": "2.0", "id": 3, "method": method, "params": list(params)})
        assert reply["id"] == 3
        assert "error" not in reply, reply
        return reply["result"]

    def value(self, method: str, *params: Any) -> Any:
        """Return the value of a call that wraps it in a context."""
        return self.call(method, *params)["value"]

    def error(self, method: str, *params: Any) -> Message:
        reply = self.post({"jsonrpc": "2.0", "id": 3, "method": method, "params": list(params)})
        assert "error" in reply, reply
        error: Message = reply["error"]
        return error


def get(simulator: Simulator, path: str) -> requests.Response:
    with requests.get(simulator.url + path, timeout=TIMEOUT) as reply:
        return reply


def inner(message: Message) -> Message:
    """Return the event of a message: the message itself, or the content of a session event."""
    if message["method"] == "sessionEventV2":
        event: Message = message["params"]["event"]
        return event
    return message


def name_of(message: Message) -> str:
    event: Any = inner(message)
    if isinstance(event, dict):
        return str(event.get("method") or next(iter(event)))
    return str(event)


def slots_of(messages: list[Message]) -> list[int]:
    """Return the slots of the slot notifications among the messages."""
    return [inner(message)["params"] for message in messages if name_of(message) == "slotNotification"]
