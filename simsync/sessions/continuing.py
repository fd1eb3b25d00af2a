"""Continuing a session: sending continues, and stepping, which waits for their end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import SupportsIndex

from simsync.cancel import CancelToken
from simsync.errors import InvalidParams, RemoteError
from simsync.events import Completed
from simsync.params import AccountModifications, Continue, ContinueTo, checks
from simsync.runtime.waiting import deadline_after, earliest
from simsync.sessions.base import SessionBase
from simsync.sessions.event_stream import check_deadline
from simsync.sessions.own_transactions import OwnTransaction, find_outcomes, signatures_of
from simsync.sessions.results import DiscoveryPause, StepResult

logger = logging.getLogger("simsync.session")


class Continuing(SessionBase):
    """The methods of a session that move its engine."""

    def send_continue(
        self,
        request: Continue | None = None,
        *,
        advance_count: SupportsIndex | None = None,
        transactions: Sequence[object] = (),
        modify_accounts: AccountModifications | None = None,
        timeout: checks.Number | None = None,
    ) -> None:
        """Let the engine execute blocks and then wait again.

        Waits until the engine is ready and all connections of this session are up. Returns when the continue is queued;
        its effects come as events. Pass either ``request`` or the other fields.

        Args:
            request: A complete continue.
            advance_count: Blocks to execute; 1 by default.
            transactions: Your own transactions, executed in the first block or before it, see
                :class:`~simsync.Continue`. :meth:`outcome` tells what became of them.
            modify_accounts: Account states to write before the first block, by address.
            timeout: Seconds to wait until the continue may be sent; None waits without a limit.

        Raises:
            ContinueSendError: The previous continue is still running, or the session has ended.
            EventTimeout: The continue could not be sent within ``timeout``. Nothing was sent.
            InvalidParams: An argument is invalid.
            SimsyncError: What ended the session.
        """
        if request is None:
            request = Continue(1 if advance_count is None else advance_count, transactions, modify_accounts or {})
        elif advance_count is not None or transactions or modify_accounts:
            raise InvalidParams(
                "request", request, "pass either request or advance_count/transactions/modify_accounts, not both"
            )
        elif not isinstance(request, Continue):
            raise InvalidParams("request", request, "must be a Continue(...)")
        self._sender = threading.get_ident()
        self._continues.send(self._encode(request), deadline_after(timeout))

    def send_continue_to(
        self, slot: SupportsIndex, batch_index: SupportsIndex | None = None, *, timeout: checks.Number | None = None
    ) -> None:
        """Let the engine run to a place and pause there. Waits and raises as :meth:`send_continue`.

        Args:
            slot: The slot to run to.
            batch_index: The batch of that slot before which to pause; None pauses at the slot boundary.
            timeout: Seconds to wait until the continue may be sent.
        """
        self._sender = threading.get_ident()
        self._continues.send(self._encode(ContinueTo(slot, batch_index)), deadline_after(timeout))

    # Steps.

    def ensure_ready(self, timeout: checks.Number | None = None) -> bool:
        """Wait until the engine waits for a continue. Takes no events.

        Args:
            timeout: Seconds to wait; None waits without a limit.

        Returns:
            False if the range is completed instead.

        Raises:
            EventTimeout: The engine was not ready within ``timeout``.
            SimsyncError: What ended the session.
        """
        return self._continues.wait_until_ready(deadline_after(timeout))

    def continue_until_ready(
        self, request: Continue | ContinueTo | None = None, *, timeout: checks.Number | None = None
    ) -> StepResult:
        """Send a continue and wait until the engine waits again, or the range is completed.

        Args:
            request: The continue; one block by default.
            timeout: Seconds for all of it. After an EventTimeout the continue may be running: :meth:`ensure_ready`
                waits for its end.

        Returns:
            What the continue did, and what became of its own transactions, for which the RPC of the session is asked.
            Its events stay in the session, for :meth:`events` or :meth:`pending`.

        Raises:
            SimsyncError: As :meth:`send_continue`.
        """
        if request is None:
            request = Continue()
        elif not isinstance(request, (Continue, ContinueTo)):
            raise InvalidParams("request", request, "must be a Continue(...) or ContinueTo(...)")
        return self._step(request, deadline_after(timeout))

    def advance(
        self,
        advance_count: SupportsIndex = 1,
        *,
        transactions: Sequence[object] = (),
        modify_accounts: AccountModifications | None = None,
        timeout: checks.Number | None = None,
    ) -> StepResult:
        """Execute ``advance_count`` blocks and return what they did. See :meth:`continue_until_ready`."""
        return self.continue_until_ready(Continue(advance_count, transactions, modify_accounts or {}), timeout=timeout)

    def steps(
        self, every: SupportsIndex = 1, *, timeout: checks.Number | None = None, deadline: checks.Number | None = None
    ) -> Iterator[int]:
        """Iterate over the slots of the session; the body of the loop runs after each, with the state readable.

            for slot in session.steps():
                print(slot, session.rpc.get_balance(wallet))

        The events stay in the session: take them in the body with :meth:`pending`, or after the loop. The server may
        execute the start slot before the first continue, and then no turn of the loop is for it: look at its state
        before the loop, after :meth:`ensure_ready`.

        Args:
            every: Blocks to execute before each turn of the loop. The last turn may have fewer.
            timeout: Seconds to wait for each step; None waits without a limit.
            deadline: Seconds for the whole loop, counted from this call; None has no limit. No step begins after it.

        Returns:
            An iterator over the last slot that was executed in each turn.

        Raises:
            InvalidParams: An argument is invalid.
            RemoteError: The engine did not continue.
            EventTimeout: ``timeout`` or ``deadline`` has passed. If a step was running, its slots are not repeated by
                another loop; :meth:`ensure_ready` waits for its end.
            SimsyncError: As :meth:`continue_until_ready`.
        """
        seconds = checks.optional_seconds("timeout", timeout)
        limit = checks.optional_seconds("deadline", deadline)
        return self._steps(
            Continue(checks.integer("every", every, 1, checks.U64)), seconds, limit, deadline_after(limit)
        )

    def _steps(
        self, request: Continue, timeout: float | None, seconds: float | None, end: float | None
    ) -> Iterator[int]:
        while self._continues.wait_until_ready(earliest(deadline_after(timeout), end)):
            check_deadline(end, seconds)  # a continue that nobody waits for would lose its slot
            step = self._step(request, earliest(deadline_after(timeout), end))
            if step.last_slot is not None:
                yield step.last_slot
            elif step.errors:
                raise RemoteError(step.errors[-1], f"session {self.session_id} did not continue")

    def continue_to(
        self, slot: SupportsIndex, batch_index: SupportsIndex | None = None, *, timeout: checks.Number | None = None
    ) -> StepResult:
        """Run to a place as :meth:`send_continue_to` and wait for the pause. See :meth:`continue_until_ready`."""
        return self.continue_until_ready(ContinueTo(slot, batch_index), timeout=timeout)

    # guess: when discoveries are announced
    def advance_to_discovery(self, timeout: checks.Number | None = None) -> DiscoveryPause | Completed:
        """Run to the next batch that matches a discovery filter of the create request, and pause before it.

        While no match is announced, the engine moves block by block, so that it does not run past a match that is
        announced meanwhile (when the server announces them is not known). A match that was passed all the same is
        logged, and its event is delivered as any other.

        Args:
            timeout: Seconds for all of it; None waits without a limit.

        Returns:
            Where the engine paused, or ``Completed`` if the range ended before another match.

        Raises:
            InvalidParams: The session was created without discovery filters.
            SimsyncError: As :meth:`continue_until_ready`.
        """
        deadline = deadline_after(timeout)
        while self._continues.wait_until_ready(deadline):
            discovery, passed = self._connection.take_discovery(self._queue)
            if passed:
                logger.warning("session %s: passed %d match(es) without a pause", self.session_id, passed)
            step = self._step(
                Continue() if discovery is None else ContinueTo(discovery.slot, discovery.batch_index), deadline
            )
            if step.errors and step.paused is None and not step.slots and not step.completed:
                raise RemoteError(step.errors[-1], f"session {self.session_id} did not continue to the next match")
            if discovery is not None and not step.completed:
                return DiscoveryPause(discovery, step)
        assert self.completion is not None
        return self.completion

    def discoveries(self, timeout: checks.Number | None = None) -> Iterator[DiscoveryPause]:
        """Iterate over :meth:`advance_to_discovery` until the range is completed. ``timeout`` in seconds for each."""
        while True:
            pause = self.advance_to_discovery(timeout)
            if isinstance(pause, Completed):
                return
            yield pause

    def _step(self, request: Continue | ContinueTo, deadline: float | None) -> StepResult:
        self._sender = threading.get_ident()
        events = self._continues.send_and_wait(self._encode(request), deadline).events
        if isinstance(request, ContinueTo) or not request.transactions:
            return StepResult.of(events)
        return StepResult.of(events, self._outcomes(signatures_of(request.transactions), deadline))

    def outcome(self, signature: object, *, timeout: checks.Number | None = None) -> OwnTransaction:
        """Return what became of a transaction of this session, such as one of :meth:`send_continue`.

        The simulator does not report it, so the session's RPC is asked; it answers until the session ends. The stepping
        methods do this themselves, see :attr:`StepResult.own <simsync.StepResult>`.

        Args:
            signature: The signature of the transaction.
            timeout: Seconds to wait; None waits as long as ``Options.rpc_timeout`` allows.

        Returns:
            The outcome. What the RPC does not tell is None, with the reason in ``how``.

        Raises:
            InvalidParams: The signature is invalid.
            Cancelled: The session was closed or cancelled.
        """
        return self._outcomes([checks.signature("signature", signature)], deadline_after(timeout))[0]

    def _outcomes(self, signatures: Sequence[str | None], deadline: float | None) -> tuple[OwnTransaction, ...]:
        cancel = CancelToken()
        stop = cancel.cancel
        self._queue.on_cancelled.append(stop)
        try:
            if self._queue.cancelled is not None:
                stop()
            return find_outcomes(self.rpc_endpoint, self._options, signatures, deadline, cancel)
        finally:
            self._queue.on_cancelled.remove(stop)
