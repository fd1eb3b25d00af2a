"""``doctor --capture`` against the embedded simulator, once for each reading of the protocol.

Exactly the lines that the reading is about report it, with the setting that is needed; with that setting an ordinary
run completes, and without it does not.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pytest

import simsync
from simsync.cli.app import run
from simsync.doctor import CaptureFile, Redaction, findings, generation_of, probe, read_capture
from simsync.doctor.observation import ALSO, DIFFERS, HOLDS, NOT_SEEN
from simsync.local import Behaviour, Ledger, Simulator
from simsync.wire.streams import STREAMS

PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"

IDS = "the session id in continues and closes of one sub-session"
SLOTS = "start slot and slots without a block: notified or not, once or twice"
RESULT, NAME, CLOSE = (
    "a result that ends a stream",
    "a method name that ends a stream",
    "a clean close (1000) of the data connection",
)


class Told(NamedTuple):
    """What a line says of a reading."""

    result: str
    server: str
    setting: Optional[str] = None


READINGS: list[tuple[dict[str, Any], dict[str, Told]]] = [
    (
        {"statuses": True},
        {
            "unknown methods, event kinds, statuses": Told(
                ALSO,
                "statuses during continues: decodedTransactions, executedBlockTransactions, executingBlockTransactions",
            )
        },
    ),
    ({"notify_start": False}, {SLOTS: Told(ALSO, "start slot not notified, nor slots without a block")}),
    ({"notify_skipped": True}, {SLOTS: Told(ALSO, "start slot notified, slots without a block too")}),
    (
        {"ready_after_paused": True},
        {
            "`readyForContinue` after `paused`, and after an error about a continue's content": Told(
                ALSO, "`paused`, then `readyForContinue`"
            )
        },
    ),
    (
        {"absolute_endpoints": True},
        {"`rpc_endpoint` that is a path": Told(ALSO, "an absolute address")},
    ),
    (
        {"replay_before_attached": True},
        {
            "place of the missed events, before or after the answer to the attach": Told(ALSO, "before the answer"),
        },
    ),
    (
        {"early_events": True},
        {
            "events of a sub-session before its announcement": Told(
                ALSO, "after it, while other sub-sessions are announced"
            )
        },
    ),
    ({"end_of_stream": "b"}, {RESULT: Told(NOT_SEEN, "not this way"), NAME: Told(ALSO, "this way")}),
    ({"end_of_stream": "c"}, {RESULT: Told(NOT_SEEN, "not this way"), CLOSE: Told(ALSO, "this way")}),
    (
        {"event_form": "external"},
        {"form of the event inside `sessionEventV2`": Told(ALSO, "a string, or one key")},
    ),
    ({"error_form": "tagged"}, {"form of errors": Told(ALSO, "a tag and its content")}),
    ({"inline_case": "camel"}, {"keys and method names on receipt": Told(ALSO, "camelCase")}),
    ({"null_params": True}, {"`params` of messages without content": Told(ALSO, "params: null")}),
    ({"binary_frames": True}, {"Text and Binary frames": Told(ALSO, "Binary frames")}),
    (
        {"overtake_acks": True},
        {"notifications before their acknowledgement": Told(ALSO, "some arrive before it")},
    ),
    (
        {"action_form": "0.10"},
        {"shape of an action result, older and newer": Told(ALSO, "one outcome at the top level")},
    ),
    ({"continue_layout": "nested"}, {}),
    (
        {"continue_layout": "flat"},
        {
            "layout of `continueSessionV1` and `continueToSessionV1`": Told(
                DIFFERS, "accepts the fields beside the id only", "Dialect(nested_continue=False)"
            )
        },
    ),
    (
        {"inline_keys": "snake"},
        {IDS: Told(DIFFERS, "accepts snake_case only, rejects both at once", "Dialect(both_id_spellings=False)")},
    ),
    (
        {"inline_keys": "camel"},
        {
            IDS: Told(
                DIFFERS,
                "accepts camelCase only, rejects both at once",
                'Dialect(both_id_spellings=False, inline_case="camel")',
            ),
            "keys of attach requests": Told(DIFFERS, "accepts camelCase only", 'Dialect(inline_case="camel")'),
        },
    ),
    (
        {"continue_layout": "flat", "inline_keys": "snake"},
        {
            "layout of `continueSessionV1` and `continueToSessionV1`": Told(
                DIFFERS, "accepts the fields beside the id only", "Dialect(nested_continue=False)"
            ),
            IDS: Told(DIFFERS, "accepts snake_case only, rejects both at once", "Dialect(both_id_spellings=False)"),
        },
    ),
    ({"create_keys": "camel"}, {}),
    (
        {"create_keys": "snake"},
        {
            "keys of all other requests": Told(
                DIFFERS,
                "creates accept snake_case only",
                'CreateSession(extra={"start_slot": ..., "end_slot": ..., "disconnect_timeout_secs": 900}), else edit',
            )
        },
    ),
    (
        {"discovery_tagging": "tagged"},
        {
            "tagging of discovery filters": Told(
                DIFFERS,
                f'accepts {{"type": "programExecuted", "program": "{PROGRAM}"}} only',
                f'CreateSession(discoveries=[{{"type": "programExecuted", "program": "{PROGRAM}"}}])',
            )
        },
    ),
    ({"anchor_tagging": "external"}, {}),
    (
        {"anchor_tagging": "tagged"},
        {
            "tagging of anchors": Told(
                DIFFERS,
                'accepts {"type": "afterSlot"} only',
                'CreateSession(actions=[{"anchor": {"type": "afterSlot"}, ...}])',
            )
        },
    ),
    (
        {"transaction_filter": "address"},
        {
            "filter for transactions of programs": Told(
                DIFFERS,
                "accepts id only",
                'Dialect(streams={**STREAMS, "transactions": replace(STREAMS["transactions"],'
                ' filter=lambda id: "all" if id is None else id)})',
            )
        },
    ),
    (
        {"diff_filter": "external"},
        {
            "filter for diffs of the accounts of a program": Told(
                DIFFERS,
                'accepts {"program": id} only',
                'Dialect(streams={**STREAMS, "program_diffs": replace(STREAMS["program_diffs"],'
                ' filter=lambda id: {"program": id})})',
            ),
            "filter for diffs of one account": Told(
                DIFFERS,
                'accepts {"account": id} only',
                'Dialect(streams={**STREAMS, "account_diffs": replace(STREAMS["account_diffs"],'
                ' filter=lambda id: {"account": id})})',
            ),
        },
    ),
]

NO_READINGS = {
    "generation": "tried below, because it decides what several lines can see",
    "strict_continue": "a continue to a busy engine is never sent",
    "refuse_old_replay": "slots that are no longer kept are not asked for",
    "serve_completed": "what a completed session answers is not asked",
    "serve_next_port": "simsync connects where the endpoint says",
    "hosted_surface": "simsync calls what is documented; the rest is for other clients",
    **dict.fromkeys(("batch_size", "replay_slots", "history_slots", "max_engines"), "a size"),
    **dict.fromkeys(("create_delay", "slot_delay", "build_delay"), "a time"),
}


def short(value: Mapping[str, Any]) -> str:
    """Names of switches; nothing for what is expected."""
    return ",".join(f"{name}={choice}" for name, choice in value.items() if name in Behaviour.__dataclass_fields__)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Slots 1000 to 1009; slot 1004 carries no block."""
    return Ledger.generate(seed=5, slots=10, transactions_per_slot=20, bundle_size=10, skip_every=5)


def examined(
    ledger: Ledger, folder: Path, capsys: pytest.CaptureFixture[str], **switches: Any
) -> tuple[int, dict[str, Told]]:
    """Exit code, and what each line that can be observed says."""
    path = folder / "capture.ndjson"
    with Simulator(ledger, **switches) as simulator:
        code = run(["--url", simulator.url, "--api-key", simulator.api_key, "doctor", "--json", "--capture", str(path)])
    captured = capsys.readouterr()
    assert captured.err == ""
    assert simulator.api_key not in path.read_text()
    assert f":{simulator.port}" not in path.read_text()
    lines = json.loads(captured.out)
    return code, {line["guess"]: Told(line["result"], line["server"], line["setting"]) for line in lines}


@pytest.fixture(scope="module")
def usual(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Told]:
    with Simulator(ledger) as simulator:
        path = tmp_path_factory.mktemp("usual") / "capture.ndjson"
        with CaptureFile(path, Redaction.of(simulator.api_key, simulator.ws_url)) as capture:
            assert probe(simulator.ws_url, simulator.api_key, capture) is None
    return {one.guess: Told(one.result, one.server, one.setting) for one in findings(capture.records)}


def test_the_usual_readings_hold(usual: Mapping[str, Told]) -> None:
    count = Counter(told.result for told in usual.values())
    assert count[DIFFERS] == count[ALSO] == 0
    unseen = {guess for guess, told in usual.items() if told.result == NOT_SEEN}
    assert unseen == {
        NAME,
        CLOSE,
        "a transaction that mentions two of the programs",
        "fields of bundle builds and bundles",
        "path of one build",
    }
    assert count[HOLDS] > 60


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "reading" in metafunc.fixturenames:
        some = READINGS if metafunc.config.getoption("--thorough") else READINGS[::3]
        metafunc.parametrize("reading", some, ids=lambda reading: short(reading[0]))


def test_exactly_the_lines_of_a_reading_report_it(
    ledger: Ledger,
    usual: Mapping[str, Told],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    reading: tuple[dict[str, Any], dict[str, Told]],
) -> None:
    switches, expected = reading
    code, found = examined(ledger, tmp_path, capsys, **switches)
    assert {guess: told for guess, told in found.items() if told != usual[guess]} == expected
    assert code == any(told.result == DIFFERS for told in expected.values())


RESULTS = ("other keys of an action", "shape of an action result, older and newer")
OVERRIDES = "overrides per slot"
EVERY = "anchors at every n slots, and their key"
TRANSACTIONS = "transactions of an action"
OLD = {OVERRIDES: "as servers before 0.18 do", EVERY: "the capture shows nothing of it"}
SILENT = dict.fromkeys(("tagging of anchors", "match anchors"), "accepted, but no result of the action was received")
NO_LIST = {TRANSACTIONS: "a list was rejected (invalidRequest); from 0.14 on, servers take"}
NO_RESULT = dict.fromkeys(RESULTS, "the capture shows nothing of it")


@pytest.mark.parametrize(
    ("generation", "creates", "told", "unseen"),
    [
        ("0.10", 7, 'of the generation 0.10: set Options(dialect=Dialect.for_generation("0.10"))', OLD),
        ("0.13", 6, 'of the generation 0.13: set Options(dialect=Dialect.for_generation("0.13"))', OLD),
        (
            "0.14",
            19,
            'from 0.14 on: set Options(dialect=Dialect.for_generation("0.14"))',
            {
                OVERRIDES: "as servers before 0.18 do",
                **dict.fromkeys((*SILENT, EVERY), "no create with actions was accepted (invalidRequest); from 0.14 on"),
                **NO_LIST,
                **NO_RESULT,
            },
        ),
        (
            "0.18",
            8,
            'of the generation 0.18 to 0.22: set Options(dialect=Dialect.for_generation("0.18"))',
            {**SILENT, EVERY: "rejected (invalidRequest), as servers before 0.23 do", **NO_LIST, **NO_RESULT},
        ),
        (
            "0.23",
            8,
            'from 0.23 on: set Options(dialect=Dialect.for_generation("0.23"))',
            {**SILENT, EVERY: SILENT["match anchors"], **NO_LIST, **NO_RESULT},
        ),
        (
            "0.28",
            8,
            'from 0.28 on: set Options(dialect=Dialect.for_generation("0.28"))',
            {**SILENT, EVERY: SILENT["match anchors"], **NO_LIST, **NO_RESULT},
        ),
    ],
)
def test_a_server_of_one_generation_needs_no_setting_but_its_generation(
    ledger: Ledger,
    usual: Mapping[str, Told],
    tmp_path: Path,
    generation: str,
    creates: int,
    told: str,
    unseen: Mapping[str, str],
) -> None:
    with Simulator(ledger, generation=generation) as simulator:
        path = tmp_path / "capture.ndjson"
        with CaptureFile(path, Redaction.of(simulator.api_key, simulator.ws_url)) as capture:
            assert probe(simulator.ws_url, simulator.api_key, capture) is None
    records = read_capture(path)
    assert told in generation_of(records).advice()
    found = {one.guess: one for one in findings(records) if one.server != usual[one.guess].server}
    assert DIFFERS not in {one.result for one in found.values()}
    for guess, server in unseen.items():
        assert server in found[guess].server
    others = {guess for guess, one in found.items() if one.result == NOT_SEEN} - set(unseen)
    assert others <= {"a diff without a signature", "`discoveryBatch`"}
    sent = [record.message for record in records if record.plane == "control" and record.direction == "sent"]
    asked = [one for one in sent if isinstance(one, dict) and one.get("method") == "createBacktestSession"]
    assert len(asked) == creates


def test_each_choice_of_the_simulator_is_a_reading_or_has_a_reason() -> None:
    tried = {name for switches, _expected in READINGS for name in switches}
    assert tried | set(NO_READINGS) == set(Behaviour.__dataclass_fields__)
    assert not tried & set(NO_READINGS)


def settings_of(expected: Mapping[str, Told]) -> tuple[simsync.Dialect, dict[str, Any]]:
    """The dialect that all the settings make together, and the arguments of the create."""
    dialect = simsync.Dialect()
    create: dict[str, Any] = {}
    names = {"STREAMS": STREAMS, "replace": replace, "Dialect": simsync.Dialect, "CreateSession": dict}
    for told in expected.values():
        text = str(told.setting).replace(", else edit", "").replace(", ...}", "}")
        value = eval(text, names)
        if isinstance(value, dict):
            create.update(value)
            continue
        changes = {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != getattr(simsync.Dialect(), field.name)
        }
        if "streams" in changes:
            rows = {name: row for name, row in changes["streams"].items() if row != STREAMS[name]}
            changes["streams"] = {**dialect.streams, **rows}
        dialect = replace(dialect, **changes)
    return dialect, create


def ordinary_run(simulator: Simulator, dialect: simsync.Dialect, create: Mapping[str, Any]) -> Counter[str]:
    """The kinds of events of a parallel run whose connection is lost once. Raises what the run raises."""
    options = simsync.Options(dialect=dialect, backoff_initial=0.05, reconnect_attempts=3)
    client = simsync.Client(simulator.ws_url, simulator.api_key, options=options)
    extra = dict(create.get("extra", {}))
    if extra:
        extra.update(start_slot=1_000, end_slot=1_009)
    actions: list[Any] = [{"kind": "simulate", "label": "mine", **action} for action in create.get("actions", [])] or [
        simsync.ScheduledAction(simsync.Anchor("after_slot"))
    ]
    discoveries = create.get("discoveries") or [simsync.ProgramExecuted(PROGRAM)]
    wanted = simsync.CreateSession(1_000, 1_009, discoveries=discoveries, actions=actions, extra=extra)
    kinds: Counter[str] = Counter()
    with client.parallel(wanted, timeout=20) as session:
        for sub in session.sub_sessions:
            sub.subscribe_transactions([PROGRAM])
            sub.subscribe_account_diffs([PROGRAM], accounts=[PROGRAM])
            sub.subscribe_actions()
            sub.advance(1, timeout=20)
        session.drop_connection()
        for _sub, event in session.events(timeout=20, advance=3):
            kinds[type(event).__name__] += 1
        assert session.run_summary.complete
        assert session.reconnects == 1
    return kinds


SETTABLE = [(switches, told) for switches, told in READINGS if any(one.setting for one in told.values())]


@pytest.mark.parametrize(("switches", "expected"), SETTABLE, ids=short)
def test_with_the_setting_an_ordinary_run_completes_and_without_it_does_not(
    ledger: Ledger, switches: dict[str, Any], expected: dict[str, Told]
) -> None:
    dialect, create = settings_of(expected)
    with Simulator(ledger, **switches) as simulator:
        kinds = ordinary_run(simulator, dialect, create)
        with pytest.raises(simsync.SimsyncError):
            ordinary_run(simulator, simsync.Dialect(), {})
    assert min(kinds[kind] for kind in ("Transaction", "AccountDiff", "ActionResult", "DiscoveryBatch")) > 0
    assert kinds["Completed"] == 1
