"""A server of subscriptions: a log of what happened, and connections that get the parts of it that they asked for."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import zstandard

PROGRAMS = (
    "11111111111111111111111111111111",
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr",
)
SIGNATURE = "signatureSubscribe"


class Item(NamedTuple):
    """A transaction. Signatures are not verified, so several of a slot may share one."""

    slot: int
    signature: str
    mentions: frozenset[str]
    number: int = 0
    """Its content: no other transaction has the same."""


@dataclass
class Stream:
    """One subscribe on one connection. ``place``: how much of the log it has been told."""

    identifier: int
    number: Any
    program: str
    place: int
    done: bool = False
    heard: bool = False
    """The client has got the end of it."""


class Frame(NamedTuple):
    """``payload`` as it goes over the line. What it is: an ``ack``, an ``item``, the ``end`` of a stream or of all."""

    payload: bytes
    compressed: bool
    kind: str
    program: str = ""
    item: Item | None = None


@dataclass
class DataLink:
    streams: dict[str, Stream] = field(default_factory=dict)
    acks: deque[Stream] = field(default_factory=deque)
    to_client: deque[Frame] = field(default_factory=deque)
    compressor: Any = None
    mute: bool = False

    def put(self, message: Any, kind: str, program: str = "", item: Item | None = None) -> None:
        payload = json.dumps(message).encode()
        if self.compressor is not None and kind != "ack":
            payload = self.compressor.compress(payload) + self.compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        if not self.mute:
            self.to_client.append(Frame(payload, self.compressor is not None and kind != "ack", kind, program, item))


class DataServer:
    """It does one thing at a time. ``ignores_cursor``: each connection gets the whole log."""

    def __init__(self, ignores_cursor: bool, spelling: int) -> None:
        self.log: list[Item] = []
        self.over = False
        self.link: DataLink | None = None
        self._ignores_cursor = ignores_cursor
        self._spelling = spelling
        self._numbers = 70

    def accept(self, requests: list[bytes], kept_from: int = 0) -> DataLink:
        """A new connection, and what the client has sent on it. Slots before ``kept_from`` have been dropped."""
        link = self.link = DataLink()
        self._numbers = 70  # they are the connection's own
        for request in map(json.loads, requests):
            what, config = request["params"]
            if config.get("compression") == "zstd" and link.compressor is None:
                link.compressor = zstandard.ZstdCompressor(level=3).compressobj()
            program = what["mentions"][0] if isinstance(what, dict) else request["method"]
            since = None if self._ignores_cursor else config.get("replayFromSlot")
            place = sum(item.slot < max(since or 0, kept_from) for item in self.log)
            self._numbers += 1
            number: Any = self._numbers if self._spelling % 2 else f"s{self._numbers}"
            stream = link.streams[program] = Stream(request["id"], number, program, place)
            link.acks.append(stream)
        return link

    def happen(self, item: Item) -> None:
        self.log.append(item)

    def acknowledge(self, last_first: bool) -> None:
        assert self.link is not None
        stream = self.link.acks.pop() if last_first else self.link.acks.popleft()
        self.link.put({"jsonrpc": "2.0", "id": stream.identifier, "result": stream.number}, "ack", stream.program)

    def has_news(self, stream: Stream) -> bool:
        return not stream.done and (self.over or stream.place < len(self.log))

    def tell(self, stream: Stream) -> None:
        """Send the next item that this stream asks for, or its end."""
        while stream.place < len(self.log):
            item = self.log[stream.place]
            stream.place += 1
            if stream.program in item.mentions:
                self._notify(stream, item)
                return
        if self.over and not stream.done:
            stream.done = True
            self._end(stream)

    def _notify(self, stream: Stream, item: Item) -> None:
        assert self.link is not None
        method = "transactionNotification"
        transaction = {"signatures": [item.signature], "number": item.number}
        result: dict[str, Any] = {"slot": item.slot, "transaction": transaction}
        if stream.program == SIGNATURE:
            method = "signatureNotification"
            result = {"context": {"slot": item.slot}, "value": {"err": None}}
            stream.done = True
        params = {"subscription": stream.number, "result": result}
        self.link.put({"jsonrpc": "2.0", "method": method, "params": params}, "item", stream.program, item)

    def _end(self, stream: Stream) -> None:
        assert self.link is not None
        params: dict[str, Any] = {"subscription": stream.number}
        method = "transactionNotification"
        if self._spelling % 3 == 0:
            method = "transactionStreamEnd"
        else:
            params["result"] = {("completed", "done", "endOfStream")[self._spelling % 3]: True}
        self.link.put({"jsonrpc": "2.0", "method": method, "params": params}, "end", stream.program)

    def end_all(self) -> None:
        """One end for everything on the connection."""
        assert self.link is not None
        for stream in self.link.streams.values():
            stream.done = True
        message = {"jsonrpc": "2.0", "method": "streamsCompleted", "params": {}}
        self.link.put(message, "end of all")

    def refuse(self, passing: bool) -> None:
        assert self.link is not None
        stream = self.link.acks.popleft()
        words = "too many subscriptions, try again" if passing else "no such program"
        error = {"code": -32000, "message": words}
        self.link.put({"jsonrpc": "2.0", "id": stream.identifier, "error": error}, "refused" if passing else "fatal")
        self.link.mute = True

    def send_junk(self, choice: int) -> None:
        """Nothing in here concerns a stream; what may have been a notification costs the connection ("unread")."""
        assert self.link is not None
        junk: list[Any] = [
            [],
            {},
            {"id": 99, "result": 1},
            {"id": "1", "result": 5},
            {"method": "transactionNotification", "params": {"subscription": [1], "result": {"slot": 1}}},
            {"method": "transactionNotification", "params": {"result": {"slot": 1}}},
            {"method": "newsNotification", "params": {"subscription": 5_000, "result": {"slot": 1}}},
        ]
        place = choice % len(junk)
        self.link.put(junk[place], "unread" if place >= 4 else "junk")
