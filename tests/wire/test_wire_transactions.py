"""Transactions: the fields of a reply in every shape in which the RPC writes one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simsync.events import TransactionFields
from simsync.wire.notifications import transaction_fields

PAYER = "9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"
MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
POOL = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"

LEGACY: dict[str, Any] = {
    "slot": 312000004,
    "blockTime": 1761000000,
    "version": "legacy",
    "transaction": {
        "signatures": ["sig1", "sig2"],
        "message": {
            "header": {"numRequiredSignatures": 1, "numReadonlySignedAccounts": 0, "numReadonlyUnsignedAccounts": 1},
            "accountKeys": [PAYER, MEMO],
            "recentBlockhash": "So11111111111111111111111111111111111111112",
            "instructions": [{"programIdIndex": 1, "accounts": [], "data": "3Bxs"}],
        },
    },
    "meta": {
        "err": None,
        "fee": 5000,
        "preBalances": [100000, 1],
        "postBalances": [95000, 1],
        "logMessages": ["Program log: hi"],
    },
}


def test_legacy() -> None:
    assert transaction_fields(LEGACY) == TransactionFields(
        signature="sig1",
        error=None,
        logs=("Program log: hi",),
        fee=5000,
        compute_units=None,
        version="legacy",
        block_time=1761000000,
        account_keys=(PAYER, MEMO),
        pre_balances=(100000, 1),
        post_balances=(95000, 1),
        pre_token_balances=(),
        post_token_balances=(),
    )


TOKEN_BALANCE = {
    "accountIndex": 2,
    "mint": MINT,
    "owner": PAYER,
    "uiTokenAmount": {"amount": "7", "decimals": 6, "uiAmountString": "0.000007"},
}


def version_0() -> dict[str, Any]:
    reply = copy.deepcopy(LEGACY)
    reply["version"] = 0
    reply["transaction"]["message"]["addressTableLookups"] = [
        {"accountKey": MINT, "writableIndexes": [1], "readonlyIndexes": [2]}
    ]
    reply["meta"].update(
        {
            "loadedAddresses": {"writable": [POOL], "readonly": [MINT]},
            "preBalances": [100000, 1, 2, 3],
            "postBalances": [95000, 1, 2, 3],
            "computeUnitsConsumed": 1450,
            "preTokenBalances": [],
            "postTokenBalances": [TOKEN_BALANCE],
        }
    )
    return reply


def test_version_0_with_addresses_from_lookup_tables() -> None:
    fields = transaction_fields(version_0())
    assert fields.version == 0
    assert fields.account_keys == (PAYER, MEMO, POOL, MINT)
    assert fields.compute_units == 1450
    assert fields.post_token_balances == (TOKEN_BALANCE,)
    assert len(fields.account_keys) == len(fields.pre_balances) == len(fields.post_balances)


@pytest.mark.parametrize("said", [{"version": "legacy"}, {"version": None}, {"version": "0"}, {}])
def test_a_message_with_lookups_is_of_version_0_whatever_the_reply_says(said: dict[str, Any]) -> None:
    reply = {**version_0(), **said}
    if not said:
        del reply["version"]
    assert transaction_fields(reply).version == 0


def test_a_reply_without_a_version_is_of_a_legacy_message() -> None:
    reply = version_0()
    del reply["version"], reply["transaction"]["message"]["addressTableLookups"]
    assert transaction_fields(reply).version == "legacy"
    assert transaction_fields({**reply, "version": None}).version == "legacy"
    assert transaction_fields({**reply, "version": 1}).version == 1


def test_parsed_keys_already_hold_the_loaded_addresses() -> None:
    reply = version_0()
    reply["transaction"]["message"]["accountKeys"] = [
        {"pubkey": PAYER, "signer": True, "writable": True, "source": "transaction"},
        {"pubkey": MEMO, "signer": False, "writable": False, "source": "transaction"},
        {"pubkey": POOL, "signer": False, "writable": True, "source": "lookupTable"},
        {"pubkey": MINT, "signer": False, "writable": False, "source": "lookupTable"},
    ]
    assert transaction_fields(reply).account_keys == (PAYER, MEMO, POOL, MINT)


def test_failed() -> None:
    reply = copy.deepcopy(LEGACY)
    reply["meta"]["err"] = {"InstructionError": [0, {"Custom": 1}]}
    assert transaction_fields(reply).error == {"InstructionError": [0, {"Custom": 1}]}


@pytest.mark.parametrize("meta", [None, "absent", 7])
def test_without_meta(meta: Any) -> None:
    reply = copy.deepcopy(LEGACY)
    if meta == "absent":
        del reply["meta"]
    else:
        reply["meta"] = meta
    fields = transaction_fields(reply)
    assert (fields.signature, fields.error) == ("sig1", None)
    assert (fields.fee, fields.logs, fields.pre_balances, fields.post_balances) == (0, (), (), ())
    assert fields.account_keys == (PAYER, MEMO)


def test_nulls_in_meta_read_as_empty() -> None:
    reply = copy.deepcopy(LEGACY)
    reply["meta"] = dict.fromkeys(
        [
            "logMessages",
            "preBalances",
            "postBalances",
            "preTokenBalances",
            "postTokenBalances",
            "loadedAddresses",
            "fee",
        ]
    )
    fields = transaction_fields(reply)
    assert (fields.logs, fields.pre_balances, fields.pre_token_balances, fields.fee) == ((), (), (), 0)


EMPTY = transaction_fields({})


@pytest.mark.parametrize("reply", [None, 7, "x", [], {"transaction": 7}, {"transaction": {"message": []}}])
def test_a_reply_without_content_reads_as_empty(reply: Any) -> None:
    assert transaction_fields(reply) == EMPTY
    assert (EMPTY.signature, EMPTY.version, EMPTY.account_keys) == ("", "legacy", ())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"transaction": {"signatures": [7]}}, ("signature", "")),
        ({"transaction": {"signatures": []}}, ("signature", "")),
        (
            {"transaction": {"message": {"accountKeys": [7, {"pubkey": None}, {}, PAYER]}}},
            ("account_keys", ("", "", "", PAYER)),
        ),
        ({"transaction": {"message": {"accountKeys": [PAYER, {"pubkey": MEMO}]}}}, ("account_keys", (PAYER, MEMO))),
        ({"transaction": {"message": {"accountKeys": [{"pubkey": MEMO}, PAYER]}}}, ("account_keys", (MEMO, PAYER))),
        ({"transaction": {"message": {"accountKeys": [{"pubkey": MEMO}, {}]}}}, ("account_keys", (MEMO, ""))),
        ({"transaction": {"message": {"accountKeys": [{"pubkey": 7}]}}}, ("account_keys", ("",))),
    ],
)
def test_parts_of_the_wrong_type_read_as_empty(change: dict[str, Any], expected: tuple[str, Any]) -> None:
    name, value = expected
    assert getattr(transaction_fields({**LEGACY, "meta": None, **change}), name) == value


@pytest.mark.parametrize("levels", [900, 1020, 5_000])
def test_deep_nesting_is_no_obstacle(levels: int) -> None:
    deep: Any = 1
    for _ in range(levels):
        deep = [deep]
    reply = {
        "slot": deep,
        "transaction": {"signatures": [deep], "message": {"accountKeys": [deep]}},
        "meta": {"err": deep},
    }
    assert transaction_fields(reply).signature == ""


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["slot", "context", "transaction", "message", "meta", "signatures", "accountKeys", "loadedAddresses"]
            ),
            children,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, database=None)
@given(reply=JSON_VALUES)
def test_no_payload_raises(reply: Any) -> None:
    fields = transaction_fields(reply)
    assert all(isinstance(key, str) for key in fields.account_keys)
