"""Calls between the simulator and a worker process: pickled, over a Unix socket that also carries open connections."""

from __future__ import annotations

import asyncio
import copyreg
import io
import itertools
import pickle
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

_LENGTH = 8
"""Bytes before each message that tell how long it is."""
_READ = 256 * 1024
_MOST_CONNECTIONS = 64
"""Open connections that travel at once; the system has a limit for it."""
_REPLY = "reply"


def _transaction(wire: bytes) -> VersionedTransaction:
    return VersionedTransaction.from_bytes(wire)


class Pickler(pickle.Pickler):
    """Pickles the types of solders too, which solders 0.27 cannot do itself."""

    dispatch_table = copyreg.dispatch_table | {
        Pubkey: lambda key: (Pubkey, (bytes(key),)),
        Account: lambda one: (Account, (one.lamports, one.data, one.owner, one.executable, one.rent_epoch)),
        VersionedTransaction: lambda one: (_transaction, (bytes(one),)),
    }


class ChannelLost(Exception):
    """The process at the other end is gone."""


class Channel:
    """One end of the socket between the simulator and a worker, on an event loop.

    Both ends trust each other. Calls arrive in the order in which they were sent; ``connections`` holds what came with
    them, in the same order.

    Args:
        end: The socket.
        calls: What the other side may call, by name.
        questions: What it may ask, by name.
        lost: Called once with the error if the channel ends without :meth:`close`, None if the other process is gone.
    """

    def __init__(
        self,
        end: socket.socket,
        calls: Mapping[str, Callable[..., None]],
        questions: Mapping[str, Callable[..., Coroutine[Any, Any, object]]],
        lost: Callable[[BaseException | None], None],
    ) -> None:
        end.setblocking(False)
        self.connections: deque[int] = deque()
        self.closed = False
        self._end = end
        self._calls = calls
        self._questions = questions
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._unsent = bytearray()
        self._unsent_connections: deque[socket.socket] = deque()
        self._flushing = False
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._loop.add_reader(end, self._read)

    def call(self, name: str, *arguments: Any, connection: socket.socket | None = None) -> None:
        """Have the other side call something. It gets ``connection`` too, which is closed here."""
        if self.closed:
            if connection is not None:
                connection.close()
            return
        if connection is not None:
            self._unsent_connections.append(connection)
        self._post(None, name, arguments)

    async def ask(self, name: str, *arguments: Any) -> Any:
        """Return the other side's answer. Raises ChannelLost."""
        if self.closed:
            raise ChannelLost
        number = next(self._numbers)
        answer = self._asked[number] = self._loop.create_future()
        self._post(number, name, arguments)
        try:
            return await answer
        finally:
            del self._asked[number]

    def close(self) -> None:
        """Close this end; questions without an answer raise ChannelLost."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._end.close()
        for connection in self._unsent_connections:
            connection.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ChannelLost())

    def _fail(self, error: BaseException | None) -> None:
        if not self.closed:
            self.close()
            self._lost(error)

    # -- sending

    def _post(self, number: int | None, name: str, arguments: object) -> None:
        if self.closed:
            return
        text = io.BytesIO()
        Pickler(text, pickle.HIGHEST_PROTOCOL).dump((number, name, arguments))
        message = text.getvalue()
        self._unsent += len(message).to_bytes(_LENGTH, "big") + message
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self.closed:
            return
        try:
            while self._unsent:
                self._send_some()
        except BlockingIOError:
            self._loop.add_writer(self._end, self._flush)
            return
        except OSError:
            # What the other side sent before may still be unread: the reader finds the end.
            self._unsent.clear()
        self._loop.remove_writer(self._end)
        self._flushing = False

    def _send_some(self) -> None:
        connections = list(itertools.islice(self._unsent_connections, _MOST_CONNECTIONS))
        # A connection must not arrive after its message. It travels with the first byte of what is sent here.
        count = 1 if len(self._unsent_connections) > len(connections) else len(self._unsent)
        with memoryview(self._unsent) as unsent, unsent[:count] as part:
            if connections:
                sent = socket.send_fds(self._end, [part], [one.fileno() for one in connections])
            else:
                sent = self._end.send(part)
        del self._unsent[:sent]
        for _ in connections:
            self._unsent_connections.popleft().close()

    # -- receiving

    def _read(self) -> None:
        try:
            data, connections, flags, _ = socket.recv_fds(self._end, _READ, _MOST_CONNECTIONS)
        except BlockingIOError:
            return
        except OSError:
            data, connections, flags = b"", [], 0
        self.connections.extend(connections)
        if not data:
            self._fail(None)
        elif flags & socket.MSG_CTRUNC:
            self._fail(OSError("too many open files"))
        else:
            self._received += data
            try:
                self._take()
            except Exception as error:  # noqa: BLE001  a bug in one call: the other side must not wait for ever
                self._fail(error)

    def _take(self) -> None:
        received = self._received
        while not self.closed and len(received) >= _LENGTH:
            end = _LENGTH + int.from_bytes(received[:_LENGTH], "big")
            if len(received) < end:
                return
            with memoryview(received) as whole, whole[_LENGTH:end] as message:
                number, name, arguments = pickle.loads(message)
            del received[:end]
            if name == _REPLY:
                answer = self._asked.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(arguments)
            elif number is None:
                self._calls[name](*arguments)
            else:
                task = self._loop.create_task(self._answer(number, self._questions[name](*arguments)))
                self._answering.add(task)
                task.add_done_callback(self._answered)

    async def _answer(self, number: int, question: Coroutine[Any, Any, Any]) -> None:
        self._post(number, _REPLY, await question)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())
