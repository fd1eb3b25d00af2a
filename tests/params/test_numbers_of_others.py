"""Numbers, text, addresses and accounts as numpy, pandas, solders and the RPC give them."""

from __future__ import annotations

import base64
import pickle
from datetime import datetime, timezone
from typing import Any

import pytest

import simsync
from simsync.accounts import system_account
from simsync.params import checks
from simsync.times import utc_time

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"


class Whole:
    """An integer of another library: no int, but an index."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


KINDS: list[Any] = [Whole]
try:
    import numpy

    KINDS += [numpy.int64, numpy.uint32]
except ImportError:  # Python without the test extra
    pass


@pytest.mark.parametrize("kind", KINDS)
def test_integers_become_int(kind: Any) -> None:
    create = simsync.CreateSession(
        kind(1000), kind(1099), disconnect_timeout=kind(5), overrides={kind(1005): {WALLET: system_account(kind(7))}}
    )
    counted = simsync.CreateSession(kind(1000), slot_count=kind(5))
    anchor = simsync.Anchor("before_slot", slots=[kind(1001)])
    options = simsync.Options(reconnect_attempts=kind(3), ping_interval=kind(2), max_message=kind(70_000))
    target = simsync.ContinueTo(kind(1005), kind(2))
    values = [
        *(create.start_slot, create.end_slot, create.disconnect_timeout, *create.overrides),
        *(counted.slot_count, counted.last_slot, *anchor.slots, target.slot, target.batch_index),
        *(simsync.Continue(kind(4)).advance_count, simsync.AccountData(kind(5)).lamports),
        *(options.reconnect_attempts, options.max_message, simsync.RangeBound.of(kind(9)).slot),
        checks.plain("extra", {"a": kind(3)})["a"],
    ]
    assert values == [1000, 1099, 5, 1005, 5, 1004, 1001, 1005, 2, 4, 5, 3, 70_000, 9, 3]
    assert {type(value) for value in values} == {int}
    assert type(options.ping_interval) is float


@pytest.mark.parametrize("unit", ["D", "m", "s", "ms", "ns"])
def test_times_of_numpy_are_times(unit: str) -> None:
    numpy = pytest.importorskip("numpy")
    assert utc_time("until", numpy.datetime64("2026-06-01", unit)) == datetime(2026, 6, 1, tzinfo=timezone.utc)
    with pytest.raises(simsync.InvalidParams, match="until"):
        utc_time("until", numpy.datetime64("NaT", unit))


def test_numbers_of_numpy_are_seconds_flags_text_and_json() -> None:
    numpy = pytest.importorskip("numpy")
    options = simsync.Options(ping_interval=numpy.float32(2.5), compression=numpy.bool_(False))
    assert (type(options.ping_interval), options.ping_interval, options.compression) == (float, 2.5, False)
    plain = checks.plain("extra", {numpy.str_("a"): [numpy.float64(0.5), numpy.float32(0.25), numpy.str_("x")]})
    assert plain == {"a": [0.5, 0.25, "x"]}
    assert [type(value) for value in plain["a"]] == [float, float, str]
    assert type(checks.address("address", numpy.str_(WALLET))) is str
    assert list(checks.addresses("addresses", numpy.array([WALLET]))) == [WALLET]
    assert type(checks.api_key(numpy.str_("key"))) is str


@pytest.mark.parametrize("value", [1.0, "1", True, None, [1]])
def test_what_is_no_integer_is_rejected(value: Any) -> None:
    with pytest.raises(simsync.InvalidParams, match="must be an integer"):
        simsync.Continue(value)


def test_what_numpy_has_beside_integers_is_rejected() -> None:
    numpy = pytest.importorskip("numpy")
    for value in (numpy.float64(1.0), numpy.bool_(True), numpy.array([1, 2])):
        with pytest.raises(simsync.InvalidParams, match="must be an integer"):
            simsync.Continue(value)
    with pytest.raises(simsync.InvalidParams, match="number of seconds"):
        simsync.Options(ping_interval=numpy.bool_(True))
    with pytest.raises(simsync.InvalidParams, match="neither NaN"):
        checks.plain("extra", numpy.float32("nan"))


def test_numpy_has_flags_arrays_of_indices_and_times() -> None:
    numpy = pytest.importorskip("numpy")
    create = simsync.CreateSession(1, 2, extra={"x": numpy.bool_(True), "y": [numpy.bool_(False)]})
    assert create.extra == {"x": True, "y": [False]}
    assert create.extra["x"] is True
    taker = simsync.FillTaker(numpy.array([0]), numpy.array([1, 2]), numpy.array([3]))
    assert (taker.user, taker.input_token_account, taker.output_token_account) == ((0,), (1, 2), 3)
    assert type(taker.output_token_account) is int
    for unit in ("D", "s", "ns"):
        bound = simsync.RangeBound.of(numpy.datetime64("2026-06-01", unit))
        assert bound == simsync.RangeBound.of("2026-06-01")
    with pytest.raises(simsync.InvalidParams, match="must be a slot, a time or a date"):
        simsync.RangeBound.of(numpy.datetime64("NaT", "s"))


def test_what_is_no_time_in_pandas_is_refused_as_a_bound() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(simsync.InvalidParams, match="after=NaT: must be"):
        simsync.filter_ranges([], after=pandas.NaT)
    with simsync.Client("http://127.0.0.1:1", "key") as client, pytest.raises(simsync.InvalidParams, match="since=NaT"):
        client.usage(since=pandas.NaT)
    assert simsync.RangeBound.of(pandas.Timestamp("2026-06-01")) == simsync.RangeBound.of("2026-06-01")


def test_keys_of_solders_are_text_wherever_json_is_sent() -> None:
    wallet = pytest.importorskip("solders.pubkey").Pubkey.from_string(WALLET)
    signature = pytest.importorskip("solders.signature").Signature.default()
    sent = checks.plain("params", [wallet, {"mentions": [wallet]}, signature])
    assert sent == [WALLET, {"mentions": [WALLET]}, "1" * 64]
    assert simsync.CreateSession(1, 2, extra={"who": wallet}).extra == {"who": WALLET}
    for value in (object(), b"a" * 32, {1}):
        with pytest.raises(simsync.InvalidParams, match="is not a JSON type"):
            checks.plain("params", [value])


def test_a_range_of_slots_is_checked_and_remains_a_pair() -> None:
    wrong: list[Any] = [True, "a", float("nan"), None, -1]
    for value in wrong:
        with pytest.raises(simsync.InvalidParams, match="_slot="):
            simsync.SlotRange(value, 5)
        with pytest.raises(simsync.InvalidParams, match="_slot="):
            simsync.SlotRange(0, value)
    found = simsync.SlotRange(Whole(1), Whole(5))
    assert found == (1, 5)
    assert {type(slot) for slot in found} == {int}
    assert repr(found) == "SlotRange(start_slot=1, end_slot=5)"
    assert type(pickle.loads(pickle.dumps(found))) is type(found._replace(end_slot=7)) is simsync.SlotRange


def test_base58_takes_bytes_and_text_only() -> None:
    assert simsync.base58.encode(bytearray(b"\0a")) == simsync.base58.encode(memoryview(b"\0a")) == "12g"
    wrong: list[Any] = ["x", None, 5, [1, 2]]
    for value in wrong:
        with pytest.raises(simsync.InvalidParams, match="must be bytes"):
            simsync.base58.encode(value)
    wrong = [b"11", None, 5]
    for value in wrong:
        with pytest.raises(simsync.InvalidParams, match="must be base58 text"):
            simsync.base58.decode(value)


# Accounts.


class Account:
    """As solders' Account, or any other with these attributes."""

    lamports, owner, data, executable = 5, WALLET, b"abc", False


def of_rpc(**more: Any) -> dict[str, Any]:
    data = [base64.b64encode(b"abc").decode(), "base64"]
    return {"lamports": 5, "owner": WALLET, "data": data, "executable": False, "rentEpoch": 2**64 - 1, **more}


@pytest.mark.parametrize(
    "state",
    [
        of_rpc(),
        of_rpc(space=3),
        of_rpc(data=["ZiCa", "base58"]),
        of_rpc(data="ZiCa"),
        {"lamports": 5, "owner": WALLET, "data": "ZiCa", "space": 3},
        Account(),
        simsync.AccountData(5, WALLET, b"abc"),
    ],
)
def test_accounts_of_the_rpc_and_of_other_libraries_are_read(state: Any) -> None:
    wanted = {WALLET: simsync.AccountData(5, WALLET, b"abc")}
    assert simsync.Continue(modify_accounts={WALLET: state}).modify_accounts == wanted
    action = simsync.ScheduledAction(simsync.Anchor("after_slot"), account_overrides={WALLET: state})
    assert action.account_overrides == wanted
    assert simsync.CreateSession(1, 2, overrides={1: {WALLET: state}}).overrides == {1: wanted}


def test_compressed_accounts_of_the_rpc_are_read() -> None:
    zstandard = pytest.importorskip("zstandard")

    def compressed(data: bytes) -> list[str]:
        return [base64.b64encode(zstandard.compress(data)).decode(), "base64+zstd"]

    read = simsync.Continue(modify_accounts={WALLET: of_rpc(data=compressed(b"abc"))}).modify_accounts
    assert read == {WALLET: simsync.AccountData(5, WALLET, b"abc")}
    too_large = of_rpc(data=compressed(bytes(10 * 1024 * 1024 + 1)))
    with pytest.raises(simsync.InvalidParams, match="inflates to more than 10485760 bytes"):
        simsync.Continue(modify_accounts={WALLET: too_large})


def test_bare_text_without_the_other_keys_of_a_reply_is_sent_unchanged() -> None:
    state = {"lamports": 5, "owner": WALLET, "data": "ZiCa"}
    assert simsync.Continue(modify_accounts={WALLET: state}).modify_accounts == {WALLET: state}


def test_an_account_of_solders_is_read_and_pubkeys_are_keys() -> None:
    account = pytest.importorskip("solders.account").Account
    pubkey = pytest.importorskip("solders.pubkey").Pubkey.from_string(WALLET)
    state = account(5, b"abc", pubkey)
    wanted = {WALLET: simsync.AccountData(5, WALLET, b"abc")}
    assert simsync.Continue(modify_accounts={pubkey: state}).modify_accounts == wanted


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (of_rpc(data=["KLUv/SAD", "base64+zstd"]), r"\]\.data=.*: is .*compressed.*: ask the RPC for base64"),
        (of_rpc(data=["0", "base58"]), "'0' is not a base58 character: ask the RPC for base64"),
        (of_rpc(data="1" * 4_097), "has more than 4096 characters of base58"),
        (of_rpc(data=["%%%", "base64"]), r"\]\.data="),
        (of_rpc(data=["x", "base99"]), "has data in the encoding 'base99': ask the RPC for base64"),
        (of_rpc(data=["", "base64", ""]), "'jsonParsed': ask the RPC for base64"),
        (of_rpc(data={"program": "spl-token", "parsed": {}, "space": 165}), "'jsonParsed': ask the RPC for base64"),
        (of_rpc(space=165), "has 165 bytes of data, but only 3 are included"),
        (of_rpc(lamports=-1), r"modify_accounts\[.*\]\.lamports=-1: must be from 0"),
        (of_rpc(owner="x"), r"\.owner='x'"),
        (7, "must be an AccountData"),
    ],
)
def test_accounts_that_cannot_be_written_say_why(state: Any, message: str) -> None:
    with pytest.raises(simsync.InvalidParams, match=message):
        simsync.Continue(modify_accounts={WALLET: state})
