"""The tables of generations in ``docs/internals/compatibility.md``, and what a capture settles in ``capture.md``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simsync.doctor.generation import SIGNS
from simsync.doctor.table import NOT_OBSERVABLE, OBSERVATIONS
from simsync.wire.generations import EXAMPLES, INTRA_SLOT_UPDATES, OLDEST, RULES, minor_version
from simsync.wire.streams import STREAMS
from tools.docstrings import table

GENERATIONS = (f"0.{OLDEST}", *EXAMPLES)
"""The columns of the table of subscriptions."""


def requests() -> str:
    """What in a create only servers of some versions can read."""
    return table(
        ["in a create", "servers", "with others"], [[rule.what, rule.versions, rule.instead] for rule in RULES]
    )


def signs() -> str:
    """What in a capture tells the generation of the server."""
    return table(["in a capture", "servers"], [[sign.what, sign.versions] for sign in SIGNS])


def subscriptions() -> str:
    """Each subscribe method, and the setting that not every server has, with the servers that have it."""
    first = {f"`{row.method}`": row.since for row in STREAMS.values()}
    first["`intra_slot_updates=True`"] = INTRA_SLOT_UPDATES
    rows = []
    for what, since in first.items():
        known = ["yes" if minor_version(generation) >= since else "no" for generation in GENERATIONS]
        rows.append([what, *known, f"from 0.{since} on" if since else "all"])
    return table(["subscription", *GENERATIONS, "servers"], rows)


def settled() -> str:
    """Which guesses a capture settles, and in which step; why it does not settle the others."""
    steps = _grouped((row.step, row.guess) for row in OBSERVATIONS)
    reasons = _grouped((reason, guess) for guess, reason in NOT_OBSERVABLE.items())
    return "\n\n".join(
        table(heads, [[key, "; ".join(guesses)] for key, guesses in groups.items()])
        for heads, groups in [
            (["step of the capture", "guesses that it settles"], steps),
            (["why no capture settles it", "guesses"], reasons),
        ]
    )


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
