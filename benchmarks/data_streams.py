"""Transactions/s of many subscriptions at once beside those of one.

    python -m benchmarks.data_streams [--streams 16] [--transactions 32000] [--rounds 5]

One session subscribes once, or so many times; both ways it gets as many transactions together. Connecting is not
measured. The process that reads is the one that measures, the server has one of its own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from contextlib import ExitStack

from benchmarks import streams
from benchmarks.readers.loops import open_session, start, wait_until_subscribed
from benchmarks.runs import ServerCommand, WrongEvents, serving
from benchmarks.stream import Stream


def read(stream: Stream, subscriptions: int) -> tuple[float, float]:
    """Transactions per second, and microseconds of the processor for each."""
    from simsync import Transaction

    with open_session(stream, compression=False) as session:
        (sub,) = session.sub_sessions
        for _each in range(subscriptions):
            sub.subscribe_transactions()
        wait_until_subscribed(session)
        received = 0
        began, spent = time.perf_counter(), time.process_time()
        start(session, stream)
        for _sub, event in session.events():
            received += type(event) is Transaction
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
    if received != stream.transactions * subscriptions:
        raise WrongEvents(f"{received} transactions of {stream.transactions} × {subscriptions}")
    return received / seconds, spent / received * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--transactions", type=int, default=32_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not streams.has_data():
        print(f"no recorded transactions in {streams.data_folder()}: set SIMSYNC_TEST_DATA", file=sys.stderr)
        return 2
    ways = (1, arguments.streams)
    runs: dict[int, list[tuple[float, float]]] = {number: [] for number in ways}
    with ExitStack() as servers:
        served = {}
        for number in ways:
            command = ServerCommand("data-plane", arguments.transactions // number, data=str(streams.data_folder()))
            served[number] = servers.enter_context(serving(command))
        for _round in range(arguments.rounds):
            for number, stream in served.items():
                runs[number].append(read(stream, number))
    print(f"{arguments.transactions} transactions, medians of {arguments.rounds} rounds")
    print("| streams | transactions/s | µs of the processor |")
    print("| --- | --- | --- |")
    for number, made in runs.items():
        rate, cost = (statistics.median(values) for values in zip(*made))
        print(f"| {number} | {rate:,.0f} | {cost:.1f} |")
    ratios = [many[0] / one[0] for one, many in zip(*runs.values())]
    print(f"{arguments.streams} streams ÷ one: {statistics.median(ratios):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
