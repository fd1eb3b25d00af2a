"""What a program waits for before its first session begins: only the libraries that the session needs."""

from __future__ import annotations

import os
import subprocess
import sys

from simsync.local import Ledger, Simulator

PROGRAM = """
import sys
import simsync

def imported():
    names = ("requests", "urllib3", "urllib.request", "http.client", "dataclasses_json", "tenacity", "zstandard",
             "simsync.run", "simsync.reports", "simsync.programs", "simsync.protocol.subscription")
    return [name for name in names if name in sys.modules]

with simsync.Client().session(simsync.CreateSession(1_000, 1_003)) as session:
    session.ensure_ready()
    print(imported())
    print(session.rpc.get_slot() >= 999, "requests" in imported())
"""


def test_a_session_waits_for_no_library_of_http_of_retries_or_of_subscriptions() -> None:
    ledger = Ledger.generate(seed=1, start_slot=1_000, slots=4, transactions_per_slot=1)
    with Simulator(ledger) as simulator:
        settings = {"SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}
        without_proxies = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**without_proxies, **settings}, capture_output=True, check=False
        )
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == ["[]", "True True"]
