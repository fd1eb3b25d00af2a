"""The records of transactions and account diffs: written from events, read back, and counted.

The vendor's spelling of ``token_changes`` and of compute units is a guess, made only here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from simsync.events import AccountDiff, AccountState, Transaction
from simsync.run.record_file import whole_number

_INVOKE = re.compile(r"Program (\w+) invoke \[\d+\]")


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


def transaction_record(event: Transaction, session_id: str) -> dict[str, Any]:
    """The data of a ``tx`` record: ``error`` as the RPC writes it, amounts in lamports or the token's smallest unit."""
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


def _token_amounts(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[int, str], tuple[int, int | None]]:
    """(amount, decimals) by (index of the account, mint)."""
    found = {}
    for row in rows:
        amount = row.get("uiTokenAmount") or {}
        text = str(amount.get("amount", ""))
        if isinstance(row.get("accountIndex"), int) and text.isdigit():
            found[row["accountIndex"], str(row.get("mint"))] = (int(text), amount.get("decimals"))
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


class BalanceChange(NamedTuple):
    """The balance of one account before and after a transaction, in lamports or the token's smallest unit.

    ``mint`` is None for lamports.
    """

    account: str
    mint: Optional[str]
    before: int
    after: int


class RecordedTransaction(NamedTuple):
    """What a ``tx`` record says.

    ``error`` is text, None for success; ``units`` are compute units, None if they were not recorded.
    """

    slot: int
    signature: str
    error: Optional[str]
    logs: tuple[str, ...]
    units: Optional[int]
    changes: tuple[BalanceChange, ...]

    @property
    def programs(self) -> set[str]:
        """The programs that the logs name."""
        return {match.group(1) for match in map(_INVOKE.match, self.logs) if match is not None}


def transaction_of(data: Mapping[str, Any]) -> RecordedTransaction:
    """Read the data of a ``tx`` record; missing and malformed values count as empty."""
    logs = data.get("logs")
    return RecordedTransaction(
        slot=_amount(data.get("slot")) or 0,
        signature=str(data.get("signature", "")),
        error=_error_text(data),
        logs=tuple(str(line) for line in logs) if isinstance(logs, list) else (),
        units=_amount(_first_present(data, "compute_units", "computeUnits", "units_consumed")),
        changes=tuple(_balance_changes(data)),
    )


def is_failed(data: Mapping[str, Any]) -> bool:
    """True if the data of a ``tx`` record says that the transaction failed."""
    return data.get("error") is not None or data.get("success") is False


def _error_text(data: Mapping[str, Any]) -> str | None:
    error = data.get("error")
    if error is None:
        return "failed" if is_failed(data) else None
    return error if isinstance(error, str) else json.dumps(error, sort_keys=True)


def _balance_changes(data: Mapping[str, Any]) -> Iterator[BalanceChange]:
    for row, before, after in _change_rows(data, "sol_changes"):
        yield BalanceChange(str(row.get("account", "")), None, before, after)
    for row, before, after in _change_rows(data, "token_changes"):
        account = _first_present(row, "account", "owner")
        yield BalanceChange(str(account or ""), str(row.get("mint", "")), before, after)


def _change_rows(data: Mapping[str, Any], name: str) -> Iterator[tuple[Mapping[str, Any], int, int]]:
    """The rows of a list that have an amount before and after, with both amounts."""
    rows = data.get(name)
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping):
            before, after = _amount(row.get("pre")), _amount(row.get("post"))
            if before is not None and after is not None:
                yield row, before, after


def _first_present(row: Mapping[str, Any], *names: str) -> object:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _amount(value: object) -> int | None:
    """An amount as a number or as text: some JSON writers use text because 64 bits do not fit a double."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"-?\d{1,40}", value) else None
    return whole_number(value)
