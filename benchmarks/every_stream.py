"""What the runs with faults have in common: three kinds of subscriptions, one scheduled action, and their events.

Nothing here needs the embedded simulator, which may run in a process of another Python.
"""

from __future__ import annotations

from typing import Any

import simsync

SYSTEM_PROGRAM = "11111111111111111111111111111111"
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
FIRST, BUNDLE = 1_000, 8

PAYER, FRIEND = "4zvwRjXUKGfvwnParsHAS3HuSVzV5cA4McphgmoCtajS", "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi"
PAYMENT = (
    "ASgrmh1E+Zs4tbIrB6zV8glv52zhgvkUh8TFiWQcSHk6WHNumKoQBTyDIVMOPvV7YUYsKmnVMhHXE6yA1iu6RA0BAAEDO2onvM62pC1io6jQKm8N"
    "c2UyFXcd4kOmOsBIoYtZ2ikBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAgIAAQwCAAAA6AMAAAAAAAA="
)
"""A transaction of 1,000 lamports from the payer, whose key is made of 32 zeros, to the friend."""

OPTIONS = simsync.Options(
    dialect=simsync.Dialect.for_generation("0.13"),  # lists of transactions
    backoff_initial=0.001,
    backoff_max=0.05,
    continue_grace=0.1,
    reconnect_attempts=1_000,
    drain_idle=30.0,
)


def quote() -> simsync.ScheduledAction:
    return simsync.ScheduledAction(
        simsync.Anchor("after_every_slot", every=1),
        transactions=[PAYMENT],
        account_overrides={PAYER: simsync.AccountData(1_000_000_000)},
        return_accounts=[FRIEND],
        label="quote",
    )


def described(event: simsync.Event) -> tuple[str, Any]:
    """The stream that an event belongs to, and its content."""
    if isinstance(event, simsync.Transaction):
        return "transactions", event.raw
    if isinstance(event, simsync.AccountDiff):
        state = event.before or event.after
        return f"diffs of {state.owner if state else None}", event.raw
    if isinstance(event, simsync.ActionResult):
        return "actions", event.raw
    return "control", repr(event)
