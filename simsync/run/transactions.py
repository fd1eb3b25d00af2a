"""What is read from a ``tx`` record. How the vendor spells the rows of tokens is a guess, made here only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

_INVOKE = re.compile(r"Program (\w+) invoke \[\d+\]")


class BalanceChange(NamedTuple):
    """``mint`` is None for lamports; amounts in the smallest unit."""

    account: str
    mint: Optional[str]
    before: int
    after: int


class RecordedTransaction(NamedTuple):
    """``error`` is text, None when it succeeded; ``units`` (compute units) is None where they were not recorded."""

    slot: int
    signature: str
    error: Optional[str]
    logs: tuple[str, ...]
    units: Optional[int]
    changes: tuple[BalanceChange, ...]

    @property
    def programs(self) -> set[str]:
        """The programs that its logs name."""
        return {match.group(1) for match in map(_INVOKE.match, self.logs) if match is not None}


def transaction_of(data: Mapping[str, Any]) -> RecordedTransaction:
    """What is missing reads as empty."""
    error = data.get("error")
    if error is None and data.get("success") is False:
        error = "failed"
    units = _first(data, "compute_units", "computeUnits", "units_consumed")
    logs = data.get("logs")
    return RecordedTransaction(
        slot=_number(data.get("slot")) or 0,
        signature=str(data.get("signature", "")),
        error=None if error is None else error if isinstance(error, str) else json.dumps(error, sort_keys=True),
        logs=tuple(str(line) for line in logs) if isinstance(logs, list) else (),
        units=_number(units),
        changes=tuple(_changes(data)),
    )


def _changes(data: Mapping[str, Any]) -> Iterator[BalanceChange]:
    for row, before, after in _rows(data, "sol_changes"):
        yield BalanceChange(str(row.get("account", "")), None, before, after)
    for row, before, after in _rows(data, "token_changes"):
        yield BalanceChange(str(_first(row, "account", "owner") or ""), str(row.get("mint", "")), before, after)


def _rows(data: Mapping[str, Any], name: str) -> Iterator[tuple[Mapping[str, Any], int, int]]:
    """The rows with an amount before and after; what is none is left out."""
    rows = data.get(name)
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping):
            before, after = _number(row.get("pre")), _number(row.get("post"))
            if before is not None and after is not None:
                yield row, before, after


def _first(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _number(value: Any) -> int | None:
    """Amounts may be written as text, because they do not fit every reader's numbers."""
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"-?\d{1,40}", value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
