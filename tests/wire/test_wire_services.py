"""The plain HTTP services: literal paths and bodies, and answers in the documented and in odd forms."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simsync.errors import ProtocolError
from simsync.reports import AvailableRange, Bundle, BundleBuild, BundleListing, DatasetCredentials, UsageReport
from simsync.wire import services

pytestmark = pytest.mark.usefixtures("codec")

RANGES = (
    b'[{"bundleStartSlot":312000000,"bundleStartSlotUtc":"2026-06-01T00:00:00Z","maxBundleEndSlot":312004999,'
    b'"maxBundleEndSlotUtc":"2026-06-01T00:33:20Z","maxBundleSize":5000,"kind":"blocks","scope":"global"},'
    b'{"bundleStartSlot":312005000,"maxBundleEndSlot":312009999}]'
)
USAGE = (
    b'{"api_key_name":"desk-1","since":"2026-07-01T00:00:00Z","until":"2026-07-08T12:00:00Z",'
    b'"sessions":{"started":9,"completed":7,"failed":1},'
    b'"compute":{"executed_slot_count":41000,"session_duration_ms":7200000}}'
)
BUILD = (
    b'{"request_id":"req-1","start_slot":312000000,"end_slot":312049999,"bundle_size":10000,"status":"in_progress",'
    b'"created_at_unix_ms":1782000000000}'
)
LISTING = (
    b'{"builds":[{"request_id":"req-1","start_slot":312000000,"end_slot":312049999,"bundle_size":10000,'
    b'"status":"completed","created_at_unix_ms":1782000000000}],"bundles":[{"start_slot":312000000,'
    b'"end_slot":312009999,"kind":"blocks","completed_at_unix_ms":1782000900000,"size_bytes":734003200}]}'
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type,misc]


def test_paths() -> None:
    assert (services.HEALTH, services.READY, services.RANGES) == ("/health", "/ready", "/available-ranges")
    assert services.BUILDS == "/build-bundle"
    assert services.build_path("req-1") == "/build-bundle/req-1"
    assert services.build_path("a/b?c ü") == "/build-bundle/a%2Fb%3Fc%20%C3%BC"
    assert services.delete_path(5, 9, "blocks") == "/bundles?start_slot=5&end_slot=9&kind=blocks"
    assert services.delete_path(5, 9, "a&b") == "/bundles?start_slot=5&end_slot=9&kind=a%26b"


def test_usage_path() -> None:
    zone = timezone(timedelta(hours=2))
    assert services.usage_path(None, None) == "/usage"
    assert services.usage_path(utc(2026, 7, 1), None) == "/usage?since=2026-07-01T00%3A00%3A00Z"
    assert services.usage_path(None, datetime(2026, 7, 1, 2, tzinfo=zone)) == "/usage?until=2026-07-01T00%3A00%3A00Z"
    both = services.usage_path(utc(2026, 7, 1), utc(2026, 7, 8, 12, 0, 0, 5))
    assert both == "/usage?since=2026-07-01T00%3A00%3A00Z&until=2026-07-08T12%3A00%3A00.000005Z"


def test_build_request() -> None:
    documented = (
        '{"start_slot":312000000,"end_slot":312049999,"bundle_size":10000,"kind":"blocks","idempotency_key":"june-a"}'
    )
    sent = services.build_request(312000000, 312049999, 10000, "blocks", "june-a")
    assert json.loads(sent) == json.loads(documented)
    assert json.loads(services.build_request(1, 2, None, None, None)) == {"start_slot": 1, "end_slot": 2}


def test_available_ranges() -> None:
    ranges, odd = services.read_available_ranges(RANGES)
    assert odd == 0
    assert ranges == [
        AvailableRange(
            312000000, 312004999, utc(2026, 6, 1), utc(2026, 6, 1, 0, 33, 20), 5000, kind="blocks", scope="global"
        ),
        AvailableRange(312005000, 312009999),
    ]
    assert [found.raw for found in ranges] == json.loads(RANGES)
    assert services.read_available_ranges(b"[]") == ([], 0)


def test_available_ranges_in_other_spellings() -> None:
    entry = {
        "bundle_start_slot": 5,
        "MAX_BUNDLE_END_SLOT": 9,
        "bundleStartSlotUTC": "2026-06-01",
        "max_bundle_end_slot_utc": "noon",
        "maxBundleSize": "5",
        "kind": "account_state",
        "scope": None,
        "snapshotSlot": 3,
    }
    (found,), odd = services.read_available_ranges(json.dumps([entry]).encode())
    assert found == AvailableRange(5, 9, utc(2026, 6, 1), kind="account_state")
    assert (found.raw, odd) == (entry, 0)


def test_one_odd_range_does_not_hide_the_others() -> None:
    ranges, odd = services.read_available_ranges(
        b'[7,{"bundleStartSlot":5},{"bundleStartSlot":-1},{"bundleStartSlot":"6"},{"bundleStartSlot":true},null]'
    )
    assert (ranges, odd) == ([AvailableRange(5)], 5)


def test_usage() -> None:
    report = services.read_usage(USAGE)
    assert report == UsageReport("desk-1", utc(2026, 7, 1), utc(2026, 7, 8, 12), 9, 7, 1, 41000, 7200000, None)
    assert report.raw == json.loads(USAGE)


def test_usage_with_more_and_with_less() -> None:
    report = services.read_usage(
        b'{"apiKeyName":"k","bundleBuilds":{"requested":3},"sessions":[],"compute":{"executedSlotCount":"x"},"daily":[1]}'
    )
    assert report == UsageReport("k", bundle_builds_requested=3)
    assert report.raw["daily"] == [1]


def test_build() -> None:
    build = services.read_build(BUILD)
    assert build == BundleBuild("req-1", "in_progress", 312000000, 312049999, 10000, 1782000000000)
    assert build.raw == json.loads(BUILD)
    assert services.read_build(b'{"requestId":7,"status":"queued"}') == BundleBuild("7", "queued")


@pytest.mark.parametrize(
    ("word", "status", "finished", "succeeded"),
    [
        ("in_progress", "in_progress", False, False),
        ("inProgress", "in_progress", False, False),
        ("IN_PROGRESS", "in_progress", False, False),
        ("completed", "completed", True, True),
        ("Completed", "completed", True, True),
        ("failed", "failed", True, False),
        ("needsInvestigation", "needs_investigation", True, False),
        ("Archived", "Archived", True, False),
    ],
)
def test_statuses(word: str, status: str, finished: bool, succeeded: bool) -> None:
    build = services.read_build(json.dumps({"request_id": "r", "status": word}).encode())
    assert (build.status, build.finished, build.succeeded) == (status, finished, succeeded)


def test_listing() -> None:
    listing, odd = services.read_listing(LISTING)
    assert odd == 0
    assert listing == BundleListing(
        (BundleBuild("req-1", "completed", 312000000, 312049999, 10000, 1782000000000),),
        (Bundle(312000000, 312009999, "blocks", 1782000900000, 734003200),),
    )
    assert listing.raw == json.loads(LISTING)


@pytest.mark.parametrize(
    ("body", "bundles"),
    [
        (b'{"builds":[]}', None),
        (b'{"builds":[],"bundles":null}', None),
        (b'{"builds":[],"bundles":[]}', ()),
        (b'{"builds":[],"bundles":[{"startSlot":5,"endSlot":9}]}', (Bundle(5, 9),)),
    ],
)
def test_no_bundles_and_no_listing_of_bundles_are_different(body: bytes, bundles: Any) -> None:
    assert services.read_listing(body) == (BundleListing((), bundles), 0)


def test_one_odd_entry_does_not_hide_the_others() -> None:
    listing, odd = services.read_listing(
        b'{"builds":[{},{"request_id":"a","status":"failed"},{"request_id":"b"}],'
        b'"bundles":[{"start_slot":1},{"start_slot":1,"end_slot":2}]}'
    )
    assert (listing, odd) == (BundleListing((BundleBuild("a", "failed"),), (Bundle(1, 2),)), 3)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", None),
        (b" \n", None),
        (b"null", None),
        (b'{"deleted":1}', {"deleted": 1}),
        (b"gone", "gone"),
        (b"\xff", "�"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_what_a_deletion_tells(body: bytes, told: Any) -> None:
    assert services.read_deleted(body) == told


@pytest.mark.parametrize(
    ("body", "ok"),
    [(b"ok", True), (b" OK\n", True), (b'"ok"', True), (b"", False), (b"<html>ok</html>", False), (b"okay", False)],
)
def test_health(body: bytes, ok: bool) -> None:
    assert services.is_ok(body) is ok


READERS: list[Callable[[bytes], Any]] = [
    services.read_available_ranges,
    services.read_usage,
    services.read_build,
    services.read_listing,
]
DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"<html>",
            b"\xff",
            b"7",
            b"null",
            b'"x"',
            b"[[]]",
            b"[{}]",
            b"9" * 5000,
            b"NaN",
            DEEP,
            b'{"a":%s}' % DEEP,
        ),
        *(b'{"error":"busy"}', b'{"builds":7}', b'{"builds":[],"bundles":7}', b'{"builds":[7]}'),
        b'{"request_id":"","status":"failed"}',
        b'{"request_id":true,"status":"failed"}',
        b'{"request_id":"r","status":7}',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_an_answer_that_cannot_be_read(read: Callable[[bytes], Any], body: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(body)
    assert caught.value.raw is not None or body == b"null"


@pytest.mark.parametrize("read", READERS)
def test_an_empty_answer_is_recognised_as_one(read: Callable[[bytes], Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(b"")
    assert caught.value.raw == b""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**65) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["bundleStartSlot", "builds", "bundles", "request_id", "status", "sessions", "compute", "since"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("read", READERS)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=JSON)
def test_no_answer_raises_anything_else(read: Callable[[bytes], Any], answer: Any) -> None:
    try:
        read(json.dumps(answer).encode())
    except ProtocolError as error:
        assert str(error)


def test_reports_survive_the_way_through_json() -> None:
    (first, second), _odd = services.read_available_ranges(RANGES)
    for report in (
        first,
        second,
        services.read_usage(USAGE),
        services.read_build(BUILD),
        services.read_listing(LISTING)[0],
    ):
        text = report.to_json()
        assert "raw" not in json.loads(text)
        assert type(report).from_json(text) == report
    assert json.loads(first.to_json())["start_time"] == "2026-06-01T00:00:00Z"


def test_keys_of_data_sets_in_any_spelling_and_never_in_an_error() -> None:
    body = b'{"accessKeyId": "A", "secretAccessKey": "B", "session_token": "C", "region": "D"}'
    assert services.read_dataset_credentials(body) == DatasetCredentials("A", "B", "C", "D")
    with pytest.raises(ProtocolError, match="no session_token") as caught:
        services.read_dataset_credentials(b'{"access_key_id": "A", "secret_access_key": "hidden", "region": "D"}')
    assert "hidden" not in f"{caught.value!r} {caught.value.raw}"
