"""What one continue caused, as far as the control events tell."""

from __future__ import annotations

from simsync.events import BacktestError, Completed, Event, Paused, SessionError, Slot, Status


class StepRecord:
    """Filled by the conversation from the moment at which its continue is sent; ``done`` once that is answered."""

    __slots__ = ("completed", "done", "errors", "paused", "slots", "statuses")

    def __init__(self) -> None:
        self.slots: list[int] = []
        self.statuses: list[str] = []
        self.errors: list[BacktestError] = []
        self.paused: Paused | None = None
        self.completed: Completed | None = None
        self.done = False

    def note(self, event: Event) -> None:
        if isinstance(event, Slot):
            self.slots.append(event.slot)
        elif isinstance(event, Status):
            self.statuses.append(event.status)
        elif isinstance(event, SessionError):
            self.errors.append(event.error)
        elif isinstance(event, Paused):
            self.paused = event
