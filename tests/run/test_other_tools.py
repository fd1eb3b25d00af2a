"""Files of other tools: numbers as text, failures, changes and account diffs in each form; what is left out is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.run import Comparison, summarize
from simsync.run.completeness import check_complete
from simsync.run.database import RecordingDatabase
from simsync.run.event_records import CHECKSUMS
from simsync.run.export import export_run
from simsync.run.gate import incomparable_because
from simsync.run.record_file import amount

from .files import ALICE, BOB, METADATA, tx

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"


def write(path: Path, *records: tuple[str, Any]) -> Path:
    path.write_text("".join(json.dumps({"type": kind, "data": data}) + "\n" for kind, data in records))
    return path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((5_000, 5_000), ("5000", 5_000), (5_000.0, 5_000), ("5000.0", 5_000), ("5e3", 5_000), (0, 0), ("-7", -7)),
        *((2**64, 2**64), (str(2**100), None), (10**29, 10**29), (10**30, None), (5e300, None), ("1" * 43, None)),
        *(
            (True, None),
            ("", None),
            ("x", None),
            (" 5", None),
            (1.5, None),
            ("1.5", None),
            ([5], None),
            ({"a": 5}, None),
        ),
    ],
)
def test_numbers_are_read_alike_by_both_readers(tmp_path: Path, value: object, expected: int | None) -> None:
    assert amount(value) == expected
    with RecordingDatabase(write(tmp_path / "run", ("note", {"value": value}))) as database:
        assert database.one("SELECT amount(data->'$.value') FROM small_0") == (expected,)


def test_numbers_as_text_are_in_every_table(tmp_path: Path) -> None:
    texts = {"slot": "10", "signature": "s1", "fee": "5000", "timestamp": "1761000000", "compute_units": 450.0}
    diff = {"slot": "10", "account": ALICE, "pre_lamports": "5", "post_lamports": "18446744073709551615"}
    session = {"start_slot": "10", "end_slot": "19", "slots_seen": "10", "highest_slot": 19.0, "at_unix_secs": "1.5"}
    path = write(tmp_path / "run", ("tx", texts), ("diff", diff), ("session_completed", session))
    with RecordingDatabase(path) as database:
        columns = "slot, fee, timestamp, compute_units"
        assert database.query(f"SELECT {columns} FROM transactions") == [(10, 5_000, 1_761_000_000, 450)]
        assert database.query("SELECT slot, pre_lamports, post_lamports FROM diffs") == [(10, 5, 2**64 - 1)]
        columns = "start_slot, end_slot, slots_seen, highest_slot, at_unix_secs"
        assert database.query(f"SELECT {columns} FROM sessions") == [(10, 19, 10, 19, 1.5)]
    assert export_run(path, tmp_path / "tables")["transactions"] == 1


def test_numbers_as_text_count_in_the_proof_and_in_the_gate(tmp_path: Path) -> None:
    paths: list[Path] = []
    for name, slot, total in (("a", 10, 1), ("b", "10", 1.0)):
        metadata = {**METADATA, "start_slot": slot}
        records = (("metadata", metadata), ("tx", tx(10, "s1")), ("summary", {"total_transactions": total}))
        paths.append(write(tmp_path / name, *records))
        assert check_complete(paths[-1]).reason is None
    with Comparison(paths[0], paths[1]) as comparison:
        assert comparison.experiment.slots == (10, 19)
        assert incomparable_because(comparison) == []
    path = write(tmp_path / "c", ("metadata", METADATA), ("tx", tx(10, "s1")), ("summary", {"total": 2.0}))
    assert check_complete(path).reason == summarize(path).incomplete_because
    assert check_complete(path).reason == "the file holds 1 transactions, its summary says 2"


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ({"success": True, "error": None}, None),
        ({"success": True, "error": ""}, None),
        ({"success": "true"}, None),
        ({}, None),
        ({"success": True, "error": "boom"}, "boom"),
        ({"success": True, "error": {}}, "{}"),
        ({"success": False}, "failed"),
        ({"success": "false"}, "failed"),
        ({"success": "False", "error": ""}, "failed"),
        ({"success": 0, "error": None}, "failed"),
    ],
)
def test_what_failed_is_one_rule(tmp_path: Path, outcome: dict[str, Any], error: str | None) -> None:
    path = write(tmp_path / "run", ("tx", {"slot": 10, "signature": "s1", **outcome}))
    assert check_complete(path).counts.failed == summarize(path).failed == (error is not None)
    with RecordingDatabase(path) as database:
        assert database.query("SELECT success, error FROM transactions") == [(error is None, error)]


@pytest.mark.parametrize(
    ("changes", "known", "unknown"),
    [
        ('{"sol_changes": {"W": -5}}', 1, 0),
        ('{"token_changes": {"W": {"M": -5}}}', 1, 0),
        ('{"sol_changes": {}, "token_changes": null}', 0, 0),
        ('{"sol_changes": {"W": -5, "W": -6}}', 0, 1),
        ('{"token_changes": {"W": {"M": 1, "M": 2}}}', 0, 1),
    ],
)
def test_a_change_is_read_or_counted_and_never_both(tmp_path: Path, changes: str, known: int, unknown: int) -> None:
    path = tmp_path / "run"
    path.write_text('{"type": "tx", "data": {"slot": 10, "signature": "s1", ' + changes[1:] + "}\n")
    with RecordingDatabase(path) as database:
        assert database.one("SELECT count(*) FROM balances") == (known,)
    assert summarize(path).changes_not_understood == unknown


@pytest.mark.parametrize(
    ("diffs", "rows", "unknown"),
    [
        (f'[{{"account": "{ALICE}", "pre_state": 5, "post_state": {{"lamports": "6"}}}}]', [(ALICE, 5, 6)], 0),
        (f'[{{"account": "{ALICE}", "post_state": 6}}, 7]', [(ALICE, None, 6)], 1),
        (f'{{"{ALICE}": {{"before": 5, "after": 6}}, "{BOB}": {{}}}}', [(ALICE, 5, 6), (BOB, None, None)], 0),
        (f'{{"{ALICE}": {{"before": "AA==", "after": "AQ=="}}}}', [(ALICE, None, None)], 0),
        (f'{{"{ALICE}": {{"before": 5}}, "{ALICE}": {{"before": 6}}}}', [], 1),
        ('"many"', [], 1),
        ("null", [], 0),
    ],
)
def test_account_diffs_inside_transactions_are_read_or_counted(
    tmp_path: Path, diffs: str, rows: list[tuple[Any, ...]], unknown: int
) -> None:
    path = tmp_path / "run"
    data = json.dumps(tx(10, "s1")).replace('"account_diffs": []', f'"account_diffs": {diffs}')
    path.write_text(f'{{"type": "tx", "data": {data}}}\n')
    with RecordingDatabase(path) as database:
        assert database.query("SELECT account, pre_lamports, post_lamports FROM diffs ORDER BY 1") == rows
    totals = summarize(path)
    assert (totals.diffs, totals.changes_not_understood) == (len(rows), unknown)
    if not unknown:
        assert f">{len(rows)}</td>" in simsync.read_run(path)._repr_html_()


def test_a_number_of_thousands_of_digits_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.write_text('{"type": "metadata", "data": {"start_slot": ' + "9" * 5_000 + "}}\n")
    with pytest.raises(simsync.InvalidParams, match=r"path='.*run': "):
        check_complete(path)
    with pytest.raises(simsync.InvalidParams, match=r"path='.*run': a record 'metadata' cannot be read"):
        summarize(path)


def test_a_balance_without_a_slot_neither_opens_nor_closes(tmp_path: Path) -> None:
    def change(slot: int | None, before: int, after: int) -> tuple[str, dict[str, Any]]:
        rows = [{"account": WALLET, "pre": before, "post": after}]
        return "tx", {"slot": slot, "signature": f"s{slot}", "sol_changes": rows}

    path = write(tmp_path / "run", change(None, 1, 2), change(12, 20, 30), change(11, 10, 20), change(None, 3, 4))
    (trace,) = summarize(path, [WALLET]).accounts
    assert (trace.opening, trace.closing, trace.changes, trace.change) == (10, 30, 4, 22)


@pytest.mark.parametrize("odd", ["text", 5, None, [1]])
def test_a_transaction_of_an_unknown_shape_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, odd: object
) -> None:
    path = write(tmp_path / "run", ("tx", {"slot": 10, "signature": "s1"}), ("tx", odd), ("note", {"value": 1}))
    with RecordingDatabase(path) as database:
        assert database.query("SELECT signature FROM transactions") == [("s1",)]
        assert database.query("SELECT kind FROM others") == [("note",)]
    assert "line 2 is ignored" in caplog.text
    assert summarize(path).unreadable == 1


def test_a_signature_that_is_no_text_is_counted_alike(tmp_path: Path) -> None:
    path = write(tmp_path / "run", ("tx", {"slot": 10, "signature": "\ud800"}))
    checksum = check_complete(path).sessions["None"].checksum
    with RecordingDatabase(path) as database:
        (key,) = database.one("SELECT transaction_key(slot, signature) FROM transactions")
    assert key % CHECKSUMS == checksum
