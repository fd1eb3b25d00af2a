"""Instructions in the form jsonParsed, as Agave parses them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from solders.pubkey import Pubkey

from simsync.local.engine.programs import ASSOCIATED_TOKEN_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from simsync.local.parsed.instructions import parsed_instruction

A, B, C, D, E, F, G, NEW = (str(Pubkey(bytes([number]) * 32)) for number in range(1, 9))
KEY = bytes([8]) * 32
"""The bytes of NEW."""
ALL = (A, B, C, D, E, F, G)


def ui(amount: int, text: str, decimals: int) -> dict[str, Any]:
    return {"amount": str(amount), "decimals": decimals, "uiAmount": float(text), "uiAmountString": text}


def parsed(accounts: tuple[str, ...], data: bytes, program: Pubkey = TOKEN_PROGRAM) -> Any:
    found = parsed_instruction(str(program), accounts, data)
    return None if found is None else found["parsed"]


@pytest.mark.parametrize("program", [TOKEN_PROGRAM, TOKEN_2022_PROGRAM])
@pytest.mark.parametrize(
    ("number", "name", "of"),
    [
        (0, "mintTokens", "mint"),
        (1, "freezeAccount", "mint"),
        (2, "accountOwner", "account"),
        (3, "closeAccount", "account"),
        (4, "transferFeeConfig", "mint"),
        (7, "interestRate", "mint"),
        (16, "pause", "mint"),
    ],
)
def test_an_authority_is_that_of_a_mint_or_of_an_account(program: Pubkey, number: int, name: str, of: str) -> None:
    head = bytes([6, number])
    info = {of: A, "authority": B, "authorityType": name, "newAuthority": NEW}
    assert parsed((A, B), head + b"\1" + KEY, program) == {"type": "setAuthority", "info": info}
    # An authority that is given up is shown as null.
    assert parsed((A, B), head + b"\0", program)["info"] == {**info, "newAuthority": None}
    signed = {of: A, "multisigAuthority": B, "signers": [C, D], "authorityType": name, "newAuthority": None}
    assert parsed((A, B, C, D), head + b"\0", program)["info"] == signed


@pytest.mark.parametrize(
    ("kind", "accounts", "data", "info"),
    [
        (
            "initializeMint",
            (A, B),
            bytes([0, 6]) + KEY + b"\0",
            {"mint": A, "rentSysvar": B, "decimals": 6, "mintAuthority": NEW},
        ),
        (
            "initializeMultisig",
            (A, B, C, D),
            bytes([2, 2]),
            {"multisig": A, "rentSysvar": B, "m": 2, "signers": [C, D]},
        ),
        ("initializeMultisig2", (A, B, C), bytes([19, 2]), {"multisig": A, "m": 2, "signers": [B, C]}),
        ("getAccountDataSize", (A,), bytes([21]), {"mint": A}),
        (
            "getAccountDataSize",
            (A,),
            struct.pack("<BHH", 21, 7, 2),
            {"mint": A, "extensionTypes": ["immutableOwner", "transferFeeAmount"]},
        ),
        ("amountToUiAmount", (A,), struct.pack("<BQ", 23, 5), {"mint": A, "amount": 5}),
        ("uiAmountToAmount", (A,), bytes([24]) + b"1.5", {"mint": A, "uiAmount": "1.5"}),
        ("initializeMintCloseAuthority", (A,), bytes([25, 1]) + KEY, {"mint": A, "newAuthority": NEW}),
        ("initializeMintCloseAuthority", (A,), bytes([25, 0]), {"mint": A, "newAuthority": None}),
        (
            "initializeTransferFeeConfig",
            (A,),
            bytes([26, 0, 1]) + KEY + b"\0" + struct.pack("<HQ", 100, 5000),
            {"mint": A, "transferFeeConfigAuthority": NEW, "transferFeeBasisPoints": 100, "maximumFee": 5000},
        ),
        (
            "transferCheckedWithFee",
            (A, B, C, D),
            struct.pack("<BBQBQ", 26, 1, 1500, 3, 15),
            {
                "source": A,
                "mint": B,
                "destination": C,
                "authority": D,
                "tokenAmount": ui(1500, "1.5", 3),
                "feeAmount": ui(15, "0.015", 3),
            },
        ),
        (
            "withdrawWithheldTokensFromMint",
            (A, B, C, D),
            bytes([26, 2]),
            {"mint": A, "feeRecipient": B, "multisigWithdrawWithheldAuthority": C, "signers": [D]},
        ),
        (
            "withdrawWithheldTokensFromAccounts",
            (A, B, C, D, E),
            bytes([26, 3, 2]),
            {"mint": A, "feeRecipient": B, "withdrawWithheldAuthority": C, "sourceAccounts": [D, E]},
        ),
        ("harvestWithheldTokensToMint", (A, B, C), bytes([26, 4]), {"mint": A, "sourceAccounts": [B, C]}),
        (
            "setTransferFee",
            (A, B),
            struct.pack("<BBHQ", 26, 5, 100, 5000),
            {"mint": A, "transferFeeConfigAuthority": B, "transferFeeBasisPoints": 100, "maximumFee": 5000},
        ),
    ],
)
def test_token_instructions(kind: str, accounts: tuple[str, ...], data: bytes, info: dict[str, Any]) -> None:
    assert parsed(accounts, data, TOKEN_2022_PROGRAM) == {"type": kind, "info": info}


def test_nested_associated_accounts_are_recovered() -> None:
    names = ("nestedSource", "nestedMint", "destination", "nestedOwner", "ownerMint", "wallet", "tokenProgram")
    found = parsed(ALL, b"\2", ASSOCIATED_TOKEN_PROGRAM)
    assert found == {"type": "recoverNested", "info": dict(zip(names, ALL))}


@pytest.mark.parametrize(
    ("accounts", "data"),
    [
        ((A, B), bytes([6])),
        ((A, B), bytes([6, 99, 0])),
        ((A, B), bytes([6, 0])),
        ((A, B), bytes([26])),
        ((A, B), bytes([26, 9])),
        ((A, B, C), bytes([26, 3, 9])),
        ((A,), struct.pack("<BH", 21, 999)),
        ((A,), bytes([24, 0xFF])),
        ((), bytes([19, 2])),
    ],
)
def test_what_does_not_fit_its_layout_is_not_parsed(accounts: tuple[str, ...], data: bytes) -> None:
    assert parsed(accounts, data, TOKEN_2022_PROGRAM) is None
