"""What if a pool had been empty? The same slots with another balance, and the transactions that end differently."""

from __future__ import annotations

import tempfile
from pathlib import Path

import simsync
from simsync.run import Comparison

MINT, OWNER = "3fmLFhLC95HVjSpr97kAvShyEiG9ACPdwNTgY6no4aTN", "GaPzy8WT1QT9DiSZfnndkLLkvAtioaKCi7QxpEEcS6wW"
POOL = "6q36eUeEvccAU62zHgRW8wPUYKQmwV5z1CLKbtamdprP"  # the token account of OWNER for MINT
EMPTY = {1_051: {POOL: simsync.accounts.token_account(MINT, OWNER, 0)}}

with tempfile.TemporaryDirectory() as folder:
    before, after = Path(folder, "before.ndjson"), Path(folder, "after.ndjson")
    simsync.record(simsync.CreateSession(1_050, 1_079), before)
    simsync.record(simsync.CreateSession(1_050, 1_079, overrides=EMPTY), after)
    with Comparison(before, after) as comparison:
        print(f"{comparison.totals().matched} transactions, {comparison.totals().regressions} newly fail")
        for one in comparison.differences("regressions"):
            print(f"slot {one.slot} {one.signature[:16]}: {one.after}")
