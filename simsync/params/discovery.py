"""What the server shall look for ahead of the execution, and announce as discovery batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm
from simsync.params import checks


class DiscoveryFilter:
    """One of :class:`ProgramExecuted` and :class:`OracleUpdate`."""


@dataclass(frozen=True)
class ProgramExecuted(DiscoveryFilter, JsonForm):
    """Batches in which ``program`` (an address) is invoked."""

    program: str

    def __post_init__(self) -> None:
        checks.assign(self, program=checks.address("program", self.program))


@dataclass(frozen=True)
class OracleUpdate(DiscoveryFilter, JsonForm):
    """Batches with a token-free write by one of ``programs``, to one of ``accounts`` if any are given."""

    programs: Sequence[str] = ()
    accounts: Sequence[str] = ()

    def __post_init__(self) -> None:
        checks.assign(
            self,
            programs=checks.addresses("programs", self.programs),
            accounts=checks.addresses("accounts", self.accounts),
        )


def checked_filter(argument: str, value: object) -> DiscoveryFilter:
    if not isinstance(value, DiscoveryFilter):
        raise InvalidParams(argument, value, "must be ProgramExecuted(...) or OracleUpdate(...)")
    return value


def filter_from_json(value: Any) -> Any:
    """Undo ``to_dict``. A mapping of another form stays what it is."""
    if isinstance(value, Mapping) and set(value) == {"program"}:
        return ProgramExecuted(value["program"])
    if isinstance(value, Mapping) and set(value) == {"programs", "accounts"}:
        return OracleUpdate(value["programs"], value["accounts"])
    return value


def filters_from_json(values: Sequence[Any]) -> list[Any]:
    return [filter_from_json(value) for value in values]
