"""Does the suite notice when a safeguard is missing? Each is removed in a copy of the project, and the suite is run.

    python -m tests.safeguards [NAME ...] [--write]

Prints which test failed first, and exits with 1 when one of them is not missed. ``--write`` puts the table into
``docs/reliability.md``. Takes some minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN = "<!-- table of safeguards: python -m tests.safeguards --write -->"
END = "<!-- end of the table of safeguards -->"
ORDER = ("protocol", "properties", "security", "runtime", "api", "faults", "process")
"""Folders of the suite, those that are quick first."""
HANGS_AFTER = 40
"""Seconds; what waits for ever without its safeguard fails by this."""


@dataclass(frozen=True)
class Safeguard:
    """``text`` in ``file`` keeps it, ``without`` does not."""

    name: str
    file: str
    text: str
    without: str


SAFEGUARDS = [
    Safeguard(
        "events that come again are dropped",
        "protocol/parallel.py",
        "                if sequence <= cursor:\n",
        "                if False:\n",
    ),
    Safeguard(
        "the run may complete inside a handshake",
        "protocol/control.py",
        "        if not self.established_once:\n            return False\n        return all(state.released",
        "        if self.phase is not Phase.STEADY:\n            return False\n        return all(state.released",
    ),
    Safeguard(
        "a continue that did not arrive is sent again",
        "protocol/control.py",
        "        cycle.send_again()\n        return True\n",
        "        return False\n",
    ),
    Safeguard(
        "Completed waits for the subscriptions",
        "runtime/delivery.py",
        "            if all(state.ended for state in self.subscriptions):\n",
        "            if True:\n",
    ),
    Safeguard(
        "no continue before the subscriptions are up",
        "runtime/control.py",
        "    return all(state.up or state.ended or state.failure is not None for state in delivery.subscriptions)\n",
        "    return True\n",
    ),
    Safeguard(
        "what waits for the caller is bounded",
        "runtime/delivery.py",
        "            if events >= self._max_events or size >= self._max_bytes:\n",
        "            if False:\n",
    ),
    Safeguard(
        "the key is masked",
        "params/api_key.py",
        "        return text.replace(self._text, _HIDDEN) if self._text else text\n",
        "        return text\n",
    ),
    Safeguard(
        "reconnecting has a budget",
        "runtime/retry.py",
        "        if self._failures > self._options.reconnect_attempts:\n            return True\n",
        "",
    ),
    Safeguard(
        "closing wakes whoever waits",
        "runtime/delivery.py",
        "            current.events.clear()  # ends the loop that is running over it\n        self.put(None)\n",
        "            current.events.clear()\n",
    ),
    Safeguard(
        "a peer that is silent for too long is dead",
        "runtime/control.py",
        "now - ws.last_inbound >= self._options.dead_after:\n",
        "False:\n",
    ),
]


def removed(safeguard: Safeguard, copy: Path) -> None:
    """Take it out of a copy of the project."""
    path = copy / "simsync" / safeguard.file
    text = path.read_text(encoding="utf-8")
    assert text.count(safeguard.text) == 1, f"{safeguard.name}: its text is not in {safeguard.file} once"
    path.write_text(text.replace(safeguard.text, safeguard.without), encoding="utf-8")


def missed_by(safeguard: Safeguard) -> str | None:
    """The first test that fails without it; None when the suite passes."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "simsync"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__"))
        removed(safeguard, copy)
        tests = [f"tests/{name}" for name in ORDER]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"--timeout={HANGS_AFTER}", *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    failed = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return failed[0] if failed else None


def table(found: dict[str, str]) -> str:
    """Markdown."""
    rows = [f"| {one.name} | `{one.file}` | `{found[one.name]}` |" for one in SAFEGUARDS]
    return "\n".join(["| without this | in | this test fails first |", "| --- | --- | --- |", *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; a part of the name will do")
    parser.add_argument("--write", action="store_true", help="write the table of docs/reliability.md")
    arguments = parser.parse_args()
    chosen = [one for one in SAFEGUARDS if not arguments.names or any(name in one.name for name in arguments.names)]
    found = {}
    for safeguard in chosen:
        test = missed_by(safeguard)
        print(f"{safeguard.name}: {test or 'NOT MISSED'}", flush=True)
        if test is not None:
            found[safeguard.name] = test
    if len(found) < len(chosen):
        return 1
    if arguments.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{table(found)}\n{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
