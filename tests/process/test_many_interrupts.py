"""Ctrl-C at hundreds of random moments: whatever it interrupts, nothing stays locked and no thread is left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from simsync.local import Ledger, Simulator

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 10), reason="Python 3.9 itself may be interrupted between a with statement and its __exit__"
)

UNDER_FIRE = """
import random, signal, threading, time
import simsync

armed, interrupts = False, 0

def interrupt(_number, _frame):
    global armed, interrupts
    if armed:
        armed = False
        interrupts += 1
        raise KeyboardInterrupt

def fire():
    chance = random.Random(1)
    while not over.wait(chance.uniform(0.0, 0.003)):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

signal.signal(signal.SIGINT, interrupt)
over = threading.Event()
gun = threading.Thread(target=fire, daemon=True)
gun.start()
# Closing that waits for a lock would take ten minutes.
client = simsync.Client(options=simsync.Options(close_timeout=600.0))
"""

ENDING = """
over.set()
gun.join()
for thread in threading.enumerate():
    if thread.name.startswith("simsync-") and thread.ident:  # one that was not started is listed for ever
        thread.join(20)
        if thread.is_alive():
            print("left:", thread.name)
"""

ONE_SESSION = f"""{UNDER_FIRE}
with client.session(simsync.CreateSession(1000, slot_count=1000)) as session:
    session.subscribe_transactions()
    while True:
        try:
            armed = interrupts < 200
            for _event in session.events(advance=1, timeout=20):
                pass
            armed = False
            break
        except KeyboardInterrupt:
            pass
    assert session.coverage.complete, session.coverage
assert interrupts == 200, interrupts
{ENDING}
"""

MERGED = (
    ONE_SESSION.replace("client.session", "client.parallel")
    .replace("slot_count=1000", "slot_count=3000")
    .replace("session.subscribe_transactions()", "[sub.subscribe_transactions() for sub in session.sub_sessions]")
    .replace("session.coverage.complete, session.coverage", "all(one.complete for one in session.coverage)")
)

STEPS = f"""{UNDER_FIRE}
with client.session(simsync.CreateSession(1000, slot_count=1000)) as session:
    while interrupts < 200:
        try:
            armed = True
            if not session.ensure_ready(timeout=20):
                break
            session.advance(timeout=20)
            session.rpc.get_slot()
            armed = False
        except KeyboardInterrupt:
            pass
assert interrupts == 200, interrupts
{ENDING}
"""

MANY_SESSIONS = f"""{UNDER_FIRE}
while interrupts < 150:
    session = None
    try:
        armed = True
        with client.session(simsync.CreateSession(1000, slot_count=1000), timeout=20) as session:
            session.subscribe_transactions()
            session.next_event(timeout=20)
            session.advance(timeout=20)
        armed = False
    except KeyboardInterrupt:
        pass
session = None
{ENDING}
"""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(
        Ledger.generate(seed=1, start_slot=1_000, slots=3_000, transactions_per_slot=1, bundle_size=1_000)
    ) as running:
        yield running


@pytest.mark.parametrize(
    "program", [ONE_SESSION, MERGED, STEPS, MANY_SESSIONS], ids=["one session", "merged", "steps", "many sessions"]
)
def test_nothing_hangs_and_nothing_is_left(simulator: Simulator, program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
