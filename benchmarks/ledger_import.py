"""Memory and time of importing recorded blocks, and of loading the ledger that comes of them.

    python -m benchmarks.ledger_import [--blocks 20] [--transactions 1500]

Writes made-up ``getBlock`` replies with the shapes of mainnet into a temporary folder: votes, transfers, and swaps with
lookup tables, inner instructions and logs. Each step runs in a process of its own, whose time and peak memory are
printed. Exit status 1 when a ledger does not hold every transaction.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature

FIRST_SLOT = 312_000_000
VOTE = "Vote111111111111111111111111111111111111111"


class Shape(NamedTuple):
    """One kind of transaction: its share, and how much each has."""

    share: float
    keys: int
    loaded: int
    instructions: int
    inner: int
    logs: int
    tokens: int
    data: int


SHAPES = (
    Shape(0.65, 3, 0, 1, 0, 2, 0, 150),
    Shape(0.2, 8, 0, 3, 1, 8, 2, 12),
    Shape(0.15, 14, 18, 5, 9, 50, 8, 40),
)


class Writer:
    """Makes replies; the same seed makes the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._wallets = [self._key() for _ in range(20_000)]

    def _bytes(self, count: int) -> bytes:
        return self._random.getrandbits(8 * count).to_bytes(count, "little")

    def _key(self) -> str:
        return str(Pubkey.from_bytes(self._bytes(32)))

    def block(self, slot: int, transactions: int) -> dict[str, Any]:
        hashes = [str(Hash.hash(b"%d" % number)) for number in (slot - 1, slot)]
        shapes = self._random.choices(SHAPES, [shape.share for shape in SHAPES], k=transactions)
        return {
            "previousBlockhash": hashes[0],
            "blockhash": hashes[1],
            "parentSlot": slot - 1,
            "blockHeight": slot - 20_000_000,
            "blockTime": 1_737_000_000 + slot % 1_000_000 * 2 // 5,
            "transactions": [self._transaction(shape, hashes[0]) for shape in shapes],
        }

    def _instruction(self, shape: Shape) -> dict[str, Any]:
        total = shape.keys + shape.loaded
        return {
            "programIdIndex": shape.keys - 1,
            "accounts": [self._random.randrange(total) for _ in range(min(total, 12))],
            "data": str(Signature.from_bytes(self._bytes(64)))[: shape.data] * (1 + shape.data // 88),
            "stackHeight": None,
        }

    def _transaction(self, shape: Shape, blockhash: str) -> dict[str, Any]:
        total = shape.keys + shape.loaded
        names = [*self._random.sample(self._wallets, total - 1), VOTE]
        balances = [self._random.randrange(10**12) for _ in names]
        message: dict[str, Any] = {
            "header": {"numRequiredSignatures": 1, "numReadonlySignedAccounts": 0, "numReadonlyUnsignedAccounts": 1},
            "accountKeys": names[shape.loaded :],
            "recentBlockhash": blockhash,
            "instructions": [self._instruction(shape) for _ in range(shape.instructions)],
        }
        if shape.loaded:
            half = list(range(shape.loaded // 2))
            table = {"accountKey": names[0], "writableIndexes": half, "readonlyIndexes": half}
            message["addressTableLookups"] = [table]
        tokens = [
            {
                "accountIndex": index,
                "mint": names[-2],
                "owner": names[-3],
                "programId": VOTE,
                "uiTokenAmount": {"amount": "1000000", "decimals": 6, "uiAmount": 1.0, "uiAmountString": "1"},
            }
            for index in range(shape.tokens)
        ]
        inner = [{"index": 0, "instructions": [self._instruction(shape) for _ in range(shape.inner)]}]
        meta: dict[str, Any] = {
            "err": None,
            "status": {"Ok": None},
            "fee": 5_000,
            "preBalances": balances,
            "postBalances": balances,
            "preTokenBalances": tokens,
            "postTokenBalances": tokens,
            "innerInstructions": inner if shape.inner else [],
            "logMessages": [f"Program {name} invoke [1]" for name in (names * 3)[: shape.logs]],
            "loadedAddresses": {"writable": names[: shape.loaded // 2], "readonly": names[shape.loaded // 2 :][:9]},
            "computeUnitsConsumed": 2_100,
            "rewards": [],
        }
        if not shape.loaded:
            meta["loadedAddresses"] = {"writable": [], "readonly": []}
        signature = str(Signature.from_bytes(self._bytes(64)))
        return {
            "transaction": {"signatures": [signature], "message": message},
            "meta": meta,
            "version": 0 if shape.loaded else "legacy",
        }


def step(source: str, target: str) -> None:
    """Import a folder into a ledger file, or load a ledger file."""
    from simsync.local import Ledger

    began, worked = time.perf_counter(), time.process_time()
    made = Ledger.from_files(source) if Path(source).is_dir() else Ledger.load(source)
    figures = {
        "s": time.perf_counter() - began,
        "processor_s": time.process_time() - worked,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "transactions": made.transaction_count,
    }
    if target:
        made.save(target)
    print(json.dumps(figures))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--transactions", type=int, default=1_500, help="in each block")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step(*arguments.step)
        return 0
    expected = arguments.blocks * arguments.transactions
    right = True
    with tempfile.TemporaryDirectory() as folder:
        replies, ledger = Path(folder, "blocks"), Path(folder, "made.ledger")
        replies.mkdir()
        writer = Writer(seed=1)
        for slot in range(FIRST_SLOT, FIRST_SLOT + arguments.blocks):
            reply = {"jsonrpc": "2.0", "id": 1, "result": writer.block(slot, arguments.transactions)}
            (replies / f"block-{slot}.json").write_text(json.dumps(reply, separators=(",", ":")))
        size = sum(file.stat().st_size for file in replies.iterdir()) / 1e6
        print(f"{arguments.blocks} blocks × {arguments.transactions:,} transactions, {size:,.0f} MB of JSON")
        for name, source, target in (("import", replies, ledger), ("load", ledger, "")):
            command = [sys.executable, "-m", "benchmarks.ledger_import", "--step", str(source), str(target)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            times = f"{found['s']:.1f} s ({found['processor_s']:.1f} s of the processor)"
            print(f"{name}: {times}, peak {found['peak_mb']} MB")
            right = right and found["transactions"] == expected
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
