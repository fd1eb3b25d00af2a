"""The control conversation of a parallel session.

One connection carries the events of many sub-sessions. The first connection creates them; each later one re-attaches
with a cursor per sub-session and gets what was missed. Events that come again are dropped, so each is delivered once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from enum import Enum
from typing import Union

from simsync.errors import ContinueSendError, ProtocolError, RemoteError
from simsync.events import Completed, Event, Paused, SessionError, Slot, Status
from simsync.options import Options
from simsync.params import Continue, ContinueTo, CreateSession
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.odd_messages import OddMessages
from simsync.protocol.route import NOTHING_SEEN, Route
from simsync.protocol.verdict import Fatal, Transient
from simsync.wire import requests
from simsync.wire.control import ControlDecoder
from simsync.wire.control_messages import (
    ControlMessage,
    ErrorReported,
    NotUnderstood,
    OwnEvent,
    ParallelAttached,
    SessionCreated,
    SessionEvent,
    SessionsCreated,
    Succeeded,
)
from simsync.wire.server_errors import is_ignored

logger = logging.getLogger("simsync.control")

Verdict = Union[Transient, Fatal]


class Phase(Enum):
    DOWN = "not connected"
    CREATING = "creating"
    ATTACHING = "re-attaching"
    STEADY = "established"


class ParallelConversation:
    """See the module. One owner at a time: the caller guards it with a lock.

    After each :meth:`receive` and :meth:`tick` look at ``verdict`` (the connection, or everything, is over) and
    ``is_finished``.
    """

    def __init__(self, create: CreateSession, options: Options) -> None:
        self._create = create
        self._options = options
        self._decode = ControlDecoder(options.dialect).decode
        self._dirty: list[Route] = []
        self._handshake_deadline: float | None = None
        self._proof_deadline: float | None = None
        self.phase = Phase.DOWN
        self.verdict: Verdict | None = None
        self.control_session_id: str | None = None
        self.routes: dict[str, Route] = {}
        self.odd_messages = OddMessages(logger)
        self.closing = False
        self.close_acknowledged = False

    # The life of a connection.

    def connected(self, now: float) -> bytes:
        """A connection is up: the first message to send."""
        self.verdict = None
        if self.control_session_id is None:
            # Whatever an earlier attempt left behind belongs to sessions that cannot be reached any more.
            self._forget_attempt()
            self.phase = Phase.CREATING
            self._handshake_deadline = now + self._options.create_timeout
            return requests.create_session(self._create, parallel=True)
        self.phase = Phase.ATTACHING
        self._handshake_deadline = now + self._options.handshake_timeout
        cursors = {route.session_id: route.cursor for route in self.routes.values() if route.cursor != NOTHING_SEEN}
        return requests.attach_parallel(self.control_session_id, cursors)

    def lost(self) -> None:
        """The connection is gone."""
        self.phase = Phase.DOWN
        self._handshake_deadline = None
        self._proof_deadline = None
        for route in self.routes.values():
            route.cycle.connection_lost()

    def _forget_attempt(self) -> None:
        if self.routes:
            logger.warning(
                "the connection was lost before the create was finished; sub-sessions %s of the broken attempt may hold"
                " capacity on the server until their disconnect timeout",
                ", ".join(self.routes),
            )
        self.routes = {}
        self._dirty = []

    # Receiving.

    def receive(self, payloads: Iterable[bytes], now: float) -> list[Route]:
        """Take received messages, in order. Returns the routes that have events to deliver, or have failed."""
        routes = self.routes
        dirty = self._dirty
        for message in map(self._decode, payloads):
            if type(message) is not SessionEvent:
                self._take_message(message, now)
                routes = self.routes
                if self.verdict is not None:
                    break
                continue
            session_id, sequence, event = message
            route = routes.get(session_id)
            if route is None:
                route = self._unknown_session(session_id, message)
                if route is None:
                    continue
            if sequence is not None:
                cursor = route.cursor
                if sequence <= cursor:
                    route.replays_dropped += 1
                    continue
                if sequence != cursor + 1 and cursor != NOTHING_SEEN:
                    self._sequence_gap(route, sequence)
                route.cursor = sequence
            if type(event) is Slot and route.open:
                slot = event.slot
                if slot > route.highest_slot:
                    route.highest_slot = slot
                    route.slots_seen += 1
                if route.cycle.watching:
                    route.cycle.observe(event)
            elif event is None or not self._take_event(route, event):
                continue
            batch = route.batch
            if not batch:
                dirty.append(route)
            batch.append(event)
        if self.phase is Phase.CREATING:
            self._handshake_deadline = now + self._options.create_timeout
            return []  # there is nobody to deliver to yet
        self._dirty = []
        return dirty

    def _take_event(self, route: Route, event: Event) -> bool:
        """Whatever is no slot. False when it is not for the caller."""
        if isinstance(event, SessionError) and is_ignored(event.error):
            logger.warning("session %s: %s", route.session_id, event.error)
            return False
        if not route.open:
            if not route.released:
                route.late_events += 1
                self.odd_messages.note("an event of a session that is over", route.session_id)
            return False
        if isinstance(event, Completed):
            route.complete()
            return True
        if isinstance(event, Paused):
            route.paused_slot = event.slot
        route.cycle.observe(event)
        if isinstance(event, SessionError) and event.error.terminal:
            logger.error("session %s failed: %s", route.session_id, event.error)
            self._deliver(route, event)
            self._fail(route, RemoteError(event.error, f"session {route.session_id} failed"))
            return False
        return True

    def _deliver(self, route: Route, event: Event) -> None:
        if not route.batch:
            self._dirty.append(route)
        route.batch.append(event)

    def _fail(self, route: Route, failure: ContinueSendError | ProtocolError | RemoteError) -> None:
        route.fail(failure)
        if route not in self._dirty:
            self._dirty.append(route)

    def _unknown_session(self, session_id: str, message: SessionEvent) -> Route | None:
        if self.phase is not Phase.CREATING:
            self.odd_messages.note("an event of an unknown session", message)
            return None
        # Its announcement may still come; what it brought before must not be lost.
        route = self.routes[session_id] = Route(session_id)
        return route

    def _sequence_gap(self, route: Route, sequence: int) -> None:
        missing = sequence - route.cursor - 1
        route.sequence_gaps += missing
        text = f"session {route.session_id}: the sequence jumped from {route.cursor} to {sequence}"
        logger.warning("%s: %d event(s) are missing", text, missing)
        if self._options.strict_sequence:
            self._fail(route, ProtocolError(f"{text} (strict_sequence)", sequence))

    def _take_message(self, message: ControlMessage, now: float) -> None:
        if isinstance(message, SessionCreated) and self.phase is Phase.CREATING:
            route = self.routes.setdefault(message.session_id, Route(message.session_id))
            route.announced = True
            route.rpc_endpoint = message.rpc_endpoint
            route.task_id = message.task_id
            logger.info("sub-session %s created", message.session_id)
        elif isinstance(message, SessionsCreated) and self.phase is Phase.CREATING:
            self._finish_create(message)
        elif isinstance(message, ParallelAttached) and self.phase is Phase.ATTACHING:
            logger.info("control session %s re-attached", self.control_session_id)
            self._establish(now)
        elif isinstance(message, ErrorReported):
            self._take_error(message)
        elif isinstance(message, NotUnderstood):
            self.odd_messages.note(message.reason, message.raw)
            if not message.is_json and self.phase is not Phase.STEADY:
                self.verdict = Transient(f"the server sent text that is no JSON while {self.phase.value}")
        elif isinstance(message, OwnEvent) and isinstance(message.event, Status):
            logger.info("server status: %s", message.event.status)
        elif isinstance(message, Succeeded):
            self.close_acknowledged = self.closing
        else:
            logger.debug("ignored while %s: %s", self.phase.value, type(message).__name__)

    def _take_error(self, message: ErrorReported) -> None:
        error = message.error
        if self.phase is Phase.CREATING:
            self.verdict = Fatal(f"the server did not create the session: {error}", error)
        elif self.phase is Phase.ATTACHING:
            reason = f"the server did not re-attach {self.control_session_id}: {error}"
            self.verdict = Fatal(reason, error) if error.terminal else Transient(reason)
        elif self.closing:
            logger.debug("while closing: %s", error)
        elif error.terminal:
            self.verdict = Fatal(f"the server reported {error}", error)
        else:
            logger.warning("the server reported an error that concerns no sub-session: %s", error)

    def _finish_create(self, message: SessionsCreated) -> None:
        listed = message.session_ids
        counts = (len(listed), len(message.start_slots), len(message.end_slots))
        announced = {route.session_id for route in self.routes.values() if route.announced}
        if len(set(counts)) != 1 or message.control_session_id is None:
            self.verdict = Fatal(
                "the server did not report a slot range for each sub-session"
                f" ({counts[0]} sessions, {counts[1]} starts, {counts[2]} ends): it is too old for parallel sessions"
            )
        elif not listed:
            self.verdict = Fatal("the server created no sub-session at all")
        elif set(listed) != announced or len(set(listed)) != len(listed):
            self.verdict = Fatal(
                f"the server announced {len(announced)} sub-sessions and listed {len(listed)}, not the same ones"
            )
        else:
            stray = [self.routes.pop(key) for key in list(self.routes) if key not in announced]
            for route in stray:
                self.odd_messages.note("events of a session that was never announced", route.session_id)
            for index, session_id in enumerate(listed):
                route = self.routes[session_id]
                route.start_slot = message.start_slots[index]
                route.end_slot = message.end_slots[index]
            # From here on the order is that of the list, which is the order of the slots.
            self.routes = {session_id: self.routes[session_id] for session_id in listed}
            self._dirty = [route for route in self.routes.values() if route.batch or route.failure is not None]
            self.control_session_id = message.control_session_id
            logger.info("control session %s created with %d sub-sessions", self.control_session_id, len(listed))
            self._establish(None)

    def _establish(self, now: float | None) -> None:
        self.phase = Phase.STEADY
        self._handshake_deadline = None
        if now is not None and any(route.cycle.state is CycleState.UNCERTAIN for route in self.routes.values()):
            self._proof_deadline = now + self._options.continue_grace

    # Time.

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`tick` has to be called at the latest."""
        return self._handshake_deadline if self._handshake_deadline is not None else self._proof_deadline

    def tick(self, now: float) -> list[tuple[Route, int]]:
        """What is due. Returns the routes whose session has to be asked for its slot, with the inquiry's number."""
        if self._handshake_deadline is not None and now >= self._handshake_deadline:
            self.verdict = Transient(f"no answer in time while {self.phase.value}")
        if self._proof_deadline is None or now < self._proof_deadline:
            return []
        self._proof_deadline = None
        return [
            (route, route.cycle.ask()) for route in self.routes.values() if route.cycle.state is CycleState.UNCERTAIN
        ]

    # Continues.

    def encode_continue(self, session_id: str, request: Continue | ContinueTo) -> bytes:
        return requests.continue_session(session_id, request, self._options.dialect)

    def answer_inquiry(self, route: Route, inquiry: int, slot: int | None) -> bool:
        """The session's RPC answered with ``slot`` (None: it could not be asked). True when the continue goes again.

        A route that fails by this shows up in the next :meth:`receive`.
        """
        cycle = route.cycle
        if cycle.state is not CycleState.ASKING or cycle.inquiry != inquiry:
            return False  # an event came first, or the connection was lost again
        where = f"session {route.session_id}: the connection was lost behind a continue"
        if slot is None:
            self._fail(
                route,
                ContinueSendError(f"{where}, no event came since, and its RPC could not be asked whether it arrived"),
            )
            return False
        if slot > route.position:
            cycle.did_arrive()
            return False
        if not self._options.resend_continue:
            self._fail(
                route,
                ContinueSendError(f"{where}; it did not arrive, as the slot is still {slot} (resend_continue=False)"),
            )
            return False
        logger.warning("%s and its slot is still %d: sending the continue again", where, slot)
        cycle.send_again()
        return True

    # The end.

    def release(self, session_id: str) -> None:
        """The caller has everything of this session, or does not want any more."""
        route = self.routes.get(session_id)
        if route is not None:
            route.release()

    @property
    def all_completed(self) -> bool:
        """Nothing will come any more for any sub-session."""
        return bool(self.routes) and all(not route.open for route in self.routes.values())

    @property
    def is_finished(self) -> bool:
        """Nobody needs this connection any more.

        It stays up until every caller has drained its subscriptions: closing earlier may cut the data plane off.
        """
        if self.control_session_id is None:
            return False
        return all(route.released or route.failure is not None for route in self.routes.values())

    def close_request(self) -> bytes:
        """The request that ends every sub-session."""
        self.closing = True
        return requests.close_all()

    def close_session_request(self, session_id: str) -> bytes:
        return requests.close_session(session_id, self._options.dialect)
