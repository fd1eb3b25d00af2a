"""A getBlock reply with anything in any place is refused when it is loaded, or can be served in every form."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import pytest

from simsync.errors import InvalidParams
from simsync.local import Ledger, Simulator

from .bare import Control, Data, Rpc

GONE = object()
ODD: tuple[Any, ...] = (GONE, None, -1, 300, "x", [], {}, [5], 2**70, True, "\ud800")
FIRST = 1_000
INTERNAL = -32603
READ_ALL = {"maxSupportedTransactionVersion": 255}
FORMS = (
    *((encoding, "full") for encoding in ("json", "jsonParsed", "base64", "base58")),
    ("json", "accounts"),
    ("jsonParsed", "accounts"),
    ("json", "signatures"),
    ("json", "none"),
)
"""Encoding and detail of a getBlock call."""
Place = tuple[Union[str, int], ...]


@pytest.fixture(scope="module")
def replies() -> dict[str, Any]:
    """A block in json and in jsonParsed, with two transactions that have all that a transaction may have."""
    ledger = Ledger.generate(seed=2, slots=3, bundle_size=3, transactions_per_slot=40)
    with Simulator(ledger) as simulator, Control(simulator) as control:
        session = control.create(FIRST, FIRST + 2)
        rpc = Rpc(simulator, session)
        found = {}
        for encoding in ("json", "jsonParsed"):
            block = rpc.call("getBlock", FIRST, {"encoding": encoding, "maxSupportedTransactionVersion": 0})
            rows = block["transactions"]
            inner = [index for index, row in enumerate(rows) if row["meta"]["innerInstructions"]]
            messages = [row["transaction"]["message"] for row in rows]
            tables = [index for index, message in enumerate(messages) if message.get("addressTableLookups")]
            block["transactions"] = [rows[inner[0]], rows[tables[0]]]
            found[encoding] = block
    return found


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every place of a reply; of a list of others than transactions the first."""
    yield place
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*place, key))
    elif isinstance(value, list):
        for index in range(len(value) if place == ("transactions",) else min(len(value), 1)):
            yield from places(value[index], (*place, index))


def changed(reply: Any, place: Place, value: object) -> Any:
    made = copy.deepcopy(reply)
    inside = made
    for step in place[:-1]:
        inside = inside[step]
    if value is GONE:
        del inside[place[-1]]
    else:
        inside[place[-1]] = copy.deepcopy(value)
    return made


def loads(reply: Any, slot: int, **more: Any) -> bool:
    try:
        Ledger.from_blocks([(slot, reply)], **more)
    except InvalidParams:
        return False
    return True


@pytest.mark.parametrize("encoding", ["json", "jsonParsed"])
def test_each_change_is_refused_on_loading_or_can_be_served(replies: dict[str, Any], encoding: str) -> None:
    reply = replies[encoding]
    everything = [changed(reply, place, odd) for place in places(reply) if place for odd in ODD]
    kept: list[tuple[int, Any]] = []
    for number, one in enumerate(everything):
        slot = reply["parentSlot"] + 1 + number
        if loads(one, slot):
            kept.append((slot, one))
        loads(one, slot, execute=True)
    assert len(everything) / 20 < len(kept) < len(everything) / 2
    last = kept[-1][0] + 1
    ledger = Ledger.from_blocks([*kept, (last, reply)])
    with Simulator(ledger, history_slots=last) as simulator, Control(simulator) as control:
        session = control.create(ledger.start_slot, last)
        with Data(simulator, session) as data:
            data.subscribe()
            control.proceed(len(kept) - 1)
            control.until("readyForContinue")
            rpc = Rpc(simulator, session)
            asked = [
                {"method": "getBlock", "params": [slot, {"encoding": wanted, "transactionDetails": detail, **READ_ALL}]}
                for wanted, detail in FORMS
                for slot, _ in kept
            ]
            asked += [
                {"method": "getTransaction", "params": [signature, {"encoding": wanted, **READ_ALL}]}
                for wanted in ("json", "jsonParsed", "base64", "base58")
                for signature in {row["transaction"]["signatures"][0] for one in ledger.blocks for row in one.recorded}
            ]
            key = ledger.blocks[0].recorded[0]["transaction"]["message"]["accountKeys"][0]
            key = key["pubkey"] if isinstance(key, dict) else key
            asked += [
                {"method": "getSignaturesForAddress", "params": [key]},
                {"method": "getRecentPrioritizationFees", "params": [[key]]},
                {"method": "getEpochInfo", "params": []},
                {"method": "getBlocks", "params": [0]},
            ]
            for begin in range(0, len(asked), 100):
                part = [{"jsonrpc": "2.0", "id": 1, **one} for one in asked[begin : begin + 100]]
                for one, answer in zip(part, rpc.post(part)):
                    assert answer.get("error", {}).get("code") != INTERNAL, (one, answer)
            # The stream holds what the blocks hold, so nothing has broken it.
            count = sum(len(block.recorded) for block in ledger.blocks)
            control.proceed(1)
            assert sum(1 for _ in data.results()) == count


@pytest.mark.parametrize(
    ("place", "odd", "text"),
    [
        (("blockTime",), "x", "blockTime must be an integer from 0"),
        (("blockHeight",), [5], "blockHeight must be an integer from 0"),
        (("parentSlot",), -1, "parentSlot must be an integer from 0"),
        (("blockhash",), 5, "blockhash must be a text"),
        (("transactions", 0, "version"), "x", "version must be"),
        (("transactions", 0, "transaction", "signatures"), {}, "signatures must be"),
        (("transactions", 0, "transaction", "signatures"), ["x"], r"signatures\[0\] must be base58 of 64 bytes"),
        (("transactions", 0, "transaction", "message"), None, "message must be an object"),
        (("transactions", 0, "transaction", "message", "instructions"), GONE, "instructions must be a list"),
        (("transactions", 0, "transaction", "message", "header"), {}, "header must be an object with the numbers"),
        (("transactions", 0, "transaction", "message", "recentBlockhash"), "x", "recentBlockhash must be base58"),
        (
            ("transactions", 0, "transaction", "message", "instructions", 0, "accounts"),
            [-1],
            r"accounts of instructions\[0\] must be numbers from 0 to 255",
        ),
        (
            ("transactions", 0, "transaction", "message", "instructions", 0, "data"),
            "0",
            r"data of instructions\[0\] must be base58",
        ),
        (
            ("transactions", 1, "transaction", "message", "addressTableLookups", 0, "writableIndexes"),
            [256],
            r"writableIndexes of addressTableLookups\[0\] must be numbers",
        ),
        (("transactions", 0, "meta", "innerInstructions"), [5], r"innerInstructions\[0\] must be an object"),
        (("transactions", 1, "meta", "loadedAddresses", "readonly"), 5, "readonly of loadedAddresses must be a list"),
        (("transactions", 0, "meta", "fee"), 2**64, "fee of meta must be a number"),
    ],
)
def test_the_refusal_names_the_place_in_a_reply_and_in_a_ledger_file(
    replies: dict[str, Any], tmp_path: Path, place: Place, odd: object, text: str
) -> None:
    reply = replies["json"]
    with pytest.raises(InvalidParams, match=text):
        Ledger.from_blocks([(FIRST, changed(reply, place, odd))])
    if place[0] != "transactions":
        return
    path = tmp_path / "made.ledger"
    Ledger.from_blocks([(FIRST, reply)]).save(path)
    *head, line = path.read_text().splitlines()
    block = json.loads(line)
    path.write_text("\n".join([*head, json.dumps(changed(block, ("recorded", *place[1:]), odd))]))
    with pytest.raises(InvalidParams, match=rf"path=.*made\.ledger.*slot {FIRST}: {text}"):
        Ledger.load(path)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("levels", [300, 100_000])
def test_what_is_nested_too_deeply_is_refused(replies: dict[str, Any], levels: int) -> None:
    reply = copy.deepcopy(replies["json"])
    reply["transactions"][0]["meta"]["err"] = deep(levels)
    with pytest.raises(InvalidParams):
        Ledger.from_blocks([(FIRST, reply)])


def test_times_and_slots_of_transactions_are_checked(replies: dict[str, Any]) -> None:
    row = replies["json"]["transactions"][0]
    for odd in ({"slot": -1}, {"slot": 2**63}, {"slot": True}, {"slot": 5, "blockTime": "x"}):
        with pytest.raises(InvalidParams, match="blockTime" if "blockTime" in odd else "the slot must be"):
            Ledger.from_transactions([{**row, **odd}])
    (only,) = Ledger.from_transactions([{**row, "slot": 0, "blockTime": None}]).blocks
    assert (only.slot, only.parent, only.time) == (0, 0, None)
