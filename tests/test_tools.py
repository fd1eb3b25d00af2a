"""Measuring trips, choosing the tests of a change, and making the same archive each time."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import simsync
from tools.check import EVERYWHERE, ROOMS, chosen_tests, pytest_command
from tools.release import NotReady, date_of, same_each_time
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


def test_the_tests_of_what_has_changed() -> None:
    chosen = chosen_tests(["simsync/wire/control.py", "tests/api/test_attach.py", "README.md"])
    assert chosen == [EVERYWHERE, "tests/wire", "tests/api/test_attach.py"]
    assert all((ROOT / test).exists() for tests in ROOMS.values() for test in tests)
    assert "-n" in pytest_command(["simsync/wire/control.py"])
    assert "-n" not in pytest_command(["simsync/times.py"])
    rooms = {f"simsync/{path.name}" for path in (ROOT / "simsync").iterdir() if (path / "__init__.py").exists()}
    assert rooms <= set(ROOMS)


def test_the_changelog_has_a_section_for_a_release() -> None:
    assert date_of("0.1.0", "# Changelog\n\n## [0.1.0] - 2026-11-29\n") == "2026-11-29"
    assert date_of("0.1.0", "## [0.1.0] - Unreleased\n") is None
    for heading in ("## 0.1.0", "## [0.1.0]", "## [0.1.0rc1] - 2026-11-29", "## [0x1.0] - 2026-11-29"):
        with pytest.raises(NotReady, match=r"## \[0\.1\.0\] - YYYY-MM-DD"):
            date_of("0.1.0", f"{heading}\n")


def test_the_changelog_has_this_version_and_only_known_sections() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    date_of(simsync.__version__, changelog)
    sections = re.findall("^### (.*)$", changelog, re.MULTILINE)
    assert sections
    assert set(sections) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_an_archive_is_the_same_each_time(tmp_path: Path) -> None:
    made = []
    for number, names in enumerate([("a.txt", "b.txt"), ("b.txt", "a.txt")]):
        archive = tmp_path / str(number) / "package.tar.gz"
        archive.parent.mkdir()
        with tarfile.open(archive, "w:gz") as packed:
            for name in names:
                entry = tarfile.TarInfo(f"package/{name}")
                entry.size, entry.mtime, entry.uname = 4, 1_000 + number, f"user{number}"
                packed.addfile(entry, io.BytesIO(b"text"))
        same_each_time(archive, 1_700_000_000)
        made.append(archive.read_bytes())
        with tarfile.open(archive) as packed:
            assert packed.getnames() == ["package/a.txt", "package/b.txt"]
    assert made[0] == made[1]
