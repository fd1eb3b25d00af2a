"""The reader thread of one data-plane subscription. It is the only one at its socket, so it also sends."""

from __future__ import annotations

import contextlib
import logging
import operator
import threading
import time
from collections.abc import Iterator

from simsync.errors import SubscriptionFailed
from simsync.options import Options
from simsync.protocol.subscription import SubscriptionConversation
from simsync.protocol.verdict import Fatal
from simsync.runtime.cancel import CancelToken
from simsync.runtime.control import ControlLink
from simsync.runtime.coordinator import ReconnectCoordinator
from simsync.runtime.delivery import DataBatch, DataBuffer, Delivery, SubscriptionState
from simsync.runtime.dial import Dial, DialFailed
from simsync.runtime.duplex import DRAIN_LIMIT, DuplexWebSocket, LinkLost
from simsync.runtime.failure import chain_of
from simsync.runtime.retry import Reconnectable, ReconnectPolicy
from simsync.runtime.tap import Tap
from simsync.runtime.threads import join, spawn
from simsync.runtime.waking import Waker
from simsync.wire.payloads import BinaryMessage

logger = logging.getLogger("simsync.subscription")

_CLEAN_CLOSE = 1000


class _Hopeless(Exception):
    """Connecting again is pointless."""


class SubscriptionReader:
    """Connects without a key, subscribes, and puts what comes into the delivery until every stream has ended.

    A lost connection is made again, from the last slot on; what comes twice is dropped. While the caller's buffer is
    full nothing is read, so the server feels it; an unasked pong now and then tells the server that we live, because
    its pings are behind the data that we do not read.
    """

    def __init__(
        self,
        url: str,
        conversation: SubscriptionConversation,
        delivery: Delivery,
        link: ControlLink,
        coordinator: ReconnectCoordinator,
        options: Options,
        from_slot: int | None = None,
    ) -> None:
        self._url = url
        self._conversation = conversation
        self._delivery = delivery
        self._link = link
        self._coordinator = coordinator
        self._options = options
        self._waker = Waker()
        self._buffer = DataBuffer(options.buffer_events, options.buffer_bytes, self._waker.wake)
        self._policy = ReconnectPolicy(options, self._sleep, logger)
        self._questions = CancelToken()  # fired when the subscription is stopped
        self._stopping = False
        self._dial: Dial | None = None
        self._thread: threading.Thread | None = None
        self._attempts = 0
        self._ever_up = False
        self._closed_cleanly = False
        self._batch: Iterator[bytes] = iter(())
        self._batch_is_open = False
        self._was_held_up = False
        self._next_ping = 0.0
        self._from_slot = from_slot
        self._received_up_to = (delivery.route.start_slot if from_slot is None else from_slot) - 1
        self.reconnects = 0
        self.bytes_received = 0
        self.state = SubscriptionState(conversation.label)

    def start(self) -> None:
        delivery = self._delivery
        try:
            with self._link.changed:
                delivery.subscriptions.append(self.state)
            delivery.on_completed.append(self._waker.wake)
            delivery.on_cancelled.append(self.stop)
            if delivery.cancelled is not None:
                self.stop()
            self._thread = spawn("subscription", self._run)
        except BaseException:
            # Ctrl-C: as if it had never been asked for. A continue must not wait for a thread that was not started.
            self.stop()
            with self._link.changed:
                if self.state in delivery.subscriptions:
                    delivery.subscriptions.remove(self.state)
                self._link.subscriptions_changed()
            raise

    def stop(self) -> None:
        """Wake the thread; it ends soon."""
        with self._link.changed:
            self._stopping = True
            dial = self._dial
            self._link.changed.notify_all()
        if dial is not None:
            dial.abort("the subscription was closed")
        self._questions.cancel()
        self._waker.wake()

    def join(self, timeout: float) -> None:
        if not join(self._thread, timeout):
            logger.warning("a subscription did not end in time and is left to end by itself")

    # The thread.

    def _run(self) -> None:
        try:
            self._policy.run(self._connection)
        except Reconnectable as lost:
            self._fail(f"gave up reconnecting: {lost.reason}")
        except _Hopeless as end:
            self._fail(str(end))
        except Exception as error:
            logger.exception("a subscription failed")
            self._fail(chain_of(error))
        else:
            if self._conversation.ended:
                self._report(ended=True)
            else:
                self._fail("the subscription was closed")
        finally:
            self._waker.close()

    def _connection(self) -> None:
        """One connection, from dialling to its end; returns when nothing is to be done any more."""
        with contextlib.ExitStack() as turn:
            self._attempts += 1
            if self._attempts > self._options.ungated_reconnects + 1:
                self._park(turn)
            if self._is_over():
                return
            try:
                self._connect_and_converse(turn)
            except Reconnectable:
                if not self._stopping:
                    raise

    def _connect_and_converse(self, turn: contextlib.ExitStack) -> None:
        ws = self._open()
        try:
            self._converse(ws, turn)
        finally:
            self.bytes_received += ws.bytes_received
            ws.shutdown()

    def _park(self, turn: contextlib.ExitStack) -> None:
        self._report(held_up=True)
        parked = turn.enter_context(self._coordinator.turn(self._delivery, self._is_over))
        self._policy.exclude(parked)
        self._report()

    def _is_over(self) -> bool:
        if self._closed_cleanly and self._delivery.route.completed:
            self._conversation.end_all()  # the clean close was the end of every stream
        return self._stopping or self._conversation.ended

    def _open(self) -> DuplexWebSocket:
        dial = Dial(self._url, self._options)
        with self._link.changed:
            self._dial = dial
        try:
            ws = dial.run()
        except DialFailed as failed:
            if failed.fatal:
                raise _Hopeless(str(failed)) from failed
            raise Reconnectable(str(failed)) from failed
        finally:
            with self._link.changed:
                self._dial = None
        ws.binary = BinaryMessage
        return ws

    def _converse(self, ws: DuplexWebSocket, turn: contextlib.ExitStack) -> None:
        began = time.monotonic()
        try:
            self._subscribe(ws)
            turn.close()
            self._stream(ws)
        except LinkLost as lost:
            if ws.tap is not None:
                ws.tap.ended(lost.reason, lost.code)
            uptime = time.monotonic() - began if self.state.up else 0.0
            self._note_loss(ws)
            if lost.code == _CLEAN_CLOSE:
                self._closed_cleanly = True
                if self._is_over():
                    return
            raise Reconnectable(f"{self.state.label}: connection lost: {lost.reason}", uptime) from lost

    def _subscribe(self, ws: DuplexWebSocket) -> None:
        conversation = self._conversation
        for request in conversation.connected():
            if ws.tap is not None:
                ws.tap.sent(request)
            ws.send(request)
        answer_by = time.monotonic() + self._options.handshake_timeout
        self._next_ping = time.monotonic() + self._options.ping_interval
        while not conversation.acknowledged:
            if self._stopping:
                return
            if time.monotonic() >= answer_by:
                raise LinkLost(f"no answer to the subscribe within {self._options.handshake_timeout:g} s")
            self._receive_alive(ws, answer_by)
            self._check_what_came_early()
        self.reconnects += self._ever_up
        if self._ever_up or self._from_slot is not None:
            self._check_for_gap()
        else:
            self._begin_with_what_is_kept()
        self._ever_up = True
        self._attempts = 0
        self._closed_cleanly = False
        self._report(up=True)

    def _check_what_came_early(self) -> None:
        """Before all is up the caller cannot be waited for, as it may be waiting for just that."""
        limit = self._options.buffer_bytes + self._options.max_message
        if not self._conversation.acknowledged and self._buffer.waiting[1] > limit:
            raise LinkLost(f"more than {limit} bytes came before every subscribe was answered")

    def _stream(self, ws: DuplexWebSocket) -> None:
        while not (self._stopping or self._conversation.ended):
            if self._buffer.is_full():
                self._wait_for_room(ws)
            self._receive_alive(ws, self._next_ping)

    def _receive_alive(self, ws: DuplexWebSocket, deadline: float) -> None:
        """Receive until ``deadline`` (monotonic seconds), with pings; a peer that is silent for too long is lost."""
        self._receive(ws, min(deadline, self._next_ping, ws.last_inbound + self._options.dead_after))
        now = time.monotonic()
        if now - ws.last_inbound >= self._options.dead_after:
            raise LinkLost(f"nothing was received for {self._options.dead_after:g} s")
        if now >= self._next_ping:
            ws.ping()
            self._next_ping = now + self._options.ping_interval

    def _receive(self, ws: DuplexWebSocket, deadline: float) -> None:
        """Take one part of what was read last, or read. A small batch may inflate to a large one, hence the parts."""
        if not self._batch_is_open:
            payloads = ws.recv_batch(deadline, self._waker)
            if not payloads:
                self._waker.clear()
                return
            self._batch = iter(payloads)
            self._batch_is_open = True
        self._take(self._next_texts(self._batch, ws.tap))
        self._batch_is_open = operator.length_hint(self._batch) > 0

    def _next_texts(self, payloads: Iterator[bytes], tap: Tap | None) -> list[bytes]:
        """The next messages as JSON text, about :data:`DRAIN_LIMIT` bytes of them."""
        inflate = self._conversation.inflate
        texts: list[bytes] = []
        size = 0
        try:
            for payload in payloads:
                text = inflate(payload) if type(payload) is BinaryMessage else payload
                if tap is not None:
                    tap.received_one(text, binary=type(payload) is BinaryMessage)
                texts.append(text)
                size += len(text)
                if size >= DRAIN_LIMIT:
                    break
        except ValueError as error:
            raise LinkLost(str(error)) from error
        return texts

    def _take(self, texts: list[bytes]) -> None:
        conversation = self._conversation
        received = conversation.receive(texts)
        self.state.last_activity = time.monotonic()
        self.state.missing = "; ".join(conversation.open_streams)
        if received.events:
            self._delivery.put(DataBatch(received.events, received.size, self._buffer))
        if isinstance(conversation.verdict, Fatal):
            raise _Hopeless(conversation.verdict.reason)
        if conversation.verdict is not None:
            raise LinkLost(conversation.verdict.reason)

    def _wait_for_room(self, ws: DuplexWebSocket) -> None:
        """Until the caller has taken half of what waits. The socket is not read meanwhile."""
        self._was_held_up = True
        self._report(up=True, held_up=True)
        while self._buffer.is_full() and not self._stopping:
            if self._waker.sleep(self._options.ping_interval):
                self._waker.clear()
            else:
                ws.pong()
        ws.last_inbound = time.monotonic()  # its silence was ours
        self._report(up=True)

    # Losing and finding.

    def _note_loss(self, ws: DuplexWebSocket) -> None:
        """Remember up to which slot everything has been received for sure."""
        route = self._delivery.route
        with self._link.changed:
            position = route.position
        cursor = self._conversation.oldest_cursor
        # An end that was not waited for may have come long ago; control has gone on since. And behind a pause the
        # server may have had more to send than what arrived, and has taken it along.
        drained = ws.is_drained and ws.was_waiting and not self._batch_is_open and not self._was_held_up
        self._batch_is_open = self._was_held_up = False
        if drained or cursor is None:
            # Nothing was waiting in the socket, so what control has told of has been received.
            if drained:
                self._received_up_to = max(self._received_up_to, position)
        else:
            self._received_up_to = max(self._received_up_to, cursor)
        self._report()

    def _begin_with_what_is_kept(self) -> None:
        """Whoever subscribes late gets what the server still has; what was gone by then is not missing."""
        position = self._link.ask_position(self._delivery.route, self._questions)
        self._received_up_to = max(self._received_up_to, position - self._options.replay_slots)

    def _check_for_gap(self) -> None:
        """The server sends again what it has kept; what is older is lost, and that must not pass unnoticed."""
        position = self._link.ask_position(self._delivery.route, self._questions)
        lost_up_to = position - self._options.replay_slots
        if lost_up_to > self._received_up_to:
            raise _Hopeless(
                f"slots {self._received_up_to + 1} to {lost_up_to} cannot be recovered: the engine went on to slot"
                f" {position} while the connection was lost, and the server keeps {self._options.replay_slots} slots"
            )

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._is_over() and time.monotonic() < deadline:
            if self._waker.sleep(deadline - time.monotonic()):
                self._waker.clear()

    def _report(self, *, up: bool = False, held_up: bool = False, ended: bool = False) -> None:
        state = self.state
        with self._link.changed:
            state.up = up
            state.held_up = held_up
            state.ended = state.ended or ended
            state.last_activity = time.monotonic()
            self._link.subscriptions_changed()
        self._delivery.put(None)

    def _fail(self, reason: str) -> None:
        state = self.state
        session_id = self._delivery.route.session_id
        with self._link.changed:
            state.up = False
            state.failure = SubscriptionFailed(f"session {session_id}: {state.missing}: {reason}")
            self._link.subscriptions_changed()
        self._delivery.put(None)
