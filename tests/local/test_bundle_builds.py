"""Bundles that clients have built: requests, status, list, deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import pytest
import requests

from simsync.local import Ledger, Simulator
from simsync.local.encoding import dump_json
from simsync.local.services import BuildRequest, BundleBuilds, KeyTaken, Range

from .bare import TIMEOUT, Control, get

Start = Callable[..., Simulator]
REQUEST = {"start_slot": 1005, "end_slot": 1029, "bundle_size": 10}


def send(simulator: Simulator, method: str, path: str, key: Optional[str] = None, **more: Any) -> requests.Response:
    headers = {"X-API-Key": simulator.api_key if key is None else key}
    with requests.request(method, simulator.url + path, headers=headers, timeout=TIMEOUT, **more) as reply:
        return reply


def answer(simulator: Simulator, method: str, path: str, **more: Any) -> Any:
    reply = send(simulator, method, path, **more)
    assert reply.status_code == 200, reply.text
    return reply.json()


def build(simulator: Simulator, **body: Any) -> Any:
    return answer(simulator, "POST", "/build-bundle", json=body)


def delete(simulator: Simulator, start: int, end: int, **more: Any) -> requests.Response:
    return send(simulator, "DELETE", "/bundles", params={"start_slot": start, "end_slot": end, **more})


def size(ledger: Ledger, start: int, end: int) -> int:
    return sum(len(item.wire) for block in ledger.blocks_between(start, end) for item in block.transactions)


def test_a_build_is_in_progress_in_its_answer_and_then_completed(simulator: Simulator, ledger: Ledger) -> None:
    status = build(simulator, **REQUEST)
    created = status["created_at_unix_ms"]
    assert status == {
        **REQUEST,
        "request_id": status["request_id"],
        "status": "in_progress",
        "created_at_unix_ms": created,
    }
    done = {**status, "status": "completed"}
    assert answer(simulator, "GET", f"/build-bundle/{status['request_id']}") == done
    listing = answer(simulator, "GET", "/build-bundle")
    assert listing == {
        "builds": [done],
        "bundles": [
            {
                "start_slot": start,
                "end_slot": end,
                "kind": "blocks",
                "completed_at_unix_ms": created,
                "size_bytes": size(ledger, start, end),
            }
            for start, end in ((1005, 1014), (1015, 1024), (1025, 1029))
        ],
    }
    assert all(bundle["size_bytes"] > 1000 for bundle in listing["bundles"])


def test_a_build_takes_its_time(ledger: Ledger) -> None:
    now = 5_000
    builds = BundleBuilds(ledger, 1.5, lambda: now)
    status, is_new = builds.request(BuildRequest(Range(1000, 1009, "blocks"), 50_000, None))
    assert is_new
    for moment, expected in ((6_499, "in_progress"), (6_500, "completed")):
        now = moment
        found = builds.status(status["request_id"])
        assert found is not None
        assert found["status"] == expected
        assert len(builds.listing()["bundles"]) == (expected == "completed")
    assert builds.listing()["bundles"][0]["completed_at_unix_ms"] == 6_500


def test_the_delay_is_a_switch(simulate: Start) -> None:
    simulator = simulate(build_delay=3_600)
    status = build(simulator, **REQUEST)
    assert answer(simulator, "GET", f"/build-bundle/{status['request_id']}")["status"] == "in_progress"
    assert answer(simulator, "GET", "/build-bundle") == {"builds": [status], "bundles": []}
    assert delete(simulator, 1005, 1014).status_code == 404


@pytest.mark.parametrize(("start", "end"), [(999, 1009), (1030, 1040), (5, 6), (0, 2**64 - 1)])
def test_a_range_outside_the_ledger_fails(simulator: Simulator, start: int, end: int) -> None:
    status = build(simulator, start_slot=start, end_slot=end, bundle_size=1)
    assert status["status"] == "in_progress"
    listing = answer(simulator, "GET", "/build-bundle")
    assert [one["status"] for one in listing["builds"]] == ["failed"]
    assert listing["bundles"] == []


def test_the_newest_build_comes_first_and_bundles_go_by_slot(simulator: Simulator) -> None:
    first = build(simulator, start_slot=1020, end_slot=1029)
    assert first["bundle_size"] == 50_000
    second = build(simulator, start_slot=1000, end_slot=1009, kind="account_state")
    third = build(simulator, start_slot=1000, end_slot=1009)
    listing = answer(simulator, "GET", "/build-bundle")
    ids = [third["request_id"], second["request_id"], first["request_id"]]
    assert [one["request_id"] for one in listing["builds"]] == ids
    assert [(one["start_slot"], one["kind"]) for one in listing["bundles"]] == [
        (1000, "account_state"),
        (1000, "blocks"),
        (1020, "blocks"),
    ]


def test_the_size_counts_the_content_of_a_bundle(simulate: Start, ledger: Ledger) -> None:
    simulator = simulate()
    build(simulator, start_slot=1000, end_slot=1019, kind="account_state")
    (bundle,) = answer(simulator, "GET", "/build-bundle")["bundles"]
    held = [account for one in ledger.bundles[:2] for account in one.accounts.values()]
    assert bundle["size_bytes"] == sum(len(account.data) for account in held) > 0
    row = {"slot": 300, "transaction": {"signatures": ["x"], "message": {"accountKeys": []}}}
    recorded = Ledger.from_transactions([row])
    simulator = simulate(recorded)
    build(simulator, start_slot=300, end_slot=300)
    (bundle,) = answer(simulator, "GET", "/build-bundle")["bundles"]
    assert bundle["size_bytes"] == len(dump_json(recorded.blocks[0].recorded[0]))


def test_keys_are_found_in_any_spelling(simulator: Simulator) -> None:
    first = build(simulator, startSlot=1000, END_SLOT=1009, BundleSize=5, Kind=None, idempotencyKey="june")
    assert (first["start_slot"], first["end_slot"], first["bundle_size"]) == (1000, 1009, 5)
    again = build(simulator, start_slot=1000, end_slot=1009, bundle_size=5, kind="blocks", idempotency_key="june")
    assert again["request_id"] == first["request_id"]
    reply = send(simulator, "DELETE", "/bundles", params={"startSlot": 1000, "EndSlot": 1004, "KIND": "blocks"})
    assert reply.status_code == 200


def test_an_idempotency_key_identifies_one_request(simulator: Simulator) -> None:
    first = build(simulator, **REQUEST, idempotency_key="a")
    again = build(simulator, **REQUEST, idempotency_key="a")
    assert again == {**first, "status": "completed"}
    for change in ({"end_slot": 1028}, {"start_slot": 1006}, {"bundle_size": 11}, {"bundle_size": None}):
        reply = send(simulator, "POST", "/build-bundle", json={**REQUEST, "idempotency_key": "a", **change})
        assert reply.status_code == 409
        assert first["request_id"] in reply.text
    # Another kind is another request, and so is one without a key.
    others = [
        build(simulator, **REQUEST, idempotency_key="a", kind="account_state"),
        build(simulator, **REQUEST, idempotency_key="b"),
        build(simulator, **REQUEST),
        build(simulator, **REQUEST),
    ]
    ids = {first["request_id"], *(one["request_id"] for one in others)}
    assert len(ids) == 5
    usage = answer(simulator, "GET", "/usage")
    assert usage["bundle_builds"] == {"requested": 5}


def test_a_taken_key_changes_nothing(ledger: Ledger) -> None:
    builds = BundleBuilds(ledger, 0, lambda: 1)
    builds.request(BuildRequest(Range(1000, 1009, "blocks"), 10, "a"))
    with pytest.raises(KeyTaken):
        builds.request(BuildRequest(Range(1000, 1019, "blocks"), 10, "a"))
    assert len(builds.listing()["builds"]) == 1


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "object"),
        ("null", "start_slot"),
        ('{"start_slot":1000}', "end_slot"),
        ('{"end_slot":1000}', "start_slot"),
        ('{"start_slot":"1000","end_slot":1009}', "start_slot"),
        ('{"start_slot":true,"end_slot":1009}', "start_slot"),
        ('{"start_slot":-1,"end_slot":1009}', "start_slot"),
        ('{"start_slot":1000,"end_slot":1.5}', "end_slot"),
        ('{"start_slot":1009,"end_slot":1000}', "below"),
        ('{"start_slot":1000,"end_slot":1009,"bundle_size":0}', "bundle_size"),
        ('{"start_slot":1000,"end_slot":1009,"bundle_size":"5"}', "bundle_size"),
        ('{"start_slot":1000,"end_slot":1009,"kind":"all"}', "kind"),
        ('{"start_slot":1000,"end_slot":1009,"kind":5}', "kind"),
        ('{"start_slot":1000,"end_slot":1009,"idempotency_key":5}', "idempotency_key"),
    ],
)
def test_invalid_build_requests_are_refused(simulator: Simulator, body: str, problem: str) -> None:
    reply = send(simulator, "POST", "/build-bundle", data=body)
    assert reply.status_code == 400
    assert problem in reply.text
    assert answer(simulator, "GET", "/build-bundle") == {"builds": [], "bundles": []}


def test_a_bundle_is_deleted_by_its_exact_range_and_kind(simulator: Simulator) -> None:
    status = build(simulator, **REQUEST)
    bundles = answer(simulator, "GET", "/build-bundle")["bundles"]
    for wrong in ((1005, 1013), (1006, 1014), (1005, 1029), (1000, 1009)):
        assert delete(simulator, *wrong).status_code == 404
    assert delete(simulator, 1015, 1024, kind="account_state").status_code == 404
    reply = delete(simulator, 1015, 1024, kind="blocks")
    assert (reply.status_code, reply.json()) == (200, {"deleted": bundles[1]})
    assert delete(simulator, 1015, 1024).status_code == 404
    listing = answer(simulator, "GET", "/build-bundle")
    assert listing["bundles"] == [bundles[0], bundles[2]]
    assert [one["request_id"] for one in listing["builds"]] == [status["request_id"]]
    # It can be built again.
    build(simulator, start_slot=1015, end_slot=1024)
    assert len(answer(simulator, "GET", "/build-bundle")["bundles"]) == 3


@pytest.mark.parametrize(
    "query",
    [
        "",
        "start_slot=1000",
        "start_slot=x&end_slot=5",
        "start_slot=-1&end_slot=5",
        "start_slot=9&end_slot=5",
        "start_slot=1&end_slot=" + "9" * 5000,
        "start_slot=1&end_slot=5&kind=all",
    ],
)
def test_a_deletion_needs_a_range(simulator: Simulator, query: str) -> None:
    assert send(simulator, "DELETE", f"/bundles?{query}").status_code == 400


def test_unknown_requests_are_not_found(simulator: Simulator) -> None:
    assert send(simulator, "GET", "/build-bundle/build_x").status_code == 404


def test_the_key_is_needed(simulator: Simulator) -> None:
    build(simulator, **REQUEST)
    for method, path in (
        ("POST", "/build-bundle"),
        ("GET", "/build-bundle"),
        ("GET", "/build-bundle/x"),
        ("DELETE", "/bundles?start_slot=1005&end_slot=1014"),
    ):
        assert send(simulator, method, path, "wrong", json=REQUEST).status_code == 401
        assert requests.request(method, simulator.url + path, timeout=TIMEOUT).status_code == 401
    listing = answer(simulator, "GET", "/build-bundle")
    assert (len(listing["builds"]), len(listing["bundles"])) == (1, 3)


def test_sessions_start_at_the_bundles_of_the_ledger_only(simulator: Simulator) -> None:
    ranges = get(simulator, "/available-ranges").json()
    build(simulator, **REQUEST)
    assert len(answer(simulator, "GET", "/build-bundle")["bundles"]) == 3
    assert get(simulator, "/available-ranges").json() == ranges
    with Control(simulator) as control:
        control.ask("createBacktestSession", {"startSlot": 1005, "endSlot": 1009})
        assert "bundleNotFound" in control.recv()["params"]
