"""What is written of a transaction, also of one whose parts have unknown forms."""

from __future__ import annotations

from typing import Any

import pytest

from simsync.events import Transaction, TransactionFields
from simsync.events.transaction import TransactionReading
from simsync.run.event_records import transaction_record

from .files import ALICE, BOB, MINT


def event(**changed: Any) -> Transaction:
    fields = TransactionFields(
        signature="s1",
        error=None,
        logs=("Program log: x",),
        fee=5_000,
        compute_units=450,
        version=0,
        block_time=1_761_000_000,
        account_keys=(ALICE, BOB),
        pre_balances=(10, 20),
        post_balances=(7, 20),
        pre_token_balances=(),
        post_token_balances=(),
    )._replace(**changed)
    reading = TransactionReading(
        fields=lambda _payload: fields,
        raw=lambda _payload: {},
        status=lambda _payload: None,
        programs=lambda _payload: (),
        instructions=lambda _raw: (),
        serialized=lambda _raw: b"",
    )
    return Transaction(12, b"", reading)


def row(index: object, amount: object, **more: object) -> dict[str, Any]:
    return {"accountIndex": index, "mint": MINT, "uiTokenAmount": {"amount": amount, "decimals": 6}, **more}


def test_a_record_has_what_the_transaction_says() -> None:
    assert transaction_record(event(error={"InstructionError": [0, "Custom"]}), "session") == {
        "slot": 12,
        "timestamp": 1_761_000_000,
        "signature": "s1",
        "success": False,
        "error": {"InstructionError": [0, "Custom"]},
        "logs": ("Program log: x",),
        "sol_changes": [{"account": ALICE, "pre": 10, "post": 7}],
        "token_changes": [],
        "account_diffs": (),
        "compute_units": 450,
        "fee": 5_000,
        "session_id": "session",
    }
    assert transaction_record(event(), "session")["success"] is True


def test_token_balances_are_matched_by_account_and_mint() -> None:
    before = [row(1, "5"), row(0, "8"), row(0, "3", mint="other")]
    after = [row(0, "8"), row(1, "36893488147419103232"), row(7, "1")]
    changes = transaction_record(event(pre_token_balances=before, post_token_balances=after), "")["token_changes"]
    assert changes == [
        {"account": BOB, "mint": MINT, "symbol": None, "decimals": 6, "pre": 5, "post": 2**65},
        {"account": ALICE, "mint": "other", "symbol": None, "decimals": 6, "pre": 3, "post": 0},
        {"account": None, "mint": MINT, "symbol": None, "decimals": 6, "pre": 0, "post": 1},
    ]


@pytest.mark.parametrize(
    "odd",
    [
        *(None, 5, "text", [], {}, row("0", "5"), row(None, "5"), row(0, 5), row(0, None), row(0, "-5")),
        *(row(0, "²"), row(0, "9" * 5_000), row(0, "5", uiTokenAmount=[]), row(0, "5", uiTokenAmount="5")),
    ],
)
def test_a_token_balance_of_an_unknown_form_is_left_out(odd: object) -> None:
    record = transaction_record(event(pre_token_balances=[odd, row(1, "5")], post_token_balances=[odd]), "")
    assert [(change["account"], change["pre"], change["post"]) for change in record["token_changes"]] == [(BOB, 5, 0)]


def test_an_account_before_the_first_has_no_address() -> None:
    (change,) = transaction_record(event(post_token_balances=[row(-1, "5")]), "")["token_changes"]
    assert change["account"] is None
