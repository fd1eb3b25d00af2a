"""Filters for batches ahead of the engine, which the server announces as discovery batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm
from simsync.params import checks


class DiscoveryFilter:
    """Base class of :class:`ProgramExecuted` and :class:`OracleUpdate`."""


@dataclass(frozen=True)
class ProgramExecuted(DiscoveryFilter, JsonForm):
    """Matches batches in which a program is invoked.

    Attributes:
        program: Address of the program.
    """

    program: str

    if TYPE_CHECKING:

        def __init__(
            self,
            program: object,
        ) -> None: ...

    def __post_init__(self) -> None:
        checks.assign(self, program=checks.address("program", self.program))


@dataclass(frozen=True)
class OracleUpdate(DiscoveryFilter, JsonForm):
    """Matches batches in which a program writes an account without moving tokens.

    Attributes:
        programs: Addresses of the programs; any of them matches.
        accounts: Addresses of the accounts that are written; any of them matches. Empty matches all accounts.
    """

    programs: Sequence[str] = ()
    accounts: Sequence[str] = ()

    if TYPE_CHECKING:

        def __init__(
            self,
            programs: Sequence[object] = (),
            accounts: Sequence[object] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        checks.assign(
            self,
            programs=checks.addresses("programs", self.programs),
            accounts=checks.addresses("accounts", self.accounts),
        )


def checked_filter(argument: str, value: object) -> DiscoveryFilter:
    """Return ``value`` if it is a filter. Raises InvalidParams."""
    if not isinstance(value, DiscoveryFilter):
        raise InvalidParams(argument, value, "must be ProgramExecuted(...) or OracleUpdate(...)")
    return value


def filter_from_json(value: object) -> Any:
    """Return the filter of which ``value`` is the ``to_dict()``; a mapping with other keys is returned unchanged."""
    if isinstance(value, Mapping) and set(value) == {"program"}:
        return ProgramExecuted(value["program"])
    if isinstance(value, Mapping) and set(value) == {"programs", "accounts"}:
        return OracleUpdate(value["programs"], value["accounts"])
    return value


def filters_from_json(values: Sequence[object]) -> list[Any]:
    """Decode a list of filters or mappings."""
    return [filter_from_json(value) for value in values]
