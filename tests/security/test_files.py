"""Files from other people: ledgers and recorded runs are read as data, and anything else is rejected."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path

import pytest

from simsync.errors import InvalidParams
from simsync.local import Ledger
from simsync.local.ledger import file as ledger_file
from simsync.run import read_records

zstandard = pytest.importorskip("zstandard")


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return pytest.fail, ("a file was unpickled",)


def hostile_contents() -> dict[str, bytes]:
    head = b'{"format":"simsync-ledger","version":1,"origin":null}\n'
    return {
        "a pickle": pickle.dumps(Trap()),
        "a pickle behind a head": head + pickle.dumps(Trap()),
        "deep lists": head + b"[" * 500_000,
        "deep objects": head + b'{"a":' * 500_000,
        "deep at once": b"[" * 500_000,
        "a long number": head + b"9" * 100_000,
        "no UTF-8": head + b"\xff\xfe",
        "a number for a slot": head + b'{"slot":99999999999999999999999,"parent":0,"height":0,"time":0}',
    }


@pytest.mark.parametrize("what", hostile_contents())
@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.zst"])
def test_a_ledger_that_is_none(what: str, suffix: str, tmp_path: Path) -> None:
    content = hostile_contents()[what]
    path = tmp_path / f"ledger{suffix}"
    path.write_bytes(zstandard.ZstdCompressor().compress(content) if suffix.endswith("zst") else content)
    with pytest.raises(InvalidParams, match="path="):
        Ledger.load(path)


@pytest.mark.parametrize("declared", [True, False])
def test_a_ledger_that_stands_for_more_than_the_memory_holds(
    declared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "LARGEST", 1_000_000)
    path = tmp_path / "bomb.jsonl.zst"
    path.write_bytes(zstandard.ZstdCompressor(write_content_size=declared).compress(b" " * 300_000_000))
    assert path.stat().st_size < 50_000
    with pytest.raises(InvalidParams, match="expands to more than 1000000 bytes"):
        Ledger.load(path)


def test_a_compressed_ledger_that_lies_or_is_cut_off(tmp_path: Path, ledger: Ledger) -> None:
    path = tmp_path / "ledger.jsonl.zst"
    ledger.save(path)
    whole = path.read_bytes()
    assert len(Ledger.load(path).blocks) == len(ledger.blocks)
    for content in (whole[:-20], whole[:10], b"", b"(\xb5/\xfd\xe0" + b"\xff" * 8 + whole[13:]):
        path.write_bytes(content)
        with pytest.raises(InvalidParams, match="path="):
            Ledger.load(path)


def test_a_spoiled_ledger_is_refused_or_works(tmp_path: Path, ledger: Ledger) -> None:
    """Whichever bytes were changed: no other exception, and a ledger that loads can be described."""
    from simsync.local.command import describe

    path = tmp_path / "ledger.jsonl"
    ledger.save(path)
    whole = path.read_bytes()
    draw = random.Random(11)
    refused = 0
    for _ in range(300):
        spoiled = bytearray(whole)
        at = draw.randrange(len(spoiled))
        if draw.random() < 0.5:
            spoiled[at] = draw.choice(b'0123456789"[]{},:nulxAZ-\\')
        else:
            spoiled[at : at + draw.randrange(40)] = draw.choice([b"", b"null", b"-1", b"9" * 30, b"{}", b"\xff"])
        path.write_bytes(spoiled)
        try:
            describe(Ledger.load(path))
        except InvalidParams:
            refused += 1
    assert 100 < refused < 300


@pytest.mark.parametrize("what", hostile_contents())
def test_a_recorded_run_that_is_none(what: str, tmp_path: Path) -> None:
    path = tmp_path / "run.ndjson"
    record = json.dumps({"type": "metadata", "data": {}}).encode() + b"\n"
    content = hostile_contents()[what]
    for before in (b"", record):
        path.write_bytes(before + content + b"\n")
        if before and what == "a number for a slot":  # lines of JSON that are not records are left out
            assert [one.kind for one in read_records(path)] == ["metadata"]
            continue
        with pytest.raises(InvalidParams, match="path="):
            list(read_records(path))
