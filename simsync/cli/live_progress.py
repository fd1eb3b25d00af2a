"""The live progress of a run: bars for the whole run and each running sub-session, or a plain line now and then."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Optional, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

import simsync
from simsync.run.progress import Progress as RunProgress
from simsync.run.progress import SessionProgress

PROGRESS = ("auto", "plain", "off")
"""How progress is shown: bars in a terminal, a line every few seconds, or not at all."""
_INTERVAL = 0.1
"""Seconds between two updates of the bars."""
PLAIN_INTERVAL = 10.0
"""Seconds between two plain lines."""
_ROWS = 16
"""Most sub-sessions that are shown at the same time."""


class ProgressView(Protocol):
    """What shows the progress of a run."""

    def creating(self, event: simsync.Event) -> None:
        """Show the status that the server sends while it creates the session."""

    def report(self, progress: RunProgress) -> None:
        """Show new numbers. Called after each event, by one thread at a time; cheap between two updates."""


@contextlib.contextmanager
def live_progress(
    slots: int, how: str = "auto", console: Optional[Console] = None, interval: float = PLAIN_INTERVAL
) -> Iterator[Optional[ProgressView]]:
    """Show progress on standard error.

    Args:
        slots: Slots in the range of the run.
        how: One of :data:`PROGRESS`.
        console: Where to show it; by default standard error.
        interval: Seconds between two plain lines.

    Yields:
        The view, or None if nothing is shown.
    """
    if how == "plain":
        with PlainProgress(interval) as plain:
            yield plain
        return
    # What FORCE_COLOR says is about colours: bars that move need a real terminal.
    terminal = sys.stderr.isatty() if console is None else console.is_terminal
    console = Console(file=sys.stderr) if console is None else console
    if how == "off" or not terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[slots]:>7} slots/s"),
        TextColumn("{task.fields[transactions]:>7} tx/s"),
        TextColumn("{task.fields[left]:>8}"),
    )
    with Progress(*columns, console=console, transient=True, expand=True) as bars:
        yield LiveProgress(bars, min(_ROWS, max(1, console.height - 4)), slots)


class LiveProgress:
    """The lines on the screen; at most ``rows`` of them are sub-sessions."""

    def __init__(self, bars: Progress, rows: int, slots: int) -> None:
        self.bars, self._rows = bars, rows
        self._whole = bars.add_task("creating", total=slots, slots="-", transactions="-", left="")
        self._shown: dict[str, TaskID] = {}
        self._next = 0.0

    def creating(self, event: simsync.Event) -> None:
        """Show the status that the server sends while it creates the session."""
        if isinstance(event, simsync.Status):
            self.bars.update(self._whole, description=f"creating: {event.status}")

    def report(self, progress: RunProgress) -> None:
        """Show new numbers. Called after each event, by one thread at a time; cheap between two updates."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _INTERVAL
        sessions = progress.sessions.values()
        # The speed is that of this process: what a resumed file already held must not count.
        counts = sum(one.executed for one in sessions), sum(one.transactions for one in sessions)
        name = f"{sum(not one.finished for one in sessions)} left of {len(sessions)}"
        self._update(self._whole, name, (progress.executed, progress.slots), counts, now - progress.began)
        for one in sessions:
            if one.finished and one.session_id in self._shown:
                self.bars.remove_task(self._shown.pop(one.session_id))
        for one in sessions:
            if one.executed and not one.finished:
                self._show(one, now)

    def _show(self, one: SessionProgress, now: float) -> None:
        task = self._shown.get(one.session_id)
        if task is None:
            if len(self._shown) >= self._rows:
                return
            task = self.bars.add_task("", total=one.slots, visible=False, slots="", transactions="", left="")
            self._shown[one.session_id] = task
        counts = (one.executed, one.transactions)
        self._update(task, f"{one.start_slot}-{one.end_slot}", (one.executed, one.slots), counts, now - one.began)

    def _update(self, task: TaskID, name: str, slots: tuple[int, int], counts: tuple[int, int], seconds: float) -> None:
        done, total = slots
        executed, transactions = (count / seconds if seconds > 0 else 0.0 for count in counts)
        self.bars.update(
            task,
            completed=done,
            visible=True,
            description=name,
            slots=_rate(executed),
            transactions=_rate(transactions),
            left=_duration((total - done) / executed) if executed else "",
        )


class PlainProgress:
    """A line on standard error now and then, for logs and for runs without a terminal.

    A thread writes them, also while no event comes: a strategy may think, and a server may have no capacity.

    Args:
        interval: Seconds between two lines.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._began = time.monotonic()
        self._status: Optional[str] = None
        self._progress: Optional[RunProgress] = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write_lines, name="simsync-progress", daemon=True)

    def __enter__(self) -> PlainProgress:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        # Not joined: it may be inside a write to a pipe that is not read.
        self._over.set()

    def creating(self, event: simsync.Event) -> None:
        """Write each new status that the server sends while it creates the session."""
        if isinstance(event, simsync.Status) and event.status != self._status:
            self._status = event.status
            click.echo(f"creating: {event.status}", err=True)

    def report(self, progress: RunProgress) -> None:
        """Take new numbers for the next line. Called after each event, by one thread at a time."""
        self._progress = progress

    def _write_lines(self) -> None:
        # wait: the thread of --progress plain | the next line | the end of the run | `interval`
        while not self._over.wait(self._interval):
            with contextlib.suppress(OSError, ValueError):
                click.echo(self._line(), err=True)

    def _line(self) -> str:
        progress, now = self._progress, time.monotonic()
        if progress is None:
            return f"creating: {self._status or 'no answer'}, {_duration(now - self._began)} so far"
        # A list: other threads add sessions.
        seconds, sessions = now - progress.began, list(progress.sessions.values())
        executed = sum(one.executed for one in sessions) / seconds
        transactions = sum(one.transactions for one in sessions) / seconds
        left = f", {_duration((progress.slots - progress.executed) / executed)} left" if executed else ""
        share = 100 * progress.executed / progress.slots if progress.slots else 0
        return (
            f"{progress.executed:,} of {progress.slots:,} slots ({share:.0f} %), {_rate(executed)} slots/s,"
            f" {progress.transactions:,} transactions ({progress.failed:,} failed), {_rate(transactions)} tx/s{left}"
        )


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _duration(seconds: float) -> str:
    """``h:mm:ss``, or ``m:ss`` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
