"""What is sent to, and refused for, servers of each generation."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

import simsync
from simsync.params import (
    AccountData,
    Anchor,
    CreateSession,
    DiagnosticProbe,
    DirectFill,
    FillAccount,
    FillInstruction,
    FillTaker,
    OracleUpdate,
    ProgramExecuted,
    Reroute,
    ScheduledAction,
)
from simsync.wire import requests
from simsync.wire.dialect import Dialect

A, B = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM", "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
TEXT = "KLUv/SAEIQAAAQIDBA=="
EVERY = Anchor("after_every_slot", every=1)


def blob(transactions: Sequence[bytes]) -> str:
    return b"+".join(transactions).decode()


def action(anchor: Anchor = EVERY, *transactions: Any, **more: Any) -> ScheduledAction:
    return ScheduledAction(anchor, transactions=transactions or [b"one", b"two"], **more)


def sent(create: CreateSession, generation: str) -> dict[str, Any]:
    dialect = Dialect.for_generation(generation, action_blob=blob)
    dialect.check_create(create)
    params: dict[str, Any] = json.loads(requests.create_session(create, dialect, parallel=False))["params"]
    return params


def encoded(*texts: bytes) -> list[str]:
    return [base64.b64encode(text).decode() for text in texts]


@pytest.mark.parametrize(
    ("generation", "anchor", "transactions"),
    [
        ("0.11", "afterSlot", encoded(b"one", b"two")),
        ("0.13", "afterSlot", encoded(b"one", b"two")),
        ("0.14", {"afterSlot": {"slots": [7, 7, 8, 8]}}, "one+two+one+two"),
        ("0.22.1", {"afterSlot": {"slots": [7, 7, 8, 8]}}, "one+two+one+two"),
        ("0.23", {"afterEverySlot": {"every_n_slots": 1, "everyNSlots": 1}}, "one+two"),
        ("0.28", {"afterEverySlot": {"every_n_slots": 1, "everyNSlots": 1}}, "one+two"),
    ],
)
def test_each_slot_in_the_form_of_each_generation(generation: str, anchor: Any, transactions: Any) -> None:
    (made,) = sent(CreateSession(7, 8, actions=[action()]), generation)["actions"]
    assert made["anchor"] == anchor
    assert made["transactions"] == transactions


def test_a_server_of_0_10_gets_one_transaction_for_each_action() -> None:
    (made,) = sent(CreateSession(7, 8, actions=[action(EVERY, b"one")]), "0.10")["actions"]
    assert made["transaction"] == encoded(b"one")[0]
    assert "transactions" not in made
    for refused in (action(), action(EVERY, b"x", account_overrides={A: AccountData(1)})):
        with pytest.raises(simsync.InvalidParams, match=r"from 0\.11 on"):
            sent(CreateSession(7, 8, actions=[refused]), "0.10")


def test_every_tenth_slot_is_named_from_the_first_that_is_divisible() -> None:
    every_tenth = action(Anchor("before_every_slot", every=10), b"x")
    (made,) = sent(CreateSession(11, 41, actions=[every_tenth]), "0.18")["actions"]
    assert made["anchor"] == {"beforeSlot": {"slots": [20, 30, 40]}}
    assert made["transactions"] == "x+x+x"


def test_a_text_of_the_caller_is_sent_unchanged() -> None:
    given = ScheduledAction(Anchor("after_slot", [7, 8]), transactions=TEXT)
    (made,) = sent(CreateSession(7, 8, actions=[given]), "0.14")["actions"]
    assert made["transactions"] == TEXT


def test_an_action_with_only_overrides_names_no_transactions() -> None:
    only = ScheduledAction(Anchor("before_slot", [7]), account_overrides={A: AccountData(1)})
    assert all("transactions" not in made for made in sent(CreateSession(7, 8, actions=[only]), "0.23")["actions"])


def test_other_text_is_no_list_of_transactions() -> None:
    with pytest.raises(simsync.InvalidParams, match="zstd"):
        ScheduledAction(EVERY, transactions="AQIDBA==")


def fill(**taker: Any) -> DirectFill:
    accounts = [FillAccount("1" * 32, signer=True), *[FillAccount("1" * 32, writable=True)] * 3]
    accounts_of_taker = {"user": [0], "input_token_account": 1, "output_token_account": 2, **taker}
    return DirectFill("x", A, B, FillInstruction(B, accounts, bytes(9)), 1, FillTaker(**accounts_of_taker))


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"actions": [action(Anchor("after_slot"))]}, ["0.14", "0.23", "0.28"]),
    ({"actions": [action(Anchor("after_slot", [7]), b"x")]}, ["0.13"]),
    ({"actions": [action(Anchor("after_every_slot", every=2))]}, ["0.13"]),
    ({"actions": [action(Anchor("before_slot", [7]), b"x")]}, ["0.13", "0.14"]),
    ({"actions": [action(Anchor("before_every_slot", every=1))]}, ["0.13", "0.14"]),
    ({"actions": [ScheduledAction(EVERY, account_overrides={A: AccountData(1)})]}, ["0.13", "0.14"]),
    ({"overrides": {7: {A: AccountData(1)}}}, ["0.13", "0.14"]),
    ({"actions": [ScheduledAction(EVERY, transactions=TEXT)]}, ["0.13"]),
    ({"actions": [action(feeds_reroute=True)]}, ["0.13", "0.14"]),
    ({"replay_account_state": True}, ["0.13", "0.14"]),
    ({"agents": [{"agentType": "x"}]}, ["0.23", "0.28"]),
    ({"reroute": Reroute()}, ["0.13", "0.14"]),
    ({"reroute": Reroute(direct_fill=[fill()])}, ["0.13", "0.14"]),
    ({"reroute": Reroute(direct_fill=[fill(input_token_account=[1, 3])])}, ["0.13", "0.14", "0.23"]),
    ({"reroute": Reroute(direct_fill=[fill(derived=[{"program": A}])])}, ["0.13", "0.14", "0.23"]),
    ({"reroute": Reroute(extra_markets=[A])}, ["0.13", "0.14", "0.23"]),
    ({"diagnostic_probes": [DiagnosticProbe(EVERY, [A], [1])]}, ["0.13", "0.14"]),
    ({"discoveries": [OracleUpdate([A])]}, ["0.13", "0.14", "0.23"]),
    ({"actions": [action(Anchor("after_match", filter=OracleUpdate([A])))]}, ["0.13", "0.14", "0.23"]),
    ({"discoveries": [ProgramExecuted(A)], "send_summary": True}, []),
    ({"actions": [{"anchor": "afterSlot"}], "reroute": {"x": 1}, "diagnostic_probes": [{}]}, []),
]


@pytest.mark.parametrize(("options", "refused"), REFUSED)
def test_what_each_generation_cannot_read_is_refused(options: dict[str, Any], refused: list[str]) -> None:
    create = CreateSession(7, 8, **options)
    for generation in ("0.13", "0.14", "0.23", "0.28"):
        dialect = Dialect.for_generation(generation, action_blob=blob)
        if generation in refused:
            with pytest.raises(simsync.InvalidParams, match=rf"generation='{generation}': does not know"):
                dialect.check_create(create)
        else:
            dialect.check_create(create)
    Dialect().check_create(create)


def test_a_list_is_never_sent_silently(caplog: pytest.LogCaptureFixture) -> None:
    create = CreateSession(7, 8, actions=[action()])
    with pytest.raises(simsync.InvalidParams, match="action_blob"):
        Dialect.for_generation("0.14").check_create(create)
    with caplog.at_level(logging.WARNING, "simsync"):
        Dialect.for_generation("0.13").check_create(create)
        Dialect().check_create(CreateSession(7, 8, actions=[ScheduledAction(EVERY, transactions=TEXT)]))
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING, "simsync"):
        Dialect().check_create(create)
    (message,) = caplog.messages
    assert "for_generation" in message


def test_nothing_is_sent_when_it_is_refused() -> None:
    # Nothing listens there: a connection would raise ConnectError.
    options = simsync.Options(dialect=Dialect.for_generation("0.14"))
    client = simsync.Client("ws://127.0.0.1:1", "key", options=options)
    for create in (client.parallel, client.session):
        with pytest.raises(simsync.InvalidParams):
            create(CreateSession(7, 8, actions=[action()]))


@pytest.mark.parametrize("generation", ["", "13", "0.9", "1.13", "0.13.", None, 13])
def test_generations_are_versions(generation: Any) -> None:
    with pytest.raises(simsync.InvalidParams, match=r"0\.13"):
        Dialect.for_generation(generation)
