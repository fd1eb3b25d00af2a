"""A program that ends without closing anything: it ends soon, and the server does not keep its session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import simsync
from simsync.local import Ledger, Simulator

from ..runtime.scripted_control import Talk, scripted

PROMPTLY = 30.0
"""Seconds in which a process must be gone; half of the close timeout below, after which it gives up on the server."""

OPEN = """
import sys, threading
import simsync
client = simsync.Client(options=simsync.Options(close_timeout=60.0))
session = client.session(simsync.CreateSession(1000, slot_count=20))
session.subscribe_transactions()
print(session.rpc_endpoint, flush=True)
"""

ENDINGS = {
    "the end of the program": (OPEN, 0),
    "sys.exit in a loop": (OPEN + "for event in session.events(advance=1): sys.exit(3)", 3),
    "a daemon thread that waits": (
        OPEN + "session.ensure_ready()\nthreading.Thread(target=lambda: list(session.events()), daemon=True).start()",
        0,
    ),
    "in a cycle of references": (OPEN + "session.myself = session; del session", 0),
    "deleted at the end of a function": ("def main():\n" + OPEN.replace("\n", "\n    ") + "\nmain()", 0),
    "deleted after a step": (OPEN + "session.advance(3); del session", 0),
    "a token fired at the end": (
        OPEN.replace("slot_count=20)", "slot_count=20), cancel=(token := simsync.CancelToken())") + "token.cancel()",
        0,
    ),
    "a parallel session": (
        OPEN.replace("session = client.session", "whole = client.parallel").replace(
            "session.sub", "session = whole.sub_sessions[0]; session.sub"
        ),
        0,
    ),
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(seed=1, start_slot=1_000, slots=20, transactions_per_slot=2)) as running:
        yield running


def ended(program: str, url: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *flags, "-c", program],
        env={**os.environ, "SIMULATOR_URL": url, "SIMULATOR_API_KEY": "local-dev-key"},
        capture_output=True,
        text=True,
        timeout=PROMPTLY,
        check=False,
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_server_is_told(simulator: Simulator, ending: str) -> None:
    program, code = ENDINGS[ending]
    done = ended(program, simulator.url, "-W", "always::ResourceWarning")
    assert done.returncode == code, done.stderr
    assert "was not closed" in done.stderr
    for complaint in ("simsync-", "Exception ignored", "Fatal", "RuntimeError"):
        assert complaint not in done.stderr, done.stderr
    for endpoint in done.stdout.splitlines():
        with pytest.raises(simsync.HttpStatusError, match="404"):
            simsync.Rpc(endpoint).get_slot()


CHILD = """
import sys, threading, time
import multiprocessing
import simsync
kept = []
def names_on_stack():
    frame, names = sys._current_frames()[threading.main_thread().ident], set()
    while frame:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names
def job(how):
    client = simsync.Client(options=simsync.Options(close_timeout=60.0))
    session = client.session(simsync.CreateSession(1000, slot_count=20))
    session.advance(3)
    print(session.rpc_endpoint, flush=True)
    if how != "deleted":
        kept.append(session)
    if how == "used by a thread":
        released = threading.Event()
        threading.Thread(target=lambda: released.wait() and session.advance(3)).start()
        released.set()
    if how == "used by a thread of a thread":
        def go_on(first):
            first.join()
            for _ in range(5):
                session.advance(3)
        def start_another():
            while not {"_close_all_in_a_child", "_shutdown"} & names_on_stack():
                time.sleep(0.01)  # until the main thread waits for this one
            threading.Thread(target=go_on, args=(threading.current_thread(),)).start()
        threading.Thread(target=start_another).start()
if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[1]).Process(target=job, args=(sys.argv[2],))
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("method", "how"),
    [
        ("fork", "deleted"),
        ("fork", "kept"),
        ("fork", "used by a thread"),
        ("fork", "used by a thread of a thread"),
        ("forkserver", "kept"),
        ("spawn", "used by a thread"),
        pytest.param("forkserver", "deleted", marks=pytest.mark.thorough),
        pytest.param("forkserver", "used by a thread", marks=pytest.mark.thorough),
        pytest.param("spawn", "deleted", marks=pytest.mark.thorough),
        pytest.param("spawn", "kept", marks=pytest.mark.thorough),
    ],
)
def test_a_child_of_multiprocessing_tells_the_server(
    simulator: Simulator, tmp_path: Path, method: str, how: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(CHILD)
    done = subprocess.run(
        [sys.executable, str(program), method, how],
        env={**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key},
        capture_output=True,
        text=True,
        timeout=PROMPTLY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    with pytest.raises(simsync.HttpStatusError, match="404"):
        simsync.Rpc(done.stdout.strip()).get_slot()


def test_what_a_handler_of_the_caller_closes_is_not_closed_again(simulator: Simulator) -> None:
    program = f"import atexit\n{OPEN}\natexit.register(session.close)"
    done = ended(program, simulator.url, "-W", "always::ResourceWarning")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_warning_that_is_an_error_keeps_nothing_open(simulator: Simulator) -> None:
    program = OPEN + "other = client.session(simsync.CreateSession(1000, slot_count=20)); print(other.rpc_endpoint)"
    done = ended(program, simulator.url, "-W", "error::ResourceWarning")
    assert "ResourceWarning: <BacktestSession" in done.stderr
    for endpoint in done.stdout.splitlines():
        with pytest.raises(simsync.HttpStatusError, match="404"):
            simsync.Rpc(endpoint).get_slot()


def test_a_closed_session_may_live_longer_than_the_modules(simulator: Simulator) -> None:
    """Without a GIL, an object may be deleted later than where the last reference to it is given up."""
    done = ended(OPEN + "session.close()\nimport os\nos.kept = [session, dict(sys.modules)]", simulator.url)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_mute_server_is_waited_for_no_longer_than_close_timeout() -> None:
    def mute(talk: Talk) -> None:
        talk.create()
        talk.expect_end()

    program = """
import simsync
client = simsync.Client(options=simsync.Options(close_timeout=0.2))
sessions = [client.parallel(simsync.CreateSession(1, 9)) for _ in range(3)]
"""
    with scripted(mute, mute, mute) as url:
        done = ended(program, url)
    assert done.returncode == 0, done.stderr


def test_a_session_that_is_being_created_is_ended_too() -> None:
    def creating(talk: Talk) -> None:
        talk.expect("createBacktestSession")
        talk.goodbye()

    program = """
import threading
import simsync
asked = threading.Event()
options = simsync.Options(close_timeout=60.0, on_frame=lambda frame: frame.kind == "text" and asked.set())
client = simsync.Client(options=options)
threading.Thread(target=lambda: client.session(simsync.CreateSession(1, 9)), daemon=True).start()
asked.wait()
"""
    with scripted(creating) as url:
        done = ended(program, url)
    assert done.returncode == 0, done.stderr
