"""Reroutes and probes: wrong arguments are rejected, and valid ones are stored in one form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from simsync.errors import InvalidParams
from simsync.params import (
    Anchor,
    CreateSession,
    DiagnosticProbe,
    DirectFill,
    FillAccount,
    FillInstruction,
    FillTaker,
    MintPair,
    Reroute,
)
from simsync.wire import requests

SOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
POOL = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
DERIVED = {"program": POOL, "seeds": [{"literal": "AQ=="}], "slots": [1]}
SYSTEM = "11111111111111111111111111111111"


def instruction(**changes: Any) -> FillInstruction:
    accounts = [
        FillAccount(SYSTEM, signer=True),
        FillAccount(SYSTEM, writable=True),
        FillAccount(SYSTEM, writable=True),
    ]
    return FillInstruction(**{"program_id": POOL, "accounts": accounts, "data": b"\x09" + bytes(8), **changes})


def taker(**changes: Any) -> FillTaker:
    return FillTaker(**{"user": [0], "input_token_account": 1, "output_token_account": 2, **changes})


def fill(**changes: Any) -> DirectFill:
    given = {
        "label": "pool-x",
        "input_mint": SOL,
        "output_mint": USDC,
        "instruction": instruction(),
        "amount_offset": 1,
        "taker": taker(),
    }
    return DirectFill(**{**given, **changes})


def probe(**changes: Any) -> DiagnosticProbe:
    return DiagnosticProbe(**{"anchor": Anchor("after_slot"), "markets": [POOL], "usd_values": [100], **changes})


BAD: list[tuple[Callable[..., Any], dict[str, Any], str, str]] = [
    (MintPair, {"mint_a": "x", "mint_b": SOL}, "mint_a", "32 bytes"),
    (MintPair, {"mint_a": SOL, "mint_b": None}, "mint_b", "base58"),
    (MintPair, {"mint_a": SOL, "mint_b": SOL}, "mint_b", "must differ from mint_a"),
    (FillAccount, {"address": "x"}, "address", "32 bytes"),
    (FillAccount, {"address": SOL, "writable": 1}, "writable", "True or False"),
    (FillAccount, {"address": SOL, "signer": None}, "signer", "True or False"),
    (instruction, {"program_id": ""}, "program_id", "32 bytes"),
    (instruction, {"accounts": [SOL]}, "accounts[0]", "FillAccount(...)"),
    (instruction, {"accounts": SOL}, "accounts", "list"),
    (instruction, {"data": "A"}, "data", "base64"),
    (instruction, {"data": None}, "data", "byte form"),
    (taker, {"user": 0}, "user", "list"),
    (taker, {"user": [0, -1]}, "user[1]", "from 0"),
    (taker, {"input_token_account": None}, "input_token_account", "integer"),
    (taker, {"output_token_account": True}, "output_token_account", "integer"),
    (fill, {"label": " "}, "label", "must not be blank"),
    (fill, {"label": None}, "label", "must be text"),
    (fill, {"taker": taker(user=[1])}, "taker", "account 1 is the user, so it must be a signer"),
    (fill, {"taker": taker(input_token_account=0)}, "taker", "account 0 holds tokens, so it must be writable"),
    (fill, {"taker": taker(output_token_account=[2, 0])}, "taker", "account 0 holds tokens, so it must be writable"),
    (fill, {"taker": taker(output_token_account=[2, 3])}, "taker", "account 3 of an instruction with 3 accounts"),
    (fill, {"amount_offset": 2**32}, "amount_offset", "from 0 to 4294967295"),
    (taker, {"user": []}, "user", "at least one account"),
    (taker, {"user": [256]}, "user[0]", "from 0 to 255"),
    (taker, {"input_token_account": []}, "input_token_account", "at least one account"),
    (taker, {"output_token_account": 256}, "output_token_account", "from 0 to 255"),
    (taker, {"derived": ["x"]}, "derived[0]", "mapping"),
    (taker, {"derived": [{}]}, "derived[0]", "the keys program, seeds and slots"),
    (taker, {"derived": [{**DERIVED, "bump": 1}]}, "derived[0]", "and no others"),
    (taker, {"derived": [{**DERIVED, "program": "bad"}]}, "derived[0].program", "32 bytes"),
    (taker, {"derived": [DERIVED, {**DERIVED, "slots": [99, 300]}]}, "derived[1].slots[1]", "from 0 to 255"),
    (taker, {"derived": [{**DERIVED, "slots": []}]}, "derived[0].slots", "at least one account"),
    (fill, {"taker": taker(derived=[{**DERIVED, "slots": [99]}])}, "taker", "refers to account 99"),
    (Reroute, {"direct_fill": [fill(label="x"), fill(label="x ")]}, "direct_fill[1]", "label of an earlier fill"),
    (fill, {"input_mint": "x"}, "input_mint", "32 bytes"),
    (fill, {"output_mint": "x"}, "output_mint", "32 bytes"),
    (fill, {"output_mint": SOL}, "output_mint", "must differ from input_mint"),
    (fill, {"mode": "exactIn"}, "mode", "'ExactIn' or 'ExactOut'"),
    (fill, {"instruction": {}}, "instruction", "FillInstruction(...)"),
    (fill, {"taker": {}}, "taker", "FillTaker(...)"),
    (fill, {"amount_offset": -1}, "amount_offset", "from 0"),
    (fill, {"amount_offset": 2}, "amount_offset", "needs 8 bytes from there, but the data has 9"),
    (fill, {"taker": taker(user=[0, 3])}, "taker", "refers to account 3 of an instruction with 3"),
    (fill, {"taker": taker(input_token_account=3)}, "taker", "refers to account 3"),
    (fill, {"taker": taker(output_token_account=4)}, "taker", "refers to account 4"),
    (Reroute, {"aggregators": "jupiter"}, "aggregators", "list"),
    (Reroute, {"aggregators": ["jupiter", "uniswap"]}, "aggregators[1]", "jupiter, okx, titan, dflow"),
    (Reroute, {"aggregators": [None]}, "aggregators[0]", "must be one of"),
    (Reroute, {"pairs": []}, "pairs", "must not be empty"),
    (Reroute, {"pairs": [(SOL, USDC)]}, "pairs[0]", "MintPair(...)"),
    (Reroute, {"pairs": MintPair(SOL, USDC)}, "pairs", "list"),
    (Reroute, {"pairs": [{"a": b"x"}]}, "pairs[0]['a']", "bytes is not a JSON type"),
    (Reroute, {"detect_failed_l1_swaps": 1}, "detect_failed_l1_swaps", "True or False"),
    (Reroute, {"circular_arbs": "no"}, "circular_arbs", "True or False"),
    (Reroute, {"requote": None}, "requote", "True or False"),
    (Reroute, {"direct_fill": fill()}, "direct_fill", "list"),
    (Reroute, {"direct_fill": [fill(), fill()]}, "direct_fill[1]", "label of an earlier fill"),
    (Reroute, {"direct_fill": [MintPair(SOL, USDC)]}, "direct_fill[0]", "DirectFill(...)"),
    (Reroute, {"direct_fill": [{"label": b"x"}]}, "direct_fill[0]['label']", "bytes is not a JSON type"),
    (Reroute, {"extra_markets": [SOL, "x"]}, "extra_markets[1]", "32 bytes"),
    (probe, {"anchor": "afterSlot"}, "anchor", "Anchor(...)"),
    (probe, {"markets": POOL}, "markets", "list of addresses"),
    (probe, {"markets": ["x"]}, "markets[0]", "32 bytes"),
    (probe, {"usd_values": 100}, "usd_values", "list"),
    (probe, {"usd_values": [1, 2**32]}, "usd_values[1]", "from 0 to 4294967295"),
    (probe, {"usd_values": [1.5]}, "usd_values[0]", "integer"),
    (probe, {"label": 7}, "label", "must be text"),
]


@pytest.mark.parametrize(("make", "arguments", "name", "rule"), BAD)
def test_what_is_refused(make: Callable[..., Any], arguments: dict[str, Any], name: str, rule: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        make(**arguments)
    assert caught.value.argument == name
    assert rule in caught.value.rule


def test_forms_in_which_values_are_kept() -> None:
    made = Reroute(
        aggregators=iter(["Jupiter", "OKX"]),  # type: ignore[arg-type]
        pairs=[MintPair(SOL, USDC)],
        direct_fill=[fill(), fill(label="other"), {"label": "pool-x"}],
        extra_markets=[POOL],
    )
    assert made.aggregators == ("jupiter", "okx")
    assert made.pairs == (MintPair(SOL, USDC),)
    assert [one["label"] if isinstance(one, dict) else one.label for one in made.direct_fill] == [
        "pool-x",
        "other",
        "pool-x",
    ]
    assert made.extra_markets == (POOL,)
    assert instruction(data="AQID").data == b"\x01\x02\x03"


def test_nothing_is_asked_for_but_new_routes() -> None:
    made = Reroute()
    assert (made.aggregators, made.pairs, made.direct_fill, made.extra_markets) == ((), None, (), ())
    assert (made.detect_failed_l1_swaps, made.circular_arbs, made.requote) == (False, False, True)


def test_the_amount_may_end_with_the_data() -> None:
    assert fill(amount_offset=1).amount_offset == 1
    assert fill(amount_offset=0).amount_offset == 0


@pytest.mark.parametrize("made", [MintPair(SOL, USDC), fill(), instruction(), taker(), Reroute(), probe()])
def test_they_do_not_change(made: Any) -> None:
    for field in dataclasses.fields(made):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, None)


# feature: reroute options, direct fills
def test_a_session_takes_objects_and_mappings() -> None:
    create = CreateSession(1, 2, reroute=Reroute(), diagnostic_probes=[probe(), {"anchor": "afterSlot"}])
    assert create.reroute == Reroute()
    assert create.diagnostic_probes == (probe(), {"anchor": "afterSlot"})
    with pytest.raises(InvalidParams, match="reroute"):
        CreateSession(1, 2, reroute=probe())  # type: ignore[arg-type]


def test_one_account_of_a_taker_is_sent_bare_and_several_as_a_list() -> None:
    one = requests.direct_fill(fill(taker=taker(input_token_account=[1])))["taker"]
    assert one == {"user": [0], "inputTokenAccount": 1, "outputTokenAccount": 2}
    several = requests.direct_fill(fill(taker=taker(output_token_account=[2, 1], derived=[DERIVED])))["taker"]
    assert several == {"user": [0], "inputTokenAccount": 1, "outputTokenAccount": (2, 1), "derived": [DERIVED]}
