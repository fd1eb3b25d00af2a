"""One sub-session, as its caller sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from simsync.errors import Cancelled, ControlClosed, InvalidParams
from simsync.events import Event
from simsync.options import Options
from simsync.params import AccountData, Continue, ContinueTo, checks
from simsync.protocol.continue_cycle import CycleState
from simsync.protocol.coverage import Coverage
from simsync.protocol.route import NOTHING_SEEN
from simsync.protocol.subscription import SubscriptionConversation
from simsync.rpc import Rpc
from simsync.runtime.control import ControlLink
from simsync.runtime.coordinator import ReconnectCoordinator
from simsync.runtime.delivery import Delivery
from simsync.runtime.subscription import SubscriptionReader
from simsync.streams import EventStream, note_handed_out
from simsync.wire import pubsub, urls

_STATUS = {
    CycleState.STARTING: "starting",
    CycleState.READY: "ready",
    CycleState.FINISHED: "completed",
}


class SubSession:
    """One part of a parallel session: its own slots, events, RPC and subscriptions.

    Iterating it is iterating :meth:`events`. All methods may be called from any thread; events are handed out to one
    thread at a time.
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
        self._released = False
        self._closed = False
        self.session_id: str = route.session_id
        self.task_id: str | None = route.task_id
        self.start_slot: int = route.start_slot
        self.end_slot: int = route.end_slot
        self.rpc_endpoint: str = urls.rpc_url(route.rpc_endpoint, control_url)
        self.rpc = Rpc(self.rpc_endpoint, options)

    def __repr__(self) -> str:
        return f"<SubSession {self.session_id} slots {self.start_slot}-{self.end_slot} {self.status}>"

    def __enter__(self) -> SubSession:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

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
        failure = None if self._delivery.done else self._delivery.failure or route.failure
        return Coverage(
            start_slot=route.start_slot,
            end_slot=route.end_slot,
            highest_slot=None if route.highest_slot == NOTHING_SEEN else route.highest_slot,
            slots_seen=route.slots_seen,
            completed=self._delivery.done,
            failure=None if failure is None else str(failure),
            sequence_gaps=route.sequence_gaps,
            replays_dropped=route.replays_dropped,
            tolerance=self._options.coverage_tolerance,
        )

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
        if timeout is not None:
            checks.seconds("timeout", timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        batch = self._delivery.next_batch(deadline)
        if self._delivery.done:
            self._release()
        for event in batch or ():
            note_handed_out(self._delivery, event)
            return event
        raise ControlClosed(f"session {self.session_id} is completed and every event was delivered")

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
        if timeout is not None:
            checks.seconds("timeout", timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        self._link.send_continue(self._delivery, self._link.encode_continue(self._delivery, request), deadline)

    # Subscriptions.

    def subscribe_transactions(self, program_ids: Sequence[object] = ()) -> None:
        """Receive a :class:`~simsync.Transaction` for each one that mentions any of the programs; all without any.

        Returns at once, as all ``subscribe`` methods do. The next continue waits until the subscription is up, so
        nothing is missed. A transaction that mentions several of the programs comes once.
        """
        self._subscribe_kind("transactions", checks.addresses("program_ids", program_ids) or (None,))

    def subscribe_account_diffs(self, program_ids: Sequence[object] = (), *, accounts: Sequence[object] = ()) -> None:
        """Receive an :class:`~simsync.AccountDiff` for each change of an account that one of the programs owns.

        ``accounts``: addresses to follow whoever owns them. At least one program or account is needed.
        """
        programs = checks.addresses("program_ids", program_ids)
        addresses = checks.addresses("accounts", accounts)
        if not programs and not addresses:
            raise InvalidParams("program_ids", program_ids, "give at least one program or account")
        if programs:
            self._subscribe_kind("program_diffs", programs)
        if addresses:
            self._subscribe_kind("account_diffs", addresses)

    def subscribe_actions(self) -> None:
        """Receive an :class:`~simsync.ActionResult` for each run of a scheduled action of the create request."""
        self._subscribe_kind("actions", (None,))

    def subscribe(self, method: str, filter: Any = None, decode: Callable[[str, Any], Event] | None = None) -> None:
        """Any other subscription, for example ``subscribe("slotSubscribe")`` or ``subscribe("logsSubscribe", "all")``.

        ``filter`` is sent as it is. ``decode`` makes an event from (notification method, result); without it a
        :class:`~simsync.Notification` comes.
        """
        if decode is not None and not callable(decode):
            raise InvalidParams("decode", decode, "must be a function of (method, result)")
        self._subscribe([pubsub.SubscribeSpec.custom(method, filter, decode, self._options.dialect.streams)])

    def _subscribe_kind(self, kind: str, values: Sequence[str | None]) -> None:
        row = self._options.dialect.streams[kind]
        self._subscribe([pubsub.SubscribeSpec.of(row, value) for value in values])

    def _subscribe(self, specs: list[pubsub.SubscribeSpec]) -> None:
        options = self._options
        reader = SubscriptionReader(
            urls.pubsub_url(self.rpc_endpoint),
            SubscriptionConversation(specs, options.dialect, compressed=options.compression),
            self._delivery,
            self._link,
            self._coordinator,
            options,
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
        for reader in self._readers:
            reader.stop()
        deadline = time.monotonic() + self._options.close_timeout
        for reader in self._readers:
            reader.join(deadline - time.monotonic())
        self._readers.clear()

    def close(self) -> None:
        """End this sub-session and its subscriptions; the others go on. May be called twice and from any thread.

        A loop over all sub-sessions goes on without it.
        """
        self._closed = True
        if not self._delivery.done:
            self._delivery.cancel(Cancelled(f"session {self.session_id} was closed"))
        self._end_subscriptions()
        if not self._released:
            self._released = True
            self._link.release(self._delivery, close=True)
        self.rpc.close()
