"""The reader thread of one data-plane connection. It is the only one at its socket, so it also sends."""

from __future__ import annotations

import logging
import threading
import time

from simsync.errors import SubscriptionFailed
from simsync.options import Options
from simsync.protocol.subscription import SubscriptionConversation
from simsync.runtime.control import ControlLink
from simsync.runtime.delivery import DataBatch, Delivery, SubscriptionState
from simsync.runtime.dial import Dial, DialFailed
from simsync.runtime.duplex import DuplexWebSocket, LinkLost
from simsync.runtime.failure import chain_of
from simsync.runtime.threads import join, spawn
from simsync.runtime.waking import Waker

logger = logging.getLogger("simsync.subscription")

_CLEAN_CLOSE = 1000


class _Stopped(Exception):
    """The session does not want it any more."""


class SubscriptionReader:
    """Connects without a key, subscribes, and puts what comes into the delivery until every stream has ended."""

    def __init__(
        self,
        url: str,
        conversation: SubscriptionConversation,
        delivery: Delivery,
        link: ControlLink,
        options: Options,
    ) -> None:
        self._url = url
        self._conversation = conversation
        self._delivery = delivery
        self._link = link
        self._options = options
        self._waker = Waker()
        self._stopping = False
        self._dial = Dial(url, options)
        self._thread: threading.Thread | None = None
        self.state = SubscriptionState(conversation.label)

    def start(self) -> None:
        with self._link.changed:
            self._delivery.subscriptions.append(self.state)
        self._thread = spawn("subscription", self._run)

    def stop(self) -> None:
        """Wake the thread; it ends soon."""
        self._stopping = True
        self._dial.abort("the subscription was closed")
        self._waker.wake()

    def join(self, timeout: float) -> None:
        if not join(self._thread, timeout):
            logger.warning("a subscription did not end in time and is left to end by itself")

    def _run(self) -> None:
        try:
            self._stream()
        except _Stopped:
            self._report(failure="the subscription was closed")
        except LinkLost as lost:
            self._report(failure=f"connection lost: {lost.reason}")
        except DialFailed as failed:
            self._report(failure=str(failed))
        except Exception as error:
            logger.exception("a subscription failed")
            self._report(failure=chain_of(error))
        finally:
            self._waker.close()

    def _stream(self) -> None:
        ws = self._dial.run()
        try:
            self._receive(ws)
        except LinkLost as lost:
            if lost.code != _CLEAN_CLOSE or not self._control_has_completed():
                raise
            self._report(ended=True)  # a clean close may stand for the end of every stream
        finally:
            ws.shutdown()

    def _receive(self, ws: DuplexWebSocket) -> None:
        conversation = self._conversation
        for request in conversation.connected():
            ws.send(request)
        answer_by = time.monotonic() + self._options.handshake_timeout
        next_ping = time.monotonic() + self._options.ping_interval
        while not conversation.ended:
            silence = ws.last_inbound + self._options.dead_after
            payloads = ws.recv_batch(min(next_ping, silence), self._waker)
            if self._stopping:
                raise _Stopped
            now = time.monotonic()
            events = conversation.receive(payloads)
            if events:
                self.state.last_slot = conversation.last_slot
                self.state.last_activity = now
                self._delivery.put(DataBatch(events))
            if conversation.failure is not None:
                raise LinkLost(conversation.failure)
            if conversation.acknowledged:
                if not self.state.up:
                    self._report(up=True)
            elif now >= answer_by:
                raise LinkLost(f"no answer to the subscribe within {self._options.handshake_timeout:g} s")
            if now - ws.last_inbound >= self._options.dead_after:
                raise LinkLost(f"nothing was received for {self._options.dead_after:g} s")
            if now >= next_ping:
                ws.ping()
                next_ping = now + self._options.ping_interval
        self._report(ended=True)

    def _control_has_completed(self) -> bool:
        """Either of the two may come first, so give control the time of a drain."""
        route = self._delivery.route
        with self._link.changed:
            self._link.changed.wait_for(lambda: self._stopping or not route.open, self._options.drain_idle)
            return route.completed

    def _report(self, *, up: bool = False, ended: bool = False, failure: str | None = None) -> None:
        state = self.state
        with self._link.changed:
            state.up = up
            if ended:
                state.ended = True
            elif failure is not None:
                route = self._delivery.route
                state.failure = SubscriptionFailed(
                    f"session {route.session_id}: {state.label} failed at slot {state.last_slot}: {failure}"
                )
            self._link.subscriptions_changed()
        self._delivery.put(None)
