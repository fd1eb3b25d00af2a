"""A disk that is full in the middle of a file: one line, exit code 1, the old file as it was, and nothing else left.

The size of a file is limited, which fails as a full disk does: a write stops in the middle, then none works.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from simsync.cli.app import run
from simsync.local import Ledger, Simulator

from ..run.files import tx, write_lines

OLD = b"what was there before\n"
STRATEGY = "def large(session):\n    for _event in session.events(advance=50):\n        pass\n    return 'x' * 30_000\n"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Ledger.generate(slots=20, transactions_per_slot=2, bundle_size=10)) as running:
        yield running


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, chance = tmp_path_factory.mktemp("data"), random.Random(7)
    many = [tx(10 + n % 10, f"s{n}", logs=[chance.getrandbits(800).to_bytes(100, "big").hex()]) for n in range(3_000)]
    write_lines(folder / "many.ndjson", many)
    (folder / "nights").mkdir()
    for name in ("base", "experiment"):
        write_lines(folder / "nights" / f"{name}.ndjson", many[:10])
    cut = gzip.compress((folder / "many.ndjson").read_bytes())
    (folder / "cut.ndjson.gz").write_bytes(cut[: len(cut) // 2])
    (folder / "blocks").mkdir()
    for slot in range(1, 500):
        block = {"blockhash": f"{chance.randrange(10**40)}", "previousBlockhash": "1", "parentSlot": slot - 1}
        reply = {"result": {**block, "transactions": [], "blockHeight": slot, "blockTime": slot}}
        (folder / "blocks" / f"{slot}.json").write_text(json.dumps(reply), encoding="utf-8")
    return folder


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.MonkeyPatch.context() as patch:
        # A module that is imported meanwhile must not be kept in the cache cut off.
        patch.setattr(sys, "dont_write_bytecode", True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("command", "names", "size"),
    [
        ("report {data}/nights/base.ndjson --output {out}/page.html", ["page.html"], 400_000),
        ("report --history {data}/nights --output {out}/page.html", ["page.html"], 400_000),
        (
            "compare {data}/nights/base.ndjson {data}/nights/experiment.ndjson --html {out}/page.html",
            ["page.html"],
            400_000,
        ),
        ("export {data}/many.ndjson {out}", ["transactions.parquet"], 200_000),
        ("export {data}/many.ndjson {out} --format csv", ["transactions.csv", "balances.csv"], 200_000),
        ("ledger make {out}/made --slots 10", ["made"], 50_000),
        ("ledger make {out}/made.zst --slots 10", ["made.zst"], 20_000),
        ("ledger import {data}/blocks --output {out}/made", ["made"], 20_000),
        ("doctor --capture {out}/capture.ndjson", ["capture.ndjson"], 20_000),
    ],
)
def test_the_old_file_stays(
    simulator: Simulator,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    names: list[str],
    size: int,
) -> None:
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    out.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for name in names:
        (out / name).write_bytes(OLD)
    words = [word.format(data=data, out=out) for word in command.split()]
    with no_file_larger_than(size):
        assert run(["--url", simulator.url, "--api-key", simulator.api_key, *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(out / names[0]) in line
    assert "too large" in line
    assert {path.name: path.read_bytes() for path in out.iterdir()} == dict.fromkeys(names, OLD)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        "compare {data}/many.ndjson {data}/many.ndjson",
        "sql {data}/many.ndjson select",
        "summarize {data}/cut.ndjson.gz",
        "summarize {pipe}",
    ],
)
def test_the_temporary_folder_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reading, writing = os.pipe()
    os.write(writing, (data / "many.ndjson").read_bytes()[:60_000])
    os.close(writing)
    with no_file_larger_than(1_000):
        assert run([word.format(data=data, pipe=f"/dev/fd/{reading}") for word in command.split()]) == 1
    os.close(reading)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"could not write to the temporary folder {tmp_path} (TMPDIR chooses another): File too large" in line
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_recorded_beside_a_complete_file_is_named(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, aside = tmp_path / "run.ndjson", tmp_path / "run.new.ndjson"
    where = ["-q", "--url", simulator.url, "--api-key", simulator.api_key]
    words = [*where, "run", "--start-slot", "1000", "--end-slot", "1019", "--parallel", "--advance", "2"]
    assert run([*words, "--output-file", str(path)]) == 0
    before = path.read_bytes()
    capsys.readouterr()
    with no_file_larger_than(len(before) // 2):
        assert run([*words, "--output-file", str(path), "--force"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"{path} is as it was; continue with --output-file {aside} --resume")
    assert path.read_bytes() == before
    assert run([*words, "--output-file", str(aside), "--resume"]) == 0


def test_a_sweep_goes_on_where_the_disk_was_full(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "strategy_on_a_full_disk.py").write_text(STRATEGY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    ranges = ["--ranges", "1000-1009,1010-1019", "--workers", "1"]
    words = ["--url", simulator.url, "--api-key", simulator.api_key, "sweep", "strategy_on_a_full_disk:large", *ranges]
    with no_file_larger_than(50_000):
        assert run([*words, "--output", "results"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "results.ndjson" in line
    assert "too large" in line
    assert run([*words, "--output", "results", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["from_journal"] == 1
