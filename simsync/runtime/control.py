"""The control connection: the reader thread and the state that it shares with the callers.

The reader thread owns the connection for its whole life: it connects, shakes hands, receives, reconnects and closes. A
writer thread per connection is the only one that sends. Callers meet them in three places: the lock ``changed``,
which guards the conversation and everything else here; the outbox; and the deliveries.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable
from typing import Callable

import websocket

from simsync.errors import (
    Cancelled,
    ConnectError,
    ContinueSendError,
    ControlClosed,
    ControlFailed,
    CreateError,
    EventTimeout,
    InvalidParams,
    RemoteError,
    SimsyncError,
)
from simsync.events import DiscoveryBatch, Event
from simsync.frames import CONTROL
from simsync.options import Options
from simsync.params.api_key import ApiKey
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.control import ControlConversation, Phase
from simsync.protocol.route import Route
from simsync.protocol.step import StepRecord
from simsync.protocol.verdict import Fatal
from simsync.runtime.cancel import CancelToken
from simsync.runtime.changes import Changes
from simsync.runtime.delivery import Arrivals, Delivery, Ending
from simsync.runtime.dial import Dial, DialFailed
from simsync.runtime.duplex import DRAIN_LIMIT, DuplexWebSocket, LinkLost
from simsync.runtime.failure import chain_of, fresh
from simsync.runtime.outbox import Outbox
from simsync.runtime.retry import Reconnectable, ReconnectPolicy
from simsync.runtime.threads import join, spawn
from simsync.runtime.waking import Waker
from simsync.runtime.writer import Writer

logger = logging.getLogger("simsync.control")

ROOM_PER_SESSION = 4 * 1024
"""Bytes that are read at once for each session: handing events out costs per session, so some of each are to come."""

AskSlot = Callable[[Route, CancelToken], int]
"""Ask a session's RPC for its slot, until the token is fired. Raises SimsyncError."""


class _Finished(Exception):
    """Every caller has what it wants, or the session was closed: end the conversation."""


class ControlLink:
    """One control connection and its conversation. Made by ``Client``, owned by the session object."""

    def __init__(
        self,
        url: str,
        api_key: ApiKey,
        conversation: ControlConversation,
        options: Options,
        ask_slot: AskSlot,
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._conversation = conversation
        self._options = options
        self._ask_slot = ask_slot
        self._questions = CancelToken()  # fired when nobody needs their answers any more
        self._outbox = Outbox(options.continue_queue)
        self._waker = Waker()
        self._reader: threading.Thread | None = None
        self._policy = ReconnectPolicy(options, self._sleep, logger)
        self.arrivals = Arrivals()
        self.process = self.arrivals.process
        # Guards the conversation and everything below; notified when any of it changes.
        self.changed = Changes()
        self.deliveries: dict[str, Delivery] = {}
        self.up = False
        self.reconnects = 0
        self._established_once = False
        self._handed_over = False
        self._ever_connected = False
        self._closing: Cancelled | None = None
        self._failure: SimsyncError | None = None
        self._finished = False
        self._drop_asked = False
        self._dial: Dial | None = None
        self._deferred: list[Delivery] = []
        self._inquirers: list[threading.Thread] = []

    # For callers.

    def start(self, deadline: float | None, on_progress: Callable[[Event], object] | None) -> None:
        """Start the threads and wait until the session is there. Raises what prevented it.

        ``on_progress`` is called in this thread for what the server tells meanwhile; what it raises ends the wait.
        """
        self._reader = spawn("reader", self._run)
        there = False
        while not there:
            there, news = self._wait_for_news(deadline)
            if on_progress is not None:
                for event in news:
                    on_progress(event)
        attached = [delivery for delivery in self.deliveries.values() if delivery.route.attached]
        for delivery in attached:
            self._learn_position(delivery.route)
        with self.changed:
            for delivery in attached:
                delivery.continue_is_due = True  # its ready may have been handed out in another process
            self._handed_over = True

    def _learn_position(self, route: Route) -> None:
        """Where a session stands that was attached to; without it a continue that is lost cannot be decided."""
        slot = self._slot_of(route, self._questions)
        if slot is not None:
            with self.changed:
                route.learned_slot = slot

    def _wait_for_news(self, deadline: float | None) -> tuple[bool, list[Event]]:
        """Whether the session is there, and what the server has told since the last call."""
        conversation = self._conversation
        while True:
            with self.changed:
                there = self._established_once and conversation.is_settled
                news = conversation.take_progress()
                if there or news:
                    return there, news
                if self._failure is not None:
                    raise fresh(self._failure)
                ticket = self.changed.ticket()
            if not ticket.wait(deadline):
                raise EventTimeout("the session was not created or attached in time")

    @property
    def control_session_id(self) -> str:
        return self._conversation.control_session_id or ""

    def send_continue(
        self, delivery: Delivery, payload: bytes, deadline: float | None, record: StepRecord | None = None
    ) -> None:
        """Wait until the session is ready and all its connections are up, then queue a continue.

        Raises ContinueSendError when one is outstanding or the session is finished, the failure when it failed, and
        EventTimeout.
        """
        self.process.check()
        route = delivery.route
        cycle = route.cycle
        submitted = placed = False
        try:
            while not submitted:
                with self.changed:
                    self._check_continuable(delivery)
                    if cycle.is_ready and self.up and _gate_is_open(delivery):
                        submitted = True
                        cycle.submit(payload, record)
                        delivery.continue_is_due = False
                        break
                    obstacle = self._obstacle(delivery)
                    ticket = self.changed.ticket()
                if not ticket.wait(deadline):
                    raise EventTimeout(f"session {route.session_id} could not continue in time: {obstacle}")
            placed = self._outbox.put_continue(route, deadline)
        finally:
            if submitted and not placed:  # there was no room, or Ctrl-C
                with self.changed:
                    cycle.withdraw()
                    delivery.continue_is_due = True
        if not placed:
            with self.changed:
                self._check_alive(delivery)
            raise EventTimeout(f"session {route.session_id} could not continue in time: too many continues are waiting")

    def _check_continuable(self, delivery: Delivery) -> None:
        route, cycle = delivery.route, delivery.route.cycle
        if route.completed:
            raise ContinueSendError(f"session {route.session_id} is completed: there is nothing to continue")
        self._check_alive(delivery)
        if cycle.state is CycleState.FINISHED:
            raise ContinueSendError(f"session {route.session_id} is over: there is nothing to continue")
        if cycle.is_outstanding and not self._options.queue_continues:
            raise ContinueSendError(
                f"session {route.session_id}: the continue before has not been answered ({cycle.state.value});"
                " take events until ReadyForContinue, or set Options(queue_continues=True)"
            )

    def step(self, delivery: Delivery, payload: bytes, deadline: float | None) -> StepRecord:
        """Send a continue as :meth:`send_continue` and wait until it is answered. Events stay with the delivery."""
        record = StepRecord()
        route, cycle = delivery.route, delivery.route.cycle
        try:
            self.send_continue(delivery, payload, deadline, record)
            while True:
                with self.changed:
                    if record.done:
                        break
                    self._check_alive(delivery)
                    ticket = self.changed.ticket()
                if not ticket.wait(deadline):
                    raise EventTimeout(
                        f"session {route.session_id} did not finish the step in time (at slot {route.position},"
                        f" {cycle.state.value}); its continue goes on, wait for its end with ensure_ready()"
                    )
        finally:
            with self.changed:
                cycle.forget(record)
        return record

    def wait_until_ready(self, delivery: Delivery, deadline: float | None) -> bool:
        """True once the engine waits for a continue; False when the range is completed."""
        self.process.check()
        route = delivery.route
        while True:
            with self.changed:
                if route.completed:
                    return False
                self._check_alive(delivery)
                if route.cycle.is_ready:
                    return True
                obstacle = self._obstacle(delivery)
                ticket = self.changed.ticket()
            if not ticket.wait(deadline):
                raise EventTimeout(f"session {route.session_id} is not ready in time: {obstacle}")

    def take_discovery(self, delivery: Delivery) -> tuple[DiscoveryBatch | None, int]:
        """The nearest announced match ahead, and how many were passed since the last call. Raises InvalidParams."""
        if not self._conversation.announces_discoveries:
            raise InvalidParams("discoveries", (), "the session was created without CreateSession(discoveries=[...])")
        with self.changed:
            return delivery.route.take_discovery()

    def continue_when_possible(self, delivery: Delivery, payload: bytes) -> None:
        """Queue a continue without waiting; it is sent once the subscriptions are up. Nothing if it is not its turn."""
        self.process.check()
        with self.changed:
            cycle = delivery.route.cycle
            # Otherwise it will be due when the event that made it ready is handed out.
            if cycle.is_ready and delivery.stops_handed_out >= cycle.ready_at:
                # Submitted last: should Ctrl-C come before, what waits stands for nothing, and it is still due.
                if _gate_is_open(delivery):
                    self._outbox.put_continue_now(delivery.route)
                else:
                    self._deferred.append(delivery)
                cycle.submit(payload)
            delivery.continue_is_due = False

    def subscriptions_changed(self) -> None:
        """A subscription came up, ended or failed. Call while holding ``changed``."""
        waiting, self._deferred = self._deferred, []
        for delivery in waiting:
            if _gate_is_open(delivery):
                self._outbox.put_continue_now(delivery.route)
            else:
                self._deferred.append(delivery)
        self.changed.notify_all()

    def cancel_delivery(self, delivery: Delivery, reason: str) -> None:
        """Wake everybody who waits for this session, with Cancelled; the others go on."""
        if not self.process.is_here:
            return
        with self.changed:
            delivery.cancel(Cancelled(reason))
            self.changed.notify_all()

    def release(self, delivery: Delivery, *, close: bool = False) -> None:
        """The caller needs this session no more; with ``close`` the server is told so."""
        if not self.process.is_here:
            return
        session_id = delivery.route.session_id
        with self.changed:
            if close and delivery.route.open and self.up:
                self._outbox.put_urgent(self._conversation.close_session_request(session_id))
            self._conversation.release(session_id)
            self.changed.notify_all()
        self._waker.wake()

    def encode_continue(self, delivery: Delivery, request: object) -> bytes:
        return self._conversation.encode_continue(delivery.route.session_id, request)  # type: ignore[arg-type]

    @property
    def state(self) -> str:
        """``connected``, ``reconnecting``, ``failed`` or ``closed``."""
        if self._closing is not None or self._finished:
            return "closed"
        if self._failure is not None:
            return "failed"
        return "connected" if self.up else "reconnecting"

    def cancel(self, reason: str) -> None:
        """End everything soon, without waiting for it. Every waiting caller wakes at once with Cancelled."""
        if not self.process.is_here:
            return  # the threads and the connection are the parent's
        with self.changed:
            if self._closing is None:
                self._closing = Cancelled(reason)
            failure = self._closing
            if self._failure is None:
                self._failure = failure
            dial = self._dial
            deliveries = list(self.deliveries.values())
            self.changed.notify_all()
        for delivery in deliveries:
            if not delivery.done:
                delivery.cancel(failure)
        self._outbox.close()
        self._questions.cancel()
        if dial is not None:
            dial.abort(reason)
        self._waker.wake()

    def drop(self) -> None:
        """Lose the connection soon, as if the network had failed; nothing where it is lost already."""
        self.process.check()
        with self.changed:
            self._drop_asked = self.up
        self._waker.wake()

    def close(self, reason: str = "the session was closed") -> None:
        """End everything and wait for the threads, within the close timeout."""
        if not self.process.is_here:
            return
        deadline = time.monotonic() + self._options.close_timeout
        self.cancel(reason)
        # The farewell may take the close timeout; ending the threads takes a moment more.
        for thread in (self._reader, *self._inquirers):
            if not join(thread, deadline + 1.0 - time.monotonic()):
                logger.warning("%s did not end in time and is left to end by itself", thread.name if thread else "")

    def _check_alive(self, delivery: Delivery) -> None:
        # Closing the last sub-session ends the connection too; what the caller did comes first.
        failure = delivery.cancelled or self._failure or delivery.route.failure
        if failure is None:
            failure = next((state.failure for state in delivery.subscriptions if state.failure is not None), None)
        if failure is not None:
            raise fresh(failure)

    def _obstacle(self, delivery: Delivery) -> str:
        if not self.up:
            return "the control connection is down"
        down = [state.label for state in delivery.subscriptions if not (state.up or state.ended)]
        if down:
            return "waiting for " + "; ".join(down)
        return delivery.route.cycle.state.value

    # The reader thread.

    def _run(self) -> None:
        failure: SimsyncError
        try:
            self._policy.run(self._connection)
            failure = ControlClosed("the control connection is closed: every event was delivered")
        except _Finished:
            failure = ControlClosed("the control connection is closed: every event was delivered")
        except Reconnectable as lost:
            failure = self._failed(f"gave up reconnecting: {lost.reason}", lost.__cause__ or lost)
        except SimsyncError as error:
            failure = error
        except Exception as error:
            logger.exception("the reader failed")
            failure = self._failed(f"the reader thread failed: {chain_of(error)}", error)
        self._end(failure)
        self._waker.close()

    def _failed(self, reason: str, cause: BaseException | None) -> SimsyncError:
        error: SimsyncError
        if self._established_once:
            error = ControlFailed(reason)
        elif isinstance(cause, DialFailed):
            return cause.error
        else:
            error = ConnectError(reason)
        error.__cause__ = cause.error if isinstance(cause, DialFailed) else cause
        return error

    def _end(self, failure: SimsyncError) -> None:
        with self.changed:
            finished_well = isinstance(failure, ControlClosed)
            if self._failure is None:
                self._failure = failure
            self._finished = self._finished or finished_well
            failure = self._failure
            self.up = False
            deliveries = list(self.deliveries.values())
            self.changed.notify_all()
        self._outbox.close()
        for delivery in deliveries:
            delivery.put(Ending(failure))
        if finished_well:
            logger.info("control connection closed")
        elif not isinstance(failure, Cancelled):
            # Whoever waits for the session to be created gets the failure as an exception and has no need of a log.
            level = logging.ERROR if self._established_once else logging.DEBUG
            logger.log(level, "control connection failed: %s", failure)

    def _connection(self) -> None:
        """One connection, from dialling to its end."""
        self._raise_if_closing()
        ws = self._open()
        began = time.monotonic()
        self._ever_connected = True
        writer = Writer(ws, self._outbox, self.changed, self._options.ping_interval, self._waker.wake)
        ws.outgoing = self._outbox.put_urgent
        try:
            with self.changed:
                hello = self._conversation.connected(time.monotonic())
                self._drop_asked = False  # it was meant for the connection before
            self._outbox.open()
            self._outbox.put_urgent(hello)
            writer.start()
            self._converse(ws, writer)
        except LinkLost as lost:
            if ws.tap is not None:
                ws.tap.ended(lost.reason, lost.code)
            if self._conversation.all_completed:
                logger.warning("the control connection was lost after the last event: %s", lost.reason)
            if self._established_once and not self._conversation.survives_loss:
                reason = f"connection lost: {lost.reason}; the session ended with it, as its disconnect_timeout is 0"
                raise self._fatal(Fatal(reason)) from lost
            raise Reconnectable(f"connection lost: {writer.failure or lost.reason}", self._uptime(began)) from lost
        finally:
            with self.changed:
                self.up = False
            writer.stop()
            ws.shutdown()
            with self.changed:
                self._conversation.lost()
                self.changed.notify_all()

    def _uptime(self, began: float) -> float:
        return time.monotonic() - began if self._established_once else 0.0

    def _open(self) -> DuplexWebSocket:
        dial = Dial(self._url, self._options, self._api_key, plane=CONTROL)
        with self.changed:
            self._dial = dial
        self._raise_if_closing()
        try:
            return dial.run()
        except DialFailed as failed:
            self._raise_if_closing()
            hopeless = failed.unreachable and not self._ever_connected and not self._options.retry_first_connect
            if failed.fatal or hopeless:
                raise self._failed(str(failed), failed) from failed
            raise Reconnectable(str(failed)) from failed
        finally:
            with self.changed:
                self._dial = None

    def _converse(self, ws: DuplexWebSocket, writer: Writer) -> None:
        conversation = self._conversation
        while True:
            payloads = _receive(ws, self._next_deadline(ws), self._waker)
            if not payloads:
                self._waker.clear()
            now = time.monotonic()
            with self.changed:
                dirty = conversation.receive(payloads, now)
                due = conversation.tick(now)
                dirty += conversation.receive((), now)
                self._note_progress(ws)
                # Still under the lock, so that whoever is told of a state finds the events that led to it.
                self._deliver(dirty)
                verdict = conversation.verdict
                finished = conversation.is_finished
                outgoing = conversation.take_outgoing()
            for message in outgoing:
                self._outbox.put_urgent(message)
            for inquiry in due:
                self._inquire(*inquiry)
            if self._drop_asked:
                raise LinkLost("it was dropped on request")
            if verdict is not None:
                if isinstance(verdict, Fatal):
                    raise self._fatal(verdict)
                raise LinkLost(verdict.reason)
            if finished or self._closing is not None:
                self._say_goodbye(ws)
                raise _Finished
            if writer.failure is not None:
                raise LinkLost(writer.failure)
            if conversation.phase is not Phase.CREATING and now - ws.last_inbound >= self._options.dead_after:
                raise LinkLost(f"nothing was received for {self._options.dead_after:g} s")

    def _next_deadline(self, ws: DuplexWebSocket) -> float:
        silence = ws.last_inbound + self._options.dead_after
        deadline = self._conversation.next_deadline
        if self._conversation.phase is Phase.CREATING and deadline is not None:
            return deadline
        return silence if deadline is None else min(silence, deadline)

    def _note_progress(self, ws: DuplexWebSocket) -> None:
        if self._conversation.phase is Phase.STEADY and not self.up:
            ws.drain_limit = max(DRAIN_LIMIT, ROOM_PER_SESSION * len(self._conversation.routes))
            if not self._established_once:
                self.deliveries = {
                    session_id: Delivery(route, self.arrivals, self._options.drain_idle)
                    for session_id, route in self._conversation.routes.items()
                }
                self._established_once = True
            else:
                self.reconnects += 1
            self.up = True
            self._outbox.let_continues_flow()
        self.changed.notify_all()

    def _deliver(self, dirty: Iterable[Route]) -> None:
        deliveries = []
        for route in dirty:
            delivery = self.deliveries[route.session_id]
            deliveries.append(delivery)
            batch = route.take_batch()
            if batch:
                delivery.put_unannounced(batch)
            if route.failure is not None:
                delivery.put_unannounced(Ending(route.failure))
            if route.completed:
                for tell in delivery.on_completed:
                    tell()
        self.arrivals.announce(*deliveries)

    def _fatal(self, verdict: Fatal) -> SimsyncError:
        error: SimsyncError
        if self._conversation.all_completed:
            # Everything was delivered; only the drains of the data plane are still at work.
            logger.warning("the control connection ended early: %s", verdict.reason)
            return ControlClosed(verdict.reason)
        error = ControlFailed(verdict.reason) if self._established_once else CreateError(verdict.reason)
        if verdict.error is not None:
            error.__cause__ = RemoteError(verdict.error)
        return error

    def _raise_if_closing(self) -> None:
        if self._closing is not None:
            raise _Finished

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._closing is None and time.monotonic() < deadline:
            if self._waker.sleep(deadline - time.monotonic()):
                self._waker.clear()
        self._raise_if_closing()

    def _say_goodbye(self, ws: DuplexWebSocket) -> None:
        """Ask the server to end the sessions, then close the WebSocket; reading goes on, or the server could block."""
        end = time.monotonic() + self._options.close_timeout
        with self.changed:
            ours = self._conversation.created_here or self._handed_over
            request = self._conversation.close_request()
        try:
            if ours:
                self._outbox.put_urgent(request)
            acknowledged_by = time.monotonic() + self._options.close_timeout / 2
            while ours and not self._conversation.close_acknowledged and time.monotonic() < acknowledged_by:
                payloads = _receive(ws, acknowledged_by, None)
                with self.changed:
                    self._conversation.receive(payloads, time.monotonic())
            ws.send_close(websocket.STATUS_NORMAL)
            while time.monotonic() < end:
                _receive(ws, end, None)
            logger.warning("the server did not close the connection within %g s", self._options.close_timeout)
        except LinkLost as lost:
            if ws.tap is not None:
                ws.tap.ended(lost.reason, lost.code)
            logger.debug("closed: %s", lost.reason)

    # Finding out where a session stands.

    def ask_position(self, route: Route, until: CancelToken) -> int:
        """The slot at which the engine stands, as far as can be known; may take one RPC call, which ``until`` ends."""
        with self.changed:
            position = route.position
            settled = self.up and not route.cycle.is_outstanding and route.position_is_known
        slot = None if settled else self._slot_of(route, until)
        return position if slot is None else max(position, slot)

    def _slot_of(self, route: Route, until: CancelToken) -> int | None:
        """The slot of a session, over its RPC; None when it could not be asked, or nobody wants to know any more."""
        try:
            return self._ask_slot(route, until)
        except Cancelled:
            return None
        except SimsyncError as error:
            logger.warning("session %s could not be asked for its slot: %s", route.session_id, error)
            return None

    def _inquire(self, route: Route, inquiry: int) -> None:
        """Ask in a thread of its own: the reader must not wait for an HTTP reply."""

        def ask() -> None:
            slot: int | None = None
            try:
                slot = self._slot_of(route, self._questions)
            except Exception:
                logger.exception("asking session %s for its slot failed", route.session_id)
            with self.changed:
                if self._conversation.answer_inquiry(route, inquiry, slot):
                    self._outbox.put_continue_now(route)
            self._waker.wake()

        self._inquirers = [thread for thread in self._inquirers if thread.is_alive()]
        self._inquirers.append(spawn("inquiry", ask))


def _receive(ws: DuplexWebSocket, deadline: float, waker: Waker | None) -> Collection[bytes]:
    payloads = ws.recv_batch(deadline, waker)
    if ws.tap is None:
        return payloads
    ws.tap.received(payloads)
    return [bytes(payload) for payload in payloads]


def _gate_is_open(delivery: Delivery) -> bool:
    """A subscription that has ended counts as up; one that failed lets the failure reach the caller."""
    return all(state.up or state.ended or state.failure is not None for state in delivery.subscriptions)
