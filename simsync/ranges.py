"""Choosing among the available ranges, and splitting a range of slots along them."""

from __future__ import annotations

import logging
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Callable, NamedTuple, Optional

from simsync.errors import InvalidParams
from simsync.params import checks
from simsync.reports import BLOCKS, AvailableRange
from simsync.times import format_time, utc_time

logger = logging.getLogger("simsync.ranges")

_Test = tuple[Callable[[AvailableRange], Any], Callable[[Any], bool]]
"""What a choice looks at, and whether that fits."""
_SIZE_TOLERANCE = 10
"""Percent."""


@dataclass(frozen=True)
class RangeBound:
    """One side of a choice of ranges: a ``slot`` or a ``time`` in UTC; the other is None."""

    slot: Optional[int] = None
    time: Optional[datetime] = None

    def __post_init__(self) -> None:
        if (self.slot is None) == (self.time is None):
            raise InvalidParams("slot", self.slot, "give exactly one of slot and time")
        if self.slot is not None:
            checks.integer("slot", self.slot, 0, checks.U64)
        else:
            checks.assign(self, time=utc_time("time", self.time))

    @classmethod
    def of(cls, value: object, argument: str = "bound") -> RangeBound:
        """From a slot (a number, or digits), a ``datetime``, a ``date``, or text: a time or a date.

        A date stands for its first moment. Raises InvalidParams for ``argument``.
        """
        if isinstance(value, RangeBound):
            return value
        if isinstance(value, str) and value.strip().isdecimal() and value.isascii() and len(value) <= 20:
            value = int(value)
        if isinstance(value, int):
            return cls(slot=checks.integer(argument, value, 0, checks.U64))
        if not isinstance(value, (str, date)):
            raise InvalidParams(argument, value, "must be a slot, a time or a date")
        return cls(time=utc_time(argument, value))

    def __str__(self) -> str:
        return f"slot {self.slot}" if self.time is None else format_time(self.time)


def filter_ranges(
    ranges: Iterable[AvailableRange], after: object = None, before: object = None, *, size: int | None = None
) -> list[AvailableRange]:
    """The ranges that start at or after ``after`` and end at or before ``before``, in their order.

    A bound is whatever :meth:`RangeBound.of` takes. ``size``: only bundles within 10 % of so many slots. A range that
    lacks what a bound needs (its end, its times) is left out, and logged.
    """
    low = None if after is None else RangeBound.of(after, "after")
    high = None if before is None else RangeBound.of(before, "before")
    checks.optional_integer("size", size, 1, checks.U64)
    tests: list[_Test] = []
    if low is not None:
        tests.append(_bounded("start", low, operator.ge))
    if high is not None:
        tests.append(_bounded("end", high, operator.le))
    if size is not None:
        tests.append((_slots_of, lambda found: abs(found - size) * 100 <= size * _SIZE_TOLERANCE))
    kept, lacking = [], 0
    for candidate in _checked(ranges):
        values = [get(candidate) for get, _fits in tests]
        if any(value is None for value in values):
            lacking += 1
        elif all(fits(value) for value, (_get, fits) in zip(values, tests)):
            kept.append(candidate)
    if lacking:
        logger.warning("%d ranges were left out: the server does not tell their end, time or size", lacking)
    return kept


def _bounded(side: str, bound: RangeBound, fits: Callable[[Any, Any], bool]) -> _Test:
    """``side``: ``start`` or ``end``."""
    name, limit = (f"{side}_slot", bound.slot) if bound.time is None else (f"{side}_time", bound.time)
    return operator.attrgetter(name), lambda value: fits(value, limit)


def _slots_of(candidate: AvailableRange) -> int | None:
    if candidate.size is not None or candidate.end_slot is None:
        return candidate.size
    return candidate.end_slot - candidate.start_slot + 1


class SlotRange(NamedTuple):
    """Slots from ``start_slot`` to ``end_slot``, both included."""

    start_slot: int
    end_slot: int


def split_range(
    ranges: Iterable[AvailableRange], start_slot: int, end_slot: int, kind: str = BLOCKS
) -> list[SlotRange]:
    """Pieces of ``start_slot`` to ``end_slot`` without gaps, each for a single session.

    Each piece starts at the start of a bundle of ``kind`` and ends inside that bundle. Of all such splits it is the one
    with the most pieces, so a coarse bundle is used only where no finer one goes on. A bundle whose end the server does
    not tell is taken to end before the next start of its kind. Raises InvalidParams when no bundle starts at
    ``start_slot`` or the bundles do not reach ``end_slot``, naming what is not covered.
    """
    checks.slot_range(start_slot, end_slot)
    reach = _reach(ranges, checks.text("kind", kind))
    starts = [start for start in sorted(reach) if start_slot <= start <= end_slot]
    if start_slot not in reach:
        raise InvalidParams("start_slot", start_slot, _no_start(reach, start_slot, kind))
    following = _longest_way(starts, reach, end_slot)
    if start_slot not in following:
        raise InvalidParams("end_slot", end_slot, _no_way(reach, starts, end_slot, kind))
    pieces = []
    start = start_slot
    while start <= end_slot:
        pieces.append(SlotRange(start, following[start] - 1))
        start = following[start]
    return pieces


def _longest_way(starts: Sequence[int], reach: dict[int, int], end: int) -> dict[int, int]:
    """Start of a piece → start of the piece after it, on the way with the most pieces up to ``end``.

    A way from a later start never has more pieces than one from an earlier start: the earlier one can be cut at the
    later start as well. So the best place to cut is the nearest start from which ``end`` can be reached.
    """
    following: dict[int, int] = {}
    nearest = end + 1
    for start in reversed(starts):
        if reach[start] >= nearest - 1:
            following[start] = nearest
            nearest = start
    return following


def _reach(ranges: Iterable[AvailableRange], kind: str) -> dict[int, int]:
    """Start → last slot of the longest bundle of this kind that starts there."""
    known = [candidate for candidate in _checked(ranges) if candidate.kind == kind]
    starts = sorted({candidate.start_slot for candidate in known})
    reach: dict[int, int] = {}
    for candidate in known:
        last = candidate.end_slot
        if last is None:
            place = bisect_right(starts, candidate.start_slot)
            if place == len(starts):
                continue
            last = starts[place] - 1
        if last >= candidate.start_slot:
            reach[candidate.start_slot] = max(last, reach.get(candidate.start_slot, last))
    return reach


def _checked(ranges: Iterable[AvailableRange]) -> list[AvailableRange]:
    checked = list(checks.items("ranges", ranges))
    for index, candidate in enumerate(checked):
        if not isinstance(candidate, AvailableRange):
            raise InvalidParams(f"ranges[{index}]", candidate, "must be an AvailableRange")
    return checked


def _no_start(reach: dict[int, int], start_slot: int, kind: str) -> str:
    if not reach:
        return f"there are no bundles of the kind {kind!r}"
    starts = sorted(reach)
    place = bisect_left(starts, start_slot)
    near = [f"{starts[place - 1]} before"] if place else []
    near += [f"{starts[place]} after"] if place < len(starts) else []
    covering = [start for start in starts[:place] if reach[start] >= start_slot]
    covered = f"inside the bundle that starts at {covering[-1]}" if covering else "not covered"
    return f"is {covered}; no bundle of the kind {kind!r} starts there; the nearest start is {' and '.join(near)} it"


def _no_way(reach: dict[int, int], starts: Sequence[int], end_slot: int, kind: str) -> str:
    reached = starts[0] - 1
    for start in starts:
        if start > reached + 1:
            break
        reached = max(reached, reach[start])
    beyond = min((start for start in reach if start > reached), default=None)
    until = end_slot if beyond is None else min(end_slot, beyond - 1)
    text = f"slots {reached + 1} to {until} are not covered by bundles of the kind {kind!r} from {starts[0]} on"
    return (
        f"{text}; the next bundle starts at {beyond}" if beyond is not None else f"{text}, and no bundle starts later"
    )
