"""The embedded simulator in a process of its own, which misbehaves at random when it is told to.

It loses connections, continues and requests, it repeats, delays and spoils messages, it stalls and refuses; a client
has to deliver the same events all the same. Two faults are left out, as they mean something else: a second copy of a
notification on a living connection is a second notification, and a clean close behind ``completed`` is an end.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
from collections import Counter
from typing import Callable

from benchmarks.random_drops import ledger
from simsync.local import Faults, Simulator

PAUSE = 0.05
"""Seconds between two faults on average."""


def misbehave(faults: Faults, chance: random.Random) -> None:
    """Plan one fault a few messages ahead."""
    control = faults.control_messages_sent + chance.randint(1, 20)
    data = faults.notifications_sent + chance.randint(1, 40)
    continues = faults.continues_received + chance.randint(1, 5)
    plans: list[Callable[[], object]] = [
        lambda: faults.drop_control(after=control),
        lambda: faults.drop_control(before=control),
        lambda: faults.duplicate_control(control),
        lambda: faults.garbage_control(control),
        lambda: faults.delay_control(control, chance.uniform(0.0, 0.05)),
        lambda: faults.lose_continue(continues),
        lambda: faults.drop_after_continue(continues),
        lambda: faults.refuse_upgrade(503, chance.randint(1, 3), chance.choice(["control", "data"])),
        lambda: faults.drop_data_at(data),
        lambda: faults.delay_data(data, chance.uniform(0.0, 0.05)),
        lambda: faults.corrupt_data(data),
        lambda: faults.stall_data(after=data),
        lambda: faults.drop_at_terminal(),
    ]
    chance.choice(plans)()
    if chance.random() < 0.2:
        faults.release_data()


def refuse_a_request(faults: Faults, chance: random.Random) -> None:
    """Of the RPC: a question about a continue, perhaps. Several in a row would end the run, and rightly so."""
    if chance.random() < 0.5:
        faults.refuse_http(503, path="/backtest/")
    else:
        faults.drop_http(path="/backtest/")


def serve(sub_sessions: int, seed: int) -> None:
    """Print the address; each line of input switches the faults on or off and prints what has happened before."""
    faults = Faults()
    chance = random.Random(seed)
    over = threading.Event()
    misbehaving = threading.Event()

    def misbehave_on_and_on() -> None:
        while not over.wait(chance.uniform(0.0, 2 * PAUSE)):
            if misbehaving.is_set():
                misbehave(faults, chance)

    thread = threading.Thread(target=misbehave_on_and_on)
    thread.start()
    with Simulator(ledger(sub_sessions), faults=faults) as simulator:
        print(json.dumps({"url": simulator.url, "api_key": simulator.api_key}), flush=True)
        for line in sys.stdin:
            misbehaving.clear()
            fired = Counter(faults.fired)
            faults.reset()
            if line.strip() == "misbehave":
                refuse_a_request(faults, chance)
                misbehaving.set()
            print(json.dumps(fired), flush=True)
        over.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sub-sessions", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    serve(arguments.sub_sessions, arguments.seed)


if __name__ == "__main__":
    main()
