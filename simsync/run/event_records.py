"""The records of transactions and account diffs: written from events, and counted.

The vendor's spelling of ``token_changes`` and of compute units is a guess, made here for writing and in
:mod:`simsync.run.views` for reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from simsync.events import AccountDiff, AccountState, Transaction
from simsync.run.path_like import printable
from simsync.run.record_file import amount

CHECKSUMS = 2**53
"""Checksums are below this, so that every reader of JSON takes them as they are."""
_LONGEST_AMOUNT = 30
"""Digits of an amount of tokens at most; 64 bits have 20."""
_SLOTS = 2**63
"""Slots are below this, in the tables too."""


@dataclass
class RecordCounts:
    """How many transactions and account diffs a run has.

    Attributes:
        transactions: All transactions.
        failed: Those of them that ended with an error.
        diffs: Account diffs.
    """

    transactions: int = 0
    failed: int = 0
    diffs: int = 0

    @property
    def succeeded(self) -> int:
        """Transactions without an error."""
        return self.transactions - self.failed

    def add_transaction(self, *, failed: bool) -> None:
        """Count one transaction."""
        self.transactions += 1
        self.failed += failed


@dataclass
class SessionCounts(RecordCounts):
    """What the file of a run holds of one session.

    Attributes:
        checksum: The sum of :func:`transaction_key` of its transactions, below :data:`CHECKSUMS`.
        first_slot: The lowest slot of its transactions.
        last_slot: The highest slot of its transactions.
    """

    checksum: int = 0
    first_slot: Optional[int] = None
    last_slot: Optional[int] = None

    def add(self, data: Mapping[str, object]) -> None:
        """Count a ``tx`` record."""
        self.add_transaction(failed=is_failed(data))
        self.checksum = (self.checksum + transaction_key(data.get("slot"), data.get("signature"))) % CHECKSUMS
        slot = amount(data.get("slot"))
        if slot is not None and -_SLOTS <= slot < _SLOTS:
            self.first_slot = slot if self.first_slot is None else min(slot, self.first_slot)
            self.last_slot = slot if self.last_slot is None else max(slot, self.last_slot)


def transaction_key(slot: object, signature: object) -> int:
    """64 bits of a transaction; the macro of this name in :mod:`simsync.run.views` gives the same."""
    text = f"{slot} {signature}"
    try:
        content = text.encode()
    except UnicodeEncodeError:  # halves of surrogate pairs
        content = printable(text).encode()
    return int.from_bytes(hashlib.md5(content, usedforsecurity=False).digest()[8:], "little")


def transaction_record(event: Transaction, session_id: str) -> dict[str, Any]:
    """The data of a ``tx`` record: ``error`` as the RPC writes it, amounts in lamports or the token's smallest unit."""
    keys = event.account_keys  # first: it has all fields decoded in one call
    error = event.error
    return {
        "slot": event.slot,
        "timestamp": event.block_time,
        "signature": event.signature,
        "success": error is None,
        "error": error,
        "logs": event.logs,
        "sol_changes": [
            {"account": account, "pre": before, "post": after}
            for account, before, after in zip(keys, event.pre_balances, event.post_balances)
            if before != after
        ],
        "token_changes": _token_changes(keys, event.pre_token_balances, event.post_token_balances),
        "account_diffs": (),
        "compute_units": event.compute_units,
        "fee": event.fee,
        "session_id": session_id,
    }


def _token_changes(keys: Sequence[str], rows_before: Sequence[Any], rows_after: Sequence[Any]) -> list[dict[str, Any]]:
    if not rows_before and not rows_after:  # as for most transactions
        return []
    before, after = _token_amounts(rows_before), _token_amounts(rows_after)
    changes = []
    for key in {**before, **after}:
        pre, post = before.get(key, _NONE), after.get(key, _NONE)
        if pre[0] != post[0]:
            index, mint = key
            changes.append(
                {
                    "account": keys[index] if 0 <= index < len(keys) else None,
                    "mint": mint,
                    "symbol": None,
                    "decimals": (pre if post is _NONE else post)[1],
                    "pre": pre[0],
                    "post": post[0],
                }
            )
    return changes


_NONE = 0, None
"""An account that does not exist has no amount, and nothing says how many decimals."""


def _token_amounts(rows: Sequence[Any]) -> dict[tuple[int, str], tuple[int, Any]]:
    """(amount, decimals) by (index of the account, mint); rows without an amount are left out."""
    found = {}
    for row in rows:
        # Made for each balance of each transaction: JSON has no other mapping than a dict.
        if isinstance(row, dict):
            index, amounts = row.get("accountIndex"), row.get("uiTokenAmount")
            if isinstance(index, int) and isinstance(amounts, dict):
                text = amounts.get("amount")
                if isinstance(text, str) and text.isdecimal() and len(text) <= _LONGEST_AMOUNT:
                    found[index, str(row.get("mint"))] = int(text), amounts.get("decimals")
    return found


def diff_record(event: AccountDiff, session_id: str) -> dict[str, Any]:
    """The data of a ``diff`` record; lamports are None where the account did not exist."""
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


def is_failed(data: Mapping[str, object]) -> bool:
    """True if the data of a ``tx`` record says that the transaction failed: by an error, which an empty text is not, or
    because ``success`` is false or 0.

    The macro ``error_of`` in :mod:`simsync.run.views` has the same rule.
    """
    return data.get("error") not in (None, "") or str(data.get("success")).lower() in ("false", "0")


def diffs_inside(data: Mapping[str, object]) -> int:
    """How many account diffs are inside of the data of a ``tx`` record: rows, or an object by address."""
    diffs = data.get("account_diffs")
    if isinstance(diffs, list):
        return sum(isinstance(row, Mapping) and row.get("account") is not None for row in diffs)
    return len(diffs) if isinstance(diffs, Mapping) else 0
