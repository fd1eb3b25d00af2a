"""Run only until something happens: the first failure of a transaction that a wallet has paid."""

from __future__ import annotations

import simsync

WALLET = "4JGBtnkcBUBKEpyUVVhn8Qh4Ba3AYsYHZnRMiKZNkTjD"

with simsync.Client().session(simsync.CreateSession(1_050, 1_079)) as session:
    session.subscribe_transactions()
    for event in session.events(advance=1, deadline=600):
        if isinstance(event, simsync.Transaction) and event.error and event.account_keys[0] == WALLET:
            print(f"slot {event.slot}: {event.signature}\n{event.error_text}")
            print(*event.logs, sep="\n")
            break
    else:
        print("nothing failed")
