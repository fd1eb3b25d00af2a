"""logsSubscribe, signatureSubscribe, and properties of every kind."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from solders.pubkey import Pubkey

from simsync.local import Ledger, Simulator
from simsync.local.encoding import encode_base58
from simsync.local.engine.programs import TOKEN_PROGRAM
from simsync.local.pubsub.kinds import KINDS, OWN_KINDS

from .actors import POOR, RICH, account_data, encoded, transfer
from .bare import Control, Data, Dropped, Rpc

SYSTEM, TOKEN = "1" * 32, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
Start = Callable[..., Simulator]
FILTERS: dict[str, Any] = {
    "transaction": "all",
    "accountDiff": {"address": SYSTEM, "address_type": "program"},
    "action": None,
    "logs": "all",
    "account": SYSTEM,
    "program": SYSTEM,
    "signature": "1" * 64,
    "slot": None,
    "root": None,
}
"""A filter for every kind that matches as much as possible."""
OWN = {"intraSlotUpdates": False}
"""Changes nothing, but tells that the client knows the messages that end a subscription."""
ACTION = {"anchor": "afterSlot", "kind": "simulate"}


@pytest.mark.parametrize("mentions", [None, TOKEN])
def test_logs_are_those_of_the_transactions(simulator: Simulator, mentions: Any) -> None:
    wanted = "all" if mentions is None else {"mentions": [mentions]}
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        found: dict[str, list[Any]] = {}
        for method in ("transactionSubscribe", "logsSubscribe"):
            with Data(simulator, session) as data:
                data.subscribe(method, [wanted, {"commitment": "confirmed", **OWN}])
                found[method] = list(data.results())
    assert found["logsSubscribe"]
    assert found["logsSubscribe"] == [
        {
            "context": {"slot": one["slot"]},
            "value": {
                "signature": one["transaction"]["signatures"][0],
                "err": one["meta"]["err"],
                "logs": one["meta"]["logMessages"],
            },
        }
        for one in found["transactionSubscribe"]
    ]


def test_logs_of_recordings(simulate: Start, data_folder: Path) -> None:
    for path in sorted(data_folder.glob("mainnet/*.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for slot in sorted({row["slot"] for row in rows}):
            expected = [row for row in rows if row["slot"] == slot]
            simulator = simulate(Ledger.from_transactions(expected))
            with Control(simulator) as control:
                session = control.create(slot, slot)
                control.proceed(1)
                with Data(simulator, session) as data:
                    data.subscribe("logsSubscribe", ["allWithVotes", OWN])
                    found = [(one["value"]["err"], one["value"]["logs"]) for one in data.results()]
            assert found == [(row["meta"]["err"], row["meta"]["logMessages"]) for row in expected]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("lamports", [300_000_000, 10**15])
def test_a_signature_is_notified_once(simulator: Simulator, before: bool, lamports: int) -> None:
    own = transfer(lamports)
    signature = str(own.signatures[0])
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        rpc = Rpc(simulator, session)
        rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(10**9)})
        with Data(simulator, session) as data:
            if before:
                number = data.subscribe("signatureSubscribe", [signature, {}])
            for _ in range(2):
                rpc.call("sendTransaction", encoded(own), {"encoding": "base64", "skipPreflight": True})
            if not before:
                number = data.subscribe("signatureSubscribe", [signature, {}])
            message = data.recv()
            assert message["method"] == "signatureNotification"
            assert message["params"]["subscription"] == number
            error = None if lamports < 10**9 else {"InstructionError": [0, {"Custom": 1}]}
            assert message["params"]["result"] == {"context": {"slot": 1000}, "value": {"err": error}}
            # It is over: the number is unknown, and neither another notification nor an end follows.
            assert data.call("signatureUnsubscribe", [number])["error"]["code"] == -32602
            control.proceed(100)
            control.until("completed")
            assert data.call("getSlot", [])["error"]["code"] == -32601


def test_a_signature_that_never_comes_ends_like_the_others(simulator: Simulator) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        with Data(simulator, session) as data:
            data.subscribe("signatureSubscribe", ["1" * 64, OWN])
            assert list(data.results()) == []


def test_a_clean_close_waits_for_the_end_of_the_session(simulate: Start) -> None:
    simulator = simulate(end_of_stream="c")
    own = transfer(1)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe("signatureSubscribe", [str(own.signatures[0]), {}])
            control.proceed(1, transactions=[encoded(own)])
            data.recv()
            number = data.subscribe("slotSubscribe", [])
            assert data.recv()["params"]["subscription"] == number
            assert data.recv()["params"]["result"]["slot"] == 1001
            assert data.call("slotUnsubscribe", [number])["result"] is True
            control.until("readyForContinue")
            control.proceed(100)
            with pytest.raises(Dropped, match="close 1000"):
                data.recv()


def test_the_table_and_the_filters_of_this_test_agree() -> None:
    assert [kind.stem for kind in KINDS] == list(FILTERS)


@pytest.mark.parametrize("stem", FILTERS)
@pytest.mark.parametrize("form", ["a", "b", "c"])
def test_every_kind_ends_in_every_form(simulate: Start, stem: str, form: str) -> None:
    simulator = simulate(end_of_stream=form)
    with Control(simulator) as control:
        session = control.create(1000, 1001, actions=[ACTION])
        control.proceed(100)
        with Data(simulator, session) as data:
            number = data.subscribe(f"{stem}Subscribe", [FILTERS[stem], {"replayFromSlot": 0}])
            while True:
                try:
                    message = data.recv()
                except Dropped as end:
                    assert (form, str(end)) == ("c", "close 1000")
                    return
                assert message["params"]["subscription"] == number
                if message["method"] == f"{stem}StreamEnd":
                    assert (form, message["params"]) == ("b", {"subscription": number})
                    return
                assert message["method"] == f"{stem}Notification"
                if message["params"]["result"] == {"completed": True}:
                    assert form == "a"
                    return


STANDARD = [stem for stem in FILTERS if stem not in OWN_KINDS]


@pytest.mark.parametrize("stem", STANDARD)
def test_a_standard_client_keeps_its_connection_until_the_session_is_closed(simulator: Simulator, stem: str) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe(f"{stem}Subscribe", [FILTERS[stem], {"commitment": "confirmed"}])
            control.proceed(100)
            control.until("completed")
            control.ask("closeBacktestSession")
            messages = data.rest()
            # kit would go on using a connection that was closed with 1000.
            assert data.close_code == 1001
            assert {message["method"] for message in messages} <= {f"{stem}Notification"}
            assert {"completed": True} not in [message["params"]["result"] for message in messages]


def test_a_standard_client_sees_what_is_executed_after_the_range(simulator: Simulator) -> None:
    own = transfer(1)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        rpc = Rpc(simulator, session)
        with Data(simulator, session) as data:
            data.subscribe("slotSubscribe", [])
            control.proceed(100)
            while data.recv()["params"]["result"]["slot"] != 1009:
                pass
            control.until("completed")
            rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(10**9)})
            data.subscribe("signatureSubscribe", [str(own.signatures[0])])
            number = data.subscribe("logsSubscribe", [{"mentions": [str(RICH.pubkey())]}])
            rpc.call("sendTransaction", encoded(own), {"encoding": "base64", "skipPreflight": True})
            seen = {message["method"]: message["params"] for message in (data.recv(), data.recv())}
            assert set(seen) == {"signatureNotification", "logsNotification"}
            assert seen["logsNotification"]["subscription"] == number


def test_simsync_itself_gets_its_end_without_using_anything_of_its_own(simulator: Simulator) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        control.proceed(100)
        with Data(simulator, session, {"User-Agent": "simsync/1"}) as data:
            data.subscribe("slotSubscribe", [])
            assert [result["slot"] for result in data.results()][-1] == 1009


def test_an_endpoint_that_ends_with_the_range_takes_standard_clients_with_it(simulate: Start) -> None:
    simulator = simulate(serve_completed=False)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe("slotSubscribe", [])
            control.proceed(100)
            assert data.rest()[-1]["params"]["result"]["slot"] == 1009
            assert data.close_code == 1001


def test_one_own_request_makes_the_whole_connection_one_that_knows_ends(simulator: Simulator) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            numbers = {data.subscribe("slotSubscribe", []), data.call_after("actionSubscribe", [None])["result"]}
            control.proceed(100)
            ended: set[int] = set()
            while ended != numbers:
                params = data.recv()["params"]
                if params["result"] == {"completed": True}:
                    ended.add(params["subscription"])


def test_roots_are_numbers(simulator: Simulator) -> None:
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            data.subscribe("rootSubscribe", [])
            assert data.recv()["params"]["result"] == 1000 - 32


@pytest.mark.parametrize("stem", [stem for stem in FILTERS if stem not in ("account", "signature", "root")])
def test_every_kind_replays_and_compresses(simulator: Simulator, stem: str) -> None:
    zstandard = pytest.importorskip("zstandard")

    def slots(config: dict[str, Any]) -> list[int]:
        with Data(simulator, session) as data:
            data.subscribe(f"{stem}Subscribe", [FILTERS[stem], config])
            inflate = zstandard.ZstdDecompressor().decompressobj()
            found: list[int] = []
            while True:
                payload = data.recv_frame()[1]
                result = json.loads(inflate.decompress(payload) if "compression" in config else payload)
                result = result["params"]["result"]
                if result == {"completed": True}:
                    return found
                found.append(result["slot"] if "slot" in result else result["context"]["slot"])

    with Control(simulator) as control:
        session = control.create(1000, 1009, actions=[ACTION])
        control.proceed(100)
        control.until("completed")
        everything = slots({"intraSlotUpdates": False})
        assert {1000, 1009} <= set(everything)
        assert slots({"compression": "zstd"}) == everything
        later = [slot for slot in everything if slot >= 1004]
        assert slots({"replayFromSlot": 1004}) == later
        assert slots({"replayFromSlot": 1004, "compression": "zstd"}) == later


@pytest.mark.parametrize("refuse", [True, False])
def test_replay_from_a_slot_that_is_no_longer_kept(simulate: Start, long_ledger: Ledger, refuse: bool) -> None:
    simulator = simulate(long_ledger, refuse_old_replay=refuse)
    with Control(simulator) as control:
        session = control.create(1000, 1149)
        with Data(simulator, session) as data:
            # Nothing was removed so far, so nothing is missing.
            data.subscribe("slotSubscribe", [None, {"replayFromSlot": 5}])
            assert data.recv()["params"]["result"]["slot"] == 1000
            control.proceed(120)
            control.until("readyForContinue")
        with Data(simulator, session) as data:
            for kept in (1021, None):
                reply = data.call("slotSubscribe", [None, {"replayFromSlot": kept or 1020}])
                if refuse and kept is None:
                    text = "slot 1020 is no longer kept for replay; the oldest kept slot is 1021"
                    assert reply["error"] == {"code": -32602, "message": text}
                else:
                    assert data.recv()["params"]["result"]["slot"] == 1021
                    assert data.call_after("slotUnsubscribe", [reply["result"]])["result"] is True


MISSING = "`params` should have at least 1 argument(s)"


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("logsSubscribe", [], MISSING),
        ("logsSubscribe", [{"mentions": []}], "Invalid Request: Only 1 address supported"),
        ("logsSubscribe", [{"mentions": [SYSTEM, TOKEN]}], "Invalid Request: Only 1 address supported"),
        ("logsSubscribe", [{"mentions": [TOKEN, TOKEN]}], "Invalid Request: Only 1 address supported"),
        ("logsSubscribe", [{"mentions": ["x"]}], "Invalid Request: Invalid mentions provided"),
        ("logsSubscribe", [{"mentions": 5}], "Invalid params: invalid type: integer `5`, expected a sequence."),
        ("signatureSubscribe", [], MISSING),
        ("signatureSubscribe", ["abc"], "Invalid Request: Invalid signature provided"),
        ("signatureSubscribe", [7], "Invalid params: invalid type: integer `7`, expected a string."),
        ("accountSubscribe", [], MISSING),
        ("accountSubscribe", ["abc"], "Invalid Request: Invalid pubkey provided"),
        ("programSubscribe", ["0OIl"], "Invalid Request: Invalid pubkey provided"),
    ],
)
def test_bad_filters_are_refused_in_the_words_of_a_node(
    simulator: Simulator, method: str, params: Any, message: str
) -> None:
    with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        error = data.call(method, params)["error"]
        assert (error["code"], error["message"]) == (-32602, message)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("logsSubscribe", ["some"]),
        *(
            (f"{stem}Subscribe", [TOKEN, config])
            for stem in ("account", "program")
            for config in ({"encoding": "hex"}, {"encoding": 7}, {"commitment": "sure"}, {"dataSlice": {"offset": -1}})
        ),
        ("logsSubscribe", ["all", {"commitment": "sure"}]),
        ("signatureSubscribe", ["1" * 64, {"commitment": 5}]),
    ],
)
def test_bad_params(simulator: Simulator, method: str, params: Any) -> None:
    with Control(simulator) as control, Data(simulator, control.create(1000, 1009)) as data:
        assert data.call(method, params)["error"]["code"] == -32602


SHORT, LONG = "A" * 128, "A" * 129
TOO_LARGE = "error: data too large for bs58 encoding"


@pytest.mark.parametrize("method", ["accountSubscribe", "programSubscribe"])
@pytest.mark.parametrize(
    ("config", "short", "long"),
    [
        ({}, encode_base58(SHORT.encode()), TOO_LARGE),
        ({"encoding": "binary"}, encode_base58(SHORT.encode()), TOO_LARGE),
        ({"encoding": "base58"}, [encode_base58(SHORT.encode()), "base58"], [TOO_LARGE, "base58"]),
        *(
            ({"encoding": name}, *([b64encode(data.encode()).decode(), "base64"] for data in (SHORT, LONG)))
            for name in ("base64", "jsonParsed")
        ),
    ],
)
def test_account_data_come_in_the_encoding_that_agave_would_choose(
    simulator: Simulator, method: str, config: Any, short: Any, long: Any
) -> None:
    """A subscribe never fails for long data: what base58 cannot hold becomes an error text in place of the data."""
    address, owner = str(RICH.pubkey()), Pubkey(b"o" * 32)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        rpc = Rpc(simulator, session)
        with Data(simulator, session) as data:
            data.subscribe(method, [address if method == "accountSubscribe" else str(owner), {**config, "x": 1}])
            for text, shown in ((SHORT, short), (LONG, long)):
                rpc.call("modifyAccounts", {address: account_data(10**9, text.encode(), owner)})
                value = data.recv()["params"]["result"]["value"]
                found = value if method == "accountSubscribe" else value["account"]
                assert (found["data"], found["space"], found["owner"]) == (shown, len(text), str(owner))


@pytest.mark.parametrize("method", ["accountSubscribe", "programSubscribe"])
@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("base64", [b64encode(b"cdef").decode(), "base64"]),
        ("base58", [encode_base58(b"cdef"), "base58"]),
        ("jsonParsed", [b64encode(b"cdef").decode(), "base64"]),
        (None, encode_base58(b"cdef")),
    ],
)
def test_only_a_slice_of_the_data_is_notified(simulator: Simulator, method: str, encoding: Any, shown: Any) -> None:
    address, owner = str(RICH.pubkey()), Pubkey(b"o" * 32)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        with Data(simulator, session) as data:
            wanted = address if method == "accountSubscribe" else str(owner)
            data.subscribe(method, [wanted, {"encoding": encoding, "dataSlice": {"offset": 2, "length": 4}}])
            text = b"abcdefgh" * 100
            Rpc(simulator, session).call("modifyAccounts", {address: account_data(10**9, text, owner)})
            value = data.recv()["params"]["result"]["value"]
            found = value if method == "accountSubscribe" else value["account"]
            assert (found["data"], found["space"]) == (shown, 800)


@pytest.mark.parametrize("method", ["accountSubscribe", "programSubscribe"])
def test_token_accounts_are_notified_parsed(simulator: Simulator, method: str) -> None:
    mint, held = Pubkey(b"m" * 32), str(RICH.pubkey())
    token = bytes(mint) + bytes(POOR.pubkey()) + (2_500_000).to_bytes(8, "little") + bytes(36) + b"\1" + bytes(56)
    kept = bytes(44) + bytes([6, 1]) + bytes(36)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        rpc = Rpc(simulator, session)
        rpc.call("modifyAccounts", {str(mint): account_data(10**9, kept, TOKEN_PROGRAM)})
        with Data(simulator, session) as data:
            compare = {"memcmp": {"offset": 0, "bytes": str(mint)}}
            config = {"encoding": "jsonParsed", "filters": [{"dataSize": 165}, compare]}
            data.subscribe(method, [held if method == "accountSubscribe" else TOKEN, config])
            rpc.call("modifyAccounts", {held: account_data(10**9, token, TOKEN_PROGRAM)})
            value = data.recv()["params"]["result"]["value"]
            found = value if method == "accountSubscribe" else value["account"]
            assert found["data"]["program"] == "spl-token"
            assert found["data"]["parsed"]["info"]["tokenAmount"]["uiAmountString"] == "2.5"
            assert found["data"] == rpc.value("getAccountInfo", held, {"encoding": "jsonParsed"})["data"]


def test_a_signature_is_notified_as_received_if_that_is_asked_for(simulator: Simulator) -> None:
    own = transfer(1)
    with Control(simulator) as control:
        session = control.create(1000, 1009)
        rpc = Rpc(simulator, session)
        rpc.call("modifyAccounts", {str(RICH.pubkey()): account_data(10**9)})
        with Data(simulator, session) as data:
            config = {"commitment": "confirmed", "enableReceivedNotification": True}
            number = data.subscribe("signatureSubscribe", [str(own.signatures[0]), config])
            for _ in range(2):
                rpc.call("sendTransaction", encoded(own), {"encoding": "base64", "skipPreflight": True})
            first, second = (data.recv()["params"]["result"] for _ in range(2))
            assert first == {"context": {"slot": 1000}, "value": "receivedSignature"}
            assert set(second["value"]) == {"err"}
            assert data.call("signatureUnsubscribe", [number])["error"]["code"] == -32602
            # It is received only once. web3.js takes no notification after the first.
            data.subscribe("signatureSubscribe", [str(own.signatures[0]), config])
            assert set(data.recv()["params"]["result"]["value"]) == {"err"}
