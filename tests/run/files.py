"""Files of recorded runs, in the formats of the vendor's tool."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ALICE, BOB, MINT = "A" * 43, "B" * 43, "M" * 43
PROGRAM = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"


def tx(slot: int, signature: str, **more: Any) -> dict[str, Any]:
    """A transaction that succeeded, unless ``more`` says otherwise."""
    return {
        "slot": slot,
        "timestamp": 1_761_000_000 + slot,
        "signature": signature,
        "success": "error" not in more,
        "error": None,
        "logs": [f"Program {PROGRAM} invoke [1]", f"Program {PROGRAM} success"],
        "sol_changes": [],
        "token_changes": [],
        "account_diffs": [],
        **more,
    }


METADATA = {"start_slot": 10, "end_slot": 19, "program_ids": [PROGRAM], "program_so": [], "session_ids": []}


def summary(transactions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The summary of a complete run with these transactions."""
    failed = sum(one.get("error") is not None or one.get("success") is False for one in transactions)
    count = len(transactions)
    return {
        "total_transactions": count,
        "succeeded": count - failed,
        "failed": failed,
        "session_ids": ["backtest_a"],
    }


def write_lines(path: Path, transactions: Sequence[dict[str, Any]], *, end: bool = True) -> Path:
    """One record per line; without ``end`` like a run that was interrupted between two records."""
    records = [
        {"type": "metadata", "data": METADATA},
        {"type": "session_started", "data": {"session_id": "backtest_a"}},
    ]
    records += [{"type": "tx", "data": one} for one in transactions]
    if end:
        records.append({"type": "summary", "data": summary(transactions)})
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def write_object(path: Path, transactions: Sequence[dict[str, Any]]) -> Path:
    """The older format: one object."""
    content = {"metadata": METADATA, "transactions": list(transactions), "summary": summary(transactions)}
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path


def compressed(content: bytes, ending: str) -> bytes:
    """The content as it is in a file whose name has this ending."""
    if ending == ".zst":
        zstandard = pytest.importorskip("zstandard")
        return bytes(zstandard.ZstdCompressor(write_checksum=True).compress(content))
    return gzip.compress(content) if ending == ".gz" else content
