"""Filtering the available ranges, and splitting a range of slots along them."""

from __future__ import annotations

import logging
import operator
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Callable, NamedTuple, Optional, SupportsIndex

from simsync.errors import InvalidParams
from simsync.html_form import html_table
from simsync.params import checks
from simsync.reports import BLOCKS, AvailableRange
from simsync.times import format_time, utc_time

logger = logging.getLogger("simsync.ranges")

_Test = tuple[Callable[[AvailableRange], Any], Callable[[Any], bool]]
"""Returns what is compared, and whether it fits."""
_SIZE_TOLERANCE = 10
"""Percent."""


@dataclass(frozen=True)
class RangeBound:
    """A bound of :func:`filter_ranges`. Exactly one of its fields is set.

    Attributes:
        slot: The slot, or None.
        time: The time in UTC, or None; the constructor also accepts a ``date`` or RFC 3339 text.
    """

    slot: Optional[int] = None
    time: Optional[datetime] = None

    def __post_init__(self) -> None:
        if (self.slot is None) == (self.time is None):
            raise InvalidParams("slot", self.slot, "pass exactly one of slot and time")
        if self.slot is not None:
            checks.assign(self, slot=checks.integer("slot", self.slot, 0, checks.U64))
        else:
            checks.assign(self, time=utc_time("time", self.time))

    @classmethod
    def of(cls, value: object, argument: str = "bound") -> RangeBound:
        """Create a bound.

        Args:
            value: A slot (an ``int`` or digits), a ``datetime``, a ``date`` (its first moment), numpy's ``datetime64``
                or RFC 3339 text.
            argument: Name of the argument in the message of an InvalidParams.
        """
        if isinstance(value, RangeBound):
            return value
        if isinstance(value, str) and value.strip().isdecimal() and value.isascii() and len(value) <= 20:
            value = int(value)
        if checks.is_integer(value):
            return cls(slot=checks.integer(argument, value, 0, checks.U64))
        value = _of_numpy(value)
        if not isinstance(value, (str, date)):
            raise InvalidParams(argument, value, "must be a slot, a time or a date")
        return cls(time=utc_time(argument, value))

    def __str__(self) -> str:
        return f"slot {self.slot}" if self.time is None else format_time(self.time)


def _of_numpy(value: Any) -> object:
    """The ``datetime`` of numpy's ``datetime64``, which is in UTC; anything else as it is."""
    if type(value).__module__ == "numpy" and type(value).__name__ == "datetime64":
        return value.astype("datetime64[us]").item()  # None for NaT
    return value


def filter_ranges(
    ranges: Iterable[AvailableRange], after: object = None, before: object = None, *, size: SupportsIndex | None = None
) -> list[AvailableRange]:
    """Select ranges by slots, times and size.

    A range without the end, the time or the size that is compared is left out; their number is logged.

    Args:
        ranges: Ranges of :meth:`Client.available_ranges() <simsync.Client.available_ranges>`.
        after: The range must start at or after this slot or time, see :meth:`RangeBound.of`.
        before: The range must end at or before this slot or time.
        size: The range must have this number of slots, within 10 %.

    Returns:
        The selected ranges, in their order.
    """
    low = None if after is None else RangeBound.of(after, "after")
    high = None if before is None else RangeBound.of(before, "before")
    slots = checks.optional_integer("size", size, 1, checks.U64)
    tests: list[_Test] = []
    if low is not None:
        tests.append(_bounded("start", low, operator.ge))
    if high is not None:
        tests.append(_bounded("end", high, operator.le))
    if slots is not None:
        tests.append((_slots_of, lambda found: abs(found - slots) * 100 <= slots * _SIZE_TOLERANCE))
    kept, lacking = [], 0
    for candidate in _checked(ranges):
        values = [get(candidate) for get, _fits in tests]
        if any(value is None for value in values):
            lacking += 1
        elif all(fits(value) for value, (_get, fits) in zip(values, tests)):
            kept.append(candidate)
    if lacking:
        logger.warning("%d ranges left out: the server did not send their end, time or size", lacking)
    return kept


def _bounded(side: str, bound: RangeBound, fits: Callable[[Any, Any], bool]) -> _Test:
    """Return the test of one bound. ``side`` is ``start`` or ``end``."""
    name, limit = (f"{side}_slot", bound.slot) if bound.time is None else (f"{side}_time", bound.time)
    return operator.attrgetter(name), lambda value: fits(value, limit)


# guess: `/available-ranges`: size of a bundle
def _slots_of(candidate: AvailableRange) -> int | None:
    if candidate.size is not None or candidate.end_slot is None:
        return candidate.size
    return candidate.end_slot - candidate.start_slot + 1


class _Slots(NamedTuple):
    start_slot: int
    end_slot: int


class SlotRange(_Slots):
    """A range of slots; a pair of two numbers.

    Attributes:
        start_slot: First slot.
        end_slot: Last slot, included.
    """

    __slots__ = ()

    def __new__(cls, start_slot: SupportsIndex, end_slot: SupportsIndex) -> SlotRange:
        return super().__new__(cls, *checks.slot_range(start_slot, end_slot))

    def _repr_html_(self) -> str:
        rows = {"start slot": str(self.start_slot), "end slot": str(self.end_slot)}
        return html_table("SlotRange", {**rows, "slots": self.end_slot - self.start_slot + 1})


# guess: splitting a range
def split_range(
    ranges: Iterable[AvailableRange], start_slot: SupportsIndex, end_slot: SupportsIndex, kind: str = BLOCKS
) -> list[SlotRange]:
    """Split a range of slots into pieces without gaps, each of which a single session can replay.

    Each piece starts at the start of a bundle and ends inside that bundle. Of all such splits, the one with the most
    pieces is returned, so that a large bundle is used only where the smaller ones leave a gap. A bundle without an end
    is assumed to end before the next start of its kind.

    Args:
        ranges: Ranges of :meth:`Client.available_ranges() <simsync.Client.available_ranges>`.
        start_slot: First slot.
        end_slot: Last slot, included.
        kind: Kind of the bundles.

    Returns:
        The pieces in ascending order.

    Raises:
        InvalidParams: No bundle starts at ``start_slot``, or the bundles leave a gap before ``end_slot``. The message
            says which slots are not covered.
    """
    first, last = checks.slot_range(start_slot, end_slot)
    reach = _reach(ranges, checks.text("kind", kind))
    starts = [start for start in sorted(reach) if first <= start <= last]
    if first not in reach:
        raise InvalidParams("start_slot", first, _start_advice(reach, first, kind))
    following = _most_pieces(starts, reach, last)
    if first not in following:
        raise InvalidParams("end_slot", last, _gap_advice(reach, starts, last, kind))
    pieces = []
    start = first
    while start <= last:
        pieces.append(SlotRange(start, following[start] - 1))
        start = following[start]
    return pieces


def _most_pieces(starts: Sequence[int], reach: dict[int, int], end: int) -> dict[int, int]:
    """Map the start of each piece to the start of the next one, in the split with the most pieces up to ``end``.

    A split from a later start never has more pieces than one from an earlier start, which can be cut at the later
    start too. So the best cut is at the nearest start from which ``end`` can be reached.
    """
    following: dict[int, int] = {}
    nearest = end + 1
    for start in reversed(starts):
        if reach[start] >= nearest - 1:
            following[start] = nearest
            nearest = start
    return following


def _reach(ranges: Iterable[AvailableRange], kind: str) -> dict[int, int]:
    """Map each start to the last slot of the longest bundle of this kind that starts there."""
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


def _start_advice(reach: dict[int, int], start_slot: int, kind: str) -> str:
    if not reach:
        return f"there are no bundles of kind {kind!r}"
    starts = sorted(reach)
    place = bisect_left(starts, start_slot)
    near = [str(start) for start in starts[max(0, place - 1) : place + 1]]
    covering = [start for start in starts[:place] if reach[start] >= start_slot]
    covered = f"inside the bundle that starts at {covering[-1]}" if covering else "not covered"
    return f"is {covered}; no bundle of kind {kind!r} starts at it (nearest start: {' or '.join(near)})"


def _gap_advice(reach: dict[int, int], starts: Sequence[int], end_slot: int, kind: str) -> str:
    reached = starts[0] - 1
    for start in starts:
        if start > reached + 1:
            break
        reached = max(reached, reach[start])
    beyond = min((start for start in reach if start > reached), default=None)
    until = end_slot if beyond is None else min(end_slot, beyond - 1)
    text = f"slots {reached + 1} to {until} are not covered by bundles of kind {kind!r} from {starts[0]} on"
    return (
        f"{text}; the next bundle starts at {beyond}" if beyond is not None else f"{text}, and no bundle starts later"
    )
