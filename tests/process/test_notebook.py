"""The notebook of examples/, as Jupyter runs it, in a kernel of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "notebook.ipynb"
LONGEST = 100.0
ENDS_WITHIN = 10.0
_PROCESSES = Path("/proc")

# In a process of its own, because nbclient leaves sockets and an event loop in the one that calls it.
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def processes_with(mark: str) -> list[str]:
    """The command lines of the processes that have the mark in their environment."""
    found = []
    for process in _PROCESSES.glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text(encoding="utf-8").replace("\0", " "))
        except OSError:
            continue  # it has ended meanwhile, or belongs to someone else
    return found


def test_the_notebook_is_kept_without_outputs() -> None:
    for cell in cells(NOTEBOOK):
        assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_the_notebook_runs_and_shows_tables(tmp_path: Path) -> None:
    for module in ("nbclient", "ipykernel", "pandas", "duckdb"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the notebook cannot be run without {module}: pip install 'simsync[test]'")
    mark = f"the notebook of {tmp_path}"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SIMULATOR_")}
    folders = {name: str(tmp_path / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    executed = tmp_path / "executed.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, NOTEBOOK, executed],
        env={**variables, **folders, "SIMSYNC_TEST_MARK": mark},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = {
        cell["id"]: "".join("".join(output.get("data", {}).get("text/html", "")) for output in cell["outputs"])
        for cell in cells(executed)
    }
    assert "<th style='text-align:left'>start_slot</th><td style='text-align:left'>1000</td>" in shown["ranges"]
    assert "ParallelSession parallel_" in shown["session"]
    assert "slots 1050 to 1059" in shown["session"]
    for cell in ("summary", "collect", "record"):
        assert "<td style='text-align:left'>complete</td>" in shown[cell], cell
    for cell in ("collect", "record"):
        assert "<td style='text-align:left'>1,200</td>" in shown[cell], cell
    assert "error_text" in shown["frame"]
    assert "custom program error 1 (0x1)" in shown["errors"]

    give_up = time.monotonic() + ENDS_WITHIN
    while processes_with(mark) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert processes_with(mark) == []
