"""Arguments are accepted in every documented form, and stored in one."""

from __future__ import annotations

import base64
import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simsync.errors import InvalidParams
from simsync.params import (
    AccountData,
    Anchor,
    Continue,
    ContinueTo,
    CreateSession,
    EncodedBinary,
    OracleUpdate,
    ProgramExecuted,
    ScheduledAction,
    checks,
)
from simsync.params.account import SYSTEM_PROGRAM

WALLET = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
PROGRAM = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
U64 = 2**64 - 1
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Key:
    """Prints as an address, as solders' Pubkey does."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self._text == other._text


class Signed:
    """Has a byte form, as solders' transactions do."""

    def __bytes__(self) -> bytes:
        return b"\x01\x02\x03\x04"


def typed(**fields: Any) -> AccountData:
    """Create an object from values of types that only its constructor accepts."""
    return AccountData(**fields)


# Binary data.


@pytest.mark.parametrize(
    "given_",
    ["AQIDBA==", b"\x01\x02\x03\x04", bytearray(b"\x01\x02\x03\x04"), memoryview(b"\x01\x02\x03\x04"), Signed()],
)
def test_transactions_in_every_form_become_base64(given_: Any) -> None:
    assert Continue(transactions=[given_]).transactions == ("AQIDBA==",)
    assert ScheduledAction(Anchor("after_slot"), transactions=[given_]).transactions == ("AQIDBA==",)
    assert EncodedBinary(given_).data == "AQIDBA=="
    assert typed(lamports=1, data=given_).data == b"\x01\x02\x03\x04"


@settings(max_examples=40, deadline=None, database=None)
@given(data=st.binary(max_size=80))
def test_binary_round_trip(data: bytes) -> None:
    encoded = EncodedBinary.from_bytes(data)
    assert encoded.data == base64.b64encode(data).decode()
    assert encoded.to_bytes() == data
    assert EncodedBinary(encoded.data) == encoded
    state = AccountData(1, data=data)
    assert (state.data, state.space) == (data, len(data))
    assert typed(lamports=1, data=encoded) == typed(lamports=1, data=encoded.data) == state


def test_binary_defaults() -> None:
    assert EncodedBinary() == EncodedBinary("", "base64")
    assert EncodedBinary().to_bytes() == b""


# Addresses.


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\x00"))) + text


@settings(max_examples=60, deadline=None, database=None)
@given(zeros=st.integers(0, 32), filler=st.binary(min_size=32, max_size=32))
def test_base58_of_32_bytes_and_of_nothing_else_is_an_address(zeros: int, filler: bytes) -> None:
    data = bytes(zeros) + filler[zeros:]
    assert checks.address("owner", base58(data)) == base58(data)
    for other in (data[:-1], data + b"\x07", b"\x00" + data):
        with pytest.raises(InvalidParams, match="owner"):
            checks.address("owner", base58(other))


@pytest.mark.parametrize(
    "text", [SYSTEM_PROGRAM, WALLET, PROGRAM, base58(b"\xff" * 32), base58(b"\x00" * 31 + b"\x01")]
)
def test_objects_that_print_as_an_address_are_addresses(text: str) -> None:
    assert typed(lamports=1, owner=Key(text)).owner == text
    assert ProgramExecuted(Key(text)).program == text
    assert CreateSession(1, 2, signer_filter=[Key(text)]).signer_filter == (text,)
    assert Continue(modify_accounts={Key(text): AccountData(1)}).modify_accounts == {text: AccountData(1)}


@pytest.mark.parametrize("make", [list, tuple, set, iter, lambda values: (value for value in values)])
def test_collections_of_any_kind_become_tuples(make: Callable[[list[Any]], Any]) -> None:
    assert OracleUpdate(make([PROGRAM]), make([WALLET])) == OracleUpdate((PROGRAM,), (WALLET,))
    assert Continue(transactions=make(["AQID"])).transactions == ("AQID",)
    assert Anchor("after_slot", make([5])).slots == (5,)
    assert CreateSession(1, 2, discoveries=make([ProgramExecuted(PROGRAM)])).discoveries == (ProgramExecuted(PROGRAM),)
    assert CreateSession(1, 2, signer_filter=make([WALLET])).signer_filter == (WALLET,)


# solders itself, when it is there.


def test_objects_of_solders() -> None:
    keypair = pytest.importorskip("solders.keypair")
    message = pytest.importorskip("solders.message")
    transaction = pytest.importorskip("solders.transaction")
    payer = keypair.Keypair()
    signed = transaction.VersionedTransaction(message.Message([], payer.pubkey()), [payer])
    request = Continue(transactions=[signed], modify_accounts={payer.pubkey(): typed(lamports=1, owner=payer.pubkey())})
    assert base64.b64decode(request.transactions[0]) == bytes(signed)
    assert request.modify_accounts == {str(payer.pubkey()): AccountData(1, str(payer.pubkey()))}


# Ranges.


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        ({"start_slot": 0, "end_slot": 0}, 0),
        ({"start_slot": 5, "end_slot": 5}, 5),
        ({"start_slot": 0, "end_slot": U64}, U64),
        ({"start_slot": U64, "end_slot": U64}, U64),
        ({"start_slot": 5, "slot_count": 1}, 5),
        ({"start_slot": 0, "slot_count": U64 + 1}, U64),
        ({"start_slot": U64, "slot_count": 1}, U64),
        ({"start_slot": 312000000, "slot_count": 1000}, 312000999),
    ],
)
def test_ranges_at_their_edges(arguments: dict[str, Any], last: int) -> None:
    assert CreateSession(**arguments).last_slot == last


def test_limits_are_included() -> None:
    create = CreateSession(1, 2, capacity_wait_timeout=65535, disconnect_timeout=900, extra_compute_units=2**32 - 1)
    assert (create.capacity_wait_timeout, create.disconnect_timeout) == (65535, 900)
    assert CreateSession(1, 2, capacity_wait_timeout=0, disconnect_timeout=0).disconnect_timeout == 0
    assert Continue(1).advance_count == 1
    assert Continue(U64).advance_count == U64
    assert ContinueTo(U64, 2**32 - 1) == ContinueTo(slot=U64, batch_index=2**32 - 1)
    assert ContinueTo(0, 0).batch_index == 0
    assert AccountData(0).lamports == 0
    assert AccountData(U64).lamports == U64
    assert Anchor("before_every_slot", every=1).every == 1
    assert checks.seconds("timeout", 0) == 0.0
    assert checks.seconds("timeout", checks.LONGEST) == checks.LONGEST


class Slots(IntEnum):
    FIRST = 100


def test_subclasses_of_int_are_whole_numbers() -> None:
    assert CreateSession(Slots.FIRST, 200).start_slot == 100


@pytest.mark.parametrize("value", [-0.001, float("nan"), float("inf"), float("-inf"), 1.1e9, 10**400, "5", None, True])
def test_seconds_that_no_wait_can_take(value: Any) -> None:
    with pytest.raises(InvalidParams, match="timeout="):
        checks.seconds("timeout", value)


# What is sent as it is.


def test_mappings_of_any_kind_are_copied() -> None:
    inner = {"b": [1, 2]}
    given_: dict[str, Any] = {"a": inner}
    create = CreateSession(
        1, 2, extra=MappingProxyType(given_), reroute=OrderedDict(given_), agents=[given_], actions=[given_]
    )
    inner["b"].append(3)
    given_["c"] = 1
    expected = {"a": {"b": [1, 2]}}
    assert (create.extra, create.reroute) == (expected, expected)
    assert (create.agents, create.actions) == ((expected,), (expected,))


def test_account_states_may_be_plain_mappings() -> None:
    raw = {"lamports": 1, "rentEpoch": U64, "data": ("", "base64")}
    request = Continue(modify_accounts={WALLET: raw})
    assert request.modify_accounts == {WALLET: {"lamports": 1, "rentEpoch": U64, "data": ["", "base64"]}}


@pytest.mark.parametrize("value", [None, True, 0, U64, -(2**63), 0.5, "", "☃", [], {}, [[[1]]], {"a": {"b": None}}])
def test_every_kind_of_json_is_sent_as_it_is(value: Any) -> None:
    assert CreateSession(1, 2, extra={"key": value}).extra == {"key": value}


def test_sixty_levels_are_not_too_deep() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    assert CreateSession(1, 2, extra={"a": deep}).extra == {"a": deep}


# Overrides.


def test_overrides_of_every_slot_of_the_range() -> None:
    raw = {"lamports": 1, "rentEpoch": 0}
    given_ = {Slots.FIRST: {WALLET: AccountData(1)}, 104: {Key(WALLET): MappingProxyType(raw)}}
    create = CreateSession(100, slot_count=5, overrides=given_)  # type: ignore[arg-type]
    assert create.overrides == {100: {WALLET: AccountData(1)}, 104: {WALLET: raw}}
    assert [type(slot) for slot in create.overrides] == [int, int]
    given_.clear()
    assert len(create.overrides) == 2


# Actions.


def test_account_overrides_go_with_simulate_and_actions_with_replay() -> None:
    action = ScheduledAction(Anchor("after_slot"), account_overrides={WALLET: AccountData(1)}, label="")
    create = CreateSession(1, 2, actions=[action], replay_account_state=True)
    assert create.actions == (action,)
    assert ScheduledAction(Anchor("after_slot"), kind="send", transactions=["AQID"]).kind == "send"


@pytest.mark.parametrize(
    "anchor",
    [
        Anchor("after_slot"),
        Anchor("before_slot", [1, U64]),
        Anchor("before_match", filter=ProgramExecuted(PROGRAM)),
        Anchor("after_match", filter=OracleUpdate([PROGRAM], [WALLET])),
        Anchor("after_every_slot", every=U64),
    ],
)
def test_anchors(anchor: Anchor) -> None:
    assert ScheduledAction(anchor).anchor == anchor


# What was checked stays what it is.

FROZEN = [
    EncodedBinary(),
    AccountData(1),
    Continue(),
    ContinueTo(1),
    CreateSession(1, 2),
    ProgramExecuted(PROGRAM),
    OracleUpdate(),
    Anchor("after_slot"),
    ScheduledAction(Anchor("after_slot")),
]


@pytest.mark.parametrize("params", FROZEN, ids=lambda params: type(params).__name__)
def test_params_do_not_change(params: Any) -> None:
    for field in dataclasses.fields(params):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(params, field.name, None)


def test_a_changed_copy_is_checked_again() -> None:
    create = CreateSession(100, 200)
    assert dataclasses.replace(create, end_slot=150).last_slot == 150
    with pytest.raises(InvalidParams, match="end_slot"):
        dataclasses.replace(create, end_slot=50)


@pytest.mark.parametrize(
    "anchor",
    [
        Anchor("after_slot", [5, 6]),
        Anchor("after_slot", [6, 5]),
        Anchor("before_slot", [5, 5]),
        Anchor("after_slot"),
        Anchor("before_match", filter=ProgramExecuted(PROGRAM)),
        Anchor("after_every_slot", every=1),
    ],
)
def test_two_transactions_where_two_may_run(anchor: Anchor) -> None:
    assert len(ScheduledAction(anchor, transactions=["AQID", "AQIDBA=="]).transactions) == 2
    assert ScheduledAction(anchor, return_accounts=[WALLET]).transactions == ()
