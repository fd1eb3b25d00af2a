"""Another module with the name ``websocket``: one line of advice, on the command line without a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import simsync

ROOT = Path(simsync.__file__).parents[1]
ADVICE = "simsync needs the module 'websocket' of websocket-client, but Python finds "


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]; "
    command = [sys.executable, "-c", code + words[0], *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "source", ["x = 1\n", "raise RuntimeError('no good')\n", "import no_such_module\n", "print 'old'\n"]
)
def test_the_advice_is_one_line(source: str, tmp_path: Path) -> None:
    foreign = tmp_path / "websocket.py"
    foreign.write_text(source, encoding="utf-8")
    done = run(tmp_path, "import simsync")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: {ADVICE}")
    assert "pip uninstall websocket; then pip install websocket-client" in last
    if source == "x = 1\n":
        assert str(foreign) in last
    # When the command imports the package, its first word is "-m" or "simsync".
    for word in ("-m", "/somewhere/bin/simsync"):
        done = run(tmp_path, f"sys.argv[0] = {word!r}; import simsync; simsync.Client")
        assert done.returncode == 1
        assert done.stderr.startswith(f"simsync: {ADVICE}")
        assert len(done.stderr.splitlines()) == 1


def test_a_package_without_a_file(tmp_path: Path) -> None:
    (tmp_path / "websocket").mkdir()
    done = run(tmp_path, "sys.path[:] = [one for one in sys.path if 'site-packages' not in one]; import simsync")
    assert "needs" in done.stderr.strip().splitlines()[-1]


def test_a_missing_library(tmp_path: Path) -> None:
    done = run(tmp_path, "sys.modules['websocket'] = None; import simsync")
    assert done.stderr.strip().splitlines()[-1] == (
        "ImportError: simsync needs the package websocket-client: pip install websocket-client"
    )
