"""Lost connections by a seed: does a run with hundreds of them deliver exactly what an undisturbed run delivers?

    python -m benchmarks.random_drops --seeds 50

Sixteen sub-sessions of the embedded simulator, each with transactions, account diffs and action results subscribed.
For each seed 200 drops are spread over the control connection and the data connections. Compared are, for each
sub-session, the control events and each subscription's events: the same ones, in the same order. Exits with 1 when
anything differs.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from typing import Any

import simsync
from benchmarks.every_stream import BUNDLE, FIRST, OPTIONS, SYSTEM_PROGRAM, TOKEN_PROGRAM, described, quote
from simsync.local import Faults, Ledger, Simulator

CREATE_MESSAGES = 4
"""For each sub-session. Drops begin behind the create: one that is lost begins anew, which takes no re-attaching."""

Streams = dict[tuple[int, str], list[Any]]


def ledger(sub_sessions: int) -> Ledger:
    return Ledger.generate(
        seed=9, start_slot=FIRST, slots=sub_sessions * BUNDLE, transactions_per_slot=4, bundle_size=BUNDLE
    )


def run(blocks: Ledger, faults: Faults, options: simsync.Options = OPTIONS) -> tuple[Streams, int]:
    """The events by sub-session and stream, and how often the control connection was re-attached."""
    streams: Streams = defaultdict(list)
    slots = blocks.end_slot - blocks.start_slot + 1
    create = simsync.CreateSession(FIRST, slot_count=slots, actions=[quote()])
    with Simulator(blocks, faults=faults) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        with client.parallel(create, timeout=60) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
                sub.subscribe_account_diffs([SYSTEM_PROGRAM])
                sub.subscribe_account_diffs([TOKEN_PROGRAM])
                sub.subscribe_actions()
            for sub, event in session.events(advance=3, timeout=60):
                kind, content = described(event)
                streams[sub.start_slot, kind].append(content)
            return dict(streams), session.reconnects


def plan(seed: int, drops: int, sub_sessions: int, control_messages: int, notifications: int) -> Faults:
    """Half of the drops for each kind of connection, at places drawn from the seed."""
    drawn = random.Random(seed)
    faults = Faults()
    first = CREATE_MESSAGES * sub_sessions
    last = max(control_messages, first + drops // 2)
    for number in drawn.sample(range(first, last), drops // 2):
        faults.drop_control(after=number)
    for number in drawn.sample(range(1, notifications + 1), drops - drops // 2):
        faults.drop_data_at(number)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--drops", type=int, default=200)
    parser.add_argument("--sub-sessions", type=int, default=16)
    arguments = parser.parse_args()
    blocks = ledger(arguments.sub_sessions)
    counting = Faults()
    expected, _reconnects = run(blocks, counting)
    kinds = Counter(kind for (_start, kind), events in expected.items() for _event in events)
    print(f"undisturbed: {sum(kinds.values())} events, {dict(kinds)}")
    wrong = 0
    total = 0
    for seed in range(arguments.seeds):
        began = time.monotonic()
        counted = counting.control_messages_sent, counting.notifications_sent
        faults = plan(seed, arguments.drops, arguments.sub_sessions, *counted)
        found, reconnects = run(blocks, faults)
        total += len(faults.fired)
        same = found == expected
        wrong += not same
        took = time.monotonic() - began
        verdict = "equal" if same else "WRONG"
        print(f"seed {seed}: {len(faults.fired)} drops, {reconnects} re-attached, {verdict}, {took:.1f} s")
    print(f"{arguments.seeds - wrong} of {arguments.seeds} seeds equal, {total} drops")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
