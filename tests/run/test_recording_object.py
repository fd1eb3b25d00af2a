"""Recorded runs from Python: ``simsync.record``, ``simsync.read_run`` and the object they give."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.local import Ledger, Simulator
from simsync.run.record_file import read_records

from .files import tx, write_lines

CREATE = simsync.CreateSession(1_000, 1_015, send_summary=True)


@pytest.fixture(scope="module")
def client() -> Iterator[simsync.Client]:
    ledger = Ledger.generate(seed=6, slots=16, bundle_size=8, transactions_per_slot=5)
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key)


@pytest.fixture(scope="module")
def recording(client: simsync.Client, tmp_path_factory: pytest.TempPathFactory) -> simsync.Recording:
    path = tmp_path_factory.mktemp("recorded") / "run.ndjson.gz"
    return simsync.record(CREATE, path, client=client, parallel=True, advance=4)


def test_what_the_file_says_of_itself(recording: simsync.Recording) -> None:
    assert recording.complete
    assert recording.incomplete_because is None
    assert (recording.metadata["start_slot"], recording.metadata["end_slot"]) == (1_000, 1_015)
    assert recording.summary["total_transactions"] == 80
    assert next(recording.records()).kind == "metadata"
    again = simsync.read_run(recording.path)
    assert again.complete
    assert "complete" in again._repr_html_()
    assert str(recording.path) in repr(again)


def test_its_transactions_by_condition(recording: simsync.Recording) -> None:
    everything = recording.transactions()
    assert len(everything) == 80
    assert [one.slot for one in everything] == sorted(one.slot or 0 for one in everything)
    failed = recording.failures
    assert failed == [one for one in everything if one.error is not None] != []
    some = recording.transactions(slots=(1_002, 1_003))
    assert {one.slot for one in some} == {1_002, 1_003}
    assert recording.transactions(slots=(1_002, 1_003), limit=1) == some[:1]
    signature = str(everything[5].signature)
    assert recording.transactions(signature=signature) == [everything[5]]
    assert recording.transactions(program="1" * 32) == [one for one in everything if "1" * 32 in one.logs]
    assert recording.transactions(error="no such error") == []
    with pytest.raises(simsync.InvalidParams):
        recording.transactions(slots=(5, 4))
    with pytest.raises(simsync.InvalidParams):
        recording.transactions(program="me")


def test_conditions_of_other_kinds_are_read_or_refused_in_a_sentence(recording: simsync.Recording) -> None:
    numpy = pytest.importorskip("numpy")
    signature = pytest.importorskip("solders.signature").Signature
    wallet = pytest.importorskip("solders.pubkey").Pubkey
    one = recording.transactions(limit=1)[0]
    assert recording.transactions(signature=signature.from_string(str(one.signature))) == [one]
    assert recording.transactions(signature=str(one.signature)[:20]) == [one]
    account = recording.sql("select account from balances limit 1")[0]["account"]
    asked = "select count(*) n from balances where account = ? and slot < ?"
    values = (wallet.from_string(account), numpy.int64(1_016))
    assert recording.sql(asked, *values) == recording.sql(asked, account, 1_016)
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("slots=5", {"slots": 5}),
        ("slots=.*the first and the last slot", {"slots": (1, 2, 3)}),
        ("error=5: must be text", {"error": 5}),
        ("signature=5", {"signature": 5}),
    ]
    for message, condition in wrong:
        with pytest.raises(simsync.InvalidParams, match=message):
            recording.transactions(**condition)
    for query, value in ((5, 1), ("select ?", object())):
        with pytest.raises(simsync.InvalidParams):
            recording.sql(query, value)  # type: ignore[arg-type]
    for memory in (True, "500", 1):
        with pytest.raises(simsync.InvalidParams, match="max_memory"):
            simsync.read_run(recording.path, max_memory=memory)  # type: ignore[arg-type]


def test_its_tables_agree_with_each_other(recording: simsync.Recording) -> None:
    pytest.importorskip("pyarrow")
    assert recording.to_arrow().num_rows == 80
    assert sorted(recording.to_arrow("sessions").column("start_slot").to_pylist()) == [1_000, 1_008]
    (row,) = recording.sql("select count(*) n, sum(fee) fees from transactions where slot >= ?", 1_008)
    assert row["n"] == 40
    assert row["fees"] == sum(one.fee or 0 for one in recording.transactions(slots=(1_008, 1_015)))
    frame = recording.to_pandas()
    assert frame["fee"].sum() == recording.to_polars()["fee"].sum()
    assert str(frame["fee"].dtype).startswith("uint64")
    account = recording.sql("select account from balances where mint is null limit 1")[0]["account"]
    assert recording.transactions(account=account)
    (trace,) = [one for one in recording.balances(account) if one.mint is None]
    assert (trace.closing or 0) - (trace.opening or 0) == trace.change
    assert recording.totals().transactions == 80
    shown = recording.totals()._repr_html_()
    assert "<td style='text-align:left'>80</td>" in shown and "complete" in shown
    with pytest.raises(simsync.InvalidParams, match="transactions, balances"):
        recording.to_arrow("accounts")
    with pytest.raises(simsync.SimsyncError, match="query failed"):
        recording.sql("select nothing from nowhere")


def test_an_interrupted_run_is_resumed(client: simsync.Client, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    fail = [True]

    def strategy(session: simsync.run.RecordedSession) -> None:
        if fail[0] and session.start_slot == 1_008:
            raise RuntimeError("stands for a kill")

    with pytest.raises(simsync.SimsyncError):
        simsync.record(CREATE, path, client=client, parallel=True, strategy=strategy)
    interrupted = simsync.read_run(path)
    assert not interrupted.complete
    assert "INCOMPLETE" in interrupted._repr_html_()
    assert interrupted.incomplete_because
    fail[0] = False
    executed: list[int] = []
    resumed = simsync.record(
        CREATE,
        path,
        client=client,
        parallel=True,
        strategy=strategy,
        resume=True,
        on_progress=lambda progress: executed.append(progress.executed),
    )
    assert resumed.complete
    assert executed[-1] == 16
    signatures = [record.data["signature"] for record in read_records(path) if record.kind == "tx"]
    assert len(signatures) == len(set(signatures)) == 80


def test_a_resumed_run_that_ends_sooner_takes_nothing_away(client: simsync.Client, tmp_path: Path) -> None:
    path, create = tmp_path / "run.ndjson", simsync.CreateSession(1_000, 1_007)
    ends_at = [1_006]

    def strategy(session: simsync.run.RecordedSession) -> None:
        for event in session.events(advance=1):
            if isinstance(event, simsync.Slot) and event.slot == ends_at[0]:
                raise RuntimeError("stands for a broken connection")

    def resumed() -> simsync.Recording:
        return simsync.record(create, path, client=client, strategy=strategy, resume=True)

    with pytest.raises(simsync.SimsyncError):
        resumed()
    before = path.read_bytes()
    ends_at[0] = 1_002
    with pytest.raises(simsync.SimsyncError):
        resumed()
    assert path.read_bytes() == before
    assert "broken connection" in str(simsync.read_run(tmp_path / "run.new.ndjson").incomplete_because)
    ends_at[0] = 0
    assert resumed().complete
    assert list(tmp_path.iterdir()) == [path]


def test_a_recording_that_could_not_be_read_afterwards_is_refused(client: simsync.Client, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in ("-", "/dev/stdout", pipe):
        with pytest.raises(simsync.InvalidParams, match=r"cannot be read after the run; give a file"):
            simsync.record(CREATE, path, client=client, parallel=True)
    for wrong in (5, None, b"run.ndjson"):
        with pytest.raises(simsync.InvalidParams, match="must be a path"):
            simsync.record(CREATE, wrong, client=client, parallel=True)  # type: ignore[arg-type]


def test_a_strategy_may_change_the_working_directory(
    client: simsync.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def strategy(session: simsync.run.RecordedSession) -> None:
        os.chdir(tmp_path / "elsewhere")

    for name in ("run.ndjson", "./-"):
        os.chdir(tmp_path)
        recording = simsync.record(simsync.CreateSession(1_000, 1_007), name, client=client, strategy=strategy)
        assert recording.complete
        assert recording.path.parent == tmp_path


def test_what_protects_a_file_protects_it_here_too(client: simsync.Client, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    simsync.record(CREATE, path, client=client, parallel=True)
    whole = path.read_bytes()
    with pytest.raises(simsync.SimsyncError, match="complete"):
        simsync.record(CREATE, path, client=client, parallel=True)
    with pytest.raises(simsync.InvalidParams, match=r"another run|differs|end_slot"):
        simsync.record(simsync.CreateSession(1_000, 1_007), path, client=client, parallel=True, resume=True)
    assert path.read_bytes() == whole
    assert simsync.record(CREATE, path, client=client, parallel=True, force=True).complete
    for wrong in ({"resume": True, "force": True}, {"deadline": -1}, {"parallel": 1}):
        with pytest.raises(simsync.InvalidParams):
            simsync.record(CREATE, path, client=client, **wrong)
    with pytest.raises(simsync.InvalidParams, match="CreateSession"):
        simsync.record("1000", path, client=client, parallel=True)  # type: ignore[arg-type]


def test_the_recording_of_this_run_is_returned_also_if_it_replaced_nothing(tmp_path: Path) -> None:
    path, create = tmp_path / "run.ndjson", simsync.CreateSession(1_000, 1_011)
    ledger = Ledger.generate(seed=6, slots=12, bundle_size=12, transactions_per_slot=5)
    with Simulator(ledger) as whole, Simulator(Ledger(ledger.blocks[:2], ledger.bundles)) as part:
        client = simsync.Client(whole.url, whole.api_key)
        assert simsync.record(create, path, client=client).path == path
        before = path.read_bytes()
        again = simsync.record(create, path, client=simsync.Client(part.url, part.api_key), force=True)
    assert again.path == tmp_path / "run.new.ndjson"
    assert "the last executed slot is 1001, 10 before the end" in str(again.incomplete_because)
    assert path.read_bytes() == before


@pytest.mark.parametrize("is_parallel", [False, True])
def test_an_open_session_is_recorded_and_stays_open(client: simsync.Client, tmp_path: Path, is_parallel: bool) -> None:
    path = tmp_path / "run.ndjson"
    open_it = client.parallel if is_parallel else client.session
    with open_it(simsync.CreateSession(1_000, 1_007 + 8 * is_parallel), timeout=20) as session:
        recording = simsync.record(session, path, advance=4)
        assert recording.complete
        assert session.run_summary.complete
        assert len(recording.transactions()) == (80 if is_parallel else 40)
        for wrong in ({"client": client}, {"resume": True}, {"deadline": 1.0}, {"cancel": simsync.CancelToken()}):
            with pytest.raises(simsync.InvalidParams, match="open session"):
                simsync.record(session, path, **wrong)


def test_what_a_session_has_subscribed_to_is_not_recorded_twice(client: simsync.Client, tmp_path: Path) -> None:
    path, create = tmp_path / "run.ndjson", simsync.CreateSession(1_000, 1_007)
    with client.session(create, timeout=20) as session:
        session.subscribe_transactions()
        with pytest.raises(simsync.InvalidParams, match="would be recorded twice"):
            simsync.record(session, path)
    with client.session(create, timeout=20) as session:
        session.subscribe_account_diffs(["1" * 32])
        with pytest.raises(simsync.InvalidParams, match="would be recorded twice"):
            simsync.record(session, path, account_diffs=True, program_ids=["1" * 32])
        assert simsync.record(session, path).complete


@pytest.mark.parametrize("is_parallel", [False, True])
def test_an_open_session_that_has_executed_slots_is_refused(
    client: simsync.Client, tmp_path: Path, is_parallel: bool
) -> None:
    path = tmp_path / "run.ndjson"
    open_it = client.parallel if is_parallel else client.session
    with open_it(simsync.CreateSession(1_000, 1_007 + 8 * is_parallel), timeout=20) as session:
        moved = session if isinstance(session, simsync.BacktestSession) else session.sub_sessions[-1]
        moved.advance(2, timeout=20)
        with pytest.raises(simsync.InvalidParams, match=f"{moved.session_id} has already executed slots"):
            simsync.record(session, path)
        list(session.events(advance=10, timeout=20))
        with pytest.raises(simsync.InvalidParams, match="has already executed slots"):
            simsync.record(session, path)
        with pytest.raises(simsync.ControlClosed, match="every event was delivered"):
            session.collect()
    with open_it(simsync.CreateSession(1_000, 1_007 + 8 * is_parallel), timeout=20) as session:
        pass
    with pytest.raises(simsync.InvalidParams, match="is closed: open another one"):
        simsync.record(session, path)
    assert not path.exists()


def test_a_deadline_and_a_token_end_it(client: simsync.Client, tmp_path: Path) -> None:
    token = simsync.CancelToken()
    token.cancel()
    for more in ({"deadline": 0.0}, {"cancel": token}):
        with pytest.raises(simsync.SimsyncError):
            simsync.record(CREATE, tmp_path / "run.ndjson", client=client, parallel=True, **more)


def test_the_file_names_the_deadline_and_the_token_of_the_caller_is_not_fired(
    client: simsync.Client, tmp_path: Path
) -> None:
    path, token, wait = tmp_path / "run.ndjson", simsync.CancelToken(), threading.Event()

    def strategy(session: simsync.run.RecordedSession) -> None:
        for event in session.events(advance=2):
            if isinstance(event, simsync.Slot) and event.slot > 1_003:
                wait.wait(0.2)

    with pytest.raises(simsync.Cancelled, match=r"the deadline of 0.4 s has passed"):
        simsync.record(CREATE, path, client=client, strategy=strategy, deadline=0.4, parallel=True, cancel=token)
    assert not token.cancelled
    if path.exists():
        assert "the deadline of 0.4 s has passed" in str(simsync.read_run(path).incomplete_because)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client", 5),
        ("cancel", 5),
        ("strategy", 5),
        ("on_progress", 5),
        ("on_create", 5),
        ("binaries", {"x": b"\x7fELF"}),
        ("binaries", {"1" * 32: b""}),
        ("binaries", {"1" * 32: "text"}),
        ("binaries", 5),
        ("advance", True),
        ("workers", 0),
        ("wait", True),
        ("deadline", "x"),
        ("account_diffs", 1),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_written(
    client: simsync.Client, tmp_path: Path, name: str, value: object
) -> None:
    path = tmp_path / "run.ndjson"
    arguments: dict[str, Any] = {"client": client, name: value}
    with pytest.raises(simsync.InvalidParams, match=name):
        simsync.record(CREATE, path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        simsync.read_run(tmp_path / "missing.ndjson")
    odd = tmp_path / "odd.ndjson"
    odd.write_text("not a recording\n")
    damaged = simsync.read_run(odd)
    with pytest.raises(simsync.InvalidParams):
        _ = damaged.complete
    assert "cannot be read: " in damaged._repr_html_()
    odd.unlink()
    assert "No such file" in damaged._repr_html_()


def test_what_is_no_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IsADirectoryError, match=f"is a folder, not a recorded run: .*{tmp_path.name}"):
        simsync.read_run(tmp_path)
    for wrong in (bytes(tmp_path), 5, None):
        with pytest.raises(simsync.InvalidParams, match=r"path=.*must be text or a pathlib\.Path"):
            simsync.read_run(wrong)  # type: ignore[arg-type]
    write_lines(tmp_path / "-", [tx(10, "s1")])
    monkeypatch.chdir(tmp_path)
    for name in ("./-", Path("-")):  # "-" is standard input elsewhere
        assert len(simsync.read_run(name).transactions()) == 1
        assert simsync.read_run(name).complete


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run.ndjson", [tx(10, "s1")], end=False)
    recording = simsync.read_run(path)
    assert not recording.complete
    write_lines(path, [tx(10, "s1")])
    assert recording.complete
    write_lines(tmp_path / "other", [tx(10, "s1")], end=False).replace(path)
    assert recording.incomplete_because == "the file ends without a summary"


def test_columns_of_one_name_are_all_there(recording: simsync.Recording) -> None:
    query = "select a.slot, b.slot, 5 as slot_1 from transactions a join transactions b using (signature) limit 1"
    (row,) = recording.sql(query)
    assert list(row) == ["slot", "slot_1", "slot_1_1"]
    with pytest.raises(simsync.InvalidParams, match="is the file that is read"):
        recording.sql(f"copy transactions to '{recording.path}'")
    assert recording.complete
