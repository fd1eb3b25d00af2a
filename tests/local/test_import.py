"""Files and envelopes of getBlock replies become ledgers, and what could not be served is refused on loading."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from solders.transaction import VersionedTransaction

from simsync.errors import InvalidParams
from simsync.local import Ledger, Simulator
from simsync.local.parsed.transactions import NotAvailable, in_encoding, transaction_of

from .actors import note, transfer
from .bare import Control, Data, Rpc


def shown(item: VersionedTransaction, encoding: str = "base64") -> dict[str, Any]:
    row = {
        "meta": {"err": None, "logMessages": [], "preBalances": [], "postBalances": []},
        "transaction": [base64.b64encode(bytes(item)).decode(), "base64"],
    }
    if encoding == "base64":
        return row
    ledger = Ledger.from_blocks([(5, {"transactions": [row]})])
    reply = in_encoding(ledger.blocks[0].recorded[0], encoding)
    return {key: reply[key] for key in ("meta", "transaction", "version")}


def block(slot: int, *rows: Any) -> dict[str, Any]:
    return {"blockhash": "1" * 32, "parentSlot": slot - 1, "blockHeight": 7, "blockTime": 9, "transactions": list(rows)}


def slots(ledger: Ledger) -> list[int]:
    return [one.slot for one in ledger.blocks]


SKIPPED = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32007, "message": "Slot 9 was skipped"}}


def envelope(reply: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": reply}


@pytest.mark.parametrize("encoding", ["json", "jsonParsed", "base64", "base58"])
def test_every_encoding_loads_and_is_served(encoding: str) -> None:
    item = note("hello")
    ledger = Ledger.from_blocks([(100, block(100, shown(item, encoding)))])
    with Simulator(ledger) as simulator, Control(simulator) as control:
        session = control.create(100, 100)
        with Data(simulator, session) as data:
            data.subscribe()
            assert data.recv()["params"]["result"]["transaction"]["signatures"] == [str(item.signatures[0])]
        rpc = Rpc(simulator, session)
        for wanted in ("json", "jsonParsed", "base64", "base58"):
            params = (str(item.signatures[0]), {"encoding": wanted, "maxSupportedTransactionVersion": 0})
            if encoding == "jsonParsed" != wanted:
                assert "jsonParsed" in rpc.error("getTransaction", *params)["message"]
            else:
                assert rpc.call("getTransaction", *params)["transaction"] == shown(item, wanted)["transaction"]


@pytest.mark.parametrize(
    "blocks",
    [
        [(9, None), (10, block(10))],
        [(9, SKIPPED), (10, envelope(block(10)))],
        [(9, envelope(None)), [10, block(10)]],
        {9: None, 10: envelope(block(10))},
        {"10": block(10)},
        [{**block(10), "slot": 10}],
        [envelope({**block(10), "slot": 10})],
    ],
)
def test_replies_load_as_a_node_gives_them(blocks: Any) -> None:
    assert slots(Ledger.from_blocks(blocks)) == [10]


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ({"error": {"code": -32004, "message": "Block not available"}}, "is an error, not a block"),
        (block(10, {"transaction": {"signatures": ["s"], "accountKeys": []}}), "transactionDetails full"),
        ({"signatures": ["s"]}, "transactionDetails full"),
        (block(10, {"transaction": {"signatures": [], "message": {}}}), "signatures"),
        (block(10, {"transaction": {"signatures": ["s"], "message": {"accountKeys": [5]}}}), "accountKeys"),
        (block(10, {"transaction": {"signatures": ["s"], "message": {"accountKeys": []}}, "meta": 5}), "meta"),
        (block(10, {"transaction": ["x", "base63"]}), "base58 or base64"),
        (block(10, {"transaction": ["!", "base64"]}), "cannot be decoded"),
        (block(10, 5), "must be an object"),
        (5, "getBlock reply"),
    ],
)
def test_what_cannot_be_served_is_refused_on_loading(reply: Any, text: str) -> None:
    with pytest.raises(InvalidParams, match=text):
        Ledger.from_blocks([(10, reply)])


def test_a_folder_of_replies(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    content = {slot: json.dumps(envelope(block(slot, shown(transfer(slot))))).encode() for slot in (8, 9, 10, 11)}
    (tmp_path / "8.json").write_bytes(content[8])
    (tmp_path / "block-9.JSON.GZ").write_bytes(gzip.compress(content[9]))
    (tmp_path / "10.json.zstd").write_bytes(zstandard.ZstdCompressor().compress(content[10]))
    (tmp_path / "notes.txt").write_text("no reply")
    lines = [json.dumps([11, json.loads(content[11])]), "", json.dumps({"slot": 12, **block(12)})]
    (tmp_path / "more.ndjson").write_text("\n".join(lines))
    ledger = Ledger.from_files(tmp_path, bundle_size=2)
    assert slots(ledger) == [8, 9, 10, 11, 12]
    assert len(ledger.bundles) == 3
    ledger.save(tmp_path / "ledger")
    assert Ledger.load(tmp_path / "ledger").blocks == ledger.blocks


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_files_that_were_compressed_in_pieces_load_as_a_whole(tmp_path: Path, ending: str) -> None:
    compress: Any = gzip.compress
    if ending == ".zst":
        compress = pytest.importorskip("zstandard").ZstdCompressor().compress
    replies = [{"slot": slot, **block(slot, shown(note(str(slot))))} for slot in range(10, 16)]
    lines = [json.dumps(reply).encode() + b"\n" for reply in replies]
    path = tmp_path / f"blocks.jsonl{ending}"
    for count in (1, 3, 6):
        pieces = [b"".join(lines[first : first + count]) for first in range(0, len(lines), count)]
        path.write_bytes(b"".join(compress(piece) for piece in pieces) + compress(b""))
        assert slots(Ledger.from_files(path)) == list(range(10, 16))
    path.write_bytes(path.read_bytes() + b"xxxx")
    with pytest.raises(InvalidParams, match="is not compressed with"):
        Ledger.from_files(path)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("5.json", b"{", "is not JSON"),
        ("a.ndjson", b"\n{", "line 2 is not JSON"),
        ("5.json.gz", b"x", "not compressed with gzip"),
        ("5.json.gz", gzip.compress(b"{}", mtime=0)[:-9], "not compressed with gzip"),
        ("5.json", b"[" * 100_000, r"5\.json'.*nested too deeply"),
        ("5.ndjson", b'{"result":' * 100_000, "line 1 is not JSON: it is nested too deeply"),
        ("5.json", b'{"blockTime": NaN}', "NaN is no number of JSON"),
        ("x.json", b"{}", "reply with a slot"),
    ],
)
def test_files_that_hold_no_reply_are_named(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidParams, match=text):
        Ledger.from_files(tmp_path)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidParams, match="holds no file"):
        Ledger.from_files(tmp_path)


def test_transactions_of_a_ledger_survive_their_json(ledger: Ledger) -> None:
    items = [item.wire for one in ledger.blocks for item in one.transactions]
    rows = [shown(VersionedTransaction.from_bytes(wire)) for wire in items]
    loaded = Ledger.from_blocks([(5, block(5, *rows))])
    assert [bytes(transaction_of(row["transaction"], row["version"])) for row in loaded.blocks[0].recorded] == items
    assert {row["version"] for row in loaded.blocks[0].recorded} == {"legacy", 0}


def test_a_transaction_without_its_header_has_no_bytes() -> None:
    with pytest.raises(NotAvailable, match="not complete"):
        transaction_of({"signatures": ["s"], "message": {"accountKeys": [], "instructions": []}}, "legacy")


def linked(slot: int, parent: int) -> dict[str, Any]:
    return {**block(slot), "parentSlot": parent, "blockhash": f"hash{slot}", "previousBlockhash": f"hash{parent}"}


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("block-1000.base64.json", 1000),
        ("block-1000.base58.json", 1000),
        ("block_1000_v0.json", 1000),
        ("slot-1000-2024.json", 1000),
        ("2024-01-01_slot1000.json", 1000),
        ("60-of-mainnet-64.json", 60),
    ],
)
def test_of_the_numbers_in_a_name_the_slot_is_the_one_that_fits(tmp_path: Path, name: str, slot: int) -> None:
    reply = block(slot)
    (tmp_path / name).write_text(json.dumps(envelope(reply)))
    assert slots(Ledger.from_files(tmp_path)) == [slot]
    del reply["parentSlot"]
    (tmp_path / name).write_text(json.dumps(reply))
    if slot == 1000 and "2024" not in name:
        assert slots(Ledger.from_files(tmp_path)) == [slot]
    else:
        with pytest.raises(InvalidParams, match="has no slot"):
            Ledger.from_files(tmp_path)


def test_a_slot_that_is_not_above_its_parent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "999.json").write_text(json.dumps(block(1001)))
    with pytest.raises(InvalidParams, match=r"path=.*999\.json': the slot 999 is not above its parentSlot 1000"):
        Ledger.from_files(tmp_path)
    with pytest.raises(InvalidParams, match="the slot 5 is not above its parentSlot 5"):
        Ledger.from_blocks([(5, block(6))])
    assert slots(Ledger.from_blocks([(0, {**block(1), "parentSlot": 0})])) == [0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("1000.json", {**envelope(linked(1000, 999)), "error": None}),
        ("one-1000.ndjson", [linked(1000, 999)]),
        ("all.ndjson", [{"slot": 1000, "block": linked(1000, 999)}, {"slot": 1001, "block": None}]),
        ("all.ndjson", [{"slot": 1000, **envelope(linked(1000, 999))}, {"slot": 1001, **SKIPPED}]),
        ("all.json", {"1000": linked(1000, 999), "1001": None}),
        ("1000.json", [{**envelope(linked(1000, 999)), "id": 7}]),
        ("all.json", [[1000, linked(1000, 999)], [1001, None]]),
    ],
)
def test_other_forms_of_files(tmp_path: Path, name: str, content: Any) -> None:
    lines = content if name.endswith("ndjson") else [content]
    (tmp_path / name).write_text("\n".join(map(json.dumps, lines)))
    assert slots(Ledger.from_files(tmp_path)) == [1000]


def as_batch(*replies: dict[str, Any], first: int) -> list[Any]:
    return [{**envelope(reply), "id": number} for number, reply in enumerate(replies, first)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # By the next block, whatever the ids are, and whatever the order.
        ([*as_batch(linked(1000, 998), linked(1002, 1000), first=1), [1003, linked(1003, 1002)]], [1000, 1002, 1003]),
        ([[1003, linked(1003, 1002)], linked(1002, 1000), linked(1000, 998)], [1000, 1002, 1003]),
        # By the ids, where they can be slots.
        (as_batch(linked(1000, 998), linked(1001, 1000), first=1000), [1000, 1001]),
        # The ids are numbers of the requests: the last slot is not known.
        (as_batch(linked(1000, 998), linked(1001, 1000), first=1), None),
        # The ids are above the parents, but the first is not the slot that the second tells.
        (as_batch(linked(1000, 998), linked(1001, 1000), first=5000), None),
        ([linked(1000, 998), linked(1001, 1000)], None),
    ],
)
@pytest.mark.parametrize("name", ["all.json", "all.ndjson"])
def test_replies_without_slots_tell_them_of_each_other(
    tmp_path: Path, name: str, lines: list[Any], expected: list[int] | None
) -> None:
    text = json.dumps(lines) if name == "all.json" else "\n".join(map(json.dumps, lines))
    (tmp_path / name).write_text(text)
    if expected is not None:
        assert slots(Ledger.from_files(tmp_path)) == expected
    else:
        with pytest.raises(InvalidParams, match=r"all\.(json, entry|ndjson, line) 2': has no slot: .* \[slot, reply\]"):
            Ledger.from_files(tmp_path)


def test_folders_inside_folders_without_hidden_files(tmp_path: Path) -> None:
    parts = ("blocks", "accounts", "july/blocks", "july/accounts", "more", ".hidden")
    for number, name in enumerate(parts):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / f"{10 + number}.json").write_text(json.dumps(block(10 + number)))
        (folder / f"._{10 + number}.json").write_bytes(b"\0\5\x16\7")
        (folder / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "more" / "around").symlink_to(tmp_path)
    (tmp_path / "more" / "linked-11.json").symlink_to(tmp_path / "accounts" / "11.json")
    # Of a captured folder, which has both parts, the blocks.
    assert slots(Ledger.from_files(tmp_path)) == [10]
    (tmp_path / "blocks").rename(tmp_path / "others")
    with pytest.raises(InvalidParams, match=r"linked-11\.json': holds slot 11, as .*11\.json does"):
        Ledger.from_files(tmp_path)
    (tmp_path / "more" / "linked-11.json").unlink()
    assert slots(Ledger.from_files(tmp_path)) == [10, 11, 12, 14]
