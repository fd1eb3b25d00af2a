"""A nightly job: it records a range, continues where an interrupted night has stopped, and ends with an exit code.

15 2 * * *  . /etc/backtests/key && /opt/backtests/venv/bin/python nightly.py /var/lib/backtests/nightly.ndjson.gz
"""

from __future__ import annotations

import sys

import simsync
from simsync.run import OutputBusy

CREATE = simsync.CreateSession(1_000, 1_079)

try:
    run = simsync.record(CREATE, sys.argv[1], parallel=True, resume=True, deadline=7_200)
except OutputBusy:
    sys.exit(4)  # the job of the last night is still running
except simsync.SimsyncError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(f"{run.path}: {run.summary['total_transactions']} transactions, {run.incomplete_because or 'complete'}")
sys.exit(not run.complete)
