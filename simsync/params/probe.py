"""Probes of the router's market depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, SupportsIndex

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm
from simsync.params import checks
from simsync.params.schedule import Anchor


@dataclass(frozen=True)
class DiagnosticProbe(JsonForm):
    """Asks the router for the output of pools for given amounts. Results arrive as diagnostic notifications.

    Attributes:
        anchor: Where the probe runs.
        markets: Addresses of the pools.
        usd_values: Amounts in whole US dollars; each is tried with each pool.
        label: Any text, repeated in the results.
    """

    anchor: Anchor
    markets: Sequence[str]
    usd_values: Sequence[int]
    label: Optional[str] = None

    if TYPE_CHECKING:

        def __init__(
            self,
            anchor: Anchor,
            markets: Sequence[object],
            usd_values: Sequence[SupportsIndex],
            label: Optional[str] = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.anchor, Anchor):
            raise InvalidParams("anchor", self.anchor, "must be an Anchor(...)")
        usd_values = checks.integers("usd_values", self.usd_values, 0, checks.U32)
        checks.assign(self, markets=checks.addresses("markets", self.markets), usd_values=usd_values)
        if self.label is not None:
            checks.assign(self, label=checks.text("label", self.label))
