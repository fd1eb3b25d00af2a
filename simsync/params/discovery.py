"""What the server shall look for ahead of the execution, and announce as discovery batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataclasses_json import DataClassJsonMixin

from simsync.errors import InvalidParams
from simsync.params import checks


class DiscoveryFilter:
    """One of :class:`ProgramExecuted` and :class:`OracleUpdate`."""


@dataclass(frozen=True)
class ProgramExecuted(DiscoveryFilter, DataClassJsonMixin):
    """Batches in which ``program`` (an address) is invoked."""

    program: str

    def __post_init__(self) -> None:
        checks.assign(self, program=checks.address("program", self.program))


@dataclass(frozen=True)
class OracleUpdate(DiscoveryFilter, DataClassJsonMixin):
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
