"""Kinds of subscriptions with a method of their own whose events are notifications as they came."""

from __future__ import annotations

from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator

CREATE = simsync.CreateSession(1_000, slot_count=6)
MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
SYSTEM = "11111111111111111111111111111111"


# feature: logs of programs
def test_logs_of_a_program(client: simsync.Client) -> None:
    with client.session(CREATE) as session:
        session.subscribe_logs([SYSTEM])
        session.subscribe_transactions([SYSTEM])
        events = list(session.events(advance=6, timeout=20))
    logs = {
        event.result["value"]["signature"]: event.result["value"]["logs"]
        for event in events
        if isinstance(event, simsync.Notification)
    }
    transactions = {event.signature: list(event.logs) for event in events if isinstance(event, simsync.Transaction)}
    assert logs
    assert logs == transactions


def test_logs_of_everything(client: simsync.Client) -> None:
    with client.session(CREATE) as session:
        session.subscribe_logs()
        events = list(session.events(advance=6, timeout=20))
    assert sum(isinstance(event, simsync.Notification) for event in events) == 4 * 6


# feature: reroutes, replacements, diagnostics
@pytest.mark.parametrize(
    ("subscribe", "method"),
    [
        (lambda session: session.subscribe_reroutes(), "rerouteSubscribe"),
        (lambda session: session.subscribe_replacements(), "replacementSubscribe"),
        (lambda session: session.subscribe_diagnostics(), "diagnosticSubscribe"),
    ],
)
def test_kinds_that_only_other_simulators_have(client: simsync.Client, subscribe: object, method: str) -> None:
    with client.session(CREATE) as session:
        subscribe(session)  # type: ignore[operator]
        with pytest.raises(simsync.SubscriptionFailed, match=method):
            list(session.events(advance=6, timeout=20))


def states(client: simsync.Client, **more: Any) -> list[tuple[int, str, Any]]:
    """Run a session; return slot, address and data of each state of an account of the system program."""
    with client.session(CREATE) as session:
        session.subscribe("programSubscribe", SYSTEM, **more)
        found = [one.result for one in session.events(advance=6, timeout=20) if isinstance(one, simsync.Notification)]
    return [(one["context"]["slot"], one["value"]["pubkey"], one["value"]["account"]) for one in found]


def test_states_within_a_slot_come_on_request() -> None:
    with Simulator(Ledger.generate(seed=3, start_slot=1_000, slots=6, transactions_per_slot=60)) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        last, every = states(client), states(client, intra_slot_updates=True)
    assert len(every) > len(last) > 0
    assert {(slot, address): state for slot, address, state in every} == {
        (slot, address): state for slot, address, state in last
    }
    assert {state["data"][1] for _slot, _address, state in every} == {"base64"}


def test_config_keys_reach_the_server(client: simsync.Client) -> None:
    assert states(client, config={"filters": [{"dataSize": 1}]}) == []
    assert {state["data"] for _slot, _address, state in states(client, config={"encoding": "binary"})} == {""}


@pytest.mark.parametrize("key", ["intraSlotUpdates", "intra_slot_updates"])
def test_one_option_said_twice_is_refused(client: simsync.Client, key: str) -> None:
    with client.session(CREATE) as session:
        with pytest.raises(simsync.InvalidParams, match="says the same as intra_slot_updates"):
            session.subscribe("accountSubscribe", SYSTEM, config={key: False}, intra_slot_updates=True)
        session.subscribe("accountSubscribe", SYSTEM, config={key: True})
