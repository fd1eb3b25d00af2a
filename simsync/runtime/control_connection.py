"""The control connection: the reader thread and the state that it shares with the callers.

The reader thread owns the connection for its whole life: it connects, shakes hands, receives, reconnects and closes. A
writer thread per connection is the only one that sends. Callers meet them in three places: the lock, which guards the
protocol and everything else here; the outbox; and the event queues.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import Callable

from simsync.errors import Cancelled, ControlClosed, EventTimeout, InvalidParams, SimsyncError
from simsync.events import DiscoveryBatch, Event
from simsync.options import Options
from simsync.params.api_key import ApiKey
from simsync.protocol.control import ControlProtocol, Phase
from simsync.protocol.outcome import GiveUp
from simsync.protocol.session_state import SessionState
from simsync.runtime import at_exit
from simsync.runtime.connection_lost import ConnectionLost
from simsync.runtime.connector import connection_failure
from simsync.runtime.control_opener import ControlOpener
from simsync.runtime.delivery import deliver
from simsync.runtime.duplex import DuplexWebSocket
from simsync.runtime.event_queue import Ended, EventQueue, ReadyQueues
from simsync.runtime.exhaustion import Exhausted
from simsync.runtime.failure import chain_of, fresh, given_up
from simsync.runtime.goodbye import Farewell
from simsync.runtime.outbox import Outbox
from simsync.runtime.retry import Reconnectable, ReconnectPolicy
from simsync.runtime.slot_inquiries import AskSlot, SlotInquiries
from simsync.runtime.threads import join, spawn
from simsync.runtime.waiting import InterruptSafeCondition, Waker
from simsync.runtime.writer import Writer

ROOM_PER_SESSION = 4 * 1024
"""Bytes that are read at once per session. Delivering costs something per session, so each should get a few events."""


class ControlConnection:
    """One control connection and its protocol. ``Client`` makes it, the session object owns it."""

    def __init__(
        self,
        url: str,
        api_key: ApiKey,
        protocol: ControlProtocol,
        options: Options,
        ask_slot: AskSlot,
    ) -> None:
        self._protocol = protocol
        self._options = options
        self._waker = Waker()
        self._reader: threading.Thread | None = None
        self._logger = protocol.log
        self._policy = ReconnectPolicy(options, self._logger)
        self.ready_queues = ReadyQueues()
        self.process = self.ready_queues.process
        self.lock = threading.RLock()  # guards the protocol and everything below
        self.changed = InterruptSafeCondition(self.lock)
        self.outbox = Outbox(options.continue_queue, self.changed)
        self.queues: dict[str, EventQueue] = {}
        self.up = False
        self.reconnects = 0
        self.failure: SimsyncError | None = None
        self._closing = False
        self._farewell = Farewell(protocol, options.close_timeout, self._logger)
        self._finished = False
        self._drop_asked = False
        self._cancel_asked: str | None = None
        self._opener = ControlOpener(url, api_key, options, self.lock, protocol.log)
        self.inquiries = SlotInquiries(ask_slot, self.lock, protocol.log)

    # For callers.

    def start(self, deadline: float | None, on_progress: Callable[[Event], object] | None) -> None:
        """Start the threads and wait until the session exists. Raises what prevented it.

        ``on_progress`` is called in this thread for what the server reports meanwhile. If it raises, the wait ends.
        """
        self._reader = spawn("reader", self._run, self._waker.close)
        exists = False
        while not exists:
            # wait: caller, creating or attaching | the session | `changed` | its timeout; the reconnect budget
            progress = self.changed.wait_for(self._take_progress, deadline)
            if progress is None:
                raise EventTimeout("timed out waiting for the session to be created or attached")
            exists, events = progress
            if on_progress is not None:
                for event in events:
                    on_progress(event)
        for queue in self.queues.values():
            if queue.state.attached:
                self.inquiries.learn_position(queue.state, self._protocol.doubts)
        with self.lock:
            self._farewell.handed_over = True

    def _take_progress(self) -> tuple[bool, list[Event]] | None:
        """Whether the session exists, and what the server has reported since the last call; None if nothing."""
        exists = bool(self.queues) and self._protocol.is_settled
        events = self._protocol.take_progress()
        if not exists and not events and self.failure is not None:
            raise fresh(self.failure)
        return (exists, events) if exists or events else None

    @property
    def control_session_id(self) -> str:
        return self._protocol.control_session_id or ""

    @property
    def unreadable_frames(self) -> int:
        return self._protocol.unreadable.skipped

    @property
    def status(self) -> str:
        """``connected``, ``reconnecting``, ``failed`` or ``closed``."""
        if self._closing or self._finished:
            return "closed"
        if self.failure is not None:
            return "failed"
        return "connected" if self.up else "reconnecting"

    def take_discovery(self, queue: EventQueue) -> tuple[DiscoveryBatch | None, int]:
        """The nearest announced match ahead, and how many were passed since the last call. Raises InvalidParams."""
        if not self._protocol.announces_discoveries:
            raise InvalidParams("discoveries", (), "create the session with CreateSession(discoveries=[...])")
        with self.lock:
            return queue.state.take_discovery()

    def cancel_session(self, queue: EventQueue, reason: str) -> None:
        """Wake everybody who waits for this session, with Cancelled. The other sessions continue."""
        if not self.process.is_here:
            return
        with self.lock:
            queue.cancel(Cancelled(reason))
            self.changed.notify_all()

    # guess: when `closeSessionV1` is sent
    def release(self, queue: EventQueue, *, close: bool = False) -> None:
        """The caller does not need this session any more. With ``close``, ask the server to end it."""
        if not self.process.is_here:
            return
        state = queue.state
        with self.lock:
            if close and state.open and self.up:
                self.outbox.add_urgent(self._protocol.close_session_request(state.session_id))
            self._protocol.release(state.session_id)
            self.changed.notify_all()
        self._waker.wake()

    def cancel(self, reason: str) -> None:
        """End everything soon, without waiting for it. Every waiting caller wakes at once with Cancelled."""
        if not self.process.is_here:
            return  # the threads and the connection are the parent's
        cancelled = Cancelled(reason)
        with self.lock:
            at_exit.expect_end(self._reader, self._farewell.begin() + 1.0)
            connector = None if self._closing else self._opener.connector  # a later one says goodbye
            self._closing = True
            if self.failure is None:
                self.failure = cancelled
            queues = list(self.queues.values())
            self.changed.notify_all()
        for queue in queues:
            if not queue.is_finished:
                queue.cancel(cancelled)
        self.outbox.close()
        self.inquiries.cancel()
        if connector is not None:
            connector.abort(reason)
        self._waker.wake()

    def ask_to_cancel(self, reason: str) -> None:
        """The reader cancels, soon. For a caller that must not wait for a lock and may start no thread."""
        self._cancel_asked = reason
        connector = self._opener.connector
        if connector is not None:
            connector.abort(reason)
        self._waker.wake()

    def _cancel_if_asked(self) -> bool:
        """Do what :meth:`ask_to_cancel` has asked for. True if the connection is closing, for whatever reason."""
        if (reason := self._cancel_asked) is not None:
            self._cancel_asked = None  # only now: otherwise a reason that has come since would be lost
            self.cancel(reason)
        return self._closing

    def drop(self) -> None:
        """Lose the connection soon, as if the network had failed. Does nothing if it is down already."""
        self.process.check()
        with self.lock:
            self._drop_asked = self.up
        self._waker.wake()

    def close(self, reason: str = "the session was closed") -> None:
        """End everything and wait for the threads, within the close timeout."""
        if not self.process.is_here:
            return
        deadline = time.monotonic() + self._options.close_timeout
        self.cancel(reason)
        # Saying goodbye to the server may take the close timeout; ending the threads takes a moment more.
        for thread in (self._reader, *self.inquiries.threads):
            # wait: caller, closing | reader, inquiries | they end | `close_timeout` and 1 s
            if not join(thread, deadline + 1.0 - time.monotonic()):
                self._logger.warning("%s did not end in time and was left running", thread.name if thread else "")

    # The reader thread.

    def _run(self) -> None:
        failure: SimsyncError = ControlClosed("the control connection is closed: every event was delivered")
        try:
            for attempt in self._policy.attempts():
                self._sleep(attempt.delay)
                with attempt:
                    self._connection()
        except Reconnectable as lost:
            if not self._closing:
                failure = connection_failure(
                    f"gave up reconnecting: {lost.reason}", lost.__cause__ or lost, established=bool(self.queues)
                )
        except SimsyncError as error:
            failure = error
        except Exception as error:
            self._logger.exception("the reader failed")
            failure = connection_failure(
                f"the reader thread failed: {chain_of(error)}", error, established=bool(self.queues)
            )
        self._farewell.log_if_owed()
        self._end(failure)
        self._waker.close()

    def _end(self, failure: SimsyncError) -> None:
        with self.lock:
            finished_well = isinstance(failure, ControlClosed)
            if self.failure is None:
                self.failure = failure
            self._finished = self._finished or finished_well
            failure = self.failure
            self.up = False
            queues = list(self.queues.values())
            self.changed.notify_all()
        self.outbox.close()
        for queue in queues:
            queue.put(Ended(failure))
        if finished_well:
            self._logger.info("control connection closed")
        elif not isinstance(failure, Cancelled):
            # A caller that waits for the session to be created gets the failure as an exception and needs no log line.
            level = logging.ERROR if queues else logging.DEBUG
            self._logger.log(level, "control connection failed: %s", failure)

    def _connection(self) -> None:
        """One connection, from connecting to its end. Returns if no further connection is needed."""
        ws = self._open()
        if ws is None:
            return
        began = time.monotonic()
        try:
            writer = Writer(ws, self.outbox, self.lock, self._options.ping_interval, self._waker.wake, self._logger)
        except Exhausted as limit:
            ws.shutdown()
            raise self._opener.lost_attempt(limit) from limit
        ws.outgoing = self.outbox.add_urgent
        try:
            with self.lock:
                mark = self._protocol.progress_mark
                hello = self._protocol.connected(time.monotonic())
                self._drop_asked = False  # it was meant for the connection before
            self.outbox.open()
            self.outbox.add_urgent(hello)
            writer.start()
            self._opener.ever_connected = True
            self._converse(ws, writer)
        except Exhausted as limit:
            raise self._opener.lost_attempt(limit) from limit
        except ConnectionLost as lost:
            if ws.observer is not None:
                ws.observer.ended(lost.reason, lost.code)
            if self._protocol.all_ended:
                self._logger.warning("the control connection was lost after the last event: %s", lost.reason)
            if self.queues and not self._protocol.survives_loss:
                reason = f"connection lost: {lost.reason}; the session ended with it, as its disconnect_timeout is 0"
                raise self._given_up(GiveUp(reason)) from lost
            uptime = time.monotonic() - began if self.queues else 0.0
            new = self._protocol.progress_mark > mark
            raise Reconnectable(f"connection lost: {writer.failure or lost.reason}", uptime, progress=new) from lost
        finally:
            with self.lock:
                self.up = False
            writer.stop()
            ws.shutdown()
            with self.lock:
                self._protocol.lost()
                self.changed.notify_all()

    def _open(self) -> DuplexWebSocket | None:
        """A connection; None if the session was closed meanwhile."""
        with self.lock:
            if self._closing and not self._farewell.may_connect():
                return None
            connector = self._opener.prepare(self._farewell.seconds_left)
        try:
            ws = self._opener.open(connector, established=bool(self.queues))
        except (Reconnectable, SimsyncError):
            if self.status == "closed":
                return self._open()
            raise
        if self._closing:
            self._waker.wake()  # goodbye is said right behind the attach
        return ws

    def _converse(self, ws: DuplexWebSocket, writer: Writer) -> None:
        """Receive until nobody needs the connection any more. Raises ConnectionLost, or the failure if it is final."""
        protocol = self._protocol
        while True:
            # wait: reader | bytes | the peer; its waker | handshake and dead-peer timeouts
            payloads = ws.recv_observed(self._next_deadline(ws), self._waker)
            if not payloads:
                self._waker.clear()
            now = time.monotonic()
            with self.lock:
                changed = protocol.receive(payloads, now)
                inquiries = protocol.tick(now)
                changed += protocol.receive((), now) if protocol.has_changes else []
                self._note_established(ws)
                # Still under the lock, so that a caller that learns of a state finds the events that led to it.
                deliver(changed, self.queues, self.ready_queues)
                self.changed.notify_all()
                outcome = protocol.outcome
                if outcome is not None:
                    self.outbox.hold_continues()  # safeguard: no continue is sent over a connection that is given up
                finished = protocol.is_finished
                outgoing = protocol.take_outgoing()
                reference = protocol.doubts.reference(protocol.sessions.values()) if inquiries else None
            for message in outgoing:
                self.outbox.add_urgent(message)
            for state, number in inquiries:
                self.inquiries.ask(state, partial(self._decided, state, number), reference, protocol.doubts)
            if self._drop_asked:
                raise ConnectionLost("it was dropped on request")
            if outcome is not None:
                if isinstance(outcome, GiveUp):
                    raise self._given_up(outcome)
                raise ConnectionLost(outcome.reason)
            if finished or self._cancel_if_asked():
                self._farewell.say(ws, self.lock, self.outbox)
                return
            if writer.failure is not None:
                raise ConnectionLost(writer.failure)
            if protocol.phase is not Phase.CREATING and now - ws.last_inbound >= self._options.dead_after:
                # safeguard: a silent peer times out
                raise ConnectionLost(f"nothing was received for {self._options.dead_after:g} s")

    def _next_deadline(self, ws: DuplexWebSocket) -> float:
        silence = ws.last_inbound + self._options.dead_after
        deadline = self._protocol.next_deadline
        if self._protocol.phase is Phase.CREATING and deadline is not None:
            return deadline
        return silence if deadline is None else min(silence, deadline)

    def _note_established(self, ws: DuplexWebSocket) -> None:
        """The handshake of this connection may just have ended."""
        if self._protocol.phase is not Phase.STEADY or self.up:
            return
        ws.drain_limit = max(ws.drain_limit, ROOM_PER_SESSION * len(self._protocol.sessions))
        self.reconnects += bool(self.queues)
        self.queues = self.queues or {
            session_id: EventQueue(state, self.ready_queues, self._options.drain_idle)
            for session_id, state in self._protocol.sessions.items()
        }
        self.up = True
        self._policy.established("the control connection")
        self.outbox.let_continues_flow()

    def _decided(self, state: SessionState, number: int, slot: int | None) -> None:
        """An inquiry has told the slot of a session; None if its RPC did not answer."""
        with self.lock:
            if self._protocol.answer_inquiry(state, number, slot):
                self.outbox.add_continue(state.cycle)
            self.changed.notify_all()
        # The session may have become ready without an event.
        self.queues[state.session_id].wake()
        self._waker.wake()

    def _given_up(self, outcome: GiveUp) -> SimsyncError:
        if self._protocol.all_ended:
            # Every event was delivered; only subscriptions are still being drained.
            self._logger.warning("the control connection ended early: %s", outcome.reason)
            return ControlClosed(outcome.reason)
        return given_up(outcome, self._options.dialect.is_capacity, established=bool(self.queues))

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._cancel_if_asked() and time.monotonic() < deadline:
            # wait: reader | the time for the next attempt | its waker | the delay
            self._waker.sleep(deadline - time.monotonic())
