"""Bounds, filtering ranges, and splitting a range of slots along bundles."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simsync.errors import InvalidParams
from simsync.ranges import RangeBound, SlotRange, filter_ranges, split_range
from simsync.reports import AvailableRange
from simsync.times import format_time, parse_time, utc_time

NOON = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
MIDNIGHT = datetime(2026, 6, 1, tzinfo=timezone.utc)
BEHIND = timezone(timedelta(hours=-5))


def bundle(start: int, end: int | None = None, **more: Any) -> AvailableRange:
    return AvailableRange(start, end, **more)


@pytest.mark.parametrize(
    ("value", "slot", "when"),
    [
        (0, 0, None),
        (2**64 - 1, 2**64 - 1, None),
        ("312000000", 312000000, None),
        (" 7 ", 7, None),
        ("2026-06-01", None, MIDNIGHT),
        (date(2026, 6, 1), None, MIDNIGHT),
        ("2026-06-01T12:00:00Z", None, NOON),
        ("2026-06-01t12:00:00z", None, NOON),
        ("2026-06-01 12:00", None, NOON),
        ("2026-06-01T07:00:00-05:00", None, NOON),
        ("2026-06-01T14:30:00.0000000001+0230", None, NOON),
        (datetime(2026, 6, 1, 12), None, NOON),
        (datetime(2026, 6, 1, 7, tzinfo=BEHIND), None, NOON),
        (RangeBound(slot=5), 5, None),
    ],
)
def test_bounds(value: object, slot: int | None, when: datetime | None) -> None:
    bound = RangeBound.of(value)
    assert (bound.slot, bound.time) == (slot, when)
    assert bound.time is None or bound.time.tzinfo is timezone.utc


@pytest.mark.parametrize(
    "value",
    [
        *(-1, 2**64, True, 1.5, None, b"7", [], "", "soon", "99999999999999999999", "9" * 5000, "-7", "٣"),
        *("2026-13-01", "2026-6-1", "2026-06-01T25:00:00Z", "2026-06-01T", "0001-01-01T00:00:00+01:00", "²"),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_bad_bounds_are_refused(value: object) -> None:
    with pytest.raises(InvalidParams, match=r"^after="):
        filter_ranges([], after=value) if value is not None else RangeBound.of(value, "after")


def test_a_bound_is_either_a_slot_or_a_time() -> None:
    with pytest.raises(InvalidParams, match="exactly one"):
        RangeBound()
    with pytest.raises(InvalidParams, match="exactly one"):
        RangeBound(slot=1, time=NOON)
    assert RangeBound(time=datetime(2026, 6, 1, 12)).time == NOON
    assert [str(RangeBound.of(5)), str(RangeBound.of(NOON))] == ["slot 5", "2026-06-01T12:00:00Z"]


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first dates take long beside other work
@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)), st.integers(-1439, 1439))
def test_times_survive_the_way_through_text(local: datetime, minutes: int) -> None:
    when = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_time(format_time(when)) == when
    assert parse_time(when.isoformat()) == when == utc_time("since", when)


def test_a_leap_second_is_the_next_second() -> None:
    assert parse_time("2016-12-31T23:59:60Z") == datetime(2017, 1, 1, tzinfo=timezone.utc)


LISTED = [
    bundle(100, 199, start_time=MIDNIGHT, end_time=NOON, size=100),
    bundle(200, 299, start_time=NOON, end_time=NOON + timedelta(hours=12)),
    bundle(300),
    bundle(400, 405, kind="account_state"),
]


@pytest.mark.parametrize(
    ("bounds", "starts", "left_out"),
    [
        ({}, [100, 200, 300, 400], 0),
        ({"after": 200}, [200, 300, 400], 0),
        ({"after": 201}, [300, 400], 0),
        ({"before": 299}, [100, 200], 1),
        ({"before": 298}, [100], 1),
        ({"after": "200", "before": 405}, [200, 400], 1),
        ({"after": "2026-06-01"}, [100, 200], 2),
        ({"after": NOON}, [200], 2),
        ({"before": "2026-06-02"}, [100, 200], 2),
        ({"before": NOON}, [100], 2),
        ({"after": 150, "before": NOON}, [], 2),
        ({"size": 100}, [100, 200], 1),
        ({"size": 110}, [100, 200], 1),
        ({"size": 112}, [], 1),
        ({"size": 6}, [400], 1),
    ],
)
def test_filter(bounds: dict[str, Any], starts: list[int], left_out: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "simsync.ranges"):
        assert [found.start_slot for found in filter_ranges(LISTED, **bounds)] == starts
    notes = [record.getMessage() for record in caplog.records]
    assert [note.split()[0] for note in notes] == ([str(left_out)] if left_out else [])


@pytest.mark.parametrize(
    ("size", "kept"), [(1000, [900, 1000, 1100]), (999, [900, 1000]), (1001, [1000, 1100]), (9, []), (10, [])]
)
def test_within_ten_percent_of_a_size(size: int, kept: list[int]) -> None:
    listed = [bundle(1, size=number) for number in (8, 899, 900, 1000, 1100, 1102)]
    assert [found.size for found in filter_ranges(listed, size=size)] == kept


@pytest.mark.parametrize("size", [0, -1, True, 1.0, "5"])
def test_a_bad_size_is_refused(size: Any) -> None:
    with pytest.raises(InvalidParams, match=r"^size="):
        filter_ranges([], size=size)


def test_what_is_no_range_is_refused() -> None:
    calls: list[Callable[[Any], Any]] = [filter_ranges, lambda ranges: split_range(ranges, 1, 2)]
    for call in calls:
        with pytest.raises(InvalidParams, match=r"^ranges\[1\]="):
            call([bundle(1, 2), (3, 4)])
        with pytest.raises(InvalidParams, match=r"^ranges="):
            call(5)


def test_the_documented_split() -> None:
    listed = [bundle(1000, 1499), bundle(1000, 1999), bundle(1500, 1999)]
    assert split_range(listed, 1000, 1999) == [SlotRange(1000, 1499), SlotRange(1500, 1999)]
    assert split_range(reversed(listed), 1000, 1999) == [(1000, 1499), (1500, 1999)]


@pytest.mark.parametrize(
    ("listed", "start", "end", "pieces"),
    [
        ([(10, 19)], 10, 19, [(10, 19)]),
        ([(10, 19)], 10, 10, [(10, 10)]),
        ([(10, 19)], 10, 15, [(10, 15)]),
        ([(0, 9), (10, 19), (20, 29)], 10, 24, [(10, 19), (20, 24)]),
        ([(0, 99), (10, 19)], 0, 50, [(0, 50)]),
        ([(0, 99), (10, 19), (20, 99)], 0, 50, [(0, 9), (10, 19), (20, 50)]),
        ([(0, 14), (10, 24), (20, 29)], 0, 29, [(0, 9), (10, 19), (20, 29)]),
        ([(0, 3), (0, 9), (10, 19)], 0, 12, [(0, 9), (10, 12)]),
        ([(0, None), (10, None), (20, None)], 0, 19, [(0, 9), (10, 19)]),
        ([(0, None), (0, 14), (10, 19)], 0, 19, [(0, 9), (10, 19)]),
        ([(0, 9), (10, 5), (10, 19)], 0, 19, [(0, 9), (10, 19)]),
        ([(0, 9), (0, 9), (2**64 - 2, 2**64 - 1)], 2**64 - 2, 2**64 - 1, [(2**64 - 2, 2**64 - 1)]),
        ([(0, 9), (2, 3), (5, 11), (6, 8)], 0, 11, [(0, 4), (5, 11)]),
        ([(0, 9), (2, 4), (5, 11), (6, 8), (9, 11)], 0, 11, [(0, 1), (2, 4), (5, 5), (6, 8), (9, 11)]),
    ],
)
def test_split(listed: list[tuple[int, int | None]], start: int, end: int, pieces: list[tuple[int, int]]) -> None:
    assert [tuple(piece) for piece in split_range([bundle(*one) for one in listed], start, end)] == pieces


def test_kinds_are_kept_apart() -> None:
    listed = [bundle(0, 9), bundle(5, 9, kind="account_state"), bundle(0, 4, kind="account_state")]
    assert split_range(listed, 0, 9) == [SlotRange(0, 9)]
    assert split_range(listed, 0, 9, kind="account_state") == [SlotRange(0, 4), SlotRange(5, 9)]
    # The next start of another kind tells nothing about an end.
    assert split_range([bundle(0), bundle(4, 5, kind="x"), bundle(9, 9)], 0, 8) == [SlotRange(0, 8)]


@pytest.mark.parametrize(
    ("listed", "start", "end", "argument", "words"),
    [
        ([], 5, 9, "start_slot", "no bundles of kind 'blocks'"),
        ([(0, None)], 0, 9, "start_slot", "no bundles of kind 'blocks'"),
        (
            [(0, 9), (10, 19)],
            12,
            15,
            "start_slot",
            "inside the bundle that starts at 10.*nearest start: 10\\)",
        ),
        ([(0, 9), (20, 29)], 12, 25, "start_slot", "not covered.*nearest start: 0 or 20\\)"),
        ([(20, 29)], 12, 25, "start_slot", "not covered.*nearest start: 20\\)"),
        ([(0, 9), (10, 19)], 0, 30, "end_slot", "slots 20 to 30 are not covered.*no bundle starts later"),
        ([(0, 9), (20, 29)], 0, 25, "end_slot", "slots 10 to 19 are not covered.*next bundle starts at 20"),
        ([(0, 9), (50, 59)], 0, 25, "end_slot", "slots 10 to 25 are not covered.*next bundle starts at 50"),
        ([(0, 99), (50, 59)], 50, 70, "end_slot", "slots 60 to 70 are not covered.* from 50 on"),
        ([(0, 9)], 5, 4, "end_slot", "must be >= start_slot \\(5\\)"),
        ([(0, 9)], -1, 4, "start_slot", "must be from 0"),
        ([(0, 9)], 0, 2**64, "end_slot", "must be from 0"),
    ],
)
def test_what_cannot_be_split(
    listed: list[tuple[int, int | None]], start: int, end: int, argument: str, words: str
) -> None:
    with pytest.raises(InvalidParams, match=words) as caught:
        split_range([bundle(*one) for one in listed], start, end)
    assert caught.value.argument == argument


def ways(bundles: list[tuple[int, int]], start: int, end: int) -> Iterator[list[tuple[int, int]]]:
    """Every split of ``start`` to ``end``, by trying each end of each piece."""
    longest = max((last for first, last in bundles if first == start), default=-1)
    for last in range(start, min(longest, end) + 1):
        if last == end:
            yield [(start, last)]
        elif any(first == last + 1 for first, _last in bundles):
            for rest in ways(bundles, last + 1, end):
                yield [(start, last), *rest]


@settings(max_examples=400, deadline=None)
@given(
    bundles=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8)), max_size=8),
    start=st.integers(0, 12),
    length=st.integers(0, 12),
)
def test_no_split_has_more_pieces(bundles: list[tuple[int, int]], start: int, length: int) -> None:
    listed = [(first, first + more) for first, more in bundles]
    end = start + length
    possible = list(ways(listed, start, end))
    try:
        pieces = [tuple(piece) for piece in split_range([bundle(*one) for one in listed], start, end)]
    except InvalidParams:
        assert not possible
    else:
        assert pieces in possible
        assert len(pieces) == max(map(len, possible))


@pytest.mark.parametrize("reach", [1, 50, 10_000])
def test_ten_thousand_bundles_are_split_quickly(reach: int) -> None:
    """``reach`` is the number of following bundles that a large one covers too."""
    listed = [bundle(10 * number, 10 * number + 9) for number in range(10_000)]
    listed += [bundle(10 * number, 10 * (number + reach) - 1) for number in range(10_000)]
    random.Random(1).shuffle(listed)
    began = time.process_time()
    assert len(split_range(listed, 0, 99_999)) == 10_000
    assert time.process_time() - began < 2.0
