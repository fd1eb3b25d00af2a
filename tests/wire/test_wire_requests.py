"""Control requests: each one is exactly the documented JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from simsync.params import (
    AccountData,
    Anchor,
    Continue,
    ContinueTo,
    CreateSession,
    DiagnosticProbe,
    DirectFill,
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
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
SYSTEM = "11111111111111111111111111111111"
SESSION = "backtest_a1"

pytestmark = pytest.mark.usefixtures("codec")


def same(payload: bytes, documented: str) -> bool:
    return bool(json.loads(payload) == json.loads(documented))


def create_params(create: CreateSession, *, parallel: bool = False) -> dict[str, Any]:
    message = json.loads(requests.create_session(create, Dialect(), parallel=parallel))
    assert set(message) == {"method", "params"}
    assert message["method"] == "createBacktestSession"
    params: dict[str, Any] = message["params"]
    return params


# Create.


def test_create_of_a_single_session() -> None:
    create = CreateSession(312000000, 312000999, signer_filter=[WALLET], send_summary=True, capacity_wait_timeout=300)
    assert same(
        requests.create_session(create, Dialect(), parallel=False),
        '{"method":"createBacktestSession","params":{"startSlot":312000000,"endSlot":312000999,"signerFilter":'
        '["9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"],"sendSummary":true,"disconnectTimeoutSecs":900,'
        '"capacityWaitTimeoutSecs":300}}',
    )


def test_create_of_a_parallel_session() -> None:
    create = CreateSession(312000000, 312009999, discoveries=[ProgramExecuted(PROGRAM)])
    assert same(
        requests.create_session(create, Dialect(), parallel=True),
        '{"method":"createBacktestSession","params":{"startSlot":312000000,"endSlot":312009999,"parallel":true,'
        '"disconnectTimeoutSecs":900,"discoveries":[{"programExecuted":"whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"}]}}',
    )


def test_absent_create_options_are_left_out() -> None:
    assert create_params(CreateSession(5, 9)) == {"startSlot": 5, "endSlot": 9, "disconnectTimeoutSecs": 900}


def test_a_slot_count_is_sent_as_the_last_slot() -> None:
    assert create_params(CreateSession(312000000, slot_count=1000))["endSlot"] == 312000999


def test_zero_is_an_option_and_not_an_absent_one() -> None:
    create = CreateSession(0, 0, capacity_wait_timeout=0, disconnect_timeout=0, extra_compute_units=0)
    assert create_params(create) == {
        "startSlot": 0,
        "endSlot": 0,
        "capacityWaitTimeoutSecs": 0,
        "disconnectTimeoutSecs": 0,
        "extraComputeUnits": 0,
    }


# feature: agents
def test_every_create_option_has_its_key() -> None:
    create = CreateSession(
        1,
        2,
        signer_filter=[WALLET, PROGRAM],
        send_summary=True,
        capacity_wait_timeout=65535,
        disconnect_timeout=30,
        extra_compute_units=2**32 - 1,
        discoveries=[OracleUpdate([PROGRAM], [WALLET]), {"newFilter": {"deep": [1]}}],
        actions=[ScheduledAction(Anchor("after_slot", [2])), {"anchor": "somewhere", "kind": "new"}],
        replay_account_state=True,
        reroute={"aggregators": "jupiter,okx", "requote": False},
        diagnostic_probes=[{"anchor": "afterSlot", "markets": [WALLET], "usdValues": [100]}],
        agents=[{"agentType": "arb"}],
    )
    assert create_params(create, parallel=True) == {
        "startSlot": 1,
        "endSlot": 2,
        "parallel": True,
        "signerFilter": [WALLET, PROGRAM],
        "sendSummary": True,
        "capacityWaitTimeoutSecs": 65535,
        "disconnectTimeoutSecs": 30,
        "extraComputeUnits": 2**32 - 1,
        "discoveries": [{"oracleUpdate": {"programs": [PROGRAM], "accounts": [WALLET]}}, {"newFilter": {"deep": [1]}}],
        "actions": [
            {
                "anchor": {"afterSlot": {"slots": [2]}},
                "kind": "simulate",
                "accountOverrides": {},
                "returnAccounts": [],
            },
            {"anchor": "somewhere", "kind": "new"},
        ],
        "replayAccountState": True,
        "reroute": {"aggregators": "jupiter,okx", "requote": False},
        "diagnosticProbes": [{"anchor": "afterSlot", "markets": [WALLET], "usdValues": [100]}],
        "agents": [{"agentType": "arb"}],
    }


def test_extra_is_merged_last_and_as_it_is() -> None:
    create = CreateSession(
        1, 2, send_summary=True, extra={"sendSummary": False, "endSlot": 7, "sessionName": "june", "reroute": None}
    )
    assert create_params(create) == {
        "startSlot": 1,
        "endSlot": 7,
        "sendSummary": False,
        "disconnectTimeoutSecs": 900,
        "sessionName": "june",
        "reroute": None,
    }


def test_mappings_of_any_kind_can_be_sent_at_any_depth() -> None:
    frozen = MappingProxyType({"filter": MappingProxyType({"pairs": (1, 2)})})
    create = CreateSession(1, 2, reroute=frozen, extra=frozen, actions=[frozen], agents=[frozen], discoveries=[frozen])
    params = create_params(create)
    plain = {"filter": {"pairs": [1, 2]}}
    assert params["reroute"] == plain
    assert params["filter"] == plain["filter"]
    assert params["actions"] == params["agents"] == params["discoveries"] == [plain]


def test_overrides_are_actions_before_their_slots_behind_those_of_the_caller() -> None:
    create = CreateSession(
        1,
        9,
        actions=[{"anchor": "somewhere"}],
        overrides={7: {WALLET: AccountData(7)}, 3: {WALLET: AccountData(3), PROGRAM: {"lamports": 1}}, 5: {}},
    )
    first, second, third = create_params(create)["actions"]
    assert first == {"anchor": "somewhere"}
    assert second == {
        "anchor": {"beforeSlot": {"slots": [3]}},
        "kind": "simulate",
        "accountOverrides": {WALLET: accounts.account(AccountData(3)), PROGRAM: {"lamports": 1}},
        "returnAccounts": [],
    }
    assert third["anchor"] == {"beforeSlot": {"slots": [7]}}
    assert third["accountOverrides"] == {WALLET: accounts.account(AccountData(7))}


def test_no_overrides_are_no_actions() -> None:
    assert "actions" not in create_params(CreateSession(1, 9, overrides={5: {}}))


# Reroute.

FILL = DirectFill(
    label="pool-x",
    mode="ExactIn",
    input_mint="So11111111111111111111111111111111111111112",
    output_mint="EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    instruction=FillInstruction(
        PROGRAM,
        [FillAccount(SYSTEM, signer=True), FillAccount(SYSTEM, writable=True), FillAccount(SYSTEM, writable=True)],
        b"\x09" + bytes(8),
    ),
    amount_offset=1,
    taker=FillTaker([0], 1, 2),
)
TEMPLATE = (
    '{"label":"pool-x","mode":"ExactIn","inputMint":"So11111111111111111111111111111111111111112","outputMint":'
    '"EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v","instruction":{"programId":'
    '"whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc","accounts":[{"address":"11111111111111111111111111111111",'
    '"writable":false,"signer":true},{"address":"11111111111111111111111111111111","writable":true},{"address":'
    '"11111111111111111111111111111111","writable":true}],"data":{"data":"CQAAAAAAAAAA","encoding":"base64"}},'
    '"amountOffset":1,"taker":{"user":[0],"inputTokenAccount":1,"outputTokenAccount":2}}'
)


def test_the_direct_fill_that_the_vendor_shows() -> None:
    assert requests.direct_fill(FILL) == json.loads(TEMPLATE)


def test_reroute_with_its_defaults() -> None:
    assert create_params(CreateSession(1, 2, reroute=Reroute()))["reroute"] == {
        "detectFailedL1Swaps": False,
        "circularArbs": False,
        "requote": True,
    }


# feature: reroute options, direct fills
def test_reroute_with_everything() -> None:
    value = Reroute(
        ["Jupiter", "okx"],
        [MintPair(WALLET, PROGRAM), {"mintA": WALLET}],
        detect_failed_l1_swaps=True,
        circular_arbs=True,
        requote=False,
        direct_fill=[FILL, {"label": "raw"}],
        extra_markets=[WALLET],
    )
    assert create_params(CreateSession(1, 2, reroute=value))["reroute"] == {
        "aggregators": ["jupiter", "okx"],
        "filter": {"pairs": [[WALLET, PROGRAM], {"mintA": WALLET}]},
        "detectFailedL1Swaps": True,
        "circularArbs": True,
        "requote": False,
        "directFill": [json.loads(TEMPLATE), {"label": "raw"}],
        "extraMarkets": [WALLET],
    }


def test_an_empty_reroute_mapping_is_sent() -> None:
    assert create_params(CreateSession(1, 2, reroute={}))["reroute"] == {}


# feature: diagnostic probes
def test_probes() -> None:
    probes = [DiagnosticProbe(Anchor("before_slot", [2]), [WALLET], [100, 5000], "depth"), {"anchor": "afterSlot"}]
    assert create_params(CreateSession(1, 2, diagnostic_probes=probes))["diagnosticProbes"] == [
        {"anchor": {"beforeSlot": {"slots": [2]}}, "markets": [WALLET], "usdValues": [100, 5000], "label": "depth"},
        {"anchor": "afterSlot"},
    ]
    assert requests.diagnostic_probe(DiagnosticProbe(Anchor("after_slot"), [], [])) == {
        "anchor": "afterSlot",
        "markets": [],
        "usdValues": [],
    }


# Continue.


def test_continue() -> None:
    request = Continue(5, ["AQIDBA=="], {WALLET: AccountData(7_000_000_000)})
    assert same(
        requests.continue_single(request),
        '{"method":"continue","params":{"advanceCount":5,"transactions":["AQIDBA=="],"modifyAccountStates":'
        '{"9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM":{"data":{"data":"","encoding":"base64"},"executable":false,'
        '"lamports":7000000000,"owner":"11111111111111111111111111111111","space":0}}}}',
    )


def test_the_advance_count_is_always_sent_and_absent_options_are_not() -> None:
    assert same(requests.continue_single(Continue()), '{"method":"continue","params":{"advanceCount":1}}')


def test_continue_to() -> None:
    assert same(
        requests.continue_single(ContinueTo(312000012, 3)),
        '{"method":"continueTo","params":{"slot":312000012,"batchIndex":3}}',
    )


def test_continue_to_a_slot_boundary_leaves_the_batch_out() -> None:
    assert same(requests.continue_single(ContinueTo(312000012)), '{"method":"continueTo","params":{"slot":312000012}}')


def test_batch_zero_is_a_batch() -> None:
    assert same(
        requests.continue_single(ContinueTo(312000012, 0)),
        '{"method":"continueTo","params":{"slot":312000012,"batchIndex":0}}',
    )


CONTINUE_BODY = {"advanceCount": 100, "transactions": ["AQIDBA=="]}
CONTINUE_TO_BODY = {"slot": 312000012, "batchIndex": 3}
BOTH_IDS = {"session_id": SESSION, "sessionId": SESSION}
ONE_ID = {"session_id": SESSION}
CAMEL_ID = {"sessionId": SESSION}


@pytest.mark.parametrize(
    ("dialect", "ids", "nested"),
    [
        pytest.param(Dialect(), BOTH_IDS, True, id="default"),
        pytest.param(Dialect(nested_continue=False), BOTH_IDS, False, id="flat"),
        pytest.param(Dialect(both_id_spellings=False), ONE_ID, True, id="one spelling"),
        pytest.param(Dialect(nested_continue=False, both_id_spellings=False), ONE_ID, False, id="flat, one spelling"),
        pytest.param(Dialect(both_id_spellings=False, inline_case="camel"), CAMEL_ID, True, id="camelCase"),
    ],
)
@pytest.mark.parametrize(
    ("method", "request_", "body"),
    [
        ("continueSessionV1", Continue(100, ["AQIDBA=="]), CONTINUE_BODY),
        ("continueToSessionV1", ContinueTo(312000012, 3), CONTINUE_TO_BODY),
    ],
)
def test_session_continues_in_every_dialect(
    dialect: Dialect,
    ids: dict[str, str],
    nested: bool,
    method: str,
    request_: Continue | ContinueTo,
    body: dict[str, Any],
) -> None:
    params = {**ids, "request": body} if nested else {**ids, **body}
    assert json.loads(requests.continue_session(SESSION, request_, dialect)) == {"method": method, "params": params}


# Attach, resume, close.


def test_close() -> None:
    assert requests.close_all() == b'{"method":"closeBacktestSession"}'


@pytest.mark.parametrize(("dialect", "ids"), [(Dialect(), BOTH_IDS), (Dialect(both_id_spellings=False), ONE_ID)])
def test_close_of_one_session(dialect: Dialect, ids: dict[str, str]) -> None:
    message = json.loads(requests.close_session(SESSION, dialect))
    assert message == {"method": "closeSessionV1", "params": ids}


def test_attach() -> None:
    assert same(
        requests.attach_session(SESSION, 57, Dialect()),
        '{"method":"attachBacktestSession","params":{"session_id":"backtest_a1","last_sequence":57}}',
    )


def test_attaches_in_camel_case() -> None:
    camel = Dialect(inline_case="camel")
    single = json.loads(requests.attach_session(SESSION, 57, camel))["params"]
    parallel = json.loads(requests.attach_parallel("parallel_c0", {"backtest_a1": 117}, camel))["params"]
    assert single == {"sessionId": SESSION, "lastSequence": 57}
    assert parallel == {"controlSessionId": "parallel_c0", "lastSequences": {"backtest_a1": 117}}


def test_attach_without_a_cursor_asks_for_everything() -> None:
    assert same(
        requests.attach_session(SESSION, None, Dialect()),
        '{"method":"attachBacktestSession","params":{"session_id":"backtest_a1"}}',
    )


def test_attach_with_cursor_zero_is_not_one_without() -> None:
    assert json.loads(requests.attach_session(SESSION, 0, Dialect()))["params"]["last_sequence"] == 0


def test_resume() -> None:
    assert requests.resume_attached() == b'{"method":"resumeAttachedSession"}'


def test_attach_of_a_parallel_session() -> None:
    assert same(
        requests.attach_parallel("parallel_c0", {"backtest_a1": 117, "backtest_b2": 98}, Dialect()),
        '{"method":"attachParallelControlSessionV2","params":{"control_session_id":"parallel_c0","last_sequences":'
        '{"backtest_a1":117,"backtest_b2":98}}}',
    )


def test_attach_of_a_parallel_session_that_has_seen_nothing() -> None:
    params = json.loads(requests.attach_parallel("parallel_c0", {}, Dialect()))["params"]
    assert params == {"control_session_id": "parallel_c0", "last_sequences": {}}


# Values.


@pytest.mark.parametrize("data", [b"", b"\x00", b"abc" * 11, bytes(range(256))])
def test_an_account_carries_all_five_keys_and_the_length_of_its_data(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    assert accounts.account(AccountData(2**64 - 1, TOKEN_PROGRAM, data, executable=True)) == {
        "data": {"data": encoded, "encoding": "base64"},
        "executable": True,
        "lamports": 2**64 - 1,
        "owner": TOKEN_PROGRAM,
        "space": len(data),
    }


def test_a_plain_account_mapping_is_sent_as_it_is() -> None:
    raw: Mapping[str, Any] = MappingProxyType({"lamports": 1, "rentEpoch": 0})
    params = json.loads(requests.continue_single(Continue(modify_accounts={WALLET: raw})))["params"]
    assert params["modifyAccountStates"] == {WALLET: {"lamports": 1, "rentEpoch": 0}}


def test_scheduled_action() -> None:
    action = ScheduledAction(
        Anchor("after_slot", [312000004, 312000005]),
        transactions=["AQIDBA==", "AQIDBA=="],
        return_accounts=[WALLET],
        label="probe-a",
    )
    documented = (
        '{"anchor":{"afterSlot":{"slots":[312000004,312000005]}},"kind":"simulate","transactions":["AQIDBA==",'
        '"AQIDBA=="],"accountOverrides":{},"returnAccounts":["9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"],'
        '"label":"probe-a"}'
    )
    assert actions.scheduled_action(action, CreateSession(1, 2), Dialect()) == json.loads(documented)


def test_scheduled_action_with_everything_else() -> None:
    action = ScheduledAction(
        Anchor("before_slot", [4]),
        account_overrides={WALLET: AccountData(1, PROGRAM, b"ab")},
        feeds_reroute=True,
    )
    assert actions.scheduled_action(action, CreateSession(1, 2), Dialect()) == {
        "anchor": {"beforeSlot": {"slots": [4]}},
        "kind": "simulate",
        "accountOverrides": {
            WALLET: {
                "data": {"data": "YWI=", "encoding": "base64"},
                "executable": False,
                "lamports": 1,
                "owner": PROGRAM,
                "space": 2,
            }
        },
        "returnAccounts": [],
        "feedsReroute": True,
    }


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        (Anchor("after_slot"), "afterSlot"),
        (Anchor("after_slot", [312000004]), {"afterSlot": {"slots": [312000004]}}),
        (Anchor("before_slot", [1, 2]), {"beforeSlot": {"slots": [1, 2]}}),
        (
            Anchor("before_match", filter=ProgramExecuted(PROGRAM)),
            {"beforeMatch": {"filter": {"programExecuted": PROGRAM}}},
        ),
        (
            Anchor("after_match", filter=OracleUpdate([PROGRAM])),
            {"afterMatch": {"filter": {"oracleUpdate": {"programs": [PROGRAM], "accounts": []}}}},
        ),
        (Anchor("before_every_slot", every=10), {"beforeEverySlot": {"every_n_slots": 10, "everyNSlots": 10}}),
        (Anchor("after_every_slot", every=1), {"afterEverySlot": {"every_n_slots": 1, "everyNSlots": 1}}),
    ],
)
def test_anchors(anchor: Anchor, expected: Any) -> None:
    assert actions.anchor(anchor) == expected


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        (ProgramExecuted(PROGRAM), {"programExecuted": PROGRAM}),
        (OracleUpdate(), {"oracleUpdate": {"programs": [], "accounts": []}}),
        (MappingProxyType({"new": 1}), {"new": 1}),
    ],
)
def test_discovery_filters(filter_: Any, expected: Any) -> None:
    assert actions.discovery_filter(filter_) == expected
