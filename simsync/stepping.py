"""What stepping calls return. They move the engine and say what it did; the events stay, for ``events()``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from simsync.events import BacktestError, DiscoveryBatch, Paused, SessionSummary
from simsync.protocol.step import StepRecord


@dataclass(frozen=True)
class StepResult:
    """What one continue did.

    ``slots``: the slots that were executed, in order; ``statuses`` and ``errors`` as the server sent them; ``paused``:
    where a continue-to stopped; ``completed``: the range is finished, with ``summary`` if it was asked for.
    """

    slots: tuple[int, ...] = ()
    statuses: tuple[str, ...] = ()
    errors: tuple[BacktestError, ...] = ()
    paused: Optional[Paused] = None
    completed: bool = False
    summary: Optional[SessionSummary] = None
    agent_stats: Any = None

    @property
    def last_slot(self) -> int | None:
        """The last executed slot; None when none was."""
        return self.slots[-1] if self.slots else None

    @property
    def ready(self) -> bool:
        """The engine waits for the next continue."""
        return not self.completed


@dataclass(frozen=True)
class DiscoveryPause:
    """The engine stands before a batch that a discovery filter matches; its state can be read and changed over RPC.

    ``discovery``: what was announced. ``step``: what the way here did.
    """

    discovery: DiscoveryBatch
    step: StepResult

    @property
    def paused(self) -> Paused | None:
        """Where the server says that it stands; None when it only said that it is ready."""
        return self.step.paused


def step_result(record: StepRecord) -> StepResult:
    completion = record.completed
    return StepResult(
        slots=tuple(record.slots),
        statuses=tuple(record.statuses),
        errors=tuple(record.errors),
        paused=record.paused,
        completed=completion is not None,
        summary=None if completion is None else completion.summary,
        agent_stats=None if completion is None else completion.agent_stats,
    )
