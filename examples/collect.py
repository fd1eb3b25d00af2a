"""All transactions of a range as a table, and the same run in a file that is queried with SQL.

As it is, it starts the embedded simulator; for another one set SIMULATOR_URL and SIMULATOR_API_KEY and give the first
and the last slot as arguments.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import simsync
from simsync.local import Ledger, Simulator

START, END = (int(slot) for slot in (sys.argv[1:] or (1_000, 1_039)))

with contextlib.ExitStack() as stack:
    client = simsync.Client() if os.environ.get("SIMULATOR_URL") else None
    if client is None:
        ledger = Ledger.generate(start_slot=START, slots=END - START + 1, transactions_per_slot=5, bundle_size=10)
        simulator = stack.enter_context(Simulator(ledger))
        client = simsync.Client(simulator.url, simulator.api_key)

    with client.parallel(simsync.CreateSession(START, END)) as session:
        session.subscribe_transactions()
        run = session.collect(advance=10)
    table = run.to_pandas(simsync.Transaction)
    print(f"{len(table)} transactions, {len(run.failures)} failed, {table['fee'].sum()} lamports of fees")
    print("complete" if run.complete else f"INCOMPLETE: {run.summary.reasons}")

    folder = stack.enter_context(tempfile.TemporaryDirectory())
    recording = simsync.record(
        simsync.CreateSession(START, END), Path(folder, "run.ndjson.gz"), client=client, parallel=True
    )
    for row in recording.sql(
        "select error, count(*) n, sum(fee) fees from transactions group by error order by n desc"
    ):
        print(row)
    print("complete" if recording.complete else f"INCOMPLETE: {recording.incomplete_because}")
