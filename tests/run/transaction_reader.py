"""Reads ``tx`` records in plain Python, to compare the tables of a recording with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

from simsync.run.event_records import is_failed
from simsync.run.record_file import amount

_INVOKE = re.compile(r"Program (\w+) invoke \[\d+\]")


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
        slot=amount(data.get("slot")) or 0,
        signature=str(data.get("signature", "")),
        error=_error_text(data),
        logs=tuple(str(line) for line in logs) if isinstance(logs, list) else (),
        units=amount(_first_present(data, "compute_units", "computeUnits", "units_consumed")),
        changes=tuple(_balance_changes(data)),
    )


def _error_text(data: Mapping[str, Any]) -> str | None:
    error = data.get("error")
    if error is None or error == "":
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
            before, after = amount(row.get("pre")), amount(row.get("post"))
            if before is not None and after is not None:
                yield row, before, after


def _first_present(row: Mapping[str, Any], *names: str) -> object:
    return next((row[name] for name in names if row.get(name) is not None), None)
