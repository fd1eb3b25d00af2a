"""What stepping calls return. They move the engine and say what it did; the events stay in the session."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.events import (
    BacktestError,
    Completed,
    DiscoveryBatch,
    Event,
    Paused,
    SessionError,
    SessionSummary,
    Slot,
    Status,
)
from simsync.sessions.own_transactions import OwnTransaction


@dataclass(frozen=True)
class StepResult:
    """What one continue did.

    Attributes:
        slots: The slots that were executed, in order.
        statuses: Progress of the engine, as the server sent it.
        errors: Errors that the server reported.
        paused: Where a continue-to stopped; None if it did not pause.
        completed: The range is finished.
        summary: The summary of the session, if it is completed and a summary was asked for.
        agent_stats: What the server sent along with the summary.
        own: What became of your own transactions of the continue, one each, in order.
    """

    slots: tuple[int, ...] = ()
    statuses: tuple[str, ...] = ()
    errors: tuple[BacktestError, ...] = ()
    paused: Optional[Paused] = None
    completed: bool = False
    summary: Optional[SessionSummary] = field(default=None, hash=False)
    agent_stats: Any = field(default=None, hash=False)
    own: tuple[OwnTransaction, ...] = ()

    @classmethod
    def of(cls, events: Iterable[Event], own: tuple[OwnTransaction, ...] = ()) -> StepResult:
        """The result of a continue that caused these events."""
        events = list(events)
        completed = [event for event in events if isinstance(event, Completed)]
        paused = [event for event in events if isinstance(event, Paused)]
        return cls(
            slots=tuple(event.slot for event in events if isinstance(event, Slot)),
            statuses=tuple(event.status for event in events if isinstance(event, Status)),
            errors=tuple(event.error for event in events if isinstance(event, SessionError)),
            paused=paused[-1] if paused else None,
            completed=bool(completed),
            summary=completed[0].summary if completed else None,
            agent_stats=completed[0].agent_stats if completed else None,
            own=own,
        )

    @property
    def last_slot(self) -> int | None:
        """The last executed slot; None if no slot was executed."""
        return self.slots[-1] if self.slots else None

    @property
    def ready(self) -> bool:
        """The engine waits for the next continue."""
        return not self.completed


@dataclass(frozen=True)
class DiscoveryPause:
    """The engine waits before a batch that a discovery filter matches. Its state can be read and changed over RPC.

    Attributes:
        discovery: The match that was announced.
        step: What the way to this batch did.
    """

    discovery: DiscoveryBatch
    step: StepResult

    @property
    def paused(self) -> Paused | None:
        """Where the server says that it paused; None if it only said that it is ready."""
        return self.step.paused
