"""A whole run in one call: collected in memory, with subscriptions for all sub-sessions, bars and notebooks."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator

SYSTEM = "1" * 32
CREATE = simsync.CreateSession(1_000, slot_count=12, send_summary=True)


@pytest.fixture(scope="module")
def client() -> Any:
    ledger = Ledger.generate(seed=3, slots=12, bundle_size=4, transactions_per_slot=4, skip_every=6)
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key)


def test_all_sub_sessions_are_collected(client: simsync.Client) -> None:
    told: list[tuple[simsync.SubSession, simsync.Event]] = []
    with client.parallel(CREATE, timeout=20) as session:
        session.subscribe_transactions()
        session.subscribe_account_diffs(iter([SYSTEM]))  # type: ignore[arg-type]
        found = session.collect(advance=3, timeout=20, on_progress=lambda sub, event: told.append((sub, event)))
        assert found.summary == session.run_summary
        assert {sub for sub, _event in found.pairs} == set(session.sub_sessions)
    assert found.complete
    assert found.pairs == told
    assert found.events == list(found) == [event for _sub, event in told]
    assert len(found) == len(told)
    assert len(found.transactions) == len({one.signature for one in found.transactions}) > 0
    assert found.failures == [one for one in found.transactions if one.error is not None]
    assert found.account_diffs
    assert found.action_results == []
    assert found.of(simsync.Completed) == [event for event in found if isinstance(event, simsync.Completed)]
    assert "complete" in repr(found)


def test_one_session_is_collected_and_becomes_a_table(client: simsync.Client) -> None:
    pytest.importorskip("pyarrow")
    with client.session(simsync.CreateSession(1_000, slot_count=4), timeout=20) as session:
        session.subscribe_transactions()
        found = session.collect(timeout=20)
    assert found.complete
    table = found.to_arrow(simsync.Transaction)
    assert table.num_rows == len(found.transactions)
    assert set(table.column("session_id").to_pylist()) == {session.session_id}
    assert found.to_pandas(simsync.Slot)["slot"].tolist() == [one.slot for one in found.of(simsync.Slot)]
    assert found.to_polars(simsync.Slot).shape == (len(found.of(simsync.Slot)), 3)


def test_a_run_that_is_left_is_not_complete(client: simsync.Client) -> None:
    class Enough(Exception):
        pass

    def leave(_session: simsync.BacktestSession, event: simsync.Event) -> None:
        if isinstance(event, simsync.Slot):
            raise Enough

    with client.session(simsync.CreateSession(1_000, slot_count=4), timeout=20) as session:
        with pytest.raises(simsync.InvalidParams, match="on_progress"):
            session.collect(on_progress=5)  # type: ignore[arg-type]
        with pytest.raises(Enough):
            session.collect(timeout=20, on_progress=leave)
        found = session.collect(timeout=20)
    assert found.complete
    assert [slot.slot for slot in found.of(simsync.Slot)] == list(range(1_000, 1_004))
    with client.session(simsync.CreateSession(1_000, slot_count=4), timeout=20) as session:
        with pytest.raises(simsync.EventTimeout):
            session.collect(deadline=0.0)


@pytest.mark.parametrize("merged", [False, True])
def test_an_interrupted_collect_loses_nothing(client: simsync.Client, merged: bool) -> None:
    def leave(_session: object, event: simsync.Event) -> None:
        if isinstance(event, simsync.Completed):
            raise KeyboardInterrupt

    with client.parallel(CREATE, timeout=20) as session:
        whole: Any = session if merged else session.sub_sessions[0]
        while True:
            try:
                found = whole.collect(timeout=20, on_progress=leave)
            except KeyboardInterrupt:
                continue
            break
        subs = session.sub_sessions if merged else session.sub_sessions[:1]
        assert len(found.of(simsync.Completed)) == len(subs)
        slots = [event.slot for event in found.of(simsync.Slot)]
        assert len(slots) == len(set(slots)) == sum(sub.coverage.slots_seen for sub in subs)
        with pytest.raises(simsync.ControlClosed):
            whole.collect()


def test_a_table_of_what_was_collected_names_the_sessions(client: simsync.Client) -> None:
    pytest.importorskip("pandas")
    with client.parallel(CREATE, timeout=20) as session:
        found = session.collect(timeout=20)
        assert set(simsync.to_pandas(found)["session_id"]) == {sub.session_id for sub in session.sub_sessions}
    assert found.incomplete_because is None


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("subscribe_transactions", ([SYSTEM],)),
        ("subscribe_account_diffs", ([SYSTEM],)),
        ("subscribe_actions", ()),
        ("subscribe_logs", ([SYSTEM],)),
        ("subscribe", ("slotSubscribe",)),
    ],
)
def test_each_kind_is_subscribed_in_every_sub_session(
    client: simsync.Client, name: str, arguments: tuple[Any, ...]
) -> None:
    with client.parallel(CREATE, timeout=20) as session:
        getattr(session, name)(*arguments, from_slot=1_000)
        assert all(len(sub.queue.subscriptions) == 1 for sub in session.sub_sessions)


@pytest.mark.parametrize("name", ["subscribe_reroutes", "subscribe_replacements", "subscribe_diagnostics"])
def test_what_the_embedded_simulator_does_not_have_fails_every_sub_session(client: simsync.Client, name: str) -> None:
    with client.parallel(CREATE, timeout=20) as session:
        getattr(session, name)()
        for result in session.map(lambda sub: sub.collect(timeout=20)):
            assert isinstance(result.error, simsync.SubscriptionFailed)


class Bar:
    """Stands for that of tqdm, which need not be installed."""

    made: list[Bar]

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments
        self.slots = 0
        Bar.made.append(self)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_details: object) -> None:
        self.arguments["closed"] = True

    def update(self, slots: int) -> None:
        self.slots += slots


def test_a_bar_counts_slots_also_those_without_a_block(client: simsync.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    Bar.made = []
    module = ModuleType("tqdm.auto")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    with client.parallel(CREATE, timeout=20) as session:
        pairs = list(simsync.progress(session.events(advance=2, timeout=20), "run"))
        assert len(pairs) > 12
    with client.session(simsync.CreateSession(1_000, slot_count=4), timeout=20) as single:
        for _event in simsync.progress(single.events(advance=1, timeout=20)):
            pass
    assert [(bar.arguments["total"], bar.slots) for bar in Bar.made] == [(12, 12), (4, 4)]
    assert Bar.made[0].arguments["desc"] == "run"
    assert all(bar.arguments["closed"] for bar in Bar.made)


def test_the_bar_of_rich_or_advice(
    client: simsync.Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    events = [simsync.Slot(1), simsync.Slot(3)]
    assert list(simsync.progress(events)) == events
    output, errors = capsys.readouterr()
    assert output == ""
    assert "3/?" in errors
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(simsync.MissingExtra, match=r"simsync\[cli\]"):
        list(simsync.progress(events))


def test_notebooks_show_tables(client: simsync.Client) -> None:
    with client.parallel(CREATE, timeout=20) as session:
        (first, *_others) = session.sub_sessions
        assert f"slots {first.start_slot} to {first.end_slot}" in session._repr_html_()
        assert first.rpc_endpoint in first._repr_html_()
        found = session.collect(timeout=20)
        assert "<td style='text-align:left'>complete</td>" in found._repr_html_()
        assert "complete" in session.run_summary._repr_html_()
        assert "complete" in first.coverage._repr_html_()
        assert first.completion is not None and first.completion.summary is not None
        assert "incorrect simulation" in first.completion.summary._repr_html_()
    assert "1000" in client.available_ranges()[0]._repr_html_()
    assert "<td style='text-align:left'>11</td>" in simsync.SlotRange(1_000, 1_010)._repr_html_()
    odd = simsync.AvailableRange(1, kind="<script>")
    assert "<script>" not in odd._repr_html_()
