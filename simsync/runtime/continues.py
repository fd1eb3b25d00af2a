"""The continues of one session, as its caller sends them: whose turn it is, waiting for it, waiting for the answer."""

from __future__ import annotations

import os

from simsync.errors import ContinueSendError, EventTimeout
from simsync.options import Options
from simsync.protocol.continue_cycle import CycleState, Step
from simsync.runtime.control_connection import ControlConnection
from simsync.runtime.event_queue import EventQueue
from simsync.runtime.failure import fresh


class Continues:
    """Sends the continues of one session.

    The rule whose turn it is: a continue may go when the engine is ready and every subscription is up. A loop with
    ``advance=`` also waits until the caller has been handed every control event, so the body of the loop always runs
    before the engine moves.
    """

    def __init__(self, queue: EventQueue, connection: ControlConnection, options: Options) -> None:
        self._queue = queue
        self._connection = connection
        self._queue_continues = options.queue_continues

    # guess: a continue while the engine is busy
    def send(self, payload: bytes, deadline: float | None, step: Step | None = None) -> None:
        """Wait until a continue may go, then put it into the outbox.

        Raises ContinueSendError if a continue is running or the session has ended, what made the session fail, and
        EventTimeout.
        """
        connection, cycle = self._connection, self._queue.state.cycle
        if os.getpid() != connection.process.number:
            connection.process.check()

        def submit() -> bool:
            self._check_can_continue()
            if not (cycle.is_ready and connection.up and self._subscriptions_are_up and connection.outbox.has_room):
                return False
            self._submit(payload, step)
            return True

        # wait: caller | its turn to continue | `changed` | its timeout; failure
        if not connection.changed.wait_for(submit, deadline):
            raise EventTimeout(
                f"timed out waiting to continue session {self._queue.state.session_id}: {self._obstacle()}; nothing was"
                " sent"
            )

    def send_if_due(self, payload: bytes) -> None:
        """Put a continue into the outbox if it may go and the caller has been handed every control event.

        Asked whenever the caller wants more events, and again after each wake-up.
        """
        cycle = self._queue.state.cycle
        # First without the lock, as this runs for each batch. What changes afterwards wakes the caller.
        if not (cycle.is_ready and self._queue.is_caught_up):
            return
        with self._connection.lock:
            if cycle.is_ready and self._queue.is_caught_up and self._subscriptions_are_up:
                self._submit(payload)

    def _submit(self, payload: bytes, step: Step | None = None) -> None:
        """Accept the continue. Call it while holding the lock of the connection."""
        state = self._queue.state
        # The outbox first: if Ctrl-C comes in between, it lists a cycle that has nothing to send, which the writer
        # skips. The other way round, a continue would be submitted that is never sent.
        self._connection.outbox.add_continue(state.cycle)
        state.submit(payload, step)

    def send_and_wait(self, payload: bytes, deadline: float | None) -> Step:
        """Send a continue as :meth:`send` and wait until it is answered. The events stay in the queue."""
        step = Step()
        state = self._queue.state
        try:
            self.send(payload, deadline, step)

            def done() -> bool:
                if not step.done:
                    self._check_alive()
                return step.done

            # wait: caller, stepping | the answer to a continue | `changed` | its timeout; failure
            if not self._connection.changed.wait_for(done, deadline):
                raise EventTimeout(
                    f"timed out waiting for the end of a step of session {state.session_id} (at slot {state.position},"
                    f" {state.cycle.state.value}); its continue is still running, wait for it with ensure_ready()"
                )
        finally:
            with self._connection.lock:
                state.cycle.abandon_step(step)
        return step

    def wait_until_ready(self, deadline: float | None) -> bool:
        """Wait until the engine waits for a continue. False if the range is completed instead."""
        self._connection.process.check()
        state = self._queue.state

        def ready() -> bool:
            if not state.completed:
                self._check_alive()
            return state.completed or state.cycle.is_ready

        # wait: caller, in `ensure_ready` | the engine | `changed` | its timeout; failure
        if not self._connection.changed.wait_for(ready, deadline):
            raise EventTimeout(f"timed out waiting for session {state.session_id} to become ready: {self._obstacle()}")
        return not state.completed

    def _check_can_continue(self) -> None:
        state = self._queue.state
        ended = state.cycle.state is CycleState.FINISHED
        if ended and state.completed:
            raise ContinueSendError(f"session {state.session_id} is completed: there is nothing to continue")
        self._check_alive()
        if ended:
            raise ContinueSendError(f"session {state.session_id} has ended: there is nothing to continue")
        if state.cycle.is_outstanding and not self._queue_continues:
            raise ContinueSendError(
                f"session {state.session_id}: the previous continue is still running ({state.cycle.state.value}); take"
                " events until ReadyForContinue, or set Options(queue_continues=True)"
            )

    def _check_alive(self) -> None:
        queue = self._queue
        # Closing the last sub-session ends the connection too, so what the caller did to the session comes first.
        failure = queue.cancelled or self._connection.failure or queue.state.failure
        if failure is None:
            failure = next((status.failure for status in queue.subscriptions if status.failure is not None), None)
        if failure is not None:
            raise fresh(failure)

    @property
    def _subscriptions_are_up(self) -> bool:
        # safeguard: no continue is sent before the subscriptions are up -> True
        subscriptions = self._queue.subscriptions
        return not subscriptions or all(status.lets_continue for status in subscriptions)

    def _obstacle(self) -> str:
        if not self._connection.up:
            return "the control connection is down"
        down = [status.label for status in self._queue.subscriptions if not status.lets_continue]
        if down:
            return "waiting for " + "; ".join(down)
        if self._queue.state.cycle.is_ready:
            return "too many continues are waiting to be sent (Options(continue_queue=...))"
        return self._queue.state.cycle.state.value
