"""Starting and closing again and again: no thread, descriptor, object or memory is left over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simsync.local import Ledger, Simulator

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")

PROGRAM = """
import gc, os, sys, threading
import simsync

client = simsync.Client()
whole, one = simsync.CreateSession(1000, slot_count=8), simsync.CreateSession(1000, slot_count=4)

def cycle(number):
    if number % 2:
        with client.parallel(whole, timeout=20) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
            if number % 4 == 1:
                next(session.events(timeout=20))
    else:
        with client.session(one, timeout=20) as session:
            session.rpc.get_slot()
            session.advance(timeout=20)

def figures():
    for thread in threading.enumerate():  # a dial that was broken off ends, and lets go, a moment later
        if thread is not threading.current_thread():
            thread.join(20)
    gc.collect()
    pages = int(open("/proc/self/statm").read().split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))
    return threading.active_count(), descriptors, len(gc.get_objects()), pages * os.sysconf("SC_PAGE_SIZE")

for number in range(40):
    cycle(number)
before = figures()
for number in range(int(sys.argv[1])):
    cycle(number)
print(*(after - first for first, after in zip(before, figures())))
"""


def test_nothing_grows(thorough: bool) -> None:
    cycles = 1_000 if thorough else 100
    with Simulator(Ledger.generate(slots=8, transactions_per_slot=1, bundle_size=4)) as simulator:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(cycles)],
            env={**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    threads, descriptors, objects, memory = map(int, done.stdout.split())
    assert (threads, descriptors) == (0, 0)
    assert objects < cycles / 2  # one object a cycle would be a leak
    assert memory < 4_000_000
