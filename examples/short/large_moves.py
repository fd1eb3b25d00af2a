"""An alert whenever a token account gains or loses much at once."""

from __future__ import annotations

import simsync
from simsync.accounts import TOKEN_PROGRAM, is_token_account, read_token_account

MUCH = 20_000_000  # base units of the mint


def amount(state: simsync.AccountState | None) -> int:
    return read_token_account(state).amount if state is not None and is_token_account(state) else 0


with simsync.Client().session(simsync.CreateSession(1_050, 1_079)) as session:
    session.subscribe_account_diffs([TOKEN_PROGRAM])
    for event in session.events(advance=10):
        if isinstance(event, simsync.AccountDiff):
            change = amount(event.after) - amount(event.before)
            if abs(change) >= MUCH:
                print(f"slot {event.slot}: {event.account} {change:+,}")
