"""The control conversation of a parallel session.

One connection carries the events of many sub-sessions. The first connection creates them; each later one re-attaches
with a cursor per sub-session and gets what was missed. Events that come again are dropped, so each is delivered once.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from simsync.events import Created, Event, SessionError, Slot, Status
from simsync.options import Options
from simsync.params import Continue, ContinueTo, CreateSession
from simsync.protocol.control import ControlConversation, Phase
from simsync.protocol.route import NOTHING_SEEN, Route
from simsync.protocol.verdict import Fatal
from simsync.wire import requests
from simsync.wire.control_messages import (
    OWN_SESSION,
    ControlMessage,
    ErrorReported,
    NotUnderstood,
    ParallelAttached,
    SessionCreated,
    SessionEvent,
    SessionsCreated,
    Succeeded,
)
from simsync.wire.server_errors import is_ignored

logger = logging.getLogger("simsync.control")


class ParallelConversation(ControlConversation):
    """See the module, and :class:`ControlConversation` for how to use it."""

    def __init__(self, create: CreateSession, options: Options) -> None:
        super().__init__(options)
        self._create = create
        self.survives_loss = create.disconnect_timeout > 0
        self.announces_discoveries = create.announces_discoveries

    @property
    def established_once(self) -> bool:
        return self.control_session_id is not None

    def connected(self, now: float) -> bytes:
        self.verdict = None
        if self.control_session_id is None:
            # Whatever an earlier attempt left behind belongs to sessions that cannot be reached any more.
            self._forget_attempt()
            self._await_answer(Phase.CREATING, now + self._options.create_timeout)
            return requests.create_session(self._create, parallel=True)
        self._await_answer(Phase.ATTACHING, now + self._options.handshake_timeout)
        cursors = {route.session_id: route.cursor for route in self.routes.values() if route.cursor != NOTHING_SEEN}
        return requests.attach_parallel(self.control_session_id, cursors, self._options.dialect)

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

    def receive(self, payloads: Collection[bytes], now: float) -> list[Route]:
        routes = self.routes
        dirty = self._dirty
        for message in self._decode_all(payloads):
            if type(message) is not tuple:
                self._take_message(message, now)
                routes = self.routes
                if self.verdict is not None:
                    break
                continue
            session_id, sequence, event = message
            route = routes.get(session_id)
            if route is None:
                if session_id == OWN_SESSION:
                    self._take_own_event(event)
                    continue
                route = self._unknown_session(session_id, message)
                if self.verdict is not None:
                    break
                if route is None:
                    continue
            if sequence is not None:
                cursor = route.cursor
                if sequence <= cursor:
                    self._drop_replay(route, sequence)
                    continue
                if sequence != cursor + 1:
                    self._sequence_jumps(route, sequence, 0 if cursor == NOTHING_SEEN else sequence - cursor - 1)
                route.cursor = sequence
            else:
                route.next_event_has_none()
            if type(event) is Slot and route.open:
                slot = event.slot
                if slot > route.highest_slot:
                    route.highest_slot = slot
                    route.slots_seen += 1
                if route.cycle.watching:
                    route.cycle.observe(event)
            elif event is None or not self._take_event(route, event):
                route.event_was_swallowed()
                continue
            batch = route.batch
            if not batch:
                dirty.append(route)
            batch.append(event)
        if self.phase is Phase.CREATING:
            if payloads:
                self._handshake_deadline = now + self._options.create_timeout
            return []  # there is nobody to deliver to yet
        return self._take_dirty()

    def _take_event(self, route: Route, event: Event) -> bool:
        if isinstance(event, SessionError) and is_ignored(event.error):
            logger.warning("session %s: %s", route.session_id, event.error)
            return False
        return super()._take_event(route, event)

    def _unknown_session(self, session_id: str, message: SessionEvent) -> Route | None:
        if self.phase is not Phase.CREATING:
            self.odd_messages.note("an event of an unknown session", message)
            return None
        # Its announcement may still come; what it brought before must not be lost.
        return self._route_of(session_id)

    def _route_of(self, session_id: str) -> Route | None:
        """The route of a session that is being created, made when first heard of; None when there are too many."""
        route = self.routes.get(session_id)
        if route is None and len(self.routes) < self._options.max_sub_sessions:
            route = self.routes[session_id] = Route(session_id)
        elif route is None:
            self.verdict = Fatal(
                f"the server announced more than {self._options.max_sub_sessions} sub-sessions:"
                " create a smaller range, or raise Options(max_sub_sessions=...)"
            )
        return route

    def _take_message(self, message: ControlMessage, now: float) -> None:
        if isinstance(message, SessionCreated) and self.phase is Phase.CREATING:
            route = self._route_of(message.session_id)
            if route is None:
                return
            route.announced = True
            route.rpc_endpoint = message.rpc_endpoint
            route.task_id = message.task_id
            self.progress.append(Created(message.session_id, message.task_id))
            logger.info("sub-session %s created", message.session_id)
        elif isinstance(message, SessionsCreated) and self.phase is Phase.CREATING:
            self._finish_create(message, now)
        elif isinstance(message, ParallelAttached) and self.phase is Phase.ATTACHING:
            logger.info("control session %s re-attached", self.control_session_id)
            self._establish(now)
        elif isinstance(message, ErrorReported):
            self._take_error(message)
        elif isinstance(message, NotUnderstood):
            self._not_understood(message)
        elif isinstance(message, Succeeded):
            self.close_acknowledged = self.closing
        else:
            logger.debug("ignored while %s: %s", self.phase.value, type(message).__name__)

    def _take_own_event(self, event: Event | None) -> None:
        """An event that names no session."""
        if isinstance(event, Status):
            logger.info("server status: %s", event.status)
            if self.phase is Phase.CREATING:
                self.progress.append(event)
        else:
            logger.debug("ignored while %s: %s", self.phase.value, type(event).__name__)

    def _take_error(self, message: ErrorReported) -> None:
        error = message.error
        if self.phase is Phase.CREATING:
            self._refused(error, "create the session")
        elif self.phase is Phase.ATTACHING:
            self._refused(error, f"re-attach {self.control_session_id}")
        elif self.closing:
            logger.debug("while closing: %s", error)
        elif error.terminal:
            self.verdict = Fatal(f"the server reported {error}", error)
        else:
            logger.warning("the server reported an error that concerns no sub-session: %s", error)

    def _finish_create(self, message: SessionsCreated, now: float) -> None:
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
                self.routes[session_id].set_range(message.start_slots[index], message.end_slots[index])
            # From here on the order is that of the list, which is the order of the slots.
            self.routes = {session_id: self.routes[session_id] for session_id in listed}
            self._dirty[:] = [route for route in self.routes.values() if route.batch or route.failure is not None]
            self.control_session_id = message.control_session_id
            logger.info("control session %s created with %d sub-sessions", self.control_session_id, len(listed))
            self._establish(now)

    def encode_continue(self, session_id: str, request: Continue | ContinueTo) -> bytes:
        return requests.continue_session(session_id, request, self._options.dialect)
