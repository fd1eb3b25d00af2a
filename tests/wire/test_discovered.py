"""The binary transactions of a discovery: what is decoded, what is kept, and what is refused."""

from __future__ import annotations

import base64
import pickle
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simsync.errors import ProtocolError
from simsync.events import DiscoveryBatch
from simsync.wire.discovered import discovered_transaction

KEY = bytes(range(32))
LEGACY = b"\x01" + bytes(64) + bytes((1, 0, 1)) + b"\x02" + KEY * 2 + bytes(32) + b"\x01" + bytes((1, 2, 0, 1, 1, 9))
VERSIONED = (
    b"\x01" + bytes(64) + b"\x80" + bytes((1, 0, 1)) + b"\x02" + KEY * 2 + bytes(32) + b"\x00"
    b"\x01" + KEY + b"\x02\x00\x01" + b"\x00"
)
NONE = b"\x00"


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def items(*values: bytes) -> bytes:
    return struct.pack("<Q", len(values)) + b"".join(values)


def some(value: bytes) -> bytes:
    return b"\x01" + value


def decoded(data: bytes) -> Any:
    return discovered_transaction({"data": base64.b64encode(data).decode(), "encoding": "base64"})


def instruction_error(index: int, number: int, content: bytes = b"") -> bytes:
    return some(struct.pack("<IBI", 8, index, number) + content)


@pytest.mark.parametrize("transaction", [LEGACY, VERSIONED])
def test_a_transaction_without_anything(transaction: bytes) -> None:
    found = decoded(transaction + NONE * 4)
    assert (found.transaction, found.data, found.undecoded) == (transaction, transaction + NONE * 4, b"")
    assert (found.error, found.balances, found.logs, found.inner_instructions) == (None,) * 4


@pytest.mark.parametrize(
    ("encoded", "error"),
    [
        (some(struct.pack("<I", 0)), "AccountInUse"),
        (some(struct.pack("<I", 38)), "CommitCancelled"),
        (some(struct.pack("<IB", 30, 4)), {"DuplicateInstruction": 4}),
        (some(struct.pack("<IB", 31, 2)), {"InsufficientFundsForRent": {"account_index": 2}}),
        (some(struct.pack("<IB", 35, 2)), {"ProgramExecutionTemporarilyRestricted": {"account_index": 2}}),
        (instruction_error(3, 25, struct.pack("<I", 6001)), {"InstructionError": [3, {"Custom": 6001}]}),
        (instruction_error(0, 5), {"InstructionError": [0, "InsufficientFunds"]}),
        (instruction_error(0, 44, text("bad")), {"InstructionError": [0, {"BorshIoError": "bad"}]}),
        (instruction_error(0, 53), {"InstructionError": [0, "BuiltinProgramsMustConsumeComputeUnits"]}),
    ],
)
def test_errors_are_written_as_the_rpc_writes_them(encoded: bytes, error: Any) -> None:
    found = decoded(LEGACY + encoded + NONE * 3)
    assert found.error == error
    assert found.error_text
    assert found.undecoded == b""


def test_everything_that_a_transaction_may_have() -> None:
    amount = some(struct.pack("<d", 1.5)) + b"\x06" + text("1500000") + text("1.5")
    token = b"\x02" + text("mint") + amount + text("owner") + text("program")
    lamports = items(struct.pack("<Q", 5), struct.pack("<Q", 7))
    balances = lamports + items() + some(items(token)) + NONE
    inner = items(b"\x01" + items(b"\x03" + b"\x02\x04\x05" + b"\x01\x09" + some(struct.pack("<I", 2))))
    found = decoded(VERSIONED + NONE + some(balances) + some(items(text("one"), text("two"))) + some(inner))
    assert found.balances == {
        "pre_balances": [5, 7],
        "post_balances": [],
        "pre_token_balances": [
            {
                "account_index": 2,
                "mint": "mint",
                "ui_token_amount": {
                    "ui_amount": 1.5,
                    "decimals": 6,
                    "amount": "1500000",
                    "ui_amount_string": "1.5",
                },
                "owner": "owner",
                "program_id": "program",
            }
        ],
        "post_token_balances": None,
    }
    assert found.logs == ["one", "two"]
    (instruction,) = found.inner_instructions[0]["instructions"]
    assert instruction == {"program_id_index": 3, "accounts": [4, 5], "data": "A", "stack_height": 2}
    assert found.undecoded == b""


@pytest.mark.parametrize(
    "rest",
    [
        b"\x02abc",  # no option
        some(struct.pack("<I", 99)),  # no error that is known
        instruction_error(0, 99),
        some(b"\x01"),  # cut
    ],
)
def test_what_does_not_fit_is_kept(rest: bytes) -> None:
    found = decoded(LEGACY + rest)
    assert found.transaction == LEGACY
    assert found.undecoded == rest
    assert found.error is None
    later = decoded(LEGACY + NONE + some(items(b"\x00" * 8) + items() + NONE + NONE) + b"\x07x")
    assert later.balances["pre_balances"] == [0]
    assert later.undecoded == b"\x07x"


@pytest.mark.parametrize("value", ["", "AQ==", "not base64", {"data": None}, {}, [], None, 7])
def test_without_a_transaction_it_is_refused(value: Any) -> None:
    with pytest.raises(ProtocolError, match="discovered transaction") as caught:
        discovered_transaction(value)
    assert caught.value.raw == value


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    for whole in (data, LEGACY + data):
        try:
            found = decoded(whole)
        except ProtocolError:
            continue
        assert whole.startswith(found.transaction)
        assert whole.endswith(found.undecoded)


def test_a_batch_without_a_decoder_and_after_pickle() -> None:
    value = base64.b64encode(LEGACY + NONE * 4).decode()
    assert DiscoveryBatch(1, 0, [], [value], None).decoded() == []
    batch = pickle.loads(pickle.dumps(DiscoveryBatch(1, 0, [], [value], None, discovered_transaction)))
    assert [one.transaction for one in batch.decoded()] == [LEGACY]
