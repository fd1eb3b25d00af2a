"""One session, as its caller sees it: events, continues, steps, subscriptions, state."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from simsync import programs
from simsync.errors import Cancelled, ControlClosed, InvalidParams, RemoteError
from simsync.events import Completed, Event
from simsync.options import Options
from simsync.params import AccountData, Continue, ContinueTo, checks
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.coverage import Coverage
from simsync.protocol.route import NOTHING_SEEN
from simsync.protocol.subscription import SubscriptionConversation
from simsync.rpc import Rpc
from simsync.runtime.control import ControlLink
from simsync.runtime.coordinator import ReconnectCoordinator
from simsync.runtime.deadline import deadline_after
from simsync.runtime.delivery import Delivery
from simsync.runtime.process import StaysHere
from simsync.runtime.subscription import SubscriptionReader
from simsync.stepping import DiscoveryPause, StepResult, step_result
from simsync.streams import EventStream, note_handed_out, pending_events
from simsync.wire import pubsub, urls

logger = logging.getLogger("simsync.session")

_STATUS = {
    CycleState.STARTING: "starting",
    CycleState.READY: "ready",
    CycleState.FINISHED: "completed",
}


class Session(StaysHere):
    """What sub-sessions and single sessions have in common.

    Iterating it is iterating :meth:`events`. All methods may be called from any thread; events are handed out to one
    thread at a time. Stepping (:meth:`ensure_ready`, :meth:`advance`, …) moves the engine and takes no events: they
    wait for :meth:`events` or :meth:`pending`. Stepping and taking events may happen in different threads.
    """

    def __init__(
        self,
        delivery: Delivery,
        link: ControlLink,
        coordinator: ReconnectCoordinator,
        control_url: str,
        options: Options,
    ) -> None:
        route = delivery.route
        self._coordinator = coordinator
        self._delivery = delivery
        self._link = link
        self._options = options
        self._readers: list[SubscriptionReader] = []
        self._ended_reconnects = 0
        self._released = False
        self._closed = False
        self.session_id: str = route.session_id
        self.task_id: str | None = route.task_id
        self.start_slot: int | None = route.start_slot if route.range_known else None
        self.end_slot: int | None = route.end_slot if route.range_known else None
        self.rpc_endpoint: str = urls.rpc_url(route.rpc_endpoint, control_url)
        self.rpc = Rpc(self.rpc_endpoint, options)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events())

    @property
    def status(self) -> str:
        """``starting``, ``ready``, ``running``, ``reconnecting``, ``completed``, ``failed`` or ``closed``."""
        route = self._delivery.route
        if route.completed:
            return "completed"
        if isinstance(self._delivery.failure, Cancelled) or route.released:
            return "closed"
        if self._delivery.failure is not None or route.failure is not None:
            return "failed"
        if self._link.state != "connected":
            return self._link.state
        return _STATUS.get(route.cycle.state, "running")

    @property
    def coverage(self) -> Coverage:
        """How much of the range was seen, and whether the run is complete."""
        route = self._delivery.route
        states = self._delivery.subscriptions
        finished = self._delivery.done or (route.completed and all(state.ended for state in states))
        failure = None if finished else self._delivery.failure or route.failure
        return Coverage(
            start_slot=self.start_slot,
            end_slot=self.end_slot,
            highest_slot=None if route.highest_slot == NOTHING_SEEN else route.highest_slot,
            slots_seen=route.slots_seen,
            completed=finished,
            failure=None if failure is None else str(failure),
            sequence_gaps=route.sequence_gaps,
            replays_dropped=route.replays_dropped,
            tolerance=self._options.coverage_tolerance,
        )

    @property
    def last_sequence(self) -> int | None:
        """The number of the last control event that was handed out; None before the first, or without numbers.

        Whoever keeps it can attach later, also from another process, and gets what comes after that event.
        """
        return self._delivery.last_sequence

    @property
    def data_reconnects(self) -> int:
        """How often connections of this session's subscriptions were made again."""
        return self._ended_reconnects + sum(reader.reconnects for reader in tuple(self._readers))

    # Events.

    def events(self, timeout: float | None = None, advance: int | None = None) -> EventStream:
        """Every event of this session, each once, ``Completed`` last; then the loop ends.

        ``timeout`` (seconds): how long to wait for each event before :class:`~simsync.EventTimeout`. With ``advance``
        (blocks) the next continue is sent when the caller asks for the event after a ``ReadyForContinue``, so the body
        of the loop always runs before the engine moves on; a continue that the body sends itself takes its place.

        The loop may be left and entered again; nothing is lost. If the run is incomplete it raises instead of ending:
        :class:`~simsync.ControlFailed`, :class:`~simsync.SubscriptionFailed`, :class:`~simsync.RemoteError`,
        :class:`~simsync.Cancelled`.
        """
        if timeout is not None:
            checks.seconds("timeout", timeout)
        return EventStream(self, self._delivery, timeout, self._advancer(advance))

    def next_event(self, timeout: float | None = None) -> Event:
        """The next event. Raises as :meth:`events`, and :class:`~simsync.ControlClosed` after ``Completed``."""
        batch = self._delivery.next_batch(deadline_after(timeout))
        if self._delivery.done:
            self._release()
        for event in batch or ():
            note_handed_out(self._delivery, event)
            return event
        raise ControlClosed(f"session {self.session_id} is completed and every event was delivered")

    def pending(self) -> Iterator[Event]:
        """The events that are there, without waiting for more: what stepping has left, for example.

        Ends when nothing more is at hand. Raises as :meth:`events`. The events of a step are there when it returns;
        those of the data plane come over other connections, perhaps later.
        """
        return pending_events(self, self._delivery)

    def _advancer(self, advance: int | None) -> Callable[[Delivery], None] | None:
        if advance is None:
            return None
        checks.integer("advance", advance, 1, checks.U64)
        payload = self._link.encode_continue(self._delivery, Continue(advance))
        return lambda delivery: self._link.continue_when_possible(delivery, payload)

    # Continues.

    def send_continue(
        self,
        request: Continue | None = None,
        *,
        advance_count: int | None = None,
        transactions: Sequence[object] = (),
        modify_accounts: Mapping[str, AccountData | Mapping[str, Any]] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Let the engine execute ``advance_count`` blocks (1 if not given) and then wait again.

        Give either a :class:`~simsync.Continue` or its fields. Waits until the engine is ready and all connections of
        this session are up; ``timeout`` in seconds. Returns when the continue is queued: the answer comes as events.
        Raises :class:`~simsync.ContinueSendError` when the continue before has not been answered or the session is
        completed, :class:`~simsync.EventTimeout`, or what ended the session.
        """
        if request is None:
            request = Continue(1 if advance_count is None else advance_count, transactions, modify_accounts or {})
        elif advance_count is not None or transactions or modify_accounts:
            raise InvalidParams("request", request, "goes without advance_count, transactions and modify_accounts")
        elif not isinstance(request, Continue):
            raise InvalidParams("request", request, "must be a Continue(...)")
        self._send(request, timeout)

    def send_continue_to(self, slot: int, batch_index: int | None = None, *, timeout: float | None = None) -> None:
        """Let the engine run to ``slot``, and there to ``batch_index`` (None: the slot boundary), where it pauses.

        Waits and raises as :meth:`send_continue`.
        """
        self._send(ContinueTo(slot, batch_index), timeout)

    def _send(self, request: Continue | ContinueTo, timeout: float | None) -> None:
        deadline = deadline_after(timeout)
        self._link.send_continue(self._delivery, self._link.encode_continue(self._delivery, request), deadline)

    # Steps.

    def ensure_ready(self, timeout: float | None = None) -> bool:
        """Wait until the engine waits for a continue. False when the range is completed instead.

        Takes no events. Raises :class:`~simsync.EventTimeout` after ``timeout`` seconds, or what ended the session.
        """
        return self._link.wait_until_ready(self._delivery, deadline_after(timeout))

    def continue_until_ready(
        self, request: Continue | ContinueTo | None = None, *, timeout: float | None = None
    ) -> StepResult:
        """Send a continue (by default of one block) and wait until the engine waits again, or the range is completed.

        Waits for its turn as :meth:`send_continue` and raises the same. ``timeout`` (seconds) bounds all of it; when it
        is over, the continue may be under way: :meth:`ensure_ready` waits for its end.
        """
        if request is None:
            request = Continue()
        elif not isinstance(request, (Continue, ContinueTo)):
            raise InvalidParams("request", request, "must be a Continue(...) or ContinueTo(...)")
        payload = self._link.encode_continue(self._delivery, request)
        return step_result(self._link.step(self._delivery, payload, deadline_after(timeout)))

    def advance(
        self,
        advance_count: int = 1,
        *,
        transactions: Sequence[object] = (),
        modify_accounts: Mapping[str, AccountData | Mapping[str, Any]] | None = None,
        timeout: float | None = None,
    ) -> StepResult:
        """Execute ``advance_count`` blocks and say what they did; see :meth:`continue_until_ready`."""
        return self.continue_until_ready(Continue(advance_count, transactions, modify_accounts or {}), timeout=timeout)

    def continue_to(self, slot: int, batch_index: int | None = None, *, timeout: float | None = None) -> StepResult:
        """Run to ``slot``, and there to ``batch_index`` (None: the slot boundary); see :meth:`continue_until_ready`."""
        return self.continue_until_ready(ContinueTo(slot, batch_index), timeout=timeout)

    def advance_to_discovery(self, timeout: float | None = None) -> DiscoveryPause | Completed:
        """Run to the nearest batch that a discovery filter of the create request matches, and pause before it.

        Returns ``Completed`` when the range ended before another match. While no match is announced the engine is moved
        block by block, so that it does not run past one that is announced in the meantime (when announcements come is
        not known). A match that was passed nevertheless is logged; its event comes as any other. ``timeout`` (seconds)
        bounds all of it. Raises as :meth:`continue_until_ready`, and :class:`~simsync.InvalidParams` when the session
        was created without discovery filters.
        """
        deadline = deadline_after(timeout)
        while self._link.wait_until_ready(self._delivery, deadline):
            discovery, passed = self._link.take_discovery(self._delivery)
            if passed:
                logger.warning("session %s: %d match(es) were passed without a pause", self.session_id, passed)
            request = Continue() if discovery is None else ContinueTo(discovery.slot, discovery.batch_index)
            payload = self._link.encode_continue(self._delivery, request)
            step = step_result(self._link.step(self._delivery, payload, deadline))
            if step.errors and step.paused is None and not step.slots and not step.completed:
                raise RemoteError(step.errors[-1], f"session {self.session_id} did not go on to the next match")
            if discovery is not None and not step.completed:
                return DiscoveryPause(discovery, step)
        completion = self._delivery.route.completion
        assert completion is not None
        return completion

    def discoveries(self, timeout: float | None = None) -> Iterator[DiscoveryPause]:
        """Each :meth:`advance_to_discovery`, until the range is completed. ``timeout`` (seconds) for each."""
        while True:
            pause = self.advance_to_discovery(timeout)
            if isinstance(pause, Completed):
                return
            yield pause

    # State.

    def modify_accounts(self, accounts: Mapping[str, AccountData | Mapping[str, Any]]) -> None:
        """Write whole account states at once, over the RPC of this session; see :meth:`simsync.Rpc.modify_accounts`."""
        self.rpc.modify_accounts(accounts)

    def modify_program(
        self, program_id: object, elf: bytes, *, authority: object | None = None, deploy_slot: int | None = None
    ) -> Mapping[str, AccountData]:
        """Replace the code of an upgradeable program, or put a program where none was.

        ``elf``: the compiled program. ``deploy_slot``: by default the slot before the range, since a program that was
        deployed in the current slot does not run in it. Returns the accounts that were written. Raises as
        :class:`~simsync.Rpc`, and :class:`~simsync.InvalidParams` when ``program_id`` is no upgradeable program.
        """
        if deploy_slot is None:
            first = self.rpc.get_slot() if self.start_slot is None else self.start_slot
            deploy_slot = programs.deploy_slot_before(first)
        return self.rpc.modify_program(program_id, elf, deploy_slot=deploy_slot, authority=authority)

    # Subscriptions.

    def subscribe_transactions(self, program_ids: Sequence[object] = (), *, from_slot: int | None = None) -> None:
        """Receive a :class:`~simsync.Transaction` for each one that mentions any of the programs; all without any.

        Returns at once, as all ``subscribe`` methods do. The next continue waits until the subscription is up, so
        nothing is missed. A transaction that mentions several of the programs comes once.

        ``from_slot``, here and in the other ``subscribe`` methods: begin with this slot (after an attach, for example);
        :class:`~simsync.SubscriptionFailed` when the server does not keep it any more. Without it everything comes that
        the server still keeps.
        """
        self._subscribe_kind("transactions", checks.addresses("program_ids", program_ids) or (None,), from_slot)

    def subscribe_account_diffs(
        self, program_ids: Sequence[object] = (), *, accounts: Sequence[object] = (), from_slot: int | None = None
    ) -> None:
        """Receive an :class:`~simsync.AccountDiff` for each change of an account that one of the programs owns.

        ``accounts``: addresses to follow whoever owns them. At least one program or account is needed.
        """
        owners = checks.addresses("program_ids", program_ids)
        addresses = checks.addresses("accounts", accounts)
        if not owners and not addresses:
            raise InvalidParams("program_ids", program_ids, "give at least one program or account")
        if owners:
            self._subscribe_kind("program_diffs", owners, from_slot)
        if addresses:
            self._subscribe_kind("account_diffs", addresses, from_slot)

    def subscribe_actions(self, *, from_slot: int | None = None) -> None:
        """Receive an :class:`~simsync.ActionResult` for each run of a scheduled action of the create request."""
        self._subscribe_kind("actions", (None,), from_slot)

    def subscribe_logs(self, program_ids: Sequence[object] = (), *, from_slot: int | None = None) -> None:
        """Receive the logs of each transaction that mentions any of the programs, as :class:`~simsync.Notification`."""
        self._subscribe_kind("logs", checks.addresses("program_ids", program_ids) or (None,), from_slot)

    def subscribe_reroutes(self, *, from_slot: int | None = None) -> None:
        """Receive each rerouted swap as :class:`~simsync.Notification` (``CreateSession(reroute=...)``)."""
        self._subscribe_kind("reroutes", (None,), from_slot)

    def subscribe_replacements(self, *, from_slot: int | None = None) -> None:
        """Receive each replaced swap as :class:`~simsync.Notification`; what newer servers send after reroutes."""
        self._subscribe_kind("replacements", (None,), from_slot)

    def subscribe_diagnostics(self, *, from_slot: int | None = None) -> None:
        """Receive results of diagnostic probes as :class:`~simsync.Notification` (the method's name is a guess)."""
        self._subscribe_kind("diagnostics", (None,), from_slot)

    def subscribe(
        self,
        method: str,
        filter: Any = None,
        decode: Callable[[str, Any], Event] | None = None,
        *,
        from_slot: int | None = None,
    ) -> None:
        """Any other subscription, for example ``subscribe("slotSubscribe")`` or ``subscribe("logsSubscribe", "all")``.

        ``filter`` is sent as it is. ``decode`` makes an event from (notification method, result); without it a
        :class:`~simsync.Notification` comes.
        """
        if decode is not None and not callable(decode):
            raise InvalidParams("decode", decode, "must be a function of (method, result)")
        spec = pubsub.SubscribeSpec.custom(method, filter, decode, self._options.dialect.streams)
        self._subscribe([spec], from_slot)

    def _subscribe_kind(self, kind: str, values: Sequence[str | None], from_slot: int | None) -> None:
        row = self._options.dialect.streams[kind]
        self._subscribe([pubsub.SubscribeSpec.of(row, value) for value in values], from_slot)

    def _subscribe(self, specs: list[pubsub.SubscribeSpec], from_slot: int | None) -> None:
        checks.optional_integer("from_slot", from_slot, 0, checks.U64)
        self._link.process.check()
        if self._closed:
            raise ControlClosed(f"session {self.session_id} was closed: it cannot subscribe any more")
        options = self._options
        reader = SubscriptionReader(
            urls.pubsub_url(self.rpc_endpoint),
            SubscriptionConversation(
                specs,
                options.dialect,
                compressed=options.compression,
                from_slot=from_slot,
                quick=options.fast_path,
                max_message=options.max_message,
            ),
            self._delivery,
            self._link,
            self._coordinator,
            options,
            from_slot,
        )
        self._readers.append(reader)
        reader.start()

    # The end.

    def _release(self) -> None:
        """Everything was handed out: the connections are not needed any more."""
        if not self._released:
            self._released = True
            self._end_subscriptions()
            self._link.release(self._delivery)

    def _end_subscriptions(self) -> None:
        if not self._link.process.is_here:
            return  # the threads are the parent's
        for reader in self._readers:
            reader.stop()
        deadline = time.monotonic() + self._options.close_timeout
        for reader in self._readers:
            reader.join(deadline - time.monotonic())
        self._ended_reconnects, self._readers = self.data_reconnects, []
