"""Made-up replies in the form of the recorded ones, of all sizes of the mix."""

from __future__ import annotations

import json
from pathlib import Path

from simsync.params.base58 import encode


def write(folder: Path) -> Path:
    target = folder / "mainnet"
    target.mkdir()
    lines = []
    for number, logs in ((1, 0), (2, 60), (3, 150)):
        keys = [encode(bytes([number, place] * 16)) for place in range(4)]
        reply = {
            "slot": 1,
            "blockTime": 1_700_000_000 + number,
            "transaction": {
                "signatures": [encode(bytes([200 + number] * 64))],
                "message": {"accountKeys": [*keys, "1" * 32]},
            },
            "meta": {
                "err": None,
                "fee": 5_000,
                "preBalances": [number * 10_000_000 + place for place in range(5)],
                "postBalances": [number * 20_000_000 + 500 + place for place in range(5)],
                "logMessages": [f"Program log: what the program {keys[0]} said"] * logs,
                "preTokenBalances": [],
                "postTokenBalances": [],
            },
            "version": "legacy",
        }
        lines.append(json.dumps(reply))
    (target / "transactions_made_up.jsonl").write_text("\n".join(lines))
    return folder
