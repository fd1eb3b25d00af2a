"""A process that is killed in the middle of a run, and another one that goes on: every event once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

import simsync
from simsync.local import Ledger, Simulator

PROGRAM = """
import sys
import simsync
client = simsync.Client(options=simsync.Options(continue_grace=1.0))
create = simsync.CreateSession(1000, slot_count=12)
if len(sys.argv) == 1:
    session = client.session(create)
else:
    session = client.attach(sys.argv[1], int(sys.argv[2]), create=create)
print(session.session_id, flush=True)
with session:
    for event in session.events(advance=3):
        print(session.last_sequence, repr(event), flush=True)
    print("complete" if session.coverage.complete else session.coverage.reason)
"""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    ledger = Ledger.generate(seed=2, start_slot=1_000, slots=12, transactions_per_slot=2, bundle_size=12)
    with Simulator(ledger, slot_delay=0.02) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(simulator: Simulator) -> list[str]:
    client = simsync.Client(simulator.url, simulator.api_key)
    with client.session(simsync.CreateSession(1_000, slot_count=12)) as session:
        return [repr(event) for event in session.events(advance=3)]


# feature: attach by id and cursor
@pytest.mark.parametrize(
    "killed_after", [1, 9, pytest.param(4, marks=pytest.mark.thorough), pytest.param(16, marks=pytest.mark.thorough)]
)
def test_the_second_process_goes_on_after_the_last_event_of_the_first(
    simulator: Simulator, undisturbed: list[str], killed_after: int
) -> None:
    environment = {**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        session_id = first.stdout.readline().strip()
        handled = [first.stdout.readline() for _ in range(killed_after)]
        first.send_signal(signal.SIGKILL)
        handled += first.stdout.readlines()
    assert first.returncode == -signal.SIGKILL
    if not handled[-1].endswith("\n"):
        handled.pop()  # the last line was cut off
    last_sequence = handled[-1].split()[0]
    second = subprocess.run(
        [sys.executable, "-c", PROGRAM, session_id, last_sequence],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 0, second.stderr
    same_session, *rest, coverage = second.stdout.splitlines()
    assert (same_session, coverage) == (session_id, "complete")
    assert [line.strip().split(" ", 1)[1] for line in [*handled, *rest]] == undisturbed
