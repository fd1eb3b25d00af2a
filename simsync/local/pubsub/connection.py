"""The data socket ``/backtest/{session_id}``: subscriptions to the results of one session."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType

from simsync.local.control.runner import SessionFailed
from simsync.local.encoding import dump_json, zstandard
from simsync.local.pubsub.kinds import (
    OWN_KEYS,
    OWN_KINDS,
    SUBSCRIBE,
    UNSUBSCRIBE,
    config_of,
    default_form,
)
from simsync.local.pubsub.sender import DataSender, Notification
from simsync.local.rpc import envelope
from simsync.local.rpc.params import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    RpcFault,
)
from simsync.local.surface import is_served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web
    from solders.account import Account
    from solders.pubkey import Pubkey

    from simsync.local.backtest.stream import StreamReader
    from simsync.local.behaviour import Behaviour
    from simsync.local.control.runner import Runner
    from simsync.local.faults.data import DataFaults
    from simsync.local.frames import FrameSender
    from simsync.local.pubsub.kinds import Kind, Pick

_log = logging.getLogger("simsync.local.pubsub")
_READ_AT_ONCE = 64
"""Items of the stream that one subscription sends before the next one gets its turn."""
_EXPECTED = 100
"""Slots that clients expect the server to keep. In a longer session a disconnected client may miss some."""


class _Subscription:
    """One subscription of one socket."""

    def __init__(
        self, number: int, kind: Kind, pick: Pick, reader: StreamReader, *, compressed: bool, live_from: int
    ) -> None:
        """``live_from`` is the position of the first item that was not in the stream at the time of the subscribe."""
        self.number = number
        self.reader = reader
        self.once = kind.once
        self.over = False
        self.ended = False
        self._pick = pick
        self._compressed = compressed
        self._live_from = live_from
        self._stem = kind.stem
        head = dump_json({"jsonrpc": "2.0", "method": f"{kind.stem}Notification", "params": {"subscription": number}})
        self._head = head[:-2] + b',"result":'

    @property
    def finished(self) -> bool:
        """Nothing more of the range will follow: it was one for a single item, or the stream is at its end."""
        return self.over or self.reader.at_end

    def read(self, limit: int) -> list[Notification]:
        """Return the notifications for up to ``limit`` further items of the stream."""
        number, stem, compressed, head, pick = self.number, self._stem, self._compressed, self._head, self._pick
        found = []
        start = self.reader.position
        for position, item in enumerate(self.reader.read(limit), start):
            results = pick(item)
            if self.once and position < self._live_from:
                # What was executed before the subscribe is not received any more: only its outcome is notified.
                results = results[-1:]
            for result in results:
                found.append(Notification(number, stem, compressed, head + result + b"}}"))
            if self.once and found:
                self.over = True
                break
        return found

    def terminal(self, form: str) -> Notification:
        """Return the message that ends the subscription."""
        if form == "a":
            text = self._head + b'{"completed":true}}}'
        else:
            method = f"{self._stem}StreamEnd"
            text = dump_json({"jsonrpc": "2.0", "method": method, "params": {"subscription": self.number}})
        return Notification(self.number, self._stem, self._compressed, text)


class DataConnection:
    """One client on the data socket of a session.

    A client that uses only what a node has cannot know the messages that end a subscription; web3.js and solana-py
    crash on them. A clean close is no better: kit keeps using a connection that was closed with code 1000. So the
    subscriptions of such a client do not end with the range, and show what is executed after it, until the session is
    closed.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        sender: FrameSender,
        transport: asyncio.WriteTransport,
        runner: Runner,
        behaviour: Behaviour,
        faults: DataFaults,
        numbers: Iterator[int],
        *,
        knows_ends: bool,
    ) -> None:
        """With ``knows_ends`` the client is known to understand the end of a subscription before it uses anything."""
        self._socket = socket
        self._sender = sender
        self._runner = runner
        self._stream = runner.backtest.stream
        self._behaviour = behaviour
        self._faults = faults
        self._numbers = numbers
        self._subscriptions: dict[int, _Subscription] = {}
        self._wake = asyncio.Event()
        # Frames must be sent in the order in which they were compressed: they form one zstd stream. With overtake_acks
        # the reading task sends notifications, too.
        self._order = asyncio.Lock()
        plan = runner.plan
        slots = plan.end_slot - plan.start_slot + 1
        survives = slots <= min(_EXPECTED, behaviour.replay_slots)
        self._out = DataSender(socket, sender, transport, faults, survives=survives)
        self._ended_once = 0
        """Subscriptions that ended after their only notification."""
        self._closing = False
        self._knows_ends = knows_ends
        """The client has also done so if it has used something that no node has."""

    async def serve(self) -> None:
        """Serve until the connection ends."""
        self._stream.listen(self._wake.set)
        self._runner.on_close(self._session_closed)
        writer = asyncio.get_running_loop().create_task(self._write())
        writer.add_done_callback(self._written)
        try:
            async for frame in self._socket:
                if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._receive(frame.data)
        except ConnectionError:
            _log.debug("data socket lost while sending an answer")
        finally:
            writer.cancel()
            self._stream.unlisten(self._wake.set)
            self._runner.off_close(self._session_closed)
            for subscription in self._subscriptions.values():
                subscription.reader.close()

    def _session_closed(self) -> None:
        self._closing = True
        self._out.release()
        self._wake.set()

    def _written(self, writer: asyncio.Task[None]) -> None:
        if writer.cancelled():
            return
        error = writer.exception()
        if error is not None and not isinstance(error, ConnectionError):
            # The item that broke it would break every connection that comes after it.
            self._runner.fail(error)
            self._sender.abort()

    # -- requests

    async def _receive(self, text: str | bytes) -> None:
        try:
            request = envelope.read(text)
        except RpcFault as fault:
            await self._out.answer(envelope.failure(None, fault))
            return
        subscribed: list[_Subscription] = []
        if envelope.is_batch(request):
            reply = envelope.joined([await self._answer(one, subscribed) for one in request])
        else:
            reply = await self._answer(request, subscribed)
        if reply:
            await self._out.answer(reply)
        # Known to the writer only now: else their first notifications could overtake the acknowledgement.
        self._subscriptions.update((one.number, one) for one in subscribed)
        if subscribed:
            self._wake.set()

    async def _answer(self, request: object, subscribed: list[_Subscription]) -> bytes:
        """Return the reply to one request, and add what it has subscribed to; nothing for what wants no reply."""
        if envelope.is_notification(request):
            return b""
        number = envelope.id_of(request)
        try:
            return envelope.success(number, await self._carry_out(request, subscribed))
        except RpcFault as fault:
            found = fault
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  see unforeseen
            found = envelope.unforeseen(request, error)
        return envelope.failure(number, found)

    async def _carry_out(self, request: Any, subscribed: list[_Subscription]) -> object:
        """Subscribe or unsubscribe. Raises RpcFault."""
        method = envelope.method_of(request)
        known = method in SUBSCRIBE or method in UNSUBSCRIBE
        name = method.replace("Unsubscribe", "Subscribe")
        if not known or not is_served(name, hosted_surface=self._behaviour.hosted_surface):
            raise RpcFault(METHOD_NOT_FOUND, "Method not found", method)
        params = envelope.params_of(request)
        if method in SUBSCRIBE:
            subscription = await self._subscribe(SUBSCRIBE[method], params)
            subscribed.append(subscription)
            return subscription.number
        found = self._subscriptions.pop(params[0], None) if params and type(params[0]) is int else None
        if found is None:
            raise RpcFault(INVALID_PARAMS, "Invalid subscription id.")
        found.reader.close()
        await self._out.unsubscribe(found.number)
        return True

    async def _subscribe(self, kind: Kind, params: list[Any]) -> _Subscription:
        planned = await self._faults.subscribing(f"{kind.stem}Subscribe")
        if planned.refusal is not None:
            raise RpcFault(*planned.refusal)
        pick = kind.picker(default_form(kind.stem, params, self._behaviour), self._find)
        config = config_of(params)
        self._knows_ends = self._knows_ends or kind.stem in OWN_KINDS or not OWN_KEYS.isdisjoint(config)
        from_slot = config.get("replayFromSlot")
        if not isinstance(from_slot, int) or isinstance(from_slot, bool):
            from_slot = None
        compressed = config.get("compression") == "zstd" and zstandard is not None
        # A subscriber must see the start slot, which is executed when it is first needed.
        if not self._runner.closed:
            try:
                self._runner.start_engine()
            except SessionFailed as error:
                raise RpcFault(INTERNAL_ERROR, f"the session failed: {error}") from error
        if self._behaviour.refuse_old_replay and from_slot is not None:
            oldest = self._stream.oldest_after(from_slot)
            if oldest is not None:
                text = f"slot {from_slot} is no longer kept for replay; the oldest kept slot is {oldest}"
                raise RpcFault(INVALID_PARAMS, text)
        reader = self._stream.reader(from_slot)
        number, end = next(self._numbers), self._stream.end
        subscription = _Subscription(number, kind, pick, reader, compressed=compressed, live_from=end)
        if self._behaviour.overtake_acks:
            async with self._order:
                await self._send(subscription)
        return subscription

    # -- notifications

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            # Cleared before reading: an item that is added while this sends sets it again.
            self._wake.clear()
            while await self._write_once():
                pass
            if self._closing:
                await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the session was closed")
                return
            if self._ends_with_close and self._all_ended():
                drop = (await self._faults.ending()).drop
                if not self._all_ended():
                    continue  # a subscribe has come meanwhile
                if drop:
                    await self._out.drop()
                await self._socket.close(code=WSCloseCode.OK)
                return
            if not self._ends and not self._behaviour.serve_completed and self._all_finished():
                await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"the session is completed")
                return

    async def _write_once(self) -> bool:
        """Give each subscription one turn; return True if there may be more to send."""
        more = False
        # A copy: sending waits for the client, and meanwhile it may subscribe and unsubscribe.
        for subscription in list(self._subscriptions.values()):
            if subscription.ended:
                continue
            before = subscription.reader.position
            async with self._order:
                await self._send(subscription)
                if subscription.finished and subscription.number in self._subscriptions:
                    await self._end(subscription)
            more = more or subscription.reader.position > before
        return more

    def _find(self, address: Pubkey) -> Account | None:
        """Return an account as it is now; None once the session is closed and has no engine any more."""
        return None if self._runner.closed else self._runner.backtest.engine.account(address)

    async def _send(self, subscription: _Subscription) -> None:
        notifications = subscription.read(_READ_AT_ONCE)
        if notifications:
            await self._out.notify(notifications)

    async def _end(self, subscription: _Subscription) -> None:
        if subscription.over:
            # As in Solana, no message tells the client, and the number becomes unknown.
            del self._subscriptions[subscription.number]
            self._ended_once += 1
        elif not self._ends or self._faults.withhold_terminal:
            await self._out.end(None, subscription.number)
            return
        subscription.ended = True
        subscription.reader.close()
        terminal = None
        if not self._ends_with_close and not subscription.over:
            terminal = subscription.terminal(self._behaviour.end_of_stream)
        await self._out.end(terminal, subscription.number)

    @property
    def _ends(self) -> bool:
        """Do subscriptions end with the range?"""
        return self._knows_ends or self._ends_with_close

    @property
    def _ends_with_close(self) -> bool:
        return self._behaviour.end_of_stream == "c"

    def _all_ended(self) -> bool:
        # A node keeps a connection whose subscriptions are over, so one is closed only for those that it ends.
        some = self._subscriptions or self._ended_once
        return self._stream.finished and bool(some) and all(one.ended for one in self._subscriptions.values())

    def _all_finished(self) -> bool:
        some = self._subscriptions or self._ended_once
        return self._stream.finished and bool(some) and all(one.finished for one in self._subscriptions.values())
