"""A run interrupted anywhere and resumed gives the file of an uninterrupted run, as a set of records."""

from __future__ import annotations

import copy
import functools
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable

import numpy
import pytest
from solders.pubkey import Pubkey

import simsync
from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program
from simsync.run import Recorder, RunPlan, fingerprint, keep_finished, read_records, record_run, summarize
from simsync.run.resuming import kept_records

FIRST, SLOTS, BUNDLE = 1_000, 24, 6
CREATE = simsync.CreateSession(FIRST, slot_count=SLOTS, send_summary=True)
STATE = simsync.AccountData(lamports=5, data=b"", owner=str(TINY_PROGRAM))
PLAN = RunPlan(
    CREATE,
    parallel=True,
    program_ids=[str(TINY_PROGRAM), "11111111111111111111111111111111"],
    binaries={str(TINY_PROGRAM): tiny_program(result=7)},
    binary_names=["v2.so"],
    account_diffs=True,
    advance=2,
)


@pytest.fixture(scope="module")
def client() -> Iterator[simsync.Client]:
    ledger = Ledger.generate(
        seed=5, start_slot=FIRST, slots=SLOTS, transactions_per_slot=6, bundle_size=BUNDLE, tiny_program=True
    )
    with Simulator(ledger) as simulator:
        yield simsync.Client(simulator.url, simulator.api_key)


@pytest.fixture(scope="module")
def undisturbed(client: simsync.Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("undisturbed") / "run.ndjson"
    with Recorder(path) as recorder:
        assert record_run(client, PLAN, recorder).complete
    return path


def content(path: Path) -> Counter[str]:
    """The records of transactions and diffs, without the names of sessions."""
    found: Counter[str] = Counter()
    for record in read_records(path):
        if record.kind in ("tx", "diff"):
            data = {key: value for key, value in record.data.items() if key != "session_id"}
            found[json.dumps([record.kind, data], sort_keys=True)] += 1
    return found


def resume(client: simsync.Client, path: Path, plan: RunPlan = PLAN) -> simsync.RunSummary:
    with Recorder(path, append=True) as recorder:
        return record_run(client, plan, recorder, kept=keep_finished(path, plan))


@pytest.mark.parametrize("seed", range(8))
def test_a_file_truncated_anywhere_is_resumed(
    client: simsync.Client, undisturbed: Path, tmp_path: Path, seed: int
) -> None:
    whole = undisturbed.read_bytes()
    first_line = whole.index(b"\n") + 1
    path = tmp_path / "run.ndjson"
    path.write_bytes(whole[: random.Random(seed).randrange(first_line, len(whole))])
    summary = resume(client, path)
    assert summary.complete
    assert (summary.sessions, summary.completed, summary.slots_seen) == (4, 4, SLOTS)
    assert content(path) == content(undisturbed)
    before, after = (summarize(one) for one in (undisturbed, path))
    assert after.complete
    for name in ("total_transactions", "failed", "totals", "slots_seen", "highest_slot"):
        assert after.summary[name] == before.summary[name], name


def test_what_is_finished_is_not_run_again(client: simsync.Client, undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    lines = undisturbed.read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"session_completed"' in line]
    path.write_bytes(b"".join(lines[: ends[2]]))
    kept = keep_finished(path, PLAN)
    assert len(kept.finished) == 2
    covered = {slot for one in kept.finished for slot in range(one.start_slot, one.end_slot + 1)}
    left = {slot for first, last in kept.spans for slot in range(first, last + 1)}
    assert left == set(range(FIRST, FIRST + SLOTS)) - covered
    assert {record.data["session_id"] for record in kept_records(path, kept) if record.kind == "tx"} <= {
        one.session_id for one in kept.finished
    }


def test_a_complete_file_is_unchanged(client: simsync.Client, undisturbed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    path.write_bytes(undisturbed.read_bytes())
    assert resume(client, path).complete
    assert path.read_bytes() == undisturbed.read_bytes()


def test_a_single_session_is_run_again_as_a_whole(client: simsync.Client, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    plan = RunPlan(simsync.CreateSession(FIRST, slot_count=BUNDLE), advance=1)
    with Recorder(path) as recorder:
        record_run(client, plan, recorder)
    expected = content(path)
    path.write_bytes(path.read_bytes()[:-2_000])
    assert resume(client, path, plan).complete
    assert content(path) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"create": simsync.CreateSession(FIRST, slot_count=5)}, "end_slot: 1023 then, 1004 now"),
        ({"create": replace(CREATE, extra_compute_units=1)}, "extra_compute_units: none then, 1 now"),
        ({"create": replace(CREATE, overrides={FIRST: {str(TINY_PROGRAM): STATE}})}, "overrides: none then"),
        ({"create": replace(CREATE, signer_filter=[str(TINY_PROGRAM)])}, "signer_filter: none then"),
        ({"parallel": False}, "parallel: True then, False now"),
        ({"program_ids": [str(TINY_PROGRAM)]}, "program_ids: "),
        ({"binaries": {}}, "binaries: .* now"),
        ({"binaries": {str(TINY_PROGRAM): tiny_program(result=8)}}, "binaries: .*sha256:.* then, .*sha256:.* now"),
        ({"account_diffs": False}, "account_diffs: True then, False now"),
        ({"generation": "0.13"}, "generation: none then, 0.13 now"),
        ({"strategy": print}, "strategy: none then, builtins:print now"),
    ],
)
def test_another_run_is_rejected_and_the_file_unchanged(
    undisturbed: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = tmp_path / "run.ndjson"
    path.write_bytes(undisturbed.read_bytes())
    with pytest.raises(simsync.InvalidParams, match=words):
        keep_finished(path, replace(PLAN, **changes))
    assert path.read_bytes() == undisturbed.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_what_does_not_change_the_results_may_differ(undisturbed: Path) -> None:
    create = replace(CREATE, capacity_wait_timeout=5, disconnect_timeout=60)
    programs = list(reversed(PLAN.program_ids))
    plan = replace(PLAN, create=create, program_ids=programs, advance=7, workers=1, binary_names=["other.so"])
    assert keep_finished(undisturbed, plan).complete


def test_a_strategy_is_known_by_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "strategy_with_a_source.py"
    source.write_text("def drive(session): pass\n", encoding="utf-8")
    from strategy_with_a_source import drive  # type: ignore[import-not-found]

    first = RunPlan(CREATE, strategy=drive).fingerprint_parts()
    assert first["strategy"] == "strategy_with_a_source:drive"
    assert (
        RunPlan(CREATE, strategy=functools.partial(drive)).fingerprint_parts()["strategy_source"]
        == (first["strategy_source"])
    )
    source.write_text("def drive(session): return 1\n", encoding="utf-8")
    found = fingerprint.differences(first, RunPlan(CREATE, strategy=drive).fingerprint_parts())
    assert list(found) == ["strategy_source"]


class Driver:
    """A strategy with a size, which also counts its calls."""

    def __init__(self, size: object) -> None:
        self.size, self.found = size, [size]

    def __call__(self, _session: object) -> object:
        return self.size

    def drive(self, _session: object) -> object:
        return self.size


def closure(size: object) -> Callable[[object], object]:
    found = [size]

    def drive(_session: object) -> object:
        found.append(drive)
        return size

    return drive


def with_default(size: object) -> Callable[[object], object]:
    def drive(_session: object, size: object = size) -> object:
        return size

    return drive


def another(value: object) -> object:
    """An equal object; not every version of solders lets its objects be copied."""
    return Pubkey.from_bytes(bytes(value)) if isinstance(value, Pubkey) else copy.deepcopy(value)


class Slots:
    __slots__ = ("size",)

    def __init__(self, size: object) -> None:
        self.size = size


@dataclass(frozen=True)
class Sizes:
    of: Mapping[str, object]


SIZES: list[tuple[object, object]] = [
    (1, 2),
    (1, 1.5),
    ("a", "b"),
    (b"a", b"b"),
    (Path("a"), Path("b")),
    (Decimal("0.01"), Decimal("0.05")),
    (Fraction(1, 3), Fraction(2, 3)),
    (timedelta(1), timedelta(2)),
    (range(2), range(3)),
    (1j, 2j),
    (re.compile("a"), re.compile("b")),
    (bytearray(b"a"), bytearray(b"b")),
    (Slots(Decimal(1)), Slots(Decimal(2))),
    (Sizes({"a": 1}), Sizes({"a": 2})),
    (CREATE, replace(CREATE, extra_compute_units=1)),
    (numpy.int64(1), numpy.int64(2)),
    (numpy.float32(0.1), numpy.float32(0.2)),
    (numpy.arange(3), numpy.arange(4)),
    (TINY_PROGRAM, Pubkey.default()),
]


@pytest.mark.parametrize(
    "make",
    [
        closure,
        with_default,
        Driver,
        lambda size: Driver(size).drive,
        lambda size: closure(Driver(size)),
        lambda size: closure((closure(size),)),
        lambda size: functools.partial(print, Driver(size)),
        lambda size: functools.partial(print, [size], sizes={1: size}),
        lambda size: closure(Slots(Slots(Slots(functools.partial(print, size))))),
    ],
)
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: type(sizes[0]).__name__)
def test_a_strategy_is_known_by_what_it_holds(make: Callable[[object], Any], sizes: tuple[object, object]) -> None:
    first, again, other = (
        RunPlan(CREATE, strategy=make(size)).fingerprint_parts() for size in (another(sizes[0]), *sizes)
    )
    assert first == again
    assert list(fingerprint.differences(first, other)) in (["strategy_state"], ["strategy_arguments"])


def test_what_changes_while_a_strategy_runs_makes_no_other_run() -> None:
    strategy = closure(simsync.Client("ws://127.0.0.1:1", "one"))
    first = RunPlan(CREATE, strategy=strategy).fingerprint_parts()
    strategy(None)
    assert RunPlan(CREATE, strategy=strategy).fingerprint_parts() == first
    assert RunPlan(CREATE, strategy=closure(threading.Lock())).fingerprint_parts()["strategy_state"]
    assert RunPlan(CREATE, strategy=closure(simsync.Client("ws://127.0.0.1:2", "two"))).fingerprint_parts() == first


def test_records_that_are_missing_in_the_middle_are_run_again(
    client: simsync.Client, undisturbed: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run.ndjson"
    lines = undisturbed.read_bytes().splitlines(keepends=True)
    cut = [number for number, line in enumerate(lines) if b'"type":"tx"' in line][3]
    path.write_bytes(b"".join(lines[:cut] + lines[cut + 1 :]))
    kept = keep_finished(path, PLAN)
    assert (kept.complete, len(kept.finished)) == (False, 3)
    assert resume(client, path).complete
    assert content(path) == content(undisturbed)


@pytest.mark.parametrize("damage", [b"\0" * 300, b"x", b'{"type":"tx"', b"\xff\xfe"])
def test_what_a_power_failure_has_damaged_is_run_again(
    client: simsync.Client, undisturbed: Path, tmp_path: Path, damage: bytes
) -> None:
    path = tmp_path / "run.ndjson"
    lines = undisturbed.read_bytes().splitlines(keepends=True)
    place = [number for number, line in enumerate(lines) if b'"type":"tx"' in line][5]
    path.write_bytes(b"".join([*lines[:place], damage + b"\n", *lines[place + 1 :]]))
    assert len(keep_finished(path, PLAN).finished) == 3
    assert resume(client, path).complete
    assert content(path) == content(undisturbed)


@pytest.mark.parametrize("text", [None, "", '{"type":"tx","data":{"slot":1}}\n', '{"type":"meta'])
def test_without_a_run_in_the_file_it_begins_anew(
    client: simsync.Client, undisturbed: Path, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "run.ndjson"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert not keep_finished(path, PLAN).begun
    assert resume(client, path).complete
    assert content(path) == content(undisturbed)


def test_a_file_without_a_fingerprint_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    path.write_text('{"type":"metadata","data":{"start_slot":1000}}\n', encoding="utf-8")
    with pytest.raises(simsync.InvalidParams, match="without a fingerprint"):
        keep_finished(path, PLAN)


def test_a_failed_replacement_leaves_the_file_unchanged(
    client: simsync.Client, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "run.ndjson"
    path.write_bytes(undisturbed.read_bytes()[:-500])
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        resume(client, path)
    assert path.read_bytes() == undisturbed.read_bytes()[:-500]
    assert list(tmp_path.iterdir()) == [path]
