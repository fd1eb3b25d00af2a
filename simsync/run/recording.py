"""Writing a run as NDJSON, in the shape of the vendor's tool: one ``{"type", "data"}`` a line.

Records reach the file in blocks of whole lines, and a block ends with a ``progress`` record wherever an engine has come
to a stop. So a run that is killed leaves a file that can be read, and its last ``progress`` says how far it came.
``progress``, ``reconnected``, ``session_completed`` and ``stopped`` are simsync's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

from simsync.events import AccountDiff, AccountState, Transaction
from simsync.run.records import PathLike, line_of

KINDS = (
    *("metadata", "session_started", "tx", "diff", "summary"),
    *("progress", "reconnected", "session_completed", "stopped"),
)
"""The vendor's kinds of records, and simsync's own."""

_BLOCK = 256 * 1024
"""Bytes after which a block is written, when no progress record came."""


class Recorder:
    """A context manager around one file, which is replaced if it is there, unless it is to ``append``.

    For one thread. Raises OSError.
    """

    def __init__(self, path: PathLike, *, append: bool = False) -> None:
        self.path = Path(path)
        self._mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if append else os.O_TRUNC)
        self._number: Optional[int] = None
        self._lines: list[str] = []
        self._size = 0

    def __enter__(self) -> Recorder:
        self._number = os.open(self.path, self._mode, 0o644)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            if self._number is not None:
                os.close(self._number)
                self._number = None

    def write(self, kind: str, data: Mapping[str, Any]) -> None:
        """One record; it reaches the file with its block."""
        line = line_of(kind, data)
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BLOCK:
            self.flush()

    def progress(self, data: Mapping[str, Any]) -> None:
        """A session has come to a stop; all that has come so far is in the file when this returns."""
        self.write("progress", data)
        self.flush()

    def flush(self) -> None:
        if self._number is None:
            return
        left = memoryview("".join(self._lines).encode("utf-8"))
        self._lines.clear()
        self._size = 0
        while left:
            left = left[os.write(self._number, left) :]


def transaction_record(event: Transaction, session_id: str) -> dict[str, Any]:
    """The data of a ``tx`` record. ``error`` is as the RPC writes it; amounts are in the smallest unit."""
    return {
        "slot": event.slot,
        "timestamp": event.block_time,
        "signature": event.signature,
        "success": event.error is None,
        "error": event.error,
        "logs": list(event.logs),
        "sol_changes": list(_sol_changes(event)),
        "token_changes": list(_token_changes(event)),
        "account_diffs": [],
        "compute_units": event.compute_units,
        "fee": event.fee,
        "session_id": session_id,
    }


def _sol_changes(event: Transaction) -> Iterator[dict[str, Any]]:
    for account, before, after in zip(event.account_keys, event.pre_balances, event.post_balances):
        if before != after:
            yield {"account": account, "pre": before, "post": after}


def _token_changes(event: Transaction) -> Iterator[dict[str, Any]]:
    before, after = (_token_amounts(rows) for rows in (event.pre_token_balances, event.post_token_balances))
    for key in dict.fromkeys((*before, *after)):
        index, mint = key
        pre, post = before.get(key, (0, None))[0], after.get(key, (0, None))[0]
        if pre != post:
            account = event.account_keys[index] if index < len(event.account_keys) else None
            decimals = (after.get(key) or before[key])[1]
            yield {"account": account, "mint": mint, "symbol": None, "decimals": decimals, "pre": pre, "post": post}


def _token_amounts(rows: Any) -> dict[tuple[int, str], tuple[int, Optional[int]]]:
    """Amount and decimals by place of the account and mint."""
    found = {}
    for row in rows:
        amount = row.get("uiTokenAmount") or {}
        text = str(amount.get("amount", ""))
        if isinstance(row.get("accountIndex"), int) and text.isdigit():
            found[row["accountIndex"], str(row.get("mint"))] = (int(text), amount.get("decimals"))
    return found


def diff_record(event: AccountDiff, session_id: str) -> dict[str, Any]:
    """The data of a ``diff`` record; None where the account was not there."""
    return {
        "slot": event.slot,
        "signature": event.signature,
        "account": event.account,
        "pre_lamports": _lamports(event.before),
        "post_lamports": _lamports(event.after),
        "session_id": session_id,
    }


def _lamports(state: AccountState | None) -> int | None:
    return None if state is None else state.lamports
