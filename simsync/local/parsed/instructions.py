"""Instructions in the form ``jsonParsed``: those of the system, token, associated token and memo programs.

A table holds the layout of each instruction: the names of its accounts in order, and its fields. An instruction that
does not fit its layout is shown with accounts and data, as on a node.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Union

from simsync.local.encoding import encode_base58
from simsync.local.engine.programs import (
    ASSOCIATED_TOKEN_PROGRAM,
    MEMO_PROGRAMS,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
)
from simsync.local.engine.token_balances import ui_amount
from simsync.local.parsed.accounts import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMO_PROGRAMS = frozenset(map(str, MEMO_PROGRAMS))
_AUTHORITIES = (
    "mintTokens",
    "freezeAccount",
    "accountOwner",
    "closeAccount",
    "transferFeeConfig",
    "withheldWithdraw",
    "closeMint",
    "interestRate",
    "permanentDelegate",
    "confidentialTransferMint",
    "transferHookProgramId",
    "confidentialTransferFeeConfig",
    "metadataPointer",
    "groupPointer",
    "groupMemberPointer",
    "scaledUiAmount",
    "pause",
)
_OF_ACCOUNTS = frozenset({"accountOwner", "closeAccount"})
"""The authorities over a token account. All others are authorities over a mint."""
_ABSENT = object()
"""The value of a field that is not shown."""


class DoesNotFit(Exception):
    """An instruction does not have the layout that is known for it."""


class _Reader:
    """Reads the fields of an instruction in order. Raises DoesNotFit."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._decimals = 0

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise DoesNotFit
        self._at += count
        return piece

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int(struct.unpack("<H", self.take(2))[0])

    def u64(self) -> int:
        return int(struct.unpack("<Q", self.take(8))[0])

    def text_u64(self) -> str:
        return str(self.u64())

    def key(self) -> str:
        return encode_base58(self.take(32))

    def nullable_key(self) -> str | None:
        """Read a key that is shown as null if there is none."""
        return self.key() if self.u8() else None

    def optional_key(self) -> object:
        """Read a key that is not shown if there is none."""
        return self.key() if self.u8() else _ABSENT

    def text(self) -> str:
        return self.take(self.u64()).decode(errors="replace")

    def amount(self) -> dict[str, Any]:
        amount, self._decimals = self.u64(), self.u8()
        return ui_amount(amount, self._decimals)

    def fee_amount(self) -> dict[str, Any]:
        """Read the fee after an amount, which has the same decimals."""
        return ui_amount(self.u64(), self._decimals)

    def remaining(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def remaining_text(self) -> str:
        return self.remaining().decode()

    def extension_types(self) -> object:
        data = self.remaining()
        numbers = struct.unpack(f"<{len(data) // 2}H", data[: len(data) // 2 * 2])
        if not numbers:
            return _ABSENT
        if not EXTENSIONS.keys() >= set(numbers):
            raise DoesNotFit
        return [EXTENSIONS[number] for number in numbers]


_Field = Callable[[_Reader], Any]


class _Layout(NamedTuple):
    """``rest`` names the accounts after ``accounts``; with ``counted`` the first byte tells how many they are."""

    name: str
    accounts: tuple[str, ...]
    fields: tuple[tuple[str, _Field], ...] = ()
    rest: str = ""
    counted: bool = False


def _constant(value: str) -> _Field:
    return lambda reader: value


_Layouts = dict[int, Union[_Layout, dict[int, _Layout]]]
"""Layouts by the number of the instruction; under some numbers there are several, by the byte that follows."""

_U16, _U64, _KEY, _TEXT, _U8 = _Reader.u16, _Reader.u64, _Reader.key, _Reader.text, _Reader.u8
_AMOUNT, _UI_AMOUNT = _Reader.text_u64, _Reader.amount
_SYSTEM: _Layouts = {
    0: _Layout("createAccount", ("source", "newAccount"), (("lamports", _U64), ("space", _U64), ("owner", _KEY))),
    1: _Layout("assign", ("account",), (("owner", _KEY),)),
    2: _Layout("transfer", ("source", "destination"), (("lamports", _U64),)),
    3: _Layout(
        "createAccountWithSeed",
        ("source", "newAccount"),
        (("base", _KEY), ("seed", _TEXT), ("lamports", _U64), ("space", _U64), ("owner", _KEY)),
    ),
    4: _Layout("advanceNonce", ("nonceAccount", "recentBlockhashesSysvar", "nonceAuthority")),
    5: _Layout(
        "withdrawFromNonce",
        ("nonceAccount", "destination", "recentBlockhashesSysvar", "rentSysvar", "nonceAuthority"),
        (("lamports", _U64),),
    ),
    6: _Layout(
        "initializeNonce", ("nonceAccount", "recentBlockhashesSysvar", "rentSysvar"), (("nonceAuthority", _KEY),)
    ),
    7: _Layout("authorizeNonce", ("nonceAccount", "nonceAuthority"), (("newAuthorized", _KEY),)),
    8: _Layout("allocate", ("account",), (("space", _U64),)),
    9: _Layout("allocateWithSeed", ("account",), (("base", _KEY), ("seed", _TEXT), ("space", _U64), ("owner", _KEY))),
    10: _Layout("assignWithSeed", ("account",), (("base", _KEY), ("seed", _TEXT), ("owner", _KEY))),
    11: _Layout(
        "transferWithSeed",
        ("source", "sourceBase", "destination"),
        (("lamports", _U64), ("sourceSeed", _TEXT), ("sourceOwner", _KEY)),
    ),
    12: _Layout("upgradeNonce", ("nonceAccount",)),
}
_MINT_FIELDS: tuple[tuple[str, _Field], ...] = (
    ("decimals", _U8),
    ("mintAuthority", _KEY),
    ("freezeAuthority", _Reader.optional_key),
)
_TRANSFER_FEE_FIELDS: tuple[tuple[str, _Field], ...] = (("transferFeeBasisPoints", _U16), ("maximumFee", _U64))
_TRANSFER_FEE = {
    0: _Layout(
        "initializeTransferFeeConfig",
        ("mint",),
        (
            ("transferFeeConfigAuthority", _Reader.optional_key),
            ("withdrawWithheldAuthority", _Reader.optional_key),
            *_TRANSFER_FEE_FIELDS,
        ),
    ),
    1: _Layout(
        "transferCheckedWithFee",
        ("source", "mint", "destination", "authority"),
        (("tokenAmount", _UI_AMOUNT), ("feeAmount", _Reader.fee_amount)),
    ),
    2: _Layout("withdrawWithheldTokensFromMint", ("mint", "feeRecipient", "withdrawWithheldAuthority")),
    3: _Layout(
        "withdrawWithheldTokensFromAccounts",
        ("mint", "feeRecipient", "withdrawWithheldAuthority"),
        rest="sourceAccounts",
        counted=True,
    ),
    4: _Layout("harvestWithheldTokensToMint", ("mint",), rest="sourceAccounts"),
    5: _Layout("setTransferFee", ("mint", "transferFeeConfigAuthority"), _TRANSFER_FEE_FIELDS),
}
_TOKEN: _Layouts = {
    0: _Layout("initializeMint", ("mint", "rentSysvar"), _MINT_FIELDS),
    1: _Layout("initializeAccount", ("account", "mint", "owner", "rentSysvar")),
    2: _Layout("initializeMultisig", ("multisig", "rentSysvar"), (("m", _U8),), rest="signers"),
    3: _Layout("transfer", ("source", "destination", "authority"), (("amount", _AMOUNT),)),
    4: _Layout("approve", ("source", "delegate", "owner"), (("amount", _AMOUNT),)),
    5: _Layout("revoke", ("source", "owner")),
    6: {
        number: _Layout(
            "setAuthority",
            ("account" if name in _OF_ACCOUNTS else "mint", "authority"),
            (("authorityType", _constant(name)), ("newAuthority", _Reader.nullable_key)),
        )
        for number, name in enumerate(_AUTHORITIES)
    },
    7: _Layout("mintTo", ("mint", "account", "mintAuthority"), (("amount", _AMOUNT),)),
    8: _Layout("burn", ("account", "mint", "authority"), (("amount", _AMOUNT),)),
    9: _Layout("closeAccount", ("account", "destination", "owner")),
    10: _Layout("freezeAccount", ("account", "mint", "freezeAuthority")),
    11: _Layout("thawAccount", ("account", "mint", "freezeAuthority")),
    12: _Layout("transferChecked", ("source", "mint", "destination", "authority"), (("tokenAmount", _UI_AMOUNT),)),
    13: _Layout("approveChecked", ("source", "mint", "delegate", "owner"), (("tokenAmount", _UI_AMOUNT),)),
    14: _Layout("mintToChecked", ("mint", "account", "mintAuthority"), (("tokenAmount", _UI_AMOUNT),)),
    15: _Layout("burnChecked", ("account", "mint", "authority"), (("tokenAmount", _UI_AMOUNT),)),
    16: _Layout("initializeAccount2", ("account", "mint", "rentSysvar"), (("owner", _KEY),)),
    17: _Layout("syncNative", ("account",)),
    18: _Layout("initializeAccount3", ("account", "mint"), (("owner", _KEY),)),
    19: _Layout("initializeMultisig2", ("multisig",), (("m", _U8),), rest="signers"),
    20: _Layout("initializeMint2", ("mint",), _MINT_FIELDS),
    21: _Layout("getAccountDataSize", ("mint",), (("extensionTypes", _Reader.extension_types),)),
    22: _Layout("initializeImmutableOwner", ("account",)),
    23: _Layout("amountToUiAmount", ("mint",), (("amount", _U64),)),
    24: _Layout("uiAmountToAmount", ("mint",), (("uiAmount", _Reader.remaining_text),)),
    25: _Layout("initializeMintCloseAuthority", ("mint",), (("newAuthority", _Reader.nullable_key),)),
    26: _TRANSFER_FEE,
}
_ASSOCIATED_ACCOUNTS = ("source", "account", "wallet", "mint", "systemProgram", "tokenProgram")
_ASSOCIATED: _Layouts = {
    0: _Layout("create", _ASSOCIATED_ACCOUNTS),
    1: _Layout("createIdempotent", _ASSOCIATED_ACCOUNTS),
    2: _Layout(
        "recoverNested",
        ("nestedSource", "nestedMint", "destination", "nestedOwner", "ownerMint", "wallet", "tokenProgram"),
    ),
}
_MULTISIG = frozenset(
    {
        "authority",
        "owner",
        "mintAuthority",
        "freezeAuthority",
        "transferFeeConfigAuthority",
        "withdrawWithheldAuthority",
    }
)
"""Last accounts that may be a multisig, followed by its signers."""


def parsed_instruction(program: str, accounts: Sequence[str], data: bytes) -> dict[str, Any] | None:
    """Return ``program`` and ``parsed`` of an instruction, None if it is not known or does not fit its layout."""
    try:
        if program in _MEMO_PROGRAMS:
            return {"program": "spl-memo", "parsed": data.decode()}
        if program == str(SYSTEM_PROGRAM):
            return {"program": "system", "parsed": _fill(_SYSTEM, _u32(data), data[4:], accounts)}
        if program in (str(TOKEN_PROGRAM), str(TOKEN_2022_PROGRAM)):
            return {"program": "spl-token", "parsed": _fill(_TOKEN, data[0] if data else -1, data[1:], accounts)}
        if program == str(ASSOCIATED_TOKEN_PROGRAM):
            parsed = _fill(_ASSOCIATED, data[0] if data else 0, data[1:], accounts)
            return {"program": "spl-associated-token-account", "parsed": parsed}
    except (DoesNotFit, UnicodeDecodeError):
        return None
    return None


def _fill(layouts: _Layouts, kind: int, data: bytes, accounts: Sequence[str]) -> dict[str, Any]:
    layout = layouts.get(kind)
    if isinstance(layout, dict):
        layout, data = layout.get(data[0] if data else -1), data[1:]
    if layout is None:
        raise DoesNotFit
    reader = _Reader(data)
    rest: Sequence[str] = ()
    if layout.rest:
        first = len(accounts) - reader.u8() if layout.counted else len(layout.accounts)
        accounts, rest = accounts[: max(first, 0)], accounts[max(first, 0) :]
    if len(accounts) < len(layout.accounts):
        raise DoesNotFit
    info: dict[str, Any] = dict(zip(layout.accounts, accounts))
    for name, read in layout.fields:
        value = read(reader)
        if value is not _ABSENT:
            info[name] = value
    signers = list(accounts[len(layout.accounts) :])
    last = layout.accounts[-1]
    if signers and layouts is _TOKEN and last in _MULTISIG:
        info[f"multisig{last[0].upper()}{last[1:]}"] = info.pop(last)
        info["signers"] = signers
    if layout.rest:
        info[layout.rest] = list(rest)
    return {"type": layout.name, "info": info}


def _u32(data: bytes) -> int:
    return int.from_bytes(data[:4], "little") if len(data) >= 4 else -1
