"""A fork has none of its parent's threads: it gets a clear error, and the parent is unharmed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from simsync.local import Ledger, Simulator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PROGRAM = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads
import simsync

CALLS = {
    "next_event": lambda session: session.next_event(timeout=5),
    "events": lambda session: list(session.events(timeout=5)),
    "pending": lambda session: list(session.pending()),
    "send_continue": lambda session: session.send_continue(timeout=5),
    "advance": lambda session: session.advance(timeout=5),
    "ensure_ready": lambda session: session.ensure_ready(timeout=5),
    "subscribe": lambda session: session.subscribe_transactions(),
}
with simsync.Client().session(simsync.CreateSession(1000, slot_count=10)) as session:
    session.ensure_ready(timeout=20)
    session.rpc.get_slot()
    if not os.fork():
        for name, call in CALLS.items():
            try:
                call(session)
            except simsync.ControlFailed as error:
                assert "make a Client and a session in the process that uses them" in str(error)
                print(name, "refused", flush=True)
        print("slot", session.rpc.get_slot(), flush=True)
        sys.exit()  # leaves the with statement, which must not end the parent's session
    _pid, status = os.wait()
    print("child ended with", status, flush=True)
    print(type(list(session.events(advance=5, timeout=20))[-1]).__name__)
"""

MERGED = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import simsync

with simsync.Client().parallel(simsync.CreateSession(1000, slot_count=10)) as session:
    child = None
    try:
        for number, _event in enumerate(session.events(advance=5)):
            if number == 3:
                child = os.fork()
    except simsync.ControlFailed:
        print("refused", flush=True)
        os._exit(0)
    os.wait()
    print(session.run_summary.complete)
"""


ENDING_CHILD = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import simsync

session = simsync.Client().session(simsync.CreateSession(1000, slot_count=10))
session.ensure_ready(timeout=20)
if os.fork():
    print("child ended with", os.wait()[1], flush=True)
    print(type(list(session.events(advance=5, timeout=20))[-1]).__name__)
    session.close()
# The child ends with the session open.
"""


def printed_by(program: str, bundle_size: int) -> list[str]:
    """The lines that a program prints that has a simulator, once it has ended well."""
    with Simulator(Ledger.generate(slots=10, transactions_per_slot=1, bundle_size=bundle_size)) as simulator:
        environment = {**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_child_that_ends_leaves_the_session_open() -> None:
    assert printed_by(ENDING_CHILD, bundle_size=10) == ["child ended with 0", "Completed"]


def test_a_fork_inside_a_merged_loop() -> None:
    assert printed_by(MERGED, bundle_size=5) == ["refused", "True"]


def test_a_fork_is_refused_and_the_parent_goes_on() -> None:
    calls = ("next_event", "events", "pending", "send_continue", "advance", "ensure_ready", "subscribe")
    assert printed_by(PROGRAM, bundle_size=10) == [
        *(f"{call} refused" for call in calls),
        "slot 1000",
        "child ended with 0",
        "Completed",
    ]
