from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from solders.transaction import VersionedTransaction

import simsync
from simsync.errors import InvalidParams
from simsync.local import TINY_PROGRAM, Block, Bundle, Ledger, tiny_program
from simsync.local.command import describe

# The same on every Python and with every solders: the file does not hold logs and compute units, which differ.
DIGEST = "da0fd4083c64e5287778ceccdc86e81d218628a454426cc654133c5db5e6787b"


def test_the_same_seed_gives_the_same_bytes(ledger: Ledger, tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    ledger.save(first)
    for seed, path in ((7, second), (8, other)):
        made = Ledger.generate(seed=seed, slots=40, transactions_per_slot=8, bundle_size=10, skip_every=7, accounts=16)
        made.save(path)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    assert hashlib.sha256(first.read_bytes()).hexdigest() == DIGEST


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.jsonl.zst"])
def test_a_saved_ledger_loads_equal(ledger: Ledger, tmp_path: Path, name: str) -> None:
    if name.endswith(".zst"):
        pytest.importorskip("zstandard")
    ledger.save(tmp_path / name)
    loaded = Ledger.load(tmp_path / name)
    assert loaded.blocks == ledger.blocks
    assert loaded.bundles == ledger.bundles
    assert loaded.origin == ledger.origin
    compressed = not (tmp_path / name).read_bytes().startswith(b"{")
    assert compressed == name.endswith(".zst")


def test_an_older_ledger_stays_until_the_other_one_is_whole(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, link = tmp_path / "ledger", tmp_path / "link"
    ledger.save(path)
    path.chmod(0o640)
    link.symlink_to("ledger")
    before = path.read_bytes()
    other = Ledger(ledger.blocks[:1], ledger.bundles)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"No space left on device: '.*link'"):
        patch.setattr("os.fsync", full)
        other.save(link)
    assert path.read_bytes() == before
    other.save(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert len(Ledger.load(path).blocks) == 1
    assert sorted(tmp_path.iterdir()) == [path, link]
    other.save("/dev/null")
    with pytest.raises(FileNotFoundError, match=r"nowhere/ledger"):
        other.save(tmp_path / "nowhere" / "ledger")


def test_bundles_and_skipped_slots(ledger: Ledger) -> None:
    assert [(bundle.start_slot, bundle.end_slot) for bundle in ledger.bundles] == [
        (1000, 1009),
        (1010, 1019),
        (1020, 1029),
        (1030, 1039),
    ]
    carrying = {block.slot for block in ledger.blocks}
    assert sorted(set(range(1000, 1040)) - carrying) == [1006, 1013, 1027, 1034]  # 1020 starts a bundle
    assert ledger.transaction_count == 36 * 8
    block = ledger.block(1007)
    assert block is not None
    assert (block.parent, block.height) == (1005, 7)
    assert ledger.block(1006) is None
    assert [one.slot for one in ledger.blocks_between(1005, 1008)] == [1005, 1007, 1008]
    assert [ledger.bundle_at(slot) for slot in (999, 1040)] == [None, None]
    assert ledger.bundle_at(1019) == ledger.bundles[1]


def test_time_advances_two_and_a_half_slots_a_second() -> None:
    ledger = Ledger.generate(slots=11, transactions_per_slot=0, bundle_size=11)
    times = [ledger.time_of(block.slot) for block in ledger.blocks]
    assert [time - times[0] for time in times] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4]


def test_transactions_are_signed_and_of_several_kinds() -> None:
    ledger = Ledger.generate(seed=5, slots=40, transactions_per_slot=25, bundle_size=40)
    programs: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    lookups = 0
    signatures = set()
    for block in ledger.blocks:
        for item in block.transactions:
            transaction = VersionedTransaction.from_bytes(item.wire)
            assert all(transaction.verify_with_results())
            signatures.add(str(transaction.signatures[0]))
            message = transaction.message
            versions[type(message).__name__] += 1
            lookups += bool(getattr(message, "address_table_lookups", ()))
            keys = message.account_keys
            programs.update(str(keys[one.program_id_index]) for one in message.instructions)
    errors = Counter(json.dumps(item.error) for block in ledger.blocks for item in block.transactions)
    assert len(signatures) == 1000
    assert errors["null"] > 900
    assert errors['{"InstructionError": [0, {"Custom": 1}]}'] > 10
    assert versions["Message"] > versions["MessageV0"] > 100
    assert lookups > 10
    assert programs["11111111111111111111111111111111"] > 500
    assert programs["TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"] > 100
    assert programs["ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"] > 5
    assert programs["MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"] > 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slots", 0),
        ("start_slot", 0),
        ("transactions_per_slot", -1),
        ("bundle_size", 0),
        ("accounts", 3),
        ("skip_every", 1),
        ("slots", "10"),
    ],
)
def test_bad_arguments_are_named(name: str, value: object) -> None:
    with pytest.raises(InvalidParams) as caught:
        Ledger.generate(**{name: value})  # type: ignore[arg-type]
    assert caught.value.argument == name


@pytest.mark.parametrize(
    "text", ["", "{}", "not json", '{"format":"simsync-ledger","version":1,"origin":""}\n{"slot":1}']
)
def test_a_file_that_is_not_a_ledger_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ledger"
    path.write_text(text)
    with pytest.raises(InvalidParams, match="ledger"):
        Ledger.load(path)


@pytest.mark.parametrize("kept", range(1, 7))
def test_a_file_that_was_cut_off_behind_a_line_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "ledger"
    Ledger.generate(seed=5, slots=4, transactions_per_slot=1, bundle_size=2).save(path)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 7
    path.write_bytes(b"".join(lines[:kept]))
    with pytest.raises(InvalidParams, match=r"holds . of (2 bundles|4 blocks)"):
        Ledger.load(path)


@pytest.mark.parametrize("ending", [".ZST", ".zstd"])
def test_each_spelling_of_the_ending_means_compressed(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("zstandard")
    ledger = Ledger.generate(seed=5, slots=4, transactions_per_slot=1)
    named, usual = tmp_path / f"ledger{ending}", tmp_path / "ledger.zst"
    ledger.save(named)
    ledger.save(usual)
    assert named.read_bytes() == usual.read_bytes()
    assert [block.slot for block in Ledger.load(named).blocks] == [block.slot for block in ledger.blocks]


def test_a_later_version_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_text('{"format":"simsync-ledger","version":2,"origin":""}\n')
    with pytest.raises(InvalidParams, match="version 2"):
        Ledger.load(path)


def test_a_compressed_file_that_is_not_compressed_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("zstandard")
    path = tmp_path / "ledger.zst"
    path.write_text("plain")
    with pytest.raises(InvalidParams, match="zstd"):
        Ledger.load(path)


def test_a_ledger_has_no_gaps_and_no_disorder() -> None:
    first, second = Block(10, 9, 1, 0, ""), Block(11, 10, 2, 0, "")
    with pytest.raises(InvalidParams, match="at least one bundle"):
        Ledger([], [])
    with pytest.raises(InvalidParams, match="must start at slot 20"):
        Ledger([], [Bundle(10, 19), Bundle(21, 29)])
    with pytest.raises(InvalidParams, match="ascending"):
        Ledger([second, first], [Bundle(10, 19)])
    with pytest.raises(InvalidParams, match="within the bundles"):
        Ledger([first, second], [Bundle(11, 19)])


def test_describe_lists_the_content(ledger: Ledger) -> None:
    text = describe(ledger)
    assert "1000 to 1039 (40, 36 with a block)" in text
    assert "4, starting at 1000, 1010, 1020, 1030" in text
    assert "288" in text
    assert "seed 7" in text
    assert "11111111111111111111111111111111" in text


def test_a_tiny_program_is_called_by_some_transactions_and_can_be_swapped() -> None:
    ledger = Ledger.generate(seed=7, slots=10, transactions_per_slot=20, bundle_size=5, tiny_program=True)
    assert TINY_PROGRAM in ledger.accounts
    messages = [
        VersionedTransaction.from_bytes(one.wire).message for block in ledger.blocks for one in block.transactions
    ]
    calls = [message for message in messages if TINY_PROGRAM in message.account_keys]
    assert 3 <= len(calls) <= 30
    assert TINY_PROGRAM not in Ledger.generate(slots=2, transactions_per_slot=1).accounts


@pytest.mark.parametrize("result", [-1, 2**31, True, "7"])
def test_results_of_a_tiny_program_are_checked(result: int) -> None:
    with pytest.raises(InvalidParams, match="result"):
        tiny_program(result)


def test_generating_leaves_the_floating_point_unit_of_the_caller_alone() -> None:
    pytest.importorskip("numpy")
    program = (
        "import numpy; from simsync.local import Ledger;"
        "Ledger.generate(slots=40, transactions_per_slot=5, bundle_size=40);"
        "print(numpy.longdouble(-1) / numpy.longdouble(10) == -numpy.longdouble('0.1'))"
    )
    # In a process of its own, because other tests execute transactions in this thread.
    command = [sys.executable, "-W", "error", "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"


def test_what_generating_raises_comes_out() -> None:
    before = threading.active_count()
    with pytest.raises(simsync.InvalidParams, match="slots"):
        Ledger.generate(slots=0)
    assert threading.active_count() == before
