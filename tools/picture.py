"""Make the picture of the report page, ``docs/_static/report.png``: a run of the embedded simulator.

    python -m tools.picture

Needs Chromium and the extras ``[local]`` and ``[report]``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import simsync
from simsync.local import Ledger, Simulator
from simsync.run.report import write_report

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "_static" / "report.png"
SIZE = (1_000, 760)
LARGEST = 150_000
"""Bytes that the picture may have."""
CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000"),
)


def main() -> int:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("Chromium was not found")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        with Simulator(Ledger.generate(slots=100, transactions_per_slot=20)) as simulator:
            client = simsync.Client(simulator.url, simulator.api_key)
            create = simsync.CreateSession(1_000, 1_099)
            simsync.record(create, f"{folder}/run.ndjson", client=client, parallel=True)
        page = Path(folder) / "run.ndjson.html"
        write_report(f"{folder}/run.ndjson", page)
        width, height = SIZE
        options = [*CHROMIUM, f"--user-data-dir={folder}/user", f"--window-size={width},{height}"]
        command = [browser, *options, f"--screenshot={PICTURE}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    size = PICTURE.stat().st_size
    print(f"{PICTURE}: {size:,} bytes")
    return int(size > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
