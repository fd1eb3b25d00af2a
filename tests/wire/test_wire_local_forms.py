"""A whole run against the embedded simulator, once for each form in which a server may speak and be spoken to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

import simsync
from simsync.options import Options
from simsync.wire.dialect import Dialect

pytest.importorskip("aiohttp")
pytest.importorskip("solders.litesvm")

from solders.transaction import VersionedTransaction

from simsync.local import Behaviour, Ledger, Simulator

FIRST, LAST = 1_000, 1_011

SWITCHES: list[dict[str, Any]] = [
    {"statuses": True},
    {"notify_start": False},
    {"notify_skipped": True},
    {"ready_after_paused": True},
    {"strict_continue": True},
    {"absolute_endpoints": True},
    {"early_events": True},
    {"end_of_stream": "b"},
    {"end_of_stream": "c"},
    {"event_form": "external"},
    {"error_form": "tagged"},
    {"inline_case": "camel"},
    {"null_params": True},
    {"binary_frames": True},
    {"overtake_acks": True},
    {"serve_completed": False},
    {"batch_size": 1},
    {"refuse_old_replay": True},
    {"inline_case": "camel", "event_form": "external", "null_params": True, "end_of_stream": "b", "early_events": True},
]

DIALECTS = [
    Dialect(nested_continue=False),
    Dialect(both_id_spellings=False),
    Dialect(nested_continue=False, both_id_spellings=False),
]


class Run(NamedTuple):
    ranges: list[tuple[int, int]]
    transactions: Counter[str]
    pauses: list[tuple[int, int | None]]
    executed: int
    complete: bool


@pytest.fixture(scope="module")
def ledger() -> Any:
    return Ledger.generate(seed=3, start_slot=FIRST, slots=12, transactions_per_slot=3, bundle_size=6, skip_every=4)


def run(ledger: Any, dialect: Dialect, **switches: Any) -> Run:
    create = simsync.CreateSession(FIRST, LAST, send_summary=True)
    events: list[simsync.Event] = []
    with Simulator(ledger, **switches) as simulator:
        client = simsync.Client(simulator.ws_url, simulator.api_key, options=Options(dialect=dialect, drain_idle=10.0))
        with client.parallel(create, timeout=20) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
            first = session.sub_sessions[0]
            while not events or not isinstance(events[-1], simsync.ReadyForContinue):
                events.append(first.next_event(timeout=20))
            first.send_continue_to(first.start_slot + 2, 0, timeout=20)
            events += [event for _sub, event in session.events(timeout=20, advance=2)]
            ranges = [(sub.start_slot, sub.end_slot) for sub in session.sub_sessions]
            complete = all(coverage.complete for coverage in session.coverage)
    summaries = [event.summary for event in events if isinstance(event, simsync.Completed)]
    return Run(
        ranges=ranges,
        transactions=Counter(event.signature for event in events if isinstance(event, simsync.Transaction)),
        pauses=[(event.slot, event.batch_index) for event in events if isinstance(event, simsync.Paused)],
        executed=sum(summary.correct_simulation for summary in summaries if summary is not None),
        complete=complete,
    )


@pytest.fixture(scope="module")
def usual(ledger: Any) -> Iterator[Run]:
    """The run against a server and with a dialect that are as usual."""
    yield run(ledger, Dialect())


def test_the_usual_run(usual: Run) -> None:
    assert usual.ranges == [(1_000, 1_005), (1_006, 1_011)]
    assert usual.pauses == [(1_002, 0)]
    assert usual.complete
    assert usual.executed == sum(usual.transactions.values()) > 20


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_form_of_a_server_gives_the_same_run(ledger: Any, usual: Run, switches: dict[str, Any]) -> None:
    assert run(ledger, Dialect(), **switches) == usual


@pytest.mark.parametrize("dialect", DIALECTS, ids=["flat", "one spelling", "flat, one spelling"])
def test_every_dialect_gives_the_same_run(ledger: Any, usual: Run, dialect: Dialect) -> None:
    assert run(ledger, dialect) == usual


# feature: forms of output and input
def test_every_switch_about_forms_is_tried() -> None:
    no_forms = {"replay_before_attached", "replay_slots", "history_slots", "create_delay", "slot_delay", "build_delay"}
    no_forms |= {"serve_next_port", "hosted_surface", "max_engines"}
    no_forms |= {"generation"}  # tests/local/test_generations.py tries them
    # These need a setting of the client each; tests/cli/test_doctor_readings.py tries both.
    readings = {"continue_layout", "inline_keys", "create_keys", "discovery_tagging", "anchor_tagging"}
    readings |= {"transaction_filter", "diff_filter"}
    tried = {name for switches in SWITCHES for name in switches}
    assert tried | {"action_form"} == set(Behaviour.__dataclass_fields__) - no_forms - readings


@pytest.mark.parametrize("form", ["external", "tagged"])
def test_errors_in_every_form_are_delivered_and_the_run_goes_on(ledger: Any, form: str) -> None:
    with Simulator(ledger, error_form=form) as simulator:
        client = simsync.Client(simulator.ws_url, simulator.api_key)
        with client.parallel(simsync.CreateSession(FIRST, LAST), timeout=20) as session:
            sub = session.sub_sessions[0]
            while not isinstance(sub.next_event(timeout=20), simsync.ReadyForContinue):
                pass
            sub.send_continue(transactions=[b"no transaction"], timeout=20)
            refused = sub.next_event(timeout=20)
            assert isinstance(refused, simsync.SessionError)
            assert refused.error.name == "InvalidTransactionFormat"
            assert refused.error.fields["index"] == 0
            assert not refused.error.terminal
            sub.send_continue(advance_count=100, timeout=20)
            events = list(sub.events(timeout=20))
            assert isinstance(events[-1], simsync.Completed)


SYSTEM = "11111111111111111111111111111111"


@pytest.mark.parametrize("form", ["0.11", "0.10"])
def test_actions_of_every_kind_of_anchor(ledger: Any, form: str) -> None:
    account = str(next(iter(ledger.bundles[0].accounts)))
    slots = [block.slot for block in ledger.blocks if block.slot <= 1_005]
    anchors = {
        "after": simsync.Anchor("after_slot", slots[1:3]),
        "before": simsync.Anchor("before_slot", slots[1:2]),
        "after each": simsync.Anchor("after_slot"),
        "before match": simsync.Anchor("before_match", filter=simsync.ProgramExecuted(SYSTEM)),
        "after match": simsync.Anchor("after_match", filter=simsync.ProgramExecuted(SYSTEM)),
        "every": simsync.Anchor("after_every_slot", every=2),
    }
    actions = [simsync.ScheduledAction(anchors[name], return_accounts=[account], label=name) for name in anchors]
    with Simulator(ledger, action_form=form) as simulator:
        client = simsync.Client(simulator.ws_url, simulator.api_key)
        with client.parallel(simsync.CreateSession(FIRST, 1_005, actions=actions), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe_actions()
            results = [one for one in sub.events(advance=9, timeout=20) if isinstance(one, simsync.ActionResult)]
    ran: dict[str | None, list[int]] = {}
    for result in results:
        ran.setdefault(result.label, []).append(result.slot)
        (state,) = result.accounts
        assert state is not None
        assert state.lamports > 0
        assert result.action_index == list(anchors).index(str(result.label))
        assert (result.matched is not None) == ("match" in str(result.label))
    assert set(ran) == set(anchors)
    assert ran["after"] == slots[1:3]
    assert ran["before"] == slots[1:2]
    assert ran["after each"] == slots
    assert ran["every"] == [slot for slot in slots if slot % 2 == 0]


def test_every_subscription_of_the_table_that_the_simulator_knows(ledger: Any) -> None:
    first = ledger.blocks[0]
    account = str(VersionedTransaction.from_bytes(first.transactions[0].wire).message.account_keys[0])
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.ws_url, simulator.api_key)
        with client.parallel(simsync.CreateSession(FIRST, 1_005), timeout=20) as session:
            (sub,) = session.sub_sessions
            sub.subscribe_transactions([SYSTEM])
            sub.subscribe_account_diffs([SYSTEM], accounts=[account])
            sub.subscribe("logsSubscribe", "all")
            sub.subscribe("accountSubscribe", account)
            sub.subscribe("programSubscribe", SYSTEM)
            sub.subscribe("slotSubscribe")
            events = list(sub.events(advance=3, timeout=20))
    transactions = [event for event in events if isinstance(event, simsync.Transaction)]
    signatures = {event.signature for event in transactions}
    assert len(signatures) == len(transactions) > 5
    diffs = [event for event in events if isinstance(event, simsync.AccountDiff)]
    assert {diff.account for diff in diffs} > {account}
    assert {diff.slot for diff in diffs} == {block.slot for block in ledger.blocks if block.slot <= 1_005}
    paid = next(diff for diff in diffs if diff.signature in signatures and diff.slot == first.slot)
    assert paid.before is not None and paid.after is not None
    assert paid.before.lamports != paid.after.lamports
    kinds = Counter(event.method for event in events if isinstance(event, simsync.Notification))
    assert set(kinds) == {"logsNotification", "accountNotification", "programNotification", "slotNotification"}
    assert isinstance(events[-1], simsync.Completed)
