"""The HTTP services, as methods of the client."""

from __future__ import annotations

import pytest

import simsync
from simsync.local import Simulator


# feature: list the available ranges
def test_each_service_of_the_client(client: simsync.Client, simulator: Simulator) -> None:
    assert client.health()
    assert client.ready()
    simulator.draining = True
    assert not client.ready()
    ranges = client.available_ranges()
    assert [(one.start_slot, one.end_slot) for one in ranges] == [(1000, 1005), (1006, 1011), (1012, 1017)]
    assert [(piece.start_slot, piece.end_slot) for piece in simsync.split_range(ranges, 1000, 1011)] == [
        (1000, 1005),
        (1006, 1011),
    ]
    build = client.build_bundle(1000, 1011, bundle_size=6, idempotency_key="nightly")
    assert client.build_bundle(1000, 1011, bundle_size=6, idempotency_key="nightly").request_id == build.request_id
    told: list[str] = []
    done = client.wait_for_bundle(
        build, timeout=20, poll_interval=0.01, on_progress=lambda one: told.append(one.status)
    )
    assert (done.status, done.succeeded, told[-1]) == ("completed", True, "completed")
    assert client.bundle_build(build.request_id).finished
    listing = client.bundle_builds()
    assert [one.request_id for one in listing.builds] == [build.request_id]
    assert listing.bundles is not None
    assert [(one.start_slot, one.end_slot) for one in listing.bundles] == [(1000, 1005), (1006, 1011)]
    client.delete_bundle(1000, 1005)
    remaining = client.bundle_builds().bundles
    assert remaining is not None
    assert len(remaining) == 1
    assert client.usage().bundle_builds_requested == 1


def test_a_session_counts_in_the_usage(client: simsync.Client) -> None:
    with client.session(simsync.CreateSession(1000, slot_count=6)) as session:
        list(session.events(advance=6, timeout=20))
    usage = client.usage()
    assert (usage.sessions_started, usage.sessions_completed, usage.executed_slot_count) == (1, 1, 6)


def test_a_range_that_is_listed_can_be_run(client: simsync.Client) -> None:
    for piece in simsync.split_range(client.available_ranges(), 1000, 1011):
        with client.session(simsync.CreateSession(piece.start_slot, piece.end_slot)) as session:
            list(session.events(advance=6, timeout=20))
            assert session.coverage.complete


def test_a_wrong_key_is_explained(simulator: Simulator) -> None:
    with pytest.raises(simsync.HttpStatusError, match="the API key was refused") as refused:
        simsync.Client(simulator.url, "wrong-key-of-mine").usage()
    assert refused.value.status == 401
    assert "wrong-key-of-mine" not in str(refused.value)


# feature: data-set credentials
def test_keys_of_the_data_sets_are_not_shown(client: simsync.Client, simulator: Simulator) -> None:
    keys = client.dataset_credentials()
    assert keys.secret_access_key == "embedded-secret-access-key"
    assert keys.for_s3()["region_name"] == keys.region == "embedded-region"
    shown = repr(keys)
    assert not any(text in shown for text in (keys.access_key_id, keys.secret_access_key, keys.session_token))
    with pytest.raises(simsync.AuthenticationError):
        simsync.Client(simulator.url, "wrong").dataset_credentials()
