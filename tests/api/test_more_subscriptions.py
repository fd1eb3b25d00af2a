"""Kinds of subscriptions with a method of their own whose events are notifications as they came."""

from __future__ import annotations

import pytest

import simsync

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
