"""Sessions in processes that ``multiprocessing`` spawns: requests, events and errors travel there and back."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

import simsync
from simsync.local import Ledger, Simulator

SLOTS = 6
KEY = "a key of the test"


@pytest.fixture(scope="module")
def client() -> Iterator[simsync.Client]:
    with Simulator(
        Ledger.generate(seed=4, start_slot=1_000, slots=SLOTS, transactions_per_slot=2), api_key=KEY
    ) as simulator:
        yield simsync.Client(simulator.url, KEY, options=simsync.Options(rpc_timeout=10.0))


CREATE = simsync.CreateSession(1_000, slot_count=SLOTS)


def run(url: str, key: str, create: simsync.CreateSession) -> list[simsync.Event]:
    with simsync.Client(url, key).session(create, timeout=20) as session:
        session.subscribe_transactions()
        session.subscribe_account_diffs(["11111111111111111111111111111111"])
        return list(session.events(advance=2, timeout=20))


def fail(url: str, key: str, create: simsync.CreateSession) -> None:
    with simsync.Client(url, key).session(create, timeout=20):
        pass


def test_a_spawned_process_runs_a_session_of_its_own(client: simsync.Client) -> None:
    with client.session(CREATE, timeout=20) as session:
        session.ensure_ready(timeout=20)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            events = pool.submit(run, client.url, KEY, CREATE).result(60)
            missing = pool.submit(fail, client.url, KEY, simsync.CreateSession(5, slot_count=1)).exception(60)
        # The parent's own session went on meanwhile.
        session.subscribe_transactions()
        session.subscribe_account_diffs(["11111111111111111111111111111111"])
        mine = list(session.events(advance=2, timeout=20))
    assert sorted(map(repr, events)) == sorted(map(repr, mine))
    assert sum(isinstance(event, simsync.Transaction) for event in events) == 2 * SLOTS
    diffs = [event for event in events if isinstance(event, simsync.AccountDiff)]
    assert [diff.raw for diff in diffs] == [diff.raw for diff in mine if isinstance(diff, simsync.AccountDiff)]
    assert isinstance(missing, simsync.CreateError)


def test_a_session_itself_does_not_travel(client: simsync.Client) -> None:
    with client.parallel(CREATE, timeout=20) as session:
        for one in (session, session.sub_sessions[0]):
            with pytest.raises(TypeError, match="make a Client and a session in the process that uses them"):
                pickle.dumps(one)
