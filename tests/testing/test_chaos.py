"""Chaos by a seed: it is repeatable, sessions survive it, and a client delivers the same as without it."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.cli.app import run as run_command
from simsync.errors import InvalidParams
from simsync.local import Faults, Ledger, Simulator, command
from simsync.local.faults.chaos import Drawn, Draws
from simsync.testing import client_of

FIRST, SLOTS, BUNDLE = 1_000, 24, 8
SYSTEM_PROGRAM = "11111111111111111111111111111111"
DROPS = {"drop_control_before", "drop_control_after", "drop_data_at"}
CONTROL = {"drop_control_before", "drop_control_after", "delay_control", "replay_control"}
DATA = {"drop_data_at", "delay_data"}
Streams = dict[tuple[int, str], list[Any]]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=3, bundle_size=BUNDLE)


def parallel(client: simsync.Client) -> Streams:
    """The events of each sub-session, of each kind: the same ones in the same order."""
    found: Streams = defaultdict(list)
    with client.parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=60) as session:
        for sub in session.sub_sessions:
            sub.subscribe_transactions()
            sub.subscribe_account_diffs([SYSTEM_PROGRAM])
        for sub, event in session.events(advance=3, timeout=60):
            found[sub.start_slot, type(event).__name__].append(content(event))
        assert all(coverage.complete for coverage in session.coverage)
    return dict(found)


def single(client: simsync.Client) -> Streams:
    found: Streams = defaultdict(list)
    with client.session(simsync.CreateSession(FIRST, slot_count=BUNDLE), timeout=60) as session:
        session.subscribe_transactions()
        session.subscribe_account_diffs([SYSTEM_PROGRAM])
        for event in session.events(advance=2, timeout=60):
            found[0, type(event).__name__].append(content(event))
    return dict(found)


def content(event: simsync.Event) -> Any:
    return event.raw if isinstance(event, (simsync.Transaction, simsync.AccountDiff)) else repr(event)


@pytest.mark.parametrize(("strategy", "seeds"), [(parallel, 8), (single, 4)])
def test_what_is_delivered_equals_the_undisturbed_run(
    strategy: Callable[[simsync.Client], Streams], seeds: int, ledger: Ledger, thorough: bool
) -> None:
    with Simulator(ledger) as simulator:
        expected = strategy(client_of(simulator))
    fired: Counter[str] = Counter()
    for seed in range(300 if thorough else seeds):
        with Simulator(ledger, faults=Faults(seed=seed)) as simulator:
            assert strategy(client_of(simulator)) == expected, f"seed {seed}: {simulator.faults.fired}"
            fired.update(simulator.faults.fired)
            assert not DROPS.isdisjoint(simulator.faults.fired), f"seed {seed}: {simulator.faults.fired}"
    assert set(fired) == {*DROPS, "delay_control", "delay_data", "replay_control"}


def test_with_the_default_options_too(ledger: Ledger, thorough: bool) -> None:
    with Simulator(ledger) as simulator:
        expected = single(client_of(simulator))
    for seed in range(20 if thorough else 1):
        with Simulator(ledger, faults=Faults(seed=seed)) as simulator:
            assert single(simsync.Client(simulator.url, simulator.api_key)) == expected


def row(seed: int, plane: str, count: int) -> list[Drawn]:
    draws = Draws(seed, plane)
    faults: list[Drawn] = []
    for _ in range(count):
        faults.append(draws.after(faults[-1].number if faults else 0))
    return faults


@pytest.mark.parametrize("plane", ["control", "data"])
def test_a_seed_draws_the_same_faults_every_time_and_another_one_others(plane: str) -> None:
    assert row(7, plane, 200) == row(7, plane, 200)
    assert len({tuple(row(seed, plane, 10)) for seed in range(50)}) == 50


@pytest.mark.parametrize("plane", ["control", "data"])
def test_outages_stay_within_the_budget_of_the_default_options(plane: str) -> None:
    """The worst case: the same connection is dropped each time, before it delivers enough to reset its count."""
    for seed in range(200):
        faults = list(itertools.takewhile(lambda fault: fault.number < 10**8, row(seed, plane, 600)))
        assert faults[-1].number > 10**7, "the row ends too early to tell"
        assert all(after.number > before.number for before, after in zip(faults, faults[1:]))
        drops = sum(fault.name in DROPS for fault in faults)
        assert 8 < drops <= simsync.Options().reconnect_attempts
        assert all(fault.seconds <= 0.05 for fault in faults)
        assert {fault.name for fault in faults} <= (CONTROL if plane == "control" else DATA)


def test_data_connections_of_long_sessions_are_not_dropped() -> None:
    """While the client is away the engine could produce more than the server keeps."""
    long = Ledger.generate(seed=5, start_slot=FIRST, slots=101, transactions_per_slot=2, bundle_size=101)
    with Simulator(long, faults=Faults(seed=1)) as simulator:
        with client_of(simulator).session(simsync.CreateSession(FIRST, slot_count=101), timeout=60) as session:
            session.subscribe_transactions()
            events = list(session.events(advance=101, timeout=60))
        fired = Counter(simulator.faults.fired)
    assert sum(isinstance(event, simsync.Transaction) for event in events) == 202
    assert "drop_data_at" not in fired
    assert fired["delay_data"] > 10


def test_sessions_that_do_not_outlive_their_connection_are_not_dropped(ledger: Ledger) -> None:
    create = simsync.CreateSession(FIRST, slot_count=SLOTS, disconnect_timeout=0)
    with Simulator(ledger, faults=Faults(seed=1)) as simulator:
        with client_of(simulator).parallel(create, timeout=60) as session:
            slots = [
                event.slot for _sub, event in session.events(advance=1, timeout=60) if isinstance(event, simsync.Slot)
            ]
        fired = Counter(simulator.faults.fired)
    assert sorted(slots) == list(range(FIRST, FIRST + SLOTS))
    assert not fired["drop_control_before"] + fired["drop_control_after"]
    assert fired["delay_control"] > 1


def test_repeated_events_are_dropped_by_their_sequence_numbers(ledger: Ledger) -> None:
    faults = Faults()
    for number in range(12, 40, 3):
        faults.replay_control(after=number, messages=5)
    with Simulator(ledger, faults=faults) as simulator:
        with client_of(simulator).parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=60) as session:
            list(session.events(advance=1, timeout=60))
            dropped = sum(sub.coverage.replays_dropped for sub in session.sub_sessions)
    assert faults.fired == ("replay_control",) * 10
    assert dropped == 50


def test_a_replay_without_events_is_not_a_fault(ledger: Ledger) -> None:
    faults = Faults().replay_control(after=1)
    with Simulator(ledger, faults=faults) as simulator:
        with client_of(simulator).parallel(simsync.CreateSession(FIRST, slot_count=SLOTS), timeout=60) as session:
            list(session.events(advance=8, timeout=60))
    assert faults.fired == ()
    assert faults.rules_left == 1


def test_chaos_starts_again_after_a_reset_and_combines_with_other_rules(ledger: Ledger) -> None:
    faults = Faults(seed=3).refuse_upgrade(503)
    assert (faults.seed, faults.rules_left) == (3, 3)
    with Simulator(ledger, faults=faults) as simulator:
        first = single(client_of(simulator))
        fired = faults.fired
        assert "refuse_upgrade" in fired
        faults.reset()
        assert (faults.rules_left, faults.fired) == (2, ())
        assert single(client_of(simulator)) == first
        assert faults.fired
    assert faults.rules_left == 2


def test_on_the_command_line(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``simsync local --chaos SEED`` says which seed it is, and serves with it."""
    seeds = []

    def serve(
        _ledger: Ledger, *_where: object, on_ready: Callable[[Simulator], None], faults: Faults, **_: object
    ) -> None:
        seeds.append(faults.seed)
        with Simulator(ledger, faults=faults) as simulator:
            on_ready(simulator)

    monkeypatch.setattr(command, "serve", serve)
    ledger.save(tmp_path / "ledger.jsonl")
    for given in (["--chaos", "77"], []):
        assert run_command(["local", "--ledger", str(tmp_path / "ledger.jsonl"), *given]) == 0
        assert ("--chaos 77" in capsys.readouterr().out) is bool(given)
    assert seeds == [77, None]


@pytest.mark.parametrize("seed", [1.5, "7", True])
def test_a_seed_is_an_integer(seed: Any) -> None:
    with pytest.raises(InvalidParams, match="seed="):
        Faults(seed=seed)
    with pytest.raises(InvalidParams, match="messages=0"):
        Faults().replay_control(after=1, messages=0)
