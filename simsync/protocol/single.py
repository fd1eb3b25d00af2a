"""The control conversation of a single session.

The first connection creates the session, or attaches to one of an earlier process; each later one attaches again with
the number of the last message seen, and then resumes it. Messages that come again are dropped.

Whoever attaches from another process knows the number of the last event that was handled there, but not whether the
engine has been told to go on since. So everything that the server still keeps is asked for, and what was handled is not
delivered, but looked at: it tells where the engine stood, and which matches were announced. The server does not say
where the replay ends. It is given its time; if the engine waits behind what has come by then, nobody has continued it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from simsync.events import Completed, Created, Event, SessionError, Slot, Status
from simsync.options import Options
from simsync.params import Continue, ContinueTo, CreateSession
from simsync.protocol.control import ControlConversation, Phase
from simsync.protocol.route import NOTHING_SEEN, Route
from simsync.wire import requests, urls
from simsync.wire.control_messages import (
    OWN_SESSION,
    ControlMessage,
    ErrorReported,
    NotUnderstood,
    SessionAttached,
    SessionCreated,
    Succeeded,
)

logger = logging.getLogger("simsync.control")


class SingleConversation(ControlConversation):
    """See the module, and :class:`ControlConversation` for how to use it.

    ``create`` makes a session; with ``session_id`` it is attached to instead, and ``create`` (if it is known) says what
    it was made with. ``last_sequence``: everything up to this number has been handled before; None: nothing was.
    """

    def __init__(
        self,
        options: Options,
        create: CreateSession | None = None,
        session_id: str | None = None,
        last_sequence: int | None = None,
    ) -> None:
        super().__init__(options)
        self._create = create
        self._handled_before = NOTHING_SEEN
        self._early: list[tuple[int | None, Event]] = []
        self._replies: set[int] = set()
        self._resumed_once = False
        self._settled = session_id is None
        self.survives_loss = create is None or create.disconnect_timeout > 0
        self.announces_discoveries = create is None or create.announces_discoveries
        if session_id is not None:
            route = self._add_route(session_id)
            route.attached = True
            route.cycle.connection_lost()  # that of the earlier process
            self.created_here = False
            if last_sequence is not None:
                self._handled_before = last_sequence
                route.begin_after(last_sequence)

    def _add_route(self, session_id: str) -> Route:
        route = Route(session_id)
        if self._create is not None:
            route.set_range(self._create.start_slot, self._create.last_slot)
        self.routes = {session_id: route}
        return route

    @property
    def established_once(self) -> bool:
        return self._resumed_once

    @property
    def _route(self) -> Route:
        return next(iter(self.routes.values()))

    def connected(self, now: float) -> bytes:
        self.verdict = None
        if not self.routes:
            assert self._create is not None
            self._early = []
            self._replies = set()
            self._await_answer(Phase.CREATING, now + self._options.create_timeout)
            return requests.create_session(self._create, parallel=False)
        self._await_answer(Phase.ATTACHING, now + self._options.handshake_timeout)
        cursor = self._route.cursor
        last_sequence = None if cursor == NOTHING_SEEN else cursor
        return requests.attach_session(self._route.session_id, last_sequence, self._options.dialect)

    # Receiving.

    @property
    def is_settled(self) -> bool:
        return self._settled or not self._route.open

    def tick(self, now: float) -> list[tuple[Route, int]]:
        if self._proof_deadline is not None and now >= self._proof_deadline:
            self._settled = True
        return super().tick(now)

    def receive(self, payloads: Collection[bytes], now: float) -> list[Route]:
        for message in self._decode_all(payloads):
            self._take_message(message, now)
            if self.verdict is not None:
                break
        if payloads and self.phase is Phase.CREATING:
            self._handshake_deadline = now + self._options.create_timeout
        # Before the session is there for the first time there is nobody to deliver to.
        return self._take_dirty() if self._resumed_once else []

    def _take_message(self, message: ControlMessage, now: float) -> None:
        if isinstance(message, tuple):
            session_id, sequence, event = message
            if session_id == OWN_SESSION and event is not None:
                self._take_own_event(sequence, event)
            else:
                logger.debug("ignored while %s: an event of another session", self.phase.value)
        elif isinstance(message, SessionCreated) and self.phase is Phase.CREATING:
            self._finish_create(message, now)
        elif isinstance(message, SessionAttached) and self.phase is Phase.ATTACHING:
            self._note_reply(message.sequence)
            self._route.task_id = message.task_id or self._route.task_id
            self._route.rpc_endpoint = message.rpc_endpoint or urls.session_path(self._route.session_id)
            self.outgoing.append(requests.resume_attached())
            self._await_answer(Phase.RESUMING, now + self._options.continue_grace)
        elif isinstance(message, Succeeded):
            self._note_reply(message.sequence)
            if self.phase is Phase.RESUMING:
                self._finish_attach(now)
            self.close_acknowledged = self.closing
        elif isinstance(message, ErrorReported):
            self._take_error(message)
        elif isinstance(message, NotUnderstood):
            self._note_reply(message.sequence)
            self._not_understood(message)
        else:
            self._note_reply(getattr(message, "sequence", None))
            logger.debug("ignored while %s: %s", self.phase.value, type(message).__name__)

    def _finish_attach(self, now: float) -> None:
        logger.info("session %s attached", self._route.session_id)
        self._establish(now)
        self._resumed_once = True

    def _no_answer(self, now: float) -> None:
        if self.phase is not Phase.RESUMING:
            super()._no_answer(now)
            return
        # That a resume is answered is only likely, and whatever is sent now is read after it.
        logger.warning("session %s: nothing came in answer to the resume; going on", self._route.session_id)
        self._finish_attach(now)

    def _finish_create(self, message: SessionCreated, now: float) -> None:
        route = self._add_route(message.session_id)
        route.announced = True
        route.rpc_endpoint = message.rpc_endpoint
        route.task_id = message.task_id
        self.progress.append(Created(message.session_id, message.task_id))
        logger.info("session %s created", message.session_id)
        early, self._early = self._early, []
        for sequence, event in early:
            self._route_event(event, sequence)
        if message.sequence is not None and message.sequence > route.cursor:
            route.cursor = message.sequence
            route.next_event_has(message.sequence + 1)
        self._establish(now)
        self._resumed_once = True

    def _note_reply(self, sequence: int | None) -> None:
        """What is no event may be numbered among the events, and come before events with lower numbers."""
        if sequence is not None:
            self._replies.add(sequence)

    def _take_own_event(self, sequence: int | None, event: Event) -> None:
        if self.closing and isinstance(event, Completed):
            self.close_acknowledged = True
        if self.phase is not Phase.CREATING:
            self._route_event(event, sequence)
        elif isinstance(event, Status):
            self._note_reply(sequence)
            self.progress.append(event)
        else:
            self._early.append((sequence, event))

    def _route_event(self, event: Event, sequence: int | None) -> None:
        route = self._route
        if sequence is not None:
            if sequence <= route.cursor:
                route.replays_dropped += 1
                return
            known = max(route.cursor, self._handled_before)
            missing = max(0, sequence - known - 1) - len([reply for reply in self._replies if known < reply < sequence])
            if known == NOTHING_SEEN:
                missing = 0  # the first one, whatever its number
            if sequence != route.cursor + 1:
                self._sequence_jumps(route, sequence, missing)
            self._replies = {reply for reply in self._replies if reply > sequence}
            route.cursor = sequence
            if sequence <= self._handled_before and not isinstance(event, Completed):
                route.note_place(event)
                route.cycle.see_again(event)
                route.event_was_swallowed()
                return
            if sequence <= self._handled_before:
                route.next_event_has(sequence)  # completed, once more
        else:
            route.next_event_has_none()
        if isinstance(event, Slot) and route.open:
            route.note_place(event)
            if not self._settled:
                route.cycle.see_again(event)
            if route.cycle.watching:
                route.cycle.observe(event)
            self._deliver(route, event)
        elif self._take_event(route, event):
            self._deliver(route, event)
        else:
            route.event_was_swallowed()

    def _take_error(self, message: ErrorReported) -> None:
        error = message.error
        if self.phase is Phase.CREATING:
            self._refused(error, "create the session")
        elif self.closing:
            logger.debug("while closing: %s", error)
        elif self.phase is Phase.STEADY or message.sequence is not None:
            # Inside a handshake one with a number is an error of the session that comes again, not an answer to us.
            self._route_event(SessionError(error), message.sequence)
        else:
            self._refused(error, f"attach to {self._route.session_id}")

    def encode_continue(self, session_id: str, request: Continue | ContinueTo) -> bytes:
        return requests.continue_single(request)
