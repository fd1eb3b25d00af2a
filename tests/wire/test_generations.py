"""What is sent to, and refused for, servers of each generation."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any, Callable

import pytest

import simsync
from simsync.local import Ledger, Simulator
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
    return base64.b64encode(b"\x28\xb5\x2f\xfd" + b"+".join(transactions)).decode()


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
        ("0.14", {"afterSlot": {"slots": [7, 7, 8, 8]}}, blob([b"one", b"two"] * 2)),
        ("0.22.1", {"afterSlot": {"slots": [7, 7, 8, 8]}}, blob([b"one", b"two"] * 2)),
        ("0.23", {"afterEverySlot": {"every_n_slots": 1, "everyNSlots": 1}}, blob([b"one", b"two"])),
        ("0.28", {"afterEverySlot": {"every_n_slots": 1, "everyNSlots": 1}}, blob([b"one", b"two"])),
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
    assert made["transactions"] == blob([b"x"] * 3)


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
    ({"actions": [ScheduledAction(EVERY, transactions=TEXT)]}, ["0.13", "0.14"]),
    ({"actions": [ScheduledAction(Anchor("after_slot", [7]), transactions=TEXT)]}, ["0.13"]),
    ({"actions": [action(feeds_reroute=True)]}, ["0.13", "0.14"]),
    ({"replay_account_state": True}, ["0.13", "0.14"]),
    ({"agents": [{"agentType": "x"}]}, ["0.23", "0.28"]),
    ({"reroute": Reroute()}, ["0.13", "0.14"]),
    ({"reroute": Reroute(direct_fill=[fill()])}, ["0.13", "0.14"]),
    ({"reroute": Reroute(direct_fill=[fill(input_token_account=[1, 3])])}, ["0.13", "0.14", "0.23"]),
    (
        {"reroute": Reroute(direct_fill=[fill(derived=[{"program": A, "seeds": ["user"], "slots": [3]}])])},
        ["0.13", "0.14", "0.23"],
    ),
    ({"reroute": Reroute(extra_markets=[A])}, ["0.13", "0.14", "0.23"]),
    ({"diagnostic_probes": [DiagnosticProbe(EVERY, [A], [1])]}, ["0.13", "0.14"]),
    ({"diagnostic_probes": [DiagnosticProbe(Anchor("after_slot"), [A], [1])]}, ["0.13", "0.14", "0.23", "0.28"]),
    (
        {"diagnostic_probes": [DiagnosticProbe(Anchor("after_match", filter=OracleUpdate([A])), [A], [1])]},
        ["0.13", "0.14", "0.23"],
    ),
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


def test_a_list_for_a_server_of_unknown_generation_comes_with_a_warning() -> None:
    create = CreateSession(7, 8, actions=[action()])
    with pytest.raises(simsync.InvalidParams, match="action_blob"):
        Dialect.for_generation("0.14").check_create(create)
    assert Dialect.for_generation("0.13").check_create(create) is None
    assert Dialect().check_create(CreateSession(7, 8, actions=[ScheduledAction(EVERY, transactions=TEXT)])) is None
    client = simsync.Client("ws://127.0.0.1:1", "key")
    for make in (client.session, client.parallel):
        with pytest.warns(simsync.UsageWarning, match="for_generation") as shown, pytest.raises(simsync.ConnectError):
            make(create)
        assert [one.filename for one in shown] == [__file__]


@pytest.mark.parametrize("generation", [None, "0.28"])
def test_a_list_in_a_plain_mapping_is_sent_with_a_warning(generation: str | None) -> None:
    dialect = Dialect() if generation is None else Dialect.for_generation(generation)
    mapping = {"anchor": "x", "simulate": {"transactions": ["AQ=="]}}
    warning = dialect.check_create(CreateSession(7, 8, actions=[mapping]))
    assert warning is not None
    assert "list" in warning
    assert dialect.check_create(CreateSession(7, 8, actions=[{"simulate": {"transactions": TEXT}}])) is None
    assert Dialect.for_generation("0.13").check_create(CreateSession(7, 8, actions=[mapping])) is None


SUBSCRIPTIONS: dict[str, tuple[str, Callable[[simsync.SubSession], None]]] = {
    "reroutes": ("0.15", lambda sub: sub.subscribe_reroutes()),
    "replacements": ("0.23", lambda sub: sub.subscribe_replacements()),
    "diagnostics": ("0.23", lambda sub: sub.subscribe_diagnostics()),
    "by the name of the method": ("0.23", lambda sub: sub.subscribe("replacementSubscribe")),
    "intra-slot updates": ("0.16", lambda sub: sub.subscribe("accountSubscribe", A, intra_slot_updates=True)),
}


@pytest.mark.parametrize("what", SUBSCRIPTIONS)
def test_a_subscription_that_an_older_server_does_not_know_is_refused(what: str) -> None:
    since, subscribe = SUBSCRIPTIONS[what]
    before = f"0.{int(since[2:]) - 1}"
    with Simulator(Ledger.generate(slots=2, transactions_per_slot=1)) as simulator:
        for generation in (before, since):
            options = simsync.Options(dialect=Dialect.for_generation(generation))
            client = simsync.Client(simulator.url, simulator.api_key, options=options)
            with client.parallel(CreateSession(1_000, slot_count=2), timeout=20) as session:
                (sub,) = session.sub_sessions
                if generation == since:
                    subscribe(sub)
                    assert len(sub.queue.subscriptions) == 1
                else:
                    with pytest.raises(simsync.InvalidParams, match=rf"does not know .*from {since} on"):
                        subscribe(sub)
                    assert not sub.queue.subscriptions


def test_nothing_is_sent_when_it_is_refused() -> None:
    # Nothing listens there: a connection would raise ConnectError.
    options = simsync.Options(dialect=Dialect.for_generation("0.14"))
    client = simsync.Client("ws://127.0.0.1:1", "key", options=options)
    for create in (client.parallel, client.session):
        with pytest.raises(simsync.InvalidParams):
            create(CreateSession(7, 8, actions=[action()]))


@pytest.mark.parametrize("generation", ["", "13", "0.9", "1.13", "0.13.", "0.013", "0.٢٨", None, 13])
def test_generations_are_versions(generation: Any) -> None:
    with pytest.raises(simsync.InvalidParams, match=r"0\.13"):
        Dialect.for_generation(generation)


@pytest.mark.parametrize("where", ["before_every_slot", "after_every_slot"])
@pytest.mark.parametrize("generation", ["0.18", "0.22"])
def test_an_anchor_at_every_n_slots_that_an_older_server_cannot_be_told(where: str, generation: str) -> None:
    dialect = Dialect.for_generation(generation, action_blob=lambda _: TEXT)
    text = CreateSession(1_001, 1_009, actions=[ScheduledAction(Anchor(where, every=1), transactions=TEXT)])
    with pytest.raises(simsync.InvalidParams, match=r"one text .*from 0\.23 on.*: name the slots"):
        dialect.check_create(text)
    never = CreateSession(1_001, 1_009, actions=[ScheduledAction(Anchor(where, every=100), transactions=[b"x" * 70])])
    with pytest.raises(simsync.InvalidParams, match="leave the action out"):
        dialect.check_create(never)
    Dialect.for_generation("0.23", action_blob=lambda _: TEXT).check_create(never)


@pytest.mark.parametrize("blob", [b"(\xb5/\xfd", "", "text", None, ["a"]])
def test_what_action_blob_returns_is_checked(blob: Any) -> None:
    dialect = Dialect.for_generation("0.14", action_blob=lambda _: blob)
    client = simsync.Client("ws://127.0.0.1:1", "key", options=simsync.Options(dialect=dialect))
    with pytest.raises(simsync.InvalidParams, match="result of action_blob"):
        client.session(CreateSession(7, 8, actions=[action()]))
