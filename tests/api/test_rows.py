"""Events as rows: dicts that are JSON, and tables of Arrow, pandas and Polars."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

import simsync
from simsync import tables
from simsync.events import BacktestError
from simsync.local import Ledger, Simulator
from simsync.wire.streams import STREAMS

SYSTEM = "1" * 32
LARGE = 2**64 - 1


@pytest.fixture(scope="module")
def pairs() -> Iterator[list[tuple[simsync.SubSession, simsync.Event]]]:
    ledger = Ledger.generate(seed=2, slots=8, bundle_size=4, transactions_per_slot=3)
    create = simsync.CreateSession(1_000, slot_count=8, send_summary=True)
    with Simulator(ledger) as simulator:
        with simsync.Client(simulator.url, simulator.api_key).parallel(create, timeout=20) as session:
            for sub in session.sub_sessions:
                sub.subscribe_transactions()
                sub.subscribe_account_diffs([SYSTEM])
                sub.subscribe_logs()
            yield list(session.events(advance=2, timeout=20))


MADE: list[simsync.Event] = [
    simsync.Created("s", None),
    simsync.ReadyForContinue(),
    simsync.Slot(LARGE),
    simsync.Paused(5, None, {}),
    simsync.DiscoveryBatch(5, 1, [{"program": SYSTEM}], [{"a": 1}], {}, transaction_indices=(7, 8)),
    simsync.Status("loading"),
    simsync.SessionError(BacktestError("SimulationError", {"why": "x"}, {"simulationError": {"why": "x"}})),
    simsync.Completed(simsync.SessionSummary(correct_simulation=3), None),
    simsync.UnknownEvent("x", {"y": [1]}),
    simsync.Notification("logsNotification", {"value": {}}),
]


def kinds(pairs: list[tuple[simsync.SubSession, simsync.Event]]) -> dict[str, simsync.Event]:
    return {type(event).__name__: event for event in (*MADE, *(event for _sub, event in pairs))}


def test_every_kind_is_a_row_of_json_with_the_documented_keys(pairs: list[Any]) -> None:
    found = kinds(pairs)
    assert set(found) == set(tables.COLUMNS) - {"ActionResult"}
    for name, event in found.items():
        row = event.to_dict()
        assert json.loads(json.dumps(row)) == row
        assert list(row) == ["event", *tables.COLUMNS[name]]
        assert row["event"] == name


def test_events_with_the_same_content_are_one_member_of_a_set(pairs: list[Any]) -> None:
    for event in kinds(pairs).values():
        assert len({event, event}) == 1
    assert {simsync.Slot(1), simsync.Slot(2), simsync.Slot(1)} == {simsync.Slot(2), simsync.Slot(1)}
    transactions = [event for _sub, event in pairs if isinstance(event, simsync.Transaction)]
    assert len(set(transactions)) == len(transactions) == 24


def test_an_arrow_table_keeps_large_numbers_and_has_the_columns_of_its_kinds(pairs: list[Any]) -> None:
    pytest.importorskip("pyarrow")
    table = simsync.to_arrow([simsync.Slot(LARGE), simsync.Status("x")])
    assert table.to_pylist() == [
        {"event": "Slot", "slot": LARGE, "status": None},
        {"event": "Status", "slot": None, "status": "x"},
    ]
    merged = simsync.to_arrow(pairs, simsync.Transaction)
    assert merged.num_rows == 24
    assert merged.column_names == ["event", "session_id", *tables.COLUMNS["Transaction"]]
    assert set(merged["session_id"].to_pylist()) == {sub.session_id for sub, _event in pairs}
    first = next(event for _sub, event in pairs if isinstance(event, simsync.Transaction))
    assert merged["pre_balances"][0].as_py() == list(first.pre_balances)
    empty = simsync.to_arrow([], (simsync.Slot, simsync.Paused))
    assert (empty.num_rows, empty.column_names) == (0, ["event", "slot", "batch_index"])
    assert simsync.to_arrow(pairs).num_rows == len(pairs)


def action_result() -> simsync.ActionResult:
    matched = {"data": "AQ==", "encoding": "base64"}
    result = {"slot": 5, "transactionOutcomes": [], "matched": matched}
    payload = json.dumps({"params": {"subscription": 1, "result": result}}).encode()
    event = STREAMS["actions"].make_event("actionNotification", 5, None, payload)
    assert isinstance(event, simsync.ActionResult)
    return event


def test_any_two_kinds_are_one_table_whatever_their_order(pairs: list[Any]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    found = {**kinds(pairs), "ActionResult": action_result()}
    assert set(found) == set(tables.COLUMNS)
    for one, other in itertools.permutations(found.values(), 2):
        alone = [simsync.to_arrow([event]) for event in (one, other)]
        pyarrow.unify_schemas([table.schema for table in alone])  # raises for types that differ
        both = simsync.to_arrow([one, other], (type(other), type(one)))
        for row, table in zip(both.to_pylist(), alone):
            assert {name: row[name] for name in table.column_names} == table.to_pylist()[0]
    discovery, action = MADE[4], found["ActionResult"]
    assert simsync.to_arrow([discovery, action])["matched"].to_pylist() == ['[{"program":"' + SYSTEM + '"}]', "AQ=="]


def test_a_base_class_stands_for_the_kinds_that_occur() -> None:
    pytest.importorskip("pyarrow")

    class Mine(simsync.Slot):
        __slots__ = ()

    events = [simsync.Slot(1), Mine(2), simsync.Status("x")]
    assert simsync.to_arrow(events, simsync.Event).to_pylist() == simsync.to_arrow(events).to_pylist()
    assert simsync.to_arrow(events, simsync.Event).column_names == ["event", "slot", "status"]
    assert simsync.to_arrow(events, simsync.Slot)["slot"].to_pylist() == [1, 2]


def test_what_is_no_event_is_rejected() -> None:
    pytest.importorskip("pyarrow")
    for events in ("text", {"a": 1}, [5], [(1, 2)], [("x", simsync.Slot(1))], 7):
        with pytest.raises(simsync.InvalidParams, match="events"):
            simsync.to_arrow(events)  # type: ignore[arg-type]
    with pytest.raises(simsync.InvalidParams, match="kind"):
        simsync.to_arrow([], "Slot")  # type: ignore[arg-type]


def test_a_value_that_does_not_fit_names_its_row_and_column() -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(simsync.ProtocolError, match=r"row 1 \(Slot, slot x\): the column slot cannot hold 'x'"):
        simsync.to_arrow([simsync.Slot(1), simsync.Slot("x")])  # type: ignore[arg-type]
    with pytest.raises(simsync.ProtocolError, match=r"row 0 .*column slot"):
        simsync.to_arrow([simsync.Slot(2**64)])


def account_diff(state: Any) -> simsync.Event:
    diff = {"account": SYSTEM, "pre": None, "post": state}
    payload = json.dumps({"params": {"subscription": 1, "result": diff}}).encode()
    return STREAMS["account_diffs"].make_event("accountDiffNotification", 5, None, payload)


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (["3Bxs", "base58"], base64.b64encode(simsync.base58.decode("3Bxs")).decode()),
        (["z" * 100_000, "base58"], None),
        (["l", "base58"], None),
        ([5, "base58"], None),
        (["AQIDBA==", "base64+lz4"], None),
        ("error: data too large", None),
        (None, None),
    ],
)
def test_data_that_cannot_be_read_does_not_spoil_the_other_rows(data: Any, read: str | None) -> None:
    event = account_diff({"lamports": 1, "owner": SYSTEM, "data": data})
    assert event.to_dict()["after"]["data"] == read
    assert isinstance(event, simsync.AccountDiff)
    assert event.raw["post"]["data"] == data
    pytest.importorskip("pyarrow")
    assert simsync.to_arrow([event, simsync.Slot(1)]).num_rows == 2


def test_an_event_says_that_it_is_neither_a_pair_nor_a_dict() -> None:
    event: Any = simsync.Slot(5)
    with pytest.raises(TypeError, match="only a loop over all sub-sessions yields pairs"):
        _sub, _event = event
    with pytest.raises(TypeError, match=r"event\.to_dict\(\)\['slot'\]"):
        _ = event["slot"]
    assert not isinstance(event, Iterable)


def test_a_whole_number_that_came_as_text_is_read() -> None:
    pytest.importorskip("pyarrow")
    large: Any = str(LARGE)
    assert simsync.to_arrow([simsync.Slot(1), simsync.Slot(large)])["slot"].to_pylist() == [1, LARGE]
    state = {"lamports": large, "owner": SYSTEM, "data": ["", "base64"], "space": "0"}
    assert simsync.to_arrow([account_diff(state), simsync.Slot(1)]).num_rows == 2


def test_pandas_keeps_integers_where_values_are_missing(pairs: list[Any]) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = simsync.to_pandas([simsync.Slot(LARGE), simsync.Status("x")])
    assert isinstance(frame, pandas.DataFrame)
    assert frame["slot"][0] == LARGE
    assert frame["slot"].isna().tolist() == [False, True]


def test_polars_keeps_integers_where_values_are_missing(pairs: list[Any]) -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame = simsync.to_polars([simsync.Slot(LARGE), simsync.Status("x")])
    assert frame.schema["slot"] == polars.UInt64
    assert frame["slot"].to_list() == [LARGE, None]


@pytest.mark.parametrize(
    ("function", "hidden", "extra"),
    [
        (simsync.to_arrow, "pyarrow", "arrow"),
        (simsync.to_pandas, "pandas", "pandas"),
        (simsync.to_polars, "polars", "polars"),
    ],
)
def test_a_missing_package_is_named_by_its_extra(
    monkeypatch: pytest.MonkeyPatch, function: Any, hidden: str, extra: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, hidden, None)
    with pytest.raises(simsync.MissingExtra, match=rf"pip install 'simsync\[{extra}\]'$"):
        function([])


@pytest.mark.parametrize(
    ("error", "text", "code", "instruction"),
    [
        (None, None, None, None),
        ("AccountNotFound", "AccountNotFound", None, None),
        (
            {"InstructionError": [2, {"Custom": 6001}]},
            "instruction 2 failed: custom program error 6001 (0x1771)",
            6001,
            2,
        ),
        ({"InstructionError": [0, "InvalidArgument"]}, "instruction 0 failed: InvalidArgument", None, 0),
        ({"InstructionError": [1, {"BorshIoError": "x"}]}, "instruction 1 failed: BorshIoError (x)", None, 1),
        ({"DuplicateInstruction": 3}, "DuplicateInstruction (3)", None, None),
        (
            {"InsufficientFundsForRent": {"account_index": 4}},
            'InsufficientFundsForRent ({"account_index": 4})',
            None,
            None,
        ),
        ({"InstructionError": "odd"}, "InstructionError (odd)", None, None),
        ([1], "[1]", None, None),
    ],
)
def test_errors_in_words(error: Any, text: str | None, code: int | None, instruction: int | None) -> None:
    status = simsync.SignatureStatus(5, error)
    assert (status.error_text, status.error_code, status.error_instruction) == (text, code, instruction)


def test_results_have_a_hash_whatever_they_hold() -> None:
    error = {"InstructionError": [0, {"Custom": 1}]}
    for result in (
        simsync.OwnTransaction("s", False, error, logs=["a line"]),
        simsync.StepResult(
            own=(simsync.OwnTransaction("s", False, error),), agent_stats={}, summary=simsync.SessionSummary()
        ),
        simsync.Simulation(error, ["a line"], accounts=[None]),
        simsync.SignatureStatus(5, error),
        simsync.RunSummary(1, 1, True, [], 1, 5, 0, 0, 0, simsync.SessionSummary()),
    ):
        assert len({result, result}) == 1
