"""When the key is wrong or nothing answers: one sentence that says what to do, and an exit code for the shell."""

from __future__ import annotations

import sys

import simsync

try:
    with simsync.Client().session(simsync.CreateSession(1_000, 1_009), timeout=600) as session:
        run = session.collect()
except simsync.AuthenticationError as error:
    print(f"HTTP {error.status}: check SIMULATOR_API_KEY ({error})")
    sys.exit(3)
except simsync.SimsyncError as error:
    print(f"{error} ({'try again later' if error.retryable else 'trying again does not help'})")
    sys.exit(1)
print(f"{len(run)} events, {'complete' if run.complete else run.summary.reasons}")
