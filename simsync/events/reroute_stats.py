"""The statistics of rerouted swaps in the summary of a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Optional

from simsync.json_form import JsonForm


@dataclass(frozen=True)
class RerouteStats(JsonForm):
    """Counters of :class:`~simsync.Reroute`; None for one that the server does not send.

    Attributes:
        swaps_detected: Swaps that were found; failed originals do not count.
        swaps_filtered: Swaps that a filter left out.
        swaps_rerouted: Swaps for which a route was found; failed originals do not count.
        swaps_simulated: Swaps that were simulated.
        swaps_succeeded: Simulated swaps that succeeded.
        requote_failures: Swaps without a new route.
        override_setup_failures: Swaps whose accounts could not be prepared.
        metis_unavailable_blocks: Blocks without the router.
        quote_attempts_unavailable: Quotes without the router.
        direct_fill_matched: Hops that a template matches.
        direct_fill_outcomes: Number of hops by outcome.
        direct_fill_scored: Hops whose fill was compared with the chain.
        direct_fill_bps_total: Sum of their differences in basis points; negative where the chain was better.
        direct_fill_templates: Numbers by label of the template, as JSON values.
        originals_scored: Originals that were compared with the chain.
        originals_bps_total: Sum of their differences in basis points.
        originals_replayed: Originals that were simulated again.
        others: Counters that simsync does not know, as JSON values by the name of the server.
    """

    swaps_detected: Optional[int] = None
    swaps_filtered: Optional[int] = None
    swaps_rerouted: Optional[int] = None
    swaps_simulated: Optional[int] = None
    swaps_succeeded: Optional[int] = None
    requote_failures: Optional[int] = None
    override_setup_failures: Optional[int] = None
    metis_unavailable_blocks: Optional[int] = None
    quote_attempts_unavailable: Optional[int] = None
    direct_fill_matched: Optional[int] = None
    direct_fill_outcomes: Mapping[str, int] = field(default_factory=dict)
    direct_fill_scored: Optional[int] = None
    direct_fill_bps_total: Optional[int] = None
    direct_fill_templates: Mapping[str, Any] = field(default_factory=dict)
    originals_scored: Optional[int] = None
    originals_bps_total: Optional[int] = None
    originals_replayed: Optional[int] = None
    others: Mapping[str, Any] = field(default_factory=dict)


# guess: names of the counters of reroutes
def reroute_stats(value: object) -> RerouteStats | None:
    """Read the counters in any spelling; anything else goes to ``others``."""
    if not isinstance(value, Mapping):
        return None
    known: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, one in value.items():
        name = _NAMES.get(key.replace("_", "").lower())
        if name is None or name in known or not _fits(name, one):
            others[key] = one
        elif one is not None:
            known[name] = dict(one) if name in _BY_NAME else one
    return RerouteStats(**known, others=others)


_BY_NAME = ("direct_fill_outcomes", "direct_fill_templates")
_NAMES = {one.name.replace("_", ""): one.name for one in fields(RerouteStats) if one.name != "others"}


def _fits(name: str, value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, Mapping) if name in _BY_NAME else isinstance(value, int) and not isinstance(value, bool)
