"""``simsync run`` in a real terminal, observed while it runs, and with a file as output."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simsync.local import Ledger, Simulator

ROW = re.compile(r"(\d+ left of 4|10\d\d-10\d\d|creating\S*) +[━╸╺ ]+ +\d+% +\S+ slots/s +\S+ tx/s *(\d+:\d\d)?")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    ledger = Ledger.generate(seed=5, slots=40, transactions_per_slot=5, bundle_size=10)
    with Simulator(ledger, slot_delay=0.15) as running:
        yield running


def command(simulator: Simulator, path: Path) -> list[str]:
    where = ["--url", simulator.url, "--api-key", simulator.api_key]
    what = ["--start-slot", "1000", "--end-slot", "1039", "--parallel", "--advance", "1", "--output-file", str(path)]
    return [sys.executable, "-m", "simsync", *where, "run", *what]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
@pytest.mark.parametrize("width", [80, 200])
def test_the_screen_always_shows_whole_lines(simulator: Simulator, tmp_path: Path, width: int) -> None:
    path, done, server = tmp_path / "run.ndjson", tmp_path / "done", f"simsync-{tmp_path.name}-{width}"

    def tmux(*arguments: str) -> str:
        asked = ["tmux", "-L", server, "-f", "/dev/null", *arguments]
        return subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout

    program = f"{shlex.join(command(simulator, path))}; touch {shlex.quote(str(done))}; cat"
    tmux("new-session", "-d", "-x", str(width), "-y", "24", program)
    try:
        looks = []
        while not done.exists():
            looks.append([line.rstrip() for line in tmux("capture-pane", "-p").splitlines() if line.strip()])
        last = tmux("capture-pane", "-p")
    finally:
        tmux("kill-server")
    assert "run.ndjson: 40 slots, 4 session(s), complete" in last.replace("\n", "")
    # A frame that is wider than the terminal's buffer arrives in pieces: what stands still for two looks is whole.
    still = [look for look, following in zip(looks, looks[1:]) if look == following]
    running = [look for look in still if any("slots/s" in line for line in look)]
    assert max(len(look) for look in running) == 5
    for look in running:
        for line in look:
            assert ROW.fullmatch(line), line


def test_a_file_gets_no_control_characters(simulator: Simulator, tmp_path: Path) -> None:
    done = subprocess.run(
        command(simulator, tmp_path / "run.ndjson"), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    assert done.stderr == f"{tmp_path / 'run.ndjson'}: 40 slots, 4 session(s), complete\n"
