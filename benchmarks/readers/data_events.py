"""simsync: the transactions of one sub-session, out of ``session.events()`` together with its slots."""

from __future__ import annotations

import zlib

from benchmarks.readers.loops import coverage_problems, open_session, start, wait_until_subscribed
from benchmarks.readers.run import Run, Stopwatch, transaction_problems
from benchmarks.stream import Stream
from benchmarks.traffic import FIRST_SLOT
from benchmarks.transactions import PER_SLOT


def read_slots_only(stream: Stream) -> Run:
    """Of each transaction nothing but its slot."""
    from simsync import Transaction

    watch = Stopwatch()
    with open_session(stream, compression=False) as session:
        session.sub_sessions[0].subscribe_transactions()
        wait_until_subscribed(session)
        received = misplaced = 0
        watch.start()
        start(session, stream)
        for _sub, event in session.events():
            if type(event) is Transaction:
                if event.slot != FIRST_SLOT + received // PER_SLOT:
                    misplaced += 1
                received += 1
        problems = transaction_problems(stream.transactions, received, None, 0) + coverage_problems(session)
        if misplaced:
            problems.append(f"{misplaced} transactions were not of the slot that was due")
        return watch.stop(stream.transactions, problems)


def read_every_field(stream: Stream) -> Run:
    return _read_every_field(stream, compression=False)


def read_every_packed_field(stream: Stream) -> Run:
    """The same with zstd."""
    return _read_every_field(stream, compression=True)


def _read_every_field(stream: Stream, *, compression: bool) -> Run:
    from simsync import Transaction

    watch = Stopwatch()
    with open_session(stream, compression=compression) as session:
        session.sub_sessions[0].subscribe_transactions()
        wait_until_subscribed(session)
        received = crc = 0
        watch.start()
        start(session, stream)
        for _sub, event in session.events():
            if type(event) is Transaction:
                crc = zlib.crc32(event.signature.encode(), crc)
                _fields = (
                    event.error,
                    event.logs,
                    event.fee,
                    event.compute_units,
                    event.version,
                    event.block_time,
                    event.account_keys,
                    event.pre_balances,
                    event.post_balances,
                    event.pre_token_balances,
                    event.post_token_balances,
                )
                received += 1
        problems = transaction_problems(stream.transactions, received, crc, stream.signatures)
        return watch.stop(stream.transactions, problems + coverage_problems(session))
