"""``GET /usage``: the counters of a simulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

import pytest
import requests

from simsync.local import Block, Bundle, HistoricalTransaction, Ledger, Simulator
from simsync.local.encoding import MS_PER_DAY, read_time, time_text
from simsync.local.services import BadWindow, SessionEnd, Usage, Window, read_window

from .bare import TIMEOUT, Control, Rpc, name_of

Start = Callable[..., Simulator]
NOON = read_time("2026-07-08T12:00:00Z")


def ask(simulator: Simulator, key: Optional[str] = None, **query: str) -> requests.Response:
    headers = {"X-API-Key": simulator.api_key if key is None else key}
    with requests.get(f"{simulator.url}/usage", params=query, headers=headers, timeout=TIMEOUT) as reply:
        return reply


def usage(simulator: Simulator, **query: str) -> dict[str, Any]:
    reply = ask(simulator, **query)
    assert reply.status_code == 200, reply.text
    report: dict[str, Any] = reply.json()
    return report


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-02", MS_PER_DAY),
        ("1970-01-01t00:00:01.5z", 1_500),
        ("1970-01-01T00:00:00.0019Z", 1),
        ("1970-01-01T02:30:00+02:30", 0),
        ("1969-12-31T23:00:00.250-01:00", 250),
        ("1969-12-31T23:59:59.999Z", -1),
    ],
)
def test_times_are_read(text: str, milliseconds: int) -> None:
    assert read_time(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1700000000",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "2026-07-01T24:00:00Z",
        "2026-07-01T00:00:60Z",
        "2026-07-01T00:00:00",
        "2026-07-01T00:00Z",
        "2026-07-01T00:00:00+24:00",
        "2026-07-01T00:00:00 00:00",
        "2026-07-01Z",
        " 2026-07-01",
        "2026-07-01\n",
        "٢٠٢٦-07-01",
    ],
)
def test_invalid_times_are_refused(text: str, simulator: Simulator) -> None:
    with pytest.raises(ValueError, match=r"^(is neither|year|month|day|hour|minute|second)"):
        read_time(text)
    reply = ask(simulator, since=text)
    assert reply.status_code == 400
    assert reply.text.startswith("since ")
    assert ask(simulator, until=text).status_code == 400


def test_times_are_written() -> None:
    assert time_text(NOON) == "2026-07-08T12:00:00Z"
    assert time_text(NOON + 7) == "2026-07-08T12:00:00.007Z"


def test_the_window_begins_with_a_day() -> None:
    midnight = NOON - MS_PER_DAY // 2
    assert read_window("2026-07-08T11:59:59.9Z", "2026-07-08T12:00:00Z", 0) == Window(midnight, NOON)
    # A day in UTC, in whatever zone the text is.
    assert read_window("2026-07-08T01:00:00+02:00", None, NOON) == Window(midnight - MS_PER_DAY, NOON)
    assert read_window("2026-07-08", "2026-07-08", 0) == Window(midnight, midnight)
    assert read_window(None, None, NOON) == Window(midnight - 30 * MS_PER_DAY, NOON)
    assert read_window(None, "2026-07-09T00:00:00Z", 0) == Window(midnight - 29 * MS_PER_DAY, midnight + MS_PER_DAY)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-07-08T12:00:01Z", "2026-07-08T12:00:00Z"),
        ("2026-07-08T12:00:00.001Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        (None, "0001-01-03T00:00:00Z"),
        (None, "9999-12-31T23:59:59-01:00"),
    ],
)
def test_an_invalid_window_is_refused(since: Optional[str], until: Optional[str]) -> None:
    with pytest.raises(BadWindow):
        Usage(lambda: NOON).report(since, until)


def test_a_window_excludes_since_and_includes_until() -> None:
    now = NOON
    counters = Usage(lambda: now)
    for moment in (NOON - MS_PER_DAY // 2, NOON, NOON, NOON + 1):
        now = moment
        counters.slots.add()
        counters.builds.add()
    for until, count in (
        ("2026-07-08T11:59:59.999Z", 0),
        ("2026-07-08T12:00:00Z", 2),
        ("2026-07-08T12:00:00.001Z", 3),
    ):
        report = counters.report("2026-07-08T09:00:00Z", until)
        assert report["compute"]["executed_slot_count"] == count
        assert report["bundle_builds"] == {"requested": count}
        assert (report["since"], report["until"]) == ("2026-07-08T00:00:00Z", until)
    assert counters.report("2026-07-07T00:00:00Z", None)["compute"]["executed_slot_count"] == 4


def test_sessions_count_when_they_begin_and_end_and_last_only_within_the_window() -> None:
    now = NOON - MS_PER_DAY
    counters = Usage(lambda: now)
    first, second, third, _ = (counters.start_session() for _ in range(4))
    now = NOON
    first.end(SessionEnd.COMPLETED)
    second.end(SessionEnd.FAILED)
    now += 1000
    # The end counts once.
    first.end(SessionEnd.CLOSED)
    second.end(SessionEnd.COMPLETED)
    third.end(SessionEnd.CLOSED)
    now += 1000
    day = counters.report("2026-07-08", None)
    assert day["sessions"] == {"started": 0, "completed": 1, "failed": 1}
    half = MS_PER_DAY // 2
    assert day["compute"]["session_duration_ms"] == half + half + (half + 1000) + (half + 2000)
    before = counters.report("2026-07-07", "2026-07-08")
    assert before["sessions"] == {"started": 4, "completed": 0, "failed": 0}
    assert before["compute"]["session_duration_ms"] == 4 * half


def test_a_simulator_without_sessions_reports_zeros(simulator: Simulator) -> None:
    before = datetime.now(timezone.utc)
    report = usage(simulator)
    until = datetime.fromtimestamp(read_time(report["until"]) / 1000, timezone.utc)
    assert abs(until - before) < timedelta(seconds=60)
    assert report["since"] == (until - timedelta(days=30)).strftime("%Y-%m-%dT00:00:00Z")
    del report["since"], report["until"]
    assert report == {
        "api_key_name": "local",
        "sessions": {"started": 0, "completed": 0, "failed": 0},
        "compute": {"executed_slot_count": 0, "session_duration_ms": 0},
        "bundle_builds": {"requested": 0},
    }


def test_sessions_and_slots_are_counted(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.create(1000, 1009)
        control.proceed(2)
        control.until("readyForContinue")
        # The start slot, 1001 and 1002.
        report = usage(simulator)
        assert report["sessions"] == {"started": 1, "completed": 0, "failed": 0}
        assert report["compute"]["executed_slot_count"] == 3
        control.proceed(100)
        control.until("completed")
    report = usage(simulator)
    assert report["sessions"] == {"started": 1, "completed": 1, "failed": 0}
    # 1006 carries no block.
    assert report["compute"]["executed_slot_count"] == 9
    with Control(simulator) as control:
        created = control.create_parallel(1000, 1029)
        assert len(created["session_ids"]) == 3
        assert usage(simulator)["sessions"] == {"started": 4, "completed": 1, "failed": 0}
    yesterday = (datetime.now(timezone.utc) - timedelta(days=1)).isoformat()
    assert usage(simulator, until=yesterday)["sessions"] == {"started": 0, "completed": 0, "failed": 0}


def test_a_session_lasts_until_it_is_closed(simulator: Simulator) -> None:
    with Control(simulator) as control:
        control.create(1000, 1009)
        first = usage(simulator)
        running = later(simulator, first)
        assert running["compute"]["session_duration_ms"] > first["compute"]["session_duration_ms"]
        control.ask("closeBacktestSession")
        control.until("success")
        closed = usage(simulator)
        assert later(simulator, closed)["compute"] == closed["compute"]
        assert closed["sessions"] == {"started": 1, "completed": 0, "failed": 0}


def later(simulator: Simulator, report: dict[str, Any]) -> dict[str, Any]:
    """Return a report that was made at least 5 ms later."""
    wanted = read_time(report["until"]) + 5
    while read_time(report["until"]) < wanted:
        report = usage(simulator)
    return report


def test_a_start_slot_counts_once_it_is_executed(simulator: Simulator) -> None:
    with Control(simulator) as control:
        rpc = Rpc(simulator, control.create(1000, 1009))
        assert usage(simulator)["compute"]["executed_slot_count"] == 0
        rpc.call("getSlot")
        assert usage(simulator)["compute"]["executed_slot_count"] == 1


def test_a_session_that_breaks_has_failed(simulate: Start) -> None:
    broken = HistoricalTransaction(b"no transaction", None, (), "")
    blocks = [Block(slot, slot - 1, slot, 0, "1" * 32, (broken,) * (slot - 1000)) for slot in (1000, 1001)]
    simulator = simulate(Ledger(blocks, [Bundle(1000, 1001)]))
    with Control(simulator) as control:
        control.create(1000, 1001)
        control.proceed(1)
        assert name_of(control.until("error")[-1]) == "error"
        report = usage(simulator)
        assert report["sessions"] == {"started": 1, "completed": 0, "failed": 1}
        assert report["compute"]["executed_slot_count"] == 1


def test_the_key_is_needed(simulate: Start) -> None:
    simulator = simulate(api_key="secret")
    assert ask(simulator, "wrong").status_code == 401
    with requests.get(f"{simulator.url}/usage", timeout=TIMEOUT) as reply:
        assert reply.status_code == 401
    assert "secret" not in ask(simulator).text
    assert ask(simulate(api_key=""), "any").status_code == 200
