"""Stop in the debugger right before the slot in which a transaction fails, with the state of that moment."""

from __future__ import annotations

import simsync

PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
CREATE = simsync.CreateSession(1_050, 1_079)

with simsync.Client() as client:
    with client.session(CREATE) as session:
        session.subscribe_transactions([PROGRAM])
        failures = session.collect().failures
    failure = next(one for one in failures if one.slot > CREATE.start_slot)
    with client.session(CREATE) as session:
        session.ensure_ready(timeout=600)
        session.continue_to(failure.slot)
        accounts = dict(zip(failure.account_keys, session.rpc.get_multiple_accounts(failure.account_keys)))
        breakpoint()  # try: p accounts, or p session.rpc.simulate_transaction(failure).logs
        step = session.advance()
        print(f"slot {step.last_slot}: {failure.signature[:16]} failed: {failure.error_text}")
