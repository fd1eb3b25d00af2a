"""Requests survive a round trip through JSON text, as run files and reports write it."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from simsync.errors import InvalidParams
from simsync.params import (
    AccountData,
    Anchor,
    Continue,
    ContinueTo,
    CreateSession,
    DiagnosticProbe,
    DirectFill,
    EncodedBinary,
    FillAccount,
    FillInstruction,
    FillTaker,
    MintPair,
    OracleUpdate,
    ProgramExecuted,
    Reroute,
    ScheduledAction,
)
from simsync.wire import accounts, actions, requests
from simsync.wire.dialect import Dialect

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
PROGRAM = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"

STATE = AccountData(5, PROGRAM, b"abc", executable=True)
PLAIN = AccountData(5, PROGRAM, b"abc")
ACTION = ScheduledAction(
    Anchor("after_match", filter=OracleUpdate([PROGRAM], [WALLET])),
    transactions=[b"\x01\x02"],
    account_overrides={WALLET: STATE, PROGRAM: {"lamports": 1, "owner": WALLET}},
    return_accounts=[WALLET],
    label="probe",
    feeds_reroute=True,
)

FILL = DirectFill(
    "pool-x",
    WALLET,
    PROGRAM,
    FillInstruction(PROGRAM, [FillAccount(WALLET, signer=True), FillAccount(PROGRAM, writable=True)], bytes(9)),
    1,
    FillTaker([0], 1, 1),
    "ExactOut",
)
REROUTE = Reroute(
    ["jupiter", "okx"],
    [MintPair(WALLET, PROGRAM), {"mintA": WALLET}],
    detect_failed_l1_swaps=True,
    circular_arbs=True,
    requote=False,
    direct_fill=[FILL, {"label": "raw"}],
    extra_markets=[WALLET],
)
PROBE = DiagnosticProbe(Anchor("before_match", filter=ProgramExecuted(PROGRAM)), [WALLET], [100, 2**32 - 1], "depth")

PARAMS: list[Any] = [
    EncodedBinary(),
    EncodedBinary("AQID"),
    AccountData(1),
    STATE,
    Continue(),
    Continue(7, [b"tx", "AQID"], {WALLET: STATE, PROGRAM: {"lamports": 1}}),
    ContinueTo(5),
    ContinueTo(5, 0),
    ProgramExecuted(PROGRAM),
    OracleUpdate(),
    OracleUpdate([PROGRAM], [WALLET]),
    Anchor("after_slot"),
    Anchor("before_slot", [1, 2]),
    Anchor("before_match", filter=ProgramExecuted(PROGRAM)),
    Anchor("before_every_slot", every=3),
    ScheduledAction(Anchor("after_slot")),
    ACTION,
    MintPair(WALLET, PROGRAM),
    FILL,
    Reroute(),
    REROUTE,
    PROBE,
    DiagnosticProbe(Anchor("after_slot"), [], []),
    CreateSession(1, 2),
    CreateSession(1, slot_count=5),
    CreateSession(
        1,
        20,
        overrides={5: {WALLET: PLAIN, PROGRAM: {"lamports": 1}}, 20: {WALLET: AccountData(0)}, 1: {}},
        reroute=REROUTE,
        diagnostic_probes=[PROBE, {"anchor": "afterSlot"}],
    ),
    CreateSession(1, 2, reroute=Reroute()),
    CreateSession(
        1,
        2,
        signer_filter=[WALLET],
        send_summary=True,
        capacity_wait_timeout=5,
        disconnect_timeout=0,
        extra_compute_units=7,
        discoveries=[ProgramExecuted(PROGRAM), OracleUpdate([PROGRAM]), {"programExecuted": PROGRAM}],
        actions=[ACTION, {"anchor": "afterSlot", "kind": "simulate"}],
        replay_account_state=True,
        reroute={"requote": True},
        diagnostic_probes=[{"anchor": "afterSlot"}],
        agents=[{"agentType": "arb"}],
        extra={"sessionName": "june", "nothing": None},
    ),
]


@pytest.mark.parametrize("params", PARAMS, ids=lambda params: type(params).__name__)
def test_through_json(params: Any) -> None:
    text = params.to_json()
    again = type(params).from_json(text)
    assert again == params
    assert again.to_json() == text
    assert type(params).from_dict(json.loads(text)) == params
    assert type(params).from_dict(params.to_dict()) == params


@pytest.mark.parametrize("params", PARAMS, ids=lambda params: type(params).__name__)
def test_through_pickle_and_copy(params: Any) -> None:
    assert pickle.loads(pickle.dumps(params)) == params
    assert copy.deepcopy(params) == params


@pytest.mark.parametrize("params", PARAMS, ids=lambda params: type(params).__name__)
def test_what_came_back_is_sent_in_the_same_words(params: Any) -> None:
    again = type(params).from_json(params.to_json())
    if isinstance(params, CreateSession):
        first, second = (requests.create_session(create, Dialect(), parallel=True) for create in (params, again))
        assert first == second
    elif isinstance(params, (Continue, ContinueTo)):
        first, second = (requests.continue_session("s", request, Dialect()) for request in (params, again))
        assert first == second
    elif isinstance(params, AccountData):
        assert accounts.account(again) == accounts.account(params)
    elif isinstance(params, Anchor):
        assert actions.anchor(again) == actions.anchor(params)
    elif isinstance(params, ScheduledAction):
        first, second = (actions.scheduled_action(one, CreateSession(1, 2), Dialect()) for one in (params, again))
        assert first == second
    elif isinstance(params, Reroute):
        assert requests.reroute(again) == requests.reroute(params)
    elif isinstance(params, DirectFill):
        assert requests.direct_fill(again) == requests.direct_fill(params)
    elif isinstance(params, MintPair):
        assert requests.mint_pair(again) == requests.mint_pair(params)
    elif isinstance(params, DiagnosticProbe):
        assert requests.diagnostic_probe(again) == requests.diagnostic_probe(params)
    elif not isinstance(params, EncodedBinary):
        assert actions.discovery_filter(again) == actions.discovery_filter(params)
    else:
        assert again.to_bytes() == params.to_bytes()


@pytest.mark.parametrize(
    ("kind", "text", "argument"),
    [
        (ContinueTo, '{"slot": -1}', "slot"),
        (AccountData, '{"lamports": 1, "owner": "x"}', "owner"),
        (Continue, '{"advance_count": 0}', "advance_count"),
        (CreateSession, '{"start_slot": 5, "end_slot": 4}', "end_slot"),
        (CreateSession, '{"start_slot": 5, "end_slot": 9, "overrides": {"4": {}}}', "overrides key"),
        (CreateSession, '{"start_slot": 5, "end_slot": 9, "overrides": {"five": {}}}', "overrides key"),
        (MintPair, '{"mint_a": "x", "mint_b": "y"}', "mint_a"),
        (ProgramExecuted, '{"program": "x"}', "program"),
        (Anchor, '{"where": "nowhere"}', "where"),
        (EncodedBinary, '{"data": "A"}', "data"),
    ],
)
def test_what_is_read_is_checked(kind: Any, text: str, argument: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        kind.from_json(text)
    assert caught.value.argument == argument


def test_objects_come_back_as_objects_and_mappings_as_mappings() -> None:
    create = CreateSession(1, 9, overrides={5: {WALLET: PLAIN}}, reroute=REROUTE, diagnostic_probes=[PROBE, {"a": 1}])
    again = CreateSession.from_json(create.to_json())
    assert again.overrides == {5: {WALLET: PLAIN}}
    assert isinstance(again.reroute, Reroute)
    assert again.reroute.direct_fill == (FILL, {"label": "raw"})
    assert again.diagnostic_probes == (PROBE, {"a": 1})
    raw = {"requote": True, "directFill": []}
    assert CreateSession.from_json(CreateSession(1, 2, reroute=raw).to_json()).reroute == raw


def test_json_from_before_there_were_overrides() -> None:
    assert CreateSession.from_json('{"start_slot": 1, "end_slot": 2}') == CreateSession(1, 2)
