"""``tools.trips`` measures every trip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.trips import TRIPS

ROOT = Path(__file__).resolve().parents[1]


def test_every_trip_is_measured() -> None:
    command = [sys.executable, "-m", "tools.trips", "--turns", "3", "--list", "turn"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    for trip in TRIPS:
        row = next(line for line in done.stdout.splitlines() if trip.label in line)
        assert any(char.isdigit() for char in row.split(trip.label)[1])
    for role in ("caller", "reader", "writer"):
        assert f"\n{role}: " in done.stdout
