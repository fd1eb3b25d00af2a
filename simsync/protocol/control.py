"""What the control conversations of single and parallel sessions have in common: phases, events, continues, the end."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection
from enum import Enum
from typing import Union

from simsync.errors import ContinueSendError, ProtocolError, RemoteError
from simsync.events import BacktestError, Completed, Event, SessionError
from simsync.options import Options
from simsync.params import Continue, ContinueTo
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.odd_messages import OddMessages
from simsync.protocol.route import NOTHING_SEEN, Route
from simsync.protocol.verdict import Fatal, Transient
from simsync.wire import requests
from simsync.wire.control import ControlDecoder
from simsync.wire.control_messages import NotUnderstood
from simsync.wire.server_errors import advice

logger = logging.getLogger("simsync.control")

Verdict = Union[Transient, Fatal]

_PROGRESS = 10_000
"""How much news may wait for who waits for the session; the oldest goes first."""


class Phase(Enum):
    DOWN = "not connected"
    CREATING = "creating"
    ATTACHING = "re-attaching"
    RESUMING = "resuming"
    STEADY = "established"


class ControlConversation(ABC):
    """One owner at a time: the caller guards it with a lock.

    After each :meth:`receive` and :meth:`tick` look at ``verdict`` (the connection, or everything, is over),
    ``is_finished``, ``outgoing`` (messages to send now) and ``progress`` (what came before the session was there).
    """

    survives_loss = True
    """Can the session be attached to again when its connection is lost?"""

    created_here = True
    """Did this process make the session? Then giving up ends it; another process's session is left as it is."""

    announces_discoveries = True
    """Was the session created with discovery filters, as far as is known?"""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._decode_all = ControlDecoder(options.dialect, quick=options.fast_path).decode_all
        self._dirty: list[Route] = []
        self._handshake_deadline: float | None = None
        self._proof_deadline: float | None = None
        self.phase = Phase.DOWN
        self.verdict: Verdict | None = None
        self.control_session_id: str | None = None
        self.routes: dict[str, Route] = {}
        self.outgoing: list[bytes] = []
        self.progress: deque[Event] = deque(maxlen=_PROGRESS)
        self.odd_messages = OddMessages(logger)
        self.closing = False
        self.close_acknowledged = False

    # The life of a connection.

    @abstractmethod
    def connected(self, now: float) -> bytes:
        """A connection is up: the first message to send."""

    @abstractmethod
    def receive(self, payloads: Collection[bytes], now: float) -> list[Route]:
        """Take received messages, in order. Returns the routes that have events to deliver, or have failed."""

    @property
    @abstractmethod
    def established_once(self) -> bool:
        """The session exists as far as we know: connecting again means attaching."""

    @abstractmethod
    def encode_continue(self, session_id: str, request: Continue | ContinueTo) -> bytes:
        """The message that lets the engine of that session go on."""

    def lost(self) -> None:
        """The connection is gone."""
        self.phase = Phase.DOWN
        self.outgoing = []
        self._handshake_deadline = None
        self._proof_deadline = None
        for route in self.routes.values():
            route.cycle.connection_lost()

    def take_outgoing(self) -> list[bytes]:
        messages, self.outgoing = self.outgoing, []
        return messages

    def take_progress(self) -> list[Event]:
        progress = list(self.progress)
        self.progress.clear()
        return progress

    @property
    def is_settled(self) -> bool:
        """It is known whether the engine of each session waits for us."""
        return True

    def _await_answer(self, phase: Phase, deadline: float) -> None:
        self.phase = phase
        self._handshake_deadline = deadline

    def _establish(self, now: float) -> None:
        self.phase = Phase.STEADY
        self._handshake_deadline = None
        in_doubt = any(route.cycle.state is CycleState.UNCERTAIN for route in self.routes.values())
        if in_doubt or not self.is_settled:
            self._proof_deadline = now + self._options.continue_grace

    def _refused(self, error: BacktestError, attempt: str) -> None:
        """The server answered a create or an attach with an error. ``attempt``: what it did not do."""
        reason = f"the server did not {attempt}: {error}{advice(error)}"
        fatal = error.terminal or self.phase is Phase.CREATING
        self.verdict = Fatal(reason, error) if fatal else Transient(reason)

    def _take_dirty(self) -> list[Route]:
        dirty, self._dirty = self._dirty, []
        return dirty

    # Events.

    def _take_event(self, route: Route, event: Event) -> bool:
        """Whatever is no slot. False when it is not for the caller."""
        if not route.open:
            if not route.released:
                route.late_events += 1
                self.odd_messages.note("an event of a session that is over", route.session_id)
            return False
        if isinstance(event, Completed):
            route.complete(event)
            return True
        route.note_place(event)
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

    def _drop_replay(self, route: Route, sequence: int) -> None:
        """An event whose number is not above the cursor was seen before, unless the first one that came overtook it."""
        route.replays_dropped += 1
        if route.cursor == NOTHING_SEEN or sequence < route.first_sequence:
            route.first_sequence = sequence
            self._gap(route, f"the event {sequence} came after later ones and was dropped", 1, sequence)

    def _sequence_jumps(self, route: Route, sequence: int, missing: int) -> None:
        """The next event has a number that does not follow the cursor."""
        route.next_event_has(sequence)
        if route.cursor == NOTHING_SEEN:
            route.first_sequence = sequence
        if missing > 0:
            self._gap(route, f"the sequence jumped from {route.cursor} to {sequence}", missing, sequence)

    def _gap(self, route: Route, what: str, missing: int, sequence: int) -> None:
        route.sequence_gaps += missing
        route.cycle.events_are_missing()
        text = f"session {route.session_id}: {what}"
        logger.warning("%s: %d event(s) are missing", text, missing)
        if self._options.strict_sequence:
            self._fail(route, ProtocolError(f"{text} (strict_sequence)", sequence))

    def _not_understood(self, message: NotUnderstood) -> None:
        self.odd_messages.note(message.reason, message.raw)
        if not message.is_json and not self.closing and (self.survives_loss or self.phase is not Phase.STEADY):
            # It may have been the very message that everybody waits for; after a re-attach it comes again.
            self.verdict = Transient(f"the server sent text that is no JSON while {self.phase.value}")

    # Time.

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`tick` has to be called at the latest."""
        return self._handshake_deadline if self._handshake_deadline is not None else self._proof_deadline

    def tick(self, now: float) -> list[tuple[Route, int]]:
        """What is due. Returns the routes whose session has to be asked for its slot, with the inquiry's number.

        What became deliverable by this comes with the next :meth:`receive`.
        """
        if self._handshake_deadline is not None and now >= self._handshake_deadline:
            self._no_answer(now)
        if self._proof_deadline is None or now < self._proof_deadline:
            return []
        self._proof_deadline = None
        return [
            (route, route.cycle.ask()) for route in self.routes.values() if route.cycle.state is CycleState.UNCERTAIN
        ]

    def _no_answer(self, now: float) -> None:
        self.verdict = Transient(f"no answer in time while {self.phase.value}")

    # Continues.

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
        if not route.position_is_known:
            self._fail(
                route,
                ContinueSendError(f"{where}, no event came since, and where the session stood before is not known"),
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
        """Nothing will come any more for any session."""
        return bool(self.routes) and all(not route.open for route in self.routes.values())

    @property
    def is_finished(self) -> bool:
        """Nobody needs this connection any more.

        It stays up until every caller has drained its subscriptions: closing earlier may cut the data plane off.
        """
        if not self.established_once:
            return False
        return all(route.released or route.failure is not None for route in self.routes.values())

    def close_request(self) -> bytes:
        """The request that ends every session of this connection."""
        self.closing = True
        return requests.close_all()

    def close_session_request(self, session_id: str) -> bytes:
        return requests.close_session(session_id, self._options.dialect)
