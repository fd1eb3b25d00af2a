"""web3.js, spl-token and kit work on a session of the embedded simulator.

The packages are pinned in ``package-lock.json``. Install them with ``npm ci`` in this folder, or point
``SIMSYNC_NODE_CLIENTS`` at a folder where they are installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync

from .page import methods_of

pytest.importorskip("aiohttp")
pytest.importorskip("solders")

HERE = Path(__file__).resolve().parent
CLIENTS = Path(os.environ.get("SIMSYNC_NODE_CLIENTS") or HERE)
TIMEOUT = 60

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed"),
    pytest.mark.skipif(
        not (CLIENTS / "node_modules" / "@solana" / "kit").is_dir(),
        reason="the JavaScript clients are not installed; run npm ci in tests/clients",
    ),
]


@pytest.fixture
def session() -> Iterator[simsync.BacktestSession]:
    from simsync.local import Ledger, Simulator

    ledger = Ledger.generate(slots=20, bundle_size=20, transactions_per_slot=1)
    with Simulator(ledger) as simulator:
        with simsync.Client(simulator.url, simulator.api_key).session(simsync.CreateSession(1000, 1019)) as session:
            session.ensure_ready(30)
            yield session


def start(name: str, session: simsync.BacktestSession, folder: Path) -> subprocess.Popen[str]:
    """Start a script from ``folder``, where it finds the packages."""
    (folder / "node_modules").symlink_to(CLIENTS / "node_modules")
    script = folder / name
    script.write_text((HERE / name).read_text())
    command = ["node", str(script), session.rpc_endpoint]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def answer(process: subprocess.Popen[str], text: str | None = None) -> dict[str, Any]:
    out, errors = process.communicate(text, timeout=TIMEOUT)
    assert process.returncode == 0, out + errors
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def test_web3_and_spl_token(session: simsync.BacktestSession, tmp_path: Path, called: set[str]) -> None:
    assert answer(start("web3.mjs", session, tmp_path)) == {
        "balance": 10**9,
        "tokens": "2.5",
        "parsed": "2500000",
        "type": "transfer",
        "history": True,
        "block": True,
        "epoch": 0,
        "inner": ["getAccountDataSize", "createAccount", "initializeImmutableOwner", "initializeAccount3"],
        "refused": True,
    }
    assert called == methods_of("web3.js")


def test_web3_survives_the_end_of_a_session(session: simsync.BacktestSession, tmp_path: Path) -> None:
    process = start("web3_end.mjs", session, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "READY"
    session.advance(1000, timeout=30)
    found = answer(process, "done\n")
    assert found["twice"] == 0


def test_kit_sends_and_confirms_after_the_end_of_a_session(session: simsync.BacktestSession, tmp_path: Path) -> None:
    process = start("kit_end.mjs", session, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "READY"
    session.advance(1000, timeout=30)
    assert answer(process, "done\n") == {"balance": 3 * 10**9, "failed": []}


def test_kit_sends_and_confirms(session: simsync.BacktestSession, tmp_path: Path, called: set[str]) -> None:
    assert answer(start("kit.mjs", session, tmp_path)) == {"balance": 10**9}
    assert called == methods_of("kit")
