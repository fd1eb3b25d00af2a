"""The embedded simulator as a server of each generation, with the client set to it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator, action_blob

from .actors import RICH, transfer

pytest.importorskip("zstandard")

ACTION = simsync.ScheduledAction(
    simsync.Anchor("after_every_slot", every=1),
    transactions=[transfer(10**6), transfer(2 * 10**6)],
    account_overrides={str(RICH.pubkey()): simsync.AccountData(10**10)},
    label="x",
)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(seed=4, slots=8, bundle_size=4, transactions_per_slot=2)


def run(ledger: Ledger, server: str, client: str) -> Counter[Any]:
    dialect = simsync.Dialect.for_generation(client, action_blob=action_blob)
    create = simsync.CreateSession(1_000, 1_007, actions=[ACTION], send_summary=True)
    with Simulator(ledger, generation=server) as simulator:
        options = simsync.Options(dialect=dialect)
        with simsync.Client(simulator.url, simulator.api_key, options=options).parallel(create, timeout=20) as session:
            for sub in session.sub_sessions:
                sub.subscribe_actions()
            events = [event for _sub, event in session.events(advance=2, timeout=20)]
            assert session.run_summary.complete
    results = [event for event in events if isinstance(event, simsync.ActionResult)]
    return Counter((one.slot, one.label, tuple(outcome.compute_units for outcome in one.outcomes)) for one in results)


@pytest.mark.parametrize("server", ["0.11", "0.13", "0.14", "0.18", "0.23", "0.28", "any"])
def test_an_action_after_each_slot_runs_on_every_generation(ledger: Ledger, server: str) -> None:
    results = run(ledger, server, "0.23" if server == "any" else server)
    assert sorted(slot for slot, _label, _units in results) == list(range(1_000, 1_008))
    assert all(label == "x" and len(units) == 2 and all(units) for _slot, label, units in results)


@pytest.mark.parametrize(("server", "client"), [("0.14", "0.13"), ("0.13", "0.14"), ("0.14", "0.23"), ("0.23", "0.13")])
def test_another_generation_is_refused(ledger: Ledger, server: str, client: str) -> None:
    with pytest.raises(simsync.CreateError, match=r"actions\[0\]"):
        run(ledger, server, client)


def test_a_text_in_another_layout_is_refused(ledger: Ledger) -> None:
    action = simsync.ScheduledAction(simsync.Anchor("after_every_slot", every=1), transactions="KLUv/SAEIQAAAQIDBA==")
    with Simulator(ledger, generation="0.28") as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with pytest.raises(simsync.CreateError, match="InvalidTransactionEncoding"):
            client.session(simsync.CreateSession(1_000, 1_003, actions=[action]), timeout=20)


@pytest.mark.parametrize("generation", ["0.9", "13", "", "0.013", 0.13, None])
def test_generations_are_versions(ledger: Ledger, generation: str) -> None:
    with pytest.raises(simsync.InvalidParams, match="generation"):
        Simulator(ledger, generation=generation)
