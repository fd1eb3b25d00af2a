"""Params survive the way through JSON text, as run files and reports write it."""

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
    EncodedBinary,
    OracleUpdate,
    ProgramExecuted,
    ScheduledAction,
)
from simsync.wire import requests
from simsync.wire.dialect import Dialect

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
PROGRAM = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"

STATE = AccountData(5, PROGRAM, b"abc", executable=True)
ACTION = ScheduledAction(
    Anchor("after_match", filter=OracleUpdate([PROGRAM], [WALLET])),
    transactions=[b"\x01\x02"],
    account_overrides={WALLET: STATE, PROGRAM: {"lamports": 1, "owner": WALLET}},
    return_accounts=[WALLET],
    label="probe",
    feeds_reroute=True,
)

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
    Anchor(),
    Anchor("before_slot", [1, 2]),
    Anchor("before_match", filter=ProgramExecuted(PROGRAM)),
    Anchor("before_every_slot", every=3),
    ScheduledAction(Anchor()),
    ACTION,
    CreateSession(1, 2),
    CreateSession(1, slot_count=5),
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


@pytest.mark.parametrize("params", PARAMS, ids=lambda params: type(params).__name__)
def test_through_pickle_and_copy(params: Any) -> None:
    assert pickle.loads(pickle.dumps(params)) == params
    assert copy.deepcopy(params) == params


@pytest.mark.parametrize("params", PARAMS, ids=lambda params: type(params).__name__)
def test_what_came_back_is_sent_in_the_same_words(params: Any) -> None:
    again = type(params).from_json(params.to_json())
    if isinstance(params, CreateSession):
        assert requests.create_session(again, parallel=True) == requests.create_session(params, parallel=True)
    elif isinstance(params, (Continue, ContinueTo)):
        first, second = (requests.continue_session("s", request, Dialect()) for request in (params, again))
        assert first == second
    elif isinstance(params, AccountData):
        assert requests.account(again) == requests.account(params)
    elif isinstance(params, Anchor):
        assert requests.anchor(again) == requests.anchor(params)
    elif isinstance(params, ScheduledAction):
        assert requests.scheduled_action(again) == requests.scheduled_action(params)
    elif not isinstance(params, EncodedBinary):
        assert requests.discovery_filter(again) == requests.discovery_filter(params)
    else:
        assert again.to_bytes() == params.to_bytes()


@pytest.mark.parametrize(
    ("kind", "text", "argument"),
    [
        (ContinueTo, '{"slot": -1}', "slot"),
        (AccountData, '{"lamports": 1, "owner": "x"}', "owner"),
        (Continue, '{"advance_count": 0}', "advance_count"),
        (CreateSession, '{"start_slot": 5, "end_slot": 4}', "end_slot"),
        (ProgramExecuted, '{"program": "x"}', "program"),
        (Anchor, '{"where": "nowhere"}', "where"),
        (EncodedBinary, '{"data": "A"}', "data"),
    ],
)
def test_what_is_read_is_checked(kind: Any, text: str, argument: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        kind.from_json(text)
    assert caught.value.argument == argument
