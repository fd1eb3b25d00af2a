"""The live progress of a run: its lines fit the terminal for numbers of any length, and do not move."""

from __future__ import annotations

import io
import queue
import re
import time

import pytest
from rich.console import Console

import simsync
from simsync.cli.live_progress import LiveProgress, live_progress
from simsync.run.progress import Progress, SessionProgress

FIRST = 312_000_000


def terminal(width: int, height: int = 30) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)


def running(sessions: int, executed: int = 700) -> Progress:
    progress = Progress(slots=1_000 * sessions, executed=executed * sessions)
    for number in range(sessions):
        start = FIRST + 1_000 * number
        session = SessionProgress(f"backtest_{number}", start, start + 999, executed, 125_000)
        progress.sessions[session.session_id] = session
        session.began -= 10
    progress.began -= 10
    return progress


def lines(width: int, view: LiveProgress) -> list[str]:
    """What is on the screen now."""
    console = terminal(width)
    with console.capture() as capture:
        console.print(view.bars.get_renderable())
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("sessions", [1, 5, 300])
def test_every_session_that_is_shown_has_one_line(width: int, sessions: int) -> None:
    console = terminal(width)
    with live_progress(1_000 * sessions, console=console) as view:
        assert isinstance(view, LiveProgress)
        view.report(running(sessions))
        shown = lines(console.width, view)
    assert len(shown) == 1 + min(sessions, 16)
    assert {len(line) for line in shown} <= set(range(60, width + 1))
    assert all("slots/s" in line and "tx/s" in line for line in shown)
    assert shown[1].startswith(f"{FIRST}-{FIRST + 999} ")
    assert re.search(r" 70% +\d\d slots/s +12,\d{3} tx/s +0:0\d$", shown[1].rstrip())


def test_a_small_window_shows_what_fits() -> None:
    console = terminal(80, height=10)
    with live_progress(300_000, console=console) as view:
        assert isinstance(view, LiveProgress)
        view.report(running(300))
        assert len(lines(console.width, view)) <= 8


def test_a_session_that_is_finished_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    console, progress = terminal(80), running(20)
    clock = [time.monotonic()]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with live_progress(20_000, console=console) as view:
        assert isinstance(view, LiveProgress)
        view.report(progress)
        progress.sessions["backtest_0"].finished = True
        view.report(progress)  # too soon for another look
        assert f"{FIRST}-" in lines(console.width, view)[1]
        clock[0] += 1
        view.report(progress)
        shown = lines(console.width, view)
    assert len(shown) == 17
    assert not any(line.startswith(f"{FIRST}-") for line in shown)
    assert shown[0].startswith("19 left of 20 ")


def test_while_the_session_is_created() -> None:
    console = terminal(80)
    with live_progress(10, console=console) as view:
        assert isinstance(view, LiveProgress)
        assert lines(console.width, view)[0].startswith("creating ")
        view.creating(simsync.Status("waitingForCapacity"))
        assert lines(console.width, view)[0].startswith("creating: waitingForCapacity ")


def test_nothing_without_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=80)
    with live_progress(10, console=console) as view:
        assert view is None
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_plain_lines_also_when_no_event_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    written: queue.Queue[str] = queue.Queue()
    monkeypatch.setattr("sys.stderr", Lines(written))
    progress = running(2)
    progress.transactions, progress.failed = 250_000, 1_000
    with live_progress(2_000, "plain", interval=0.01) as view:
        assert view is not None
        assert re.fullmatch(r"creating: no answer, 0:0\d so far", written.get(timeout=30))
        view.creating(simsync.Status("waitingForCapacity"))
        view.creating(simsync.Status("waitingForCapacity"))
        while lines_from(written, "creating: wait") != "creating: waitingForCapacity":
            pass
        for _ in range(3):
            assert re.fullmatch(r"creating: waitingForCapacity, 0:\d\d so far", lines_from(written, "creating: wait"))
        view.report(progress)
        for _ in range(3):
            line = lines_from(written, "1,400 of ")
            assert line.startswith("1,400 of 2,000 slots (70 %), ")
            assert " slots/s, 250,000 transactions (1,000 failed), " in line
            assert line.endswith(" left")


class Lines(io.StringIO):
    """Puts each line into a queue."""

    def __init__(self, written: queue.Queue[str]) -> None:
        super().__init__()
        self.written = written

    def write(self, text: str) -> int:
        count = super().write(text)  # refuses bytes, which click tries
        for line in text.splitlines():
            self.written.put(line)
        return count


def lines_from(written: queue.Queue[str], beginning: str) -> str:
    """The next line that begins so."""
    while True:
        line = written.get(timeout=30)
        if line.startswith(beginning):
            return line


def test_progress_can_be_off() -> None:
    with live_progress(10, "off", terminal(80)) as view:
        assert view is None
