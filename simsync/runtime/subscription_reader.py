"""The reader of one data-plane subscription: a task of the thread that all subscriptions of a connection share.

No other thread uses its socket, so it also sends.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Iterator
from itertools import islice

from simsync.cancel import CancelToken
from simsync.options import Options
from simsync.protocol.connection_log import data_log
from simsync.protocol.outcome import GiveUp
from simsync.protocol.subscription import SubscriptionProtocol
from simsync.runtime.bulk_websocket import DRAIN_LIMIT
from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.data_buffer import DataBuffer
from simsync.runtime.data_opener import DataOpener, GaveUp, NotFound
from simsync.runtime.data_plane import DataPlane
from simsync.runtime.event_batch import DataBatch
from simsync.runtime.event_queue import EventQueue
from simsync.runtime.exhaustion import Exhausted
from simsync.runtime.failure import chain_of
from simsync.runtime.frame_observer import FrameObserver
from simsync.runtime.polled_websocket import PolledWebSocket
from simsync.runtime.retry import Reconnectable, ReconnectPolicy
from simsync.runtime.status_report import StatusReport
from simsync.runtime.subscription_status import SubscriptionStatus
from simsync.runtime.task_loop import GO_ON, Steps, Wait
from simsync.wire.payloads import BinaryMessage

_CLEAN_CLOSE = 1000
_MESSAGES_AT_ONCE = 512
"""Messages that are decoded before the other subscriptions have their turn: a few milliseconds."""
_BROKEN_STREAMS = 2
"""After so many broken compressed streams in a row without an event, compression is not asked for any more."""


class SubscriptionReader:
    """Connects without a key, subscribes, and puts events into the queue of its session until every stream has ended.

    A lost connection is restored and replayed from the last slot; events that were received before are dropped. While
    the caller's buffer is full, nothing is read, so TCP backpressure slows the server. An unasked pong now and then
    tells the server that the client is alive, because its pings come after the data that is not read.
    """

    def __init__(
        self,
        url: str,
        protocol: SubscriptionProtocol,
        queue: EventQueue,
        data_plane: DataPlane,
        options: Options,
        from_slot: int | None = None,
    ) -> None:
        connection = self._connection = data_plane.connection
        self._logger = data_log(queue.state)
        self.status = SubscriptionStatus(protocol.label, protocol.open_streams)
        self._opener = DataOpener(url, self.status.label, options, connection.lock, self._logger)
        self._protocol = protocol
        self._queue = queue
        self._data_plane = data_plane
        self._options = options
        self._task = data_plane.task()
        self._buffer = DataBuffer(options.buffer_events, options.buffer_bytes, self._task.wake)
        protocol.log_to(self._logger)
        self._policy = ReconnectPolicy(options, self._logger)
        self._questions = CancelToken()  # cancelled when the subscription is stopped
        self._stopping = False
        self._attempts = 0
        self._has_turn = False
        self._ever_up = False
        self._closed_cleanly = False
        self._batch: Iterator[bytes] = iter(())
        self._batch_is_open = self._batch_is_text = self._was_held_up = False
        self._next_ping = 0.0
        self._from_slot = from_slot
        self._delivered = False
        self._broken_streams = 0
        self.reconnects = 0
        self.bytes_received = 0
        self._report = StatusReport(self.status, queue, connection)

    def start(self) -> None:
        queue = self._queue
        try:
            self._report.add()
            queue.on_completed.append(self._task.wake)
            queue.on_cancelled.append(self.stop)
            if queue.cancelled is not None:
                self.stop()
            self._task.start(self._run())
        except BaseException:
            # Ctrl-C: as if nobody had subscribed. A continue must not wait for a task that was not started.
            self.stop()
            self._report.remove()
            raise

    # guess: ending a subscription early
    def stop(self) -> None:
        """Wake the task. It ends soon."""
        with self._connection.lock:
            self._stopping = True
            self._connection.changed.notify_all()
        self._opener.abort("the subscription was closed")
        self._questions.cancel()
        self._task.wake()

    def join(self, timeout: float) -> None:
        # wait: caller, closing | a subscription | it was told | `close_timeout`
        if not self._task.join(timeout):
            self._logger.warning("%s: the subscription did not end in time and was left running", self.status.label)

    # The task.

    def _run(self) -> Steps[None]:
        try:
            for attempt in self._policy.attempts():
                yield from self._sleep(attempt.delay)
                with attempt:
                    yield from self._connect_once()
        except Reconnectable as lost:
            self._report.failed(f"gave up reconnecting: {lost.reason}")
        except GaveUp as end:
            self._report.failed(str(end))
        except GeneratorExit:
            raise  # the process is ending
        except BaseException as error:  # a function of the caller may raise SystemExit: it ends this subscription only
            self._logger.exception("%s: the subscription failed", self.status.label)
            self._report.failed(chain_of(error))
        else:
            if self._protocol.ended:
                self._report.set(ended=True)
            else:
                self._report.failed("the subscription was closed")

    def _connect_once(self) -> Steps[None]:
        """One connection, from connecting to its end. Returns if no further connection is needed."""
        self._attempts += 1
        try:
            if self._attempts > self._options.ungated_reconnects + 1:
                yield from self._park()
            ws = None if self._is_over() else (yield from self._open())
            if ws is not None:
                yield from self._converse(ws)
        except Reconnectable:
            if not self._stopping:
                raise
        finally:
            self._give_turn_back()

    def _park(self) -> Steps[None]:
        self._report.set(held_up=True)
        began = time.monotonic()
        self._has_turn = yield from self._data_plane.turns.take(self._task, self._is_over)
        self._policy.exclude(time.monotonic() - began)
        self._report.set()

    def _give_turn_back(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._data_plane.turns.give_back(self._task)

    def _is_over(self) -> bool:
        return self._stopping or self._protocol.ended

    # guess: a clean close (1000) of the data connection
    def _open(self) -> Steps[PolledWebSocket | None]:
        """A connection; None if the subscription is over: the server has no connection for streams that have ended."""
        data_plane = self._data_plane
        places = data_plane.with_threads if self._opener.needs_thread else data_plane.without_threads
        if not (yield from places.enter(self._task, self._is_over)):
            return None
        try:
            return (yield from self._opener.open(self._task))
        except NotFound:
            if not (self._closed_cleanly and self._queue.state.completed):
                raise
            # The clean close was the end after all: control said that the range is completed only afterwards.
            self._protocol.end_all()
            self._check_outcome()
            return None
        finally:
            places.leave(self._task)

    def _converse(self, ws: PolledWebSocket) -> Steps[None]:
        began = time.monotonic()
        self._delivered = False
        try:
            yield from self._subscribe(ws)
            self._give_turn_back()
            yield from self._stream(ws)
        except ConnectionLost as lost:
            if ws.observer is not None:
                ws.observer.ended(lost.reason, lost.code)
            uptime = time.monotonic() - began if self.status.up else 0.0
            self._closed_cleanly = lost.code == _CLEAN_CLOSE and self._protocol.acknowledged
            if self._closed_cleanly and self._queue.state.completed:
                self._protocol.end_all()  # the clean close was the end of every stream
                self._check_outcome()
                return
            self._note_loss(ws)
            raise Reconnectable(
                f"{self.status.label}: connection lost: {lost.reason}", uptime, progress=self._delivered
            ) from lost
        finally:
            self.bytes_received += ws.bytes_received
            self._task.unwatch()
            ws.shutdown()

    def _subscribe(self, ws: PolledWebSocket) -> Steps[None]:
        protocol = self._protocol
        for request in protocol.connected():
            if ws.observer is not None:
                ws.observer.sent(request)
            ws.send(request)
        answer_by = time.monotonic() + self._options.handshake_timeout
        self._next_ping = time.monotonic() + self._options.ping_interval
        while True:
            wait = self._receive_alive(ws, answer_by)
            self._check_early_events()
            if protocol.acknowledged:
                break
            # Only now: the answer may have come while this thread was busy with the other subscriptions.
            if time.monotonic() >= answer_by:
                raise ConnectionLost(f"no answer to the subscribe within {self._options.handshake_timeout:g} s")
            yield wait
            if self._stopping:
                return
        self.reconnects += self._ever_up
        position, depth = (yield from self._ask_position()), self._options.replay_slots
        if not self._ever_up:
            protocol.begin(self._first_slot(position - depth))
        protocol.resumed(position, depth)
        self._check_outcome()
        self._ever_up = True
        self._attempts = 0
        self._closed_cleanly = False
        self._policy.established(f"{self.status.label}: the data connection")
        self._report.set(up=True)

    def _check_early_events(self) -> None:
        """Before all subscribes are up, the buffer cannot wait for the caller: it may be waiting for just that."""
        limit = self._options.buffer_bytes + self._options.max_message
        if not self._protocol.acknowledged and self._buffer.waiting[1] > limit:
            raise ConnectionLost(f"more than {limit} bytes came before every subscribe was answered")

    def _stream(self, ws: PolledWebSocket) -> Steps[None]:
        while not self._is_over():
            if self._buffer.is_full():
                yield from self._wait_for_room(ws)
            wait = self._receive_alive(ws)
            if not self._is_over():
                yield wait

    def _receive_alive(self, ws: PolledWebSocket, deadline: float = math.inf) -> Wait:
        """Receive, and send a ping if it is time. A server that is silent too long is lost.

        Returns the wait for more, at most until ``deadline`` (monotonic seconds).
        """
        wait = None if self._receive(ws) else GO_ON
        # Only now: bytes may have come while this thread was busy, and the server is alive then.
        now = time.monotonic()
        silent_until = ws.last_inbound + self._options.dead_after
        if now >= silent_until:
            raise ConnectionLost(f"nothing was received for {self._options.dead_after:g} s")
        if now >= self._next_ping:
            ws.ping()
            self._next_ping = now + self._options.ping_interval
        return wait or ws.wait_for_more(min(deadline, self._next_ping, silent_until))

    def _receive(self, ws: PolledWebSocket) -> bool:
        """Take a part of what was read last, or read: in parts, because a small batch may inflate to a large one.

        Returns True if that was all there is.
        """
        if not self._batch_is_open:
            payloads = ws.receive()
            if not payloads:
                return not ws.was_cut_short
            self._batch, self._batch_is_open = iter(payloads), True
            self._batch_is_text = BinaryMessage not in set(map(type, payloads))
        self._take(self._next_texts(self._batch, ws.observer))
        self._batch_is_open = operator.length_hint(self._batch) > 0
        return not (self._batch_is_open or ws.has_more)

    def _next_texts(self, payloads: Iterator[bytes], observer: FrameObserver | None) -> list[bytes]:
        """The next messages as JSON text, about :data:`DRAIN_LIMIT` bytes of them, fewer if they are small."""
        if self._batch_is_text and observer is None:
            return list(islice(payloads, _MESSAGES_AT_ONCE))  # not longer than what is read at once
        inflate = self._protocol.inflate
        texts: list[bytes] = []
        size = 0
        try:
            for payload in payloads:
                text = inflate(payload) if type(payload) is BinaryMessage else payload
                if observer is not None:
                    observer.received_one(text, binary=type(payload) is BinaryMessage)
                texts.append(text)
                size += len(text)
                if size >= DRAIN_LIMIT or len(texts) >= _MESSAGES_AT_ONCE:
                    break
        except ValueError as error:
            self._broken_streams += 1
            if self._broken_streams >= _BROKEN_STREAMS:
                self._logger.warning("%s: the compressed stream is broken; not compressing", self.status.label)
                self._protocol.disable_compression()
            raise ConnectionLost(str(error)) from error
        return texts

    def _take(self, texts: list[bytes]) -> None:
        protocol = self._protocol
        received = protocol.receive(texts)
        self.status.last_activity = time.monotonic()
        if received.events:
            self._delivered = True
            self._broken_streams = 0
            self._queue.put(DataBatch(received.events, received.size, self._buffer))
        self._check_outcome()

    def _check_outcome(self) -> None:
        """Report what is not proven, and raise what ends the connection or the subscription."""
        for slots in self._protocol.take_unproven():
            self._logger.warning("%s are not proven to be complete", slots)
            self._report.not_proven(slots)
            if self._options.strict_replay:
                raise GaveUp(f"{slots} are not proven to be complete (strict_replay)")
        outcome = self._protocol.outcome
        if isinstance(outcome, GiveUp):
            raise GaveUp(outcome.reason)
        if outcome is not None:
            raise ConnectionLost(outcome.reason)

    # guess: a slow caller
    def _wait_for_room(self, ws: PolledWebSocket) -> Steps[None]:
        """Wait until half of the buffer is free. Meanwhile the socket is not read."""
        self._was_held_up = True
        self._report.set(up=True, held_up=True)
        next_pong = time.monotonic() + self._options.ping_interval
        while self._buffer.is_full() and not self._stopping:
            # wait: subscription | room in its buffer | the caller; its task | only the caller
            yield Wait(next_pong)
            if time.monotonic() >= next_pong:
                ws.pong()
                next_pong = time.monotonic() + self._options.ping_interval
        ws.last_inbound = time.monotonic()  # the silence was this client's doing
        self._report.set(up=True)

    # Lost connections.

    def _note_loss(self, ws: PolledWebSocket) -> None:
        """Remember what the streams had received, so that the replay can be judged."""
        # What was not read, or not understood, belonged to a stream that was not silent.
        flowing = ws.is_drained and not self._batch_is_open and not self._was_held_up
        self._batch_is_open = self._was_held_up = False
        self._protocol.lost(flowing=flowing)
        self._report.set()

    def _first_slot(self, lost_up_to: int) -> int:
        """The first slot to deliver. A late subscriber without ``from_slot`` gets what the server still has."""
        if self._from_slot is None:
            return max(self._queue.state.start_slot, lost_up_to + 1)
        if lost_up_to >= self._from_slot:
            raise GaveUp(
                f"slots {self._from_slot} to {lost_up_to} cannot be recovered: the server keeps"
                f" {self._options.replay_slots} slots; subscribe with a later from_slot"
            )
        return self._from_slot

    def _ask_position(self) -> Steps[int]:
        """The slot of the engine, as far as it can be known. May take one RPC call, which :meth:`stop` ends."""
        connection, state = self._connection, self._queue.state
        with connection.lock:
            position = state.position
            settled = connection.up and not state.cycle.is_outstanding and state.position_is_known
        if settled:
            return position
        places = self._data_plane.with_threads
        if not (yield from places.enter(self._task, self._is_over)):
            return position
        try:
            slot = yield from self._task.elsewhere(
                "inquiry", lambda: connection.inquiries.slot_of(state, self._questions)
            )
        except Exhausted as limit:
            self._logger.warning("could not ask for its slot: %s", limit)
            slot = None
        finally:
            places.leave(self._task)
        return position if slot is None else max(position, slot)

    def _sleep(self, seconds: float) -> Steps[None]:
        deadline = time.monotonic() + seconds
        while not self._is_over() and time.monotonic() < deadline:
            # wait: subscription | the time for the next attempt | its task | the delay
            yield Wait(deadline)
