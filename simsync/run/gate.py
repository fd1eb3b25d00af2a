"""The gate of a comparison: whether two runs can be compared at all, and which thresholds their differences cross."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Callable, Optional

from simsync.errors import InvalidParams
from simsync.run.comparison import Comparison, ComparisonTotals
from simsync.run.recorded_state import RecordedState

_FORM = re.compile(r"(?P<name>[a-z_]+)\s*(?:(?P<sign>>=?)\s*(?P<growth>\+?)(?P<limit>\d+(?:\.\d+)?)\s*(?P<share>%?))?")

_COUNTS: dict[str, Callable[[ComparisonTotals], int]] = {
    "regressions": lambda totals: totals.regressions,
    "improvements": lambda totals: totals.improvements,
    "other_errors": lambda totals: totals.other_errors,
    "logs": lambda totals: totals.logs,
    "unmatched": lambda totals: totals.unmatched,
    "failed": lambda totals: totals.experiment_failed,
    "units": lambda totals: totals.units or 0,
}
_WHOLES: dict[str, Callable[[ComparisonTotals], int]] = {
    "unmatched": lambda totals: totals.base + totals.experiment,
    "failed": lambda totals: totals.experiment,
    "units": lambda totals: totals.base_units or 0,
}
"""What a share in percent is a share of; else of the transactions in both runs."""
NAMES = (*_COUNTS, "differences")
"""What a threshold can be about; ``differences`` is any of them except ``failed``, and any balance."""


_FEWEST = 0.5
"""The share of the transactions that must be in both runs, and of these that must have compute units."""


@dataclass(frozen=True)
class Threshold:
    """One condition that fails a gate.

    Attributes:
        text: The condition as it was given, for example ``units>+5%``.
        name: One of :data:`NAMES`.
        limit: The number, or the percentage, that must not be exceeded.
        share: True for a percentage.
        growth: True if what counts is the growth from the first run to the second, as ``+`` says.
        reached: True if the limit itself fails too (``>=``).
    """

    text: str
    name: str
    limit: float = 0.0
    share: bool = False
    growth: bool = False
    reached: bool = False

    def crossed(self, comparison: Comparison) -> Optional[str]:
        """What was found if it is too much, as a phrase; else None."""
        totals = comparison.totals()
        if self.name == "differences":
            return _any_difference(comparison)
        if self.name == "units" and (totals.units_in_one or totals.with_units < _FEWEST * totals.matched):
            both = f"of {totals.with_units:,} of the {totals.matched:,} transactions in both runs"
            return f"compute units were recorded only {both} ({self.text})"
        value: float = _COUNTS[self.name](totals)
        whole = _WHOLES[self.name](totals) if self.name in _WHOLES else totals.matched
        if self.name == "failed" and self.growth:
            value, whole = value - totals.base_failed, totals.base_failed
        shown = f"{value:+,.0f}" if self.growth or self.name == "units" else f"{value:,.0f}"
        if self.share:
            value = 100 * value / whole if whole else (float("inf") if value > 0 else 0.0)
            shown = f"{value:+.3g} %" if self.growth or self.name == "units" else f"{value:.3g} %"
        crossed = value >= self.limit if self.reached else value > self.limit
        return f"{self.name} {shown} ({self.text})" if crossed else None


def parse_threshold(text: str) -> Threshold:
    """Read a condition: a name alone, or ``NAME>NUMBER``, ``NAME>NUMBER%``, ``NAME>+NUMBER``, ``NAME>+NUMBER%``.

    Args:
        text: The condition. A name alone means ``NAME>0``. A percentage of ``failed`` is of the transactions of the
            second run, one of ``units`` of the compute units of the first run, any other of the matched transactions.
            ``+`` counts the growth from the first run to the second.

    Returns:
        The threshold.

    Raises:
        InvalidParams: The text is not a condition.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or match.group("name") not in NAMES:
        rule = "must be a name or NAME>NUMBER[%], as in 'regressions>0' or 'units>+5%'; names: " + ", ".join(NAMES)
        raise InvalidParams("fail_on", text, rule)
    name, sign, growth, limit, share = match.group("name", "sign", "growth", "limit", "share")
    if name == "differences" and sign is not None:
        raise InvalidParams("fail_on", text, "takes no number: any difference counts")
    if growth and name not in ("units", "failed"):
        raise InvalidParams("fail_on", text, "has no + because it counts differences; only units and failed can grow")
    return Threshold(text.strip(), name, float(limit or 0), bool(share), bool(growth), sign == ">=")


def incomparable_because(comparison: Comparison) -> list[str]:
    """Why no conclusion can be drawn from a comparison; empty if one can.

    Args:
        comparison: The comparison, inside its ``with`` statement.

    Returns:
        The reasons: a run that is empty, stopped, cut or over other slots, or fewer than half of the transactions in
        common.
    """
    base, experiment = comparison.base, comparison.experiment
    reasons = [
        f"the {name} run is not complete: {state.incomplete_because}"
        for name, state in (("first", base), ("second", experiment))
        if state.incomplete_because is not None
    ]
    if base.slots != experiment.slots:
        reasons.append(f"the runs are over other slots: {_range(base)} and {_range(experiment)}")
    totals = comparison.totals()
    if base.slots == (None, None) == experiment.slots:
        reasons.append("the runs do not say which slots they are over")
    if 0 < totals.matched < _FEWEST * max(totals.base, totals.experiment):
        reasons.append(
            f"only {totals.matched:,} of {max(totals.base, totals.experiment):,} transactions are in both runs"
        )
    if not totals.matched and not reasons:
        if totals.unmatched:
            reasons.append("no transaction is in both runs")
        else:
            reasons.append("the runs have no transactions")
    return reasons


def crossed_thresholds(comparison: Comparison, thresholds: Iterable[Threshold]) -> list[str]:
    """Apply thresholds.

    Args:
        comparison: The comparison, inside its ``with`` statement.
        thresholds: The conditions, from :func:`parse_threshold`.

    Returns:
        A phrase for each condition that is met, with what was found.
    """
    return [found for found in (threshold.crossed(comparison) for threshold in thresholds) if found is not None]


def _any_difference(comparison: Comparison) -> Optional[str]:
    totals = comparison.totals()
    found = [
        name for name in ("unmatched", "regressions", "improvements", "other_errors", "logs") if _COUNTS[name](totals)
    ]
    if totals.units_in_one or next(comparison.differences("units", 1), None) is not None:
        found.append("units")
    if not found and comparison.balances(1):
        found.append("balances")
    return f"differences in {', '.join(found)}" if found else None


def _range(state: RecordedState) -> str:
    first, last = state.slots
    return "unknown" if first is None or last is None else f"{first} to {last}"
