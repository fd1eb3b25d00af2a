"""A strategy that decides every ten slots, from the state: buy if a pool has lost tokens, else sell."""

from __future__ import annotations

import simsync

POOL = "GaPzy8WT1QT9DiSZfnndkLLkvAtioaKCi7QxpEEcS6wW"
MINT = "3fmLFhLC95HVjSpr97kAvShyEiG9ACPdwNTgY6no4aTN"

with simsync.Client().session(simsync.CreateSession(1_050, 1_079)) as session:
    session.ensure_ready(timeout=600)
    position, before = 0, session.rpc.get_token_balance(POOL, MINT)
    for slot in session.steps(every=10):
        reserve = session.rpc.get_token_balance(POOL, MINT)
        position += 1 if reserve < before else -1
        print(f"slot {slot}: the pool has {reserve:,} ({reserve - before:+,}), position {position:+}")
        before = reserve
    print(session.coverage.reason)
