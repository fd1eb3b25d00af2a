"""Would failed transactions have succeeded later? Each is simulated on the state one, five and ten slots after it."""

from __future__ import annotations

from collections import Counter

import simsync

CREATE = simsync.CreateSession(1_050, 1_079)
LATER = (1, 5, 10)

with simsync.Client() as client:
    with client.session(CREATE) as session:
        session.subscribe_transactions()
        failures = session.collect().failures
    tried, saved = Counter[int](), Counter[int]()
    with client.session(CREATE) as session:
        for slot in session.steps():
            for event in failures:
                if slot - event.slot in LATER:
                    tried[slot - event.slot] += 1
                    saved[slot - event.slot] += session.rpc.simulate_transaction(event).error is None
for slots in LATER:
    print(f"{slots} slots later: {saved[slots]} of {tried[slots]} would have succeeded")
