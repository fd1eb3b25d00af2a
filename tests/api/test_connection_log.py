"""The log of lost connections: each line names its session, and says when the connection is back."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

import simsync
from simsync.local import Faults, Ledger, Simulator
from simsync.protocol.connection_log import named

FIELDS = ("session_id", "plane", "attempt", "slot")


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, logger="simsync"):
        yield


def lines(caplog: pytest.LogCaptureFixture, plane: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "plane", None) == plane]


def run(faults: Faults, *, parallel: bool) -> list[str]:
    """Run a range whose connections are lost. Returns the ids of its sessions."""
    ledger = Ledger.generate(slots=40, bundle_size=20 if parallel else 40, transactions_per_slot=2)
    create = simsync.CreateSession(1_000, 1_039)
    options = simsync.Options(backoff_initial=0.01)
    with Simulator(ledger, faults=faults) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key, options=options)
        if not parallel:
            with client.session(create, timeout=20) as single:
                single.subscribe_transactions()
                for _event in single.events(advance=5, timeout=20):
                    pass
                return [single.session_id]
        with client.parallel(create, timeout=20) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
            for _pair in session.events(advance=5, timeout=20):
                pass
            return [sub.session_id for sub in session.sub_sessions]


@pytest.mark.parametrize("parallel", [True, False])
def test_a_lost_data_connection(caplog: pytest.LogCaptureFixture, parallel: bool) -> None:
    ids = run(Faults().drop_data(after=20, times=2), parallel=parallel)
    told = lines(caplog, "data")
    assert {record.session_id for record in told} <= set(ids)  # type: ignore[attr-defined]
    for record in told:
        assert all(hasattr(record, name) for name in FIELDS)
        assert record.getMessage().startswith(f"session {record.session_id}: ")  # type: ignore[attr-defined]
    lost = [record for record in told if "connection lost" in record.getMessage()]
    back = [record for record in told if "the data connection is back" in record.getMessage()]
    assert len(lost) == len(back) == 2
    assert all(record.levelno == logging.WARNING and record.attempt >= 1 for record in lost)  # type: ignore[attr-defined]


@pytest.mark.parametrize("parallel", [True, False])
def test_a_lost_control_connection(caplog: pytest.LogCaptureFixture, parallel: bool) -> None:
    ids = run(Faults().drop_control(after=6), parallel=parallel)
    told = [record for record in lines(caplog, "control") if "session" in record.getMessage()]
    assert all(any(one in record.getMessage() for one in ids) for record in told)
    texts = " ".join(record.getMessage() for record in told)
    assert "connection lost" in texts
    assert "the control connection is back after" in texts
    assert "control connection closed" in texts


def test_many_sessions_are_named_in_short() -> None:
    assert named([]) == ""
    assert named(["a"]) == "session a"
    assert named(["a", "b"]) == "sessions a, b"
    assert named(list("abcde")) == "sessions a, b, c and 2 more"
