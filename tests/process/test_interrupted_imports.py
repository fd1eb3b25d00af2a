"""Ctrl-C while the first call imports its libraries: the call ends, and the libraries are whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = """
import os, signal
os.kill(os.getpid(), signal.SIGINT)
for _each in range(200_000):  # Python code, in which the main thread would raise
    pass
LAST_LINE = True
"""

PROGRAM = """
import sys
from simsync.runtime import late_imports

try:
    late_imports.load("interrupting")
except KeyboardInterrupt:
    print("interrupted")
late_imports.load("interrupting")
print(sys.modules["interrupting"].LAST_LINE)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
def test_an_interrupted_import_goes_on_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "interrupting.py").write_text(LIBRARY)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    assert done.stdout.decode().split() == ["interrupted", "True"]
