"""The scripts of examples/short, as a user runs them, against the first slots of what ``simsync local`` serves."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from solders.transaction import VersionedTransaction

import simsync
from simsync.local import Ledger, Simulator
from simsync.run import Recorder
from simsync.run.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "examples" / "short").glob("*.py"))
LONGEST = 25
"""Lines that a script must stay under."""
LAST = 1_079
TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
WALLET = "9DjGTJfJRmgsYL8427pw2Vu46e5pHaENViFJUbUXMqEc"
PATIENCE = 100.0


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.generate(slots=80)


@pytest.fixture(scope="module")
def simulator(ledger: Ledger) -> Iterator[Simulator]:
    with Simulator(ledger) as running:
        yield running


def environment_for(simulator: Simulator) -> dict[str, str]:
    return {**os.environ, "SIMULATOR_URL": simulator.url, "SIMULATOR_API_KEY": simulator.api_key}


def path_of(name: str) -> Path:
    return ROOT / "examples" / "short" / name


def finish(simulator: Simulator, name: str, *arguments: object, stdin: str = "", **variables: str) -> tuple[int, str]:
    """Exit code and output; nothing may come out as an error."""
    done = subprocess.run(
        [sys.executable, path_of(name), *map(str, arguments)],
        env={**environment_for(simulator), **variables},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def output_of(simulator: Simulator, name: str, *arguments: object, stdin: str = "") -> str:
    code, output = finish(simulator, name, *arguments, stdin=stdin)
    assert code == 0, output
    return output


def needs(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"this script needs {module}: pip install 'simsync[{extra}]'")


class History:
    """What the ledger says, without a session."""

    def __init__(self, ledger: Ledger, first: int = 1_000, last: int = LAST) -> None:
        self.transactions = [
            (block.slot, VersionedTransaction.from_bytes(one.wire), one.error)
            for block in ledger.blocks_between(first, last)
            for one in block.transactions
        ]

    @property
    def failed(self) -> list[tuple[int, VersionedTransaction]]:
        return [(slot, one) for slot, one, error in self.transactions if error is not None]

    def mentioning(self, address: str) -> list[VersionedTransaction]:
        return [one for _slot, one, _error in self.transactions if address in keys_of(one)]


def keys_of(transaction: VersionedTransaction) -> list[str]:
    return [str(key) for key in transaction.message.account_keys]


def lowest_balance(simulator: Simulator, first: int, last: int) -> int:
    """The lowest balance of the wallet after each slot but the first, from what transactions say of it."""
    client = simsync.Client(simulator.url, simulator.api_key)
    with client.session(simsync.CreateSession(first, last)) as session:
        session.subscribe_transactions()
        transactions = session.collect(timeout=PATIENCE).transactions
    changes = {}
    for one in transactions:
        if WALLET in one.account_keys:
            changes[one.slot] = one.post_balances[one.account_keys.index(WALLET)]
    assert {first, first + 1} & set(changes)  # otherwise the balance before it would count too
    after = [changes.get(first + 1, changes.get(first)), *(changes[slot] for slot in sorted(changes) if slot > first)]
    return min(lamports for lamports in after if lamports is not None)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_short_and_run(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < LONGEST
    assert f'"{path.name}"' in Path(__file__).read_text(encoding="utf-8")


def test_transactions_of_a_program_to_parquet(simulator: Simulator, ledger: Ledger, tmp_path: Path) -> None:
    needs("pyarrow", "arrow")
    from pyarrow import parquet

    file = tmp_path / "token.parquet"
    output = output_of(simulator, "program_to_parquet.py", file)
    signatures = {str(one.signatures[0]) for one in History(ledger).mentioning(TOKEN_PROGRAM)}
    assert set(parquet.read_table(file).column("signature").to_pylist()) == signatures
    assert output.startswith(f"{file}: {len(signatures)} transactions, ")
    assert output.endswith("\ncomplete\n")


def test_a_balance_as_a_plot(simulator: Simulator, tmp_path: Path) -> None:
    needs("matplotlib", "test")
    file = tmp_path / "balance.png"
    output = output_of(simulator, "plot_balance.py", file)
    assert file.read_bytes().startswith(b"\x89PNG")
    lowest = lowest_balance(simulator, 1_050, LAST) / 1e9
    assert output.startswith(f"{file}: 29 slots, between {lowest:.6f} and ")


def test_a_strategy_every_ten_slots(simulator: Simulator) -> None:
    output = output_of(simulator, "every_ten_slots.py")
    rows = re.findall(r"^slot (\d+): the pool has [\d,]+ \(([+-])[\d,]+\), position ([+-]\d+)$", output, re.MULTILINE)
    assert [int(slot) for slot, _sign, _position in rows] == [1_060, 1_070, 1_079]
    position = 0
    for _slot, sign, shown in rows:
        position += 1 if sign == "-" else -1
        assert int(shown) == position
    assert output.endswith("\ncomplete\n")


def test_a_changed_pool_and_what_differs(simulator: Simulator) -> None:
    output = output_of(simulator, "changed_pool.py")
    counts = re.match(r"1500 transactions, (\d+) newly fail\n", output)
    assert counts is not None
    # Insufficient funds, which is what an empty token account is about.
    assert output.count('{"InstructionError":[0,{"Custom":1}]}') == int(counts.group(1)) > 0


class Killed(Exception):
    pass


def test_a_nightly_job_goes_on_after_an_interrupted_night(simulator: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "nightly.ndjson.gz"

    def die_in_the_second_session(progress: Progress) -> None:
        if any(one.finished for one in progress.sessions.values()) and progress.executed > 60:
            raise Killed

    with pytest.raises(Killed):
        simsync.record(
            simsync.CreateSession(1_000, LAST),
            file,
            client=simsync.Client(simulator.url, simulator.api_key),
            parallel=True,
            workers=1,
            on_progress=die_in_the_second_session,
        )
    assert not simsync.read_run(file).complete
    done = {one.data["session_id"] for one in simsync.read_run(file).records() if one.kind == "session_completed"}
    assert output_of(simulator, "nightly.py", file) == f"{file}: 4000 transactions, complete\n"
    assert len(done) == 1
    assert done < set(simsync.read_run(file).summary["session_ids"])
    with Recorder(tmp_path / "other.ndjson"):
        assert finish(simulator, "nightly.py", tmp_path / "other.ndjson") == (4, "")


def test_a_flask_service(simulator: Simulator, ledger: Ledger, tmp_path: Path) -> None:
    needs("flask", "test")
    service = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", str(path_of("flask_service.py")), "run", "--port", "0"],
        env={**environment_for(simulator), "FLASK_SKIP_DOTENV": "1"},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert service.stderr is not None
        found = (re.search(r"Running on (http://[\d.:]+)", line) for line in service.stderr)
        address = next(match.group(1) for match in found if match)
        reply = requests.get(f"{address}/failures/1050/{LAST}", timeout=60)
        expected = {str(one.signatures[0]) for _slot, one in History(ledger, 1_050).failed}
        assert (reply.status_code, reply.json()["complete"]) == (200, True)
        assert set(reply.json()["failures"]) == expected
        wrong = requests.get(f"{address}/failures/7/3", timeout=60)
        assert (wrong.status_code, wrong.json()) == (400, {"error": "end_slot=3: must be >= start_slot (7)"})
        service.send_signal(signal.SIGINT)
        service.communicate(timeout=PATIENCE)
    finally:
        service.kill()
        service.communicate()


def test_parts_in_several_processes(simulator: Simulator, ledger: Ledger) -> None:
    assert output_of(simulator, "many_processes.py").splitlines() == [
        f"slots {first} to {last}: {len(History(ledger, first, last).failed)} failed"
        for first, last in ((1_000, 1_049), (1_050, LAST))
    ]


def test_stopping_in_the_debugger(simulator: Simulator) -> None:
    commands = (
        "p 'before', failure.slot, session.rpc.get_slot()\np sorted(accounts) == sorted(failure.account_keys)\nc\n"
    )
    output = output_of(simulator, "step_debugging.py", stdin=commands)
    places = re.search(r"\('before', (\d+), (\d+)\)\n\(Pdb\) True\n", output)
    assert places is not None
    failed, before = map(int, places.groups())
    assert before == failed - 1
    assert f"slot {failed}: " in output
    assert output.endswith(" failed: instruction 0 failed: custom program error 1 (0x1)\n")


def test_a_wrong_key_and_no_server(simulator: Simulator) -> None:
    assert finish(simulator, "wrong_key.py")[1].endswith(" events, complete\n")
    code, output = finish(simulator, "wrong_key.py", SIMULATOR_API_KEY="a wrong one")
    assert (code, output.count("\n")) == (3, 1)
    assert output.startswith("HTTP 401: check SIMULATOR_API_KEY")
    code, output = finish(simulator, "wrong_key.py", SIMULATOR_URL="ws://127.0.0.1:1")
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith("could not connect to ws://127.0.0.1:1/")
    assert output.endswith("(try again later)\n")


def test_logs_as_json(simulator: Simulator) -> None:
    lines = [json.loads(line) for line in output_of(simulator, "json_logs.py").splitlines()]
    lost = next(line for line in lines if line["level"] == "WARNING")
    assert (lost["plane"], lost["attempt"]) == ("control", 1)
    assert lost["slot"] >= 1_060
    assert any("connection is back" in line["text"] and line["session_id"] == lost["session_id"] for line in lines)


def test_a_quote_per_slot(simulator: Simulator) -> None:
    rows = re.findall(
        r"^slot (\d+): the pool would have ([\d,]+) lamports, 150 units$",
        output_of(simulator, "quote_per_slot.py"),
        re.MULTILINE,
    )
    assert [int(slot) for slot, _lamports in rows] == list(range(1_051, LAST + 1))
    assert len({lamports for _slot, lamports in rows}) > 10


def test_an_own_transaction(simulator: Simulator) -> None:
    assert output_of(simulator, "own_transaction.py").splitlines() == [
        "slot 1051: succeeded, 150 units, fee 5000",
        "slot 1052: instruction 0 failed: custom program error 1 (0x1), 150 units, fee 5000",
        "my friend has 1.5 SOL",
    ]


def test_trying_failed_transactions_later(simulator: Simulator, ledger: Ledger) -> None:
    rows = re.findall(
        r"^(\d+) slots later: (\d+) of (\d+) would have succeeded$",
        output_of(simulator, "late_retry.py"),
        re.MULTILINE,
    )
    failed = Counter(slot for slot, _one in History(ledger, 1_050).failed)
    assert [(int(later), int(tried)) for later, _saved, tried in rows] == [
        (later, sum(failed[slot - later] for slot in range(1_051, LAST + 1))) for later in (1, 5, 10)
    ]
    assert 0 < sum(int(saved) for _later, saved, _tried in rows) < sum(int(tried) for *_, tried in rows)


def test_the_holders_of_a_token(simulator: Simulator) -> None:
    output = output_of(simulator, "token_holders.py")
    shares = [float(share) for share in re.findall(r"^\w{32,44} +([\d.]+)%$", output, re.MULTILINE)]
    assert output.startswith(f"{len(shares)} holders of ")
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.1)


def test_large_moves(simulator: Simulator) -> None:
    rows = re.findall(r"^slot (\d+): (\w{32,44}) ([+-][\d,]+)$", output_of(simulator, "large_moves.py"), re.MULTILINE)
    changes = [(int(slot), int(change.replace(",", ""))) for slot, _account, change in rows]
    assert min(abs(change) for _slot, change in changes) >= 20_000_000
    # Much only moves from one account to another, so what one lost the other gained in the same slot.
    assert Counter(changes) == Counter((slot, -change) for slot, change in changes)


def test_running_until_something_happens(simulator: Simulator, ledger: Ledger) -> None:
    payer = "4JGBtnkcBUBKEpyUVVhn8Qh4Ba3AYsYHZnRMiKZNkTjD"
    slot, first = next((slot, one) for slot, one in History(ledger, 1_050).failed if keys_of(one)[0] == payer)
    output = output_of(simulator, "stop_at_first.py")
    assert output.startswith(f"slot {slot}: {first.signatures[0]}\ninstruction 0 failed: ")
    assert "\nProgram log: Error: insufficient funds\n" in output


def test_a_thread_for_each_part(simulator: Simulator) -> None:
    rows = re.findall(
        r"^slots (\d+) to (\d+): ([\d,]+) lamports after slot \d+$",
        output_of(simulator, "thread_per_part.py"),
        re.MULTILINE,
    )
    assert [(int(first), int(last), int(lamports.replace(",", ""))) for first, last, lamports in rows] == [
        (first, last, lowest_balance(simulator, first, last)) for first, last in ((1_000, 1_049), (1_050, LAST))
    ]


def test_going_on_after_a_crash(ledger: Ledger, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    # Slow enough that there is something left when the first process is killed.
    with Simulator(ledger, slot_delay=0.05) as simulator:
        first = subprocess.Popen(
            [sys.executable, path_of("resume_after_crash.py"), state],
            env=environment_for(simulator),
            stdout=subprocess.PIPE,
            text=True,
        )
        seen = []
        try:
            assert first.stdout is not None
            for line in first.stdout:
                seen.append(line)
                if line == "slot 1055\n":
                    first.kill()
        finally:
            first.kill()
            first.communicate()
        rest = output_of(simulator, "resume_after_crash.py", state).splitlines(keepends=True)
    assert len(seen) < 30
    # The slot that was handled when the process was killed may not have been saved.
    assert rest[0] in (seen[-1], f"slot {1_050 + len(seen)}\n")
    assert list(dict.fromkeys(seen + rest)) == [f"slot {slot}\n" for slot in range(1_050, LAST + 1)]
    assert not state.exists()


def test_units_by_program(simulator: Simulator, ledger: Ledger) -> None:
    needs("polars", "polars")
    output = output_of(simulator, "units_by_program.py")
    rows = {row[0]: row[1:3] for row in re.findall(r"(\w{32,44})\W+(\d+)\W+(\d+)\W", output)}
    assert len(rows) == 4
    history = History(ledger)
    assert int(rows[TOKEN_PROGRAM][0]) == len(history.mentioning(TOKEN_PROGRAM))
    failed = [one for _slot, one in history.failed if TOKEN_PROGRAM in keys_of(one)]
    assert int(rows[TOKEN_PROGRAM][1]) == len(failed)


def test_bars_of_ten_slots(simulator: Simulator, ledger: Ledger) -> None:
    needs("pandas", "pandas")
    rows = [line.split() for line in output_of(simulator, "volume_bars.py").splitlines()[2:]]
    assert [(int(row[0]), int(row[1]), 500 - int(row[2])) for row in rows] == [
        (first, 500, len(History(ledger, first, first + 9).failed)) for first in range(1_000, LAST, 10)
    ]
    assert all(int(row[4]) > int(row[3]) > 0 for row in rows)
