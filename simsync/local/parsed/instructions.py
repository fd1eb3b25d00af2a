"""Instructions in the form ``jsonParsed``: those of the system, token, associated token and memo programs.

A table holds the layout of each instruction: the names of its accounts in order, and its fields. An instruction that
does not fit its layout is shown with accounts and data, as on a node.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from simsync.local.encoding import encode_base58
from simsync.local.engine.programs import (
    ASSOCIATED_TOKEN_PROGRAM,
    MEMO_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
)
from simsync.local.engine.transactions import ui_amount

if TYPE_CHECKING:
    from collections.abc import Sequence

_MEMO_V1 = "Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo"
_AUTHORITIES = ("mintTokens", "freezeAccount", "accountOwner", "closeAccount")


class DoesNotFit(Exception):
    """An instruction does not have the layout that is known for it."""


class _Reader:
    """Reads the fields of an instruction in order. Raises DoesNotFit."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise DoesNotFit
        self._at += count
        return piece

    def u8(self) -> int:
        return self.take(1)[0]

    def u64(self) -> int:
        return int(struct.unpack("<Q", self.take(8))[0])

    def text_u64(self) -> str:
        return str(self.u64())

    def key(self) -> str:
        return encode_base58(self.take(32))

    def optional_key(self) -> str | None:
        return self.key() if self.u8() else None

    def text(self) -> str:
        return self.take(self.u64()).decode(errors="replace")

    def amount(self) -> dict[str, Any]:
        amount = self.u64()
        return ui_amount(amount, self.u8())

    def authority_type(self) -> str:
        kind = self.u8()
        if kind >= len(_AUTHORITIES):
            raise DoesNotFit
        return _AUTHORITIES[kind]


_Field = Callable[[_Reader], Any]


class _Layout(NamedTuple):
    name: str
    accounts: tuple[str, ...]
    fields: tuple[tuple[str, _Field], ...] = ()


_U64, _KEY, _TEXT, _U8 = _Reader.u64, _Reader.key, _Reader.text, _Reader.u8
_AMOUNT, _UI_AMOUNT = _Reader.text_u64, _Reader.amount
_SYSTEM = {
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
_TOKEN = {
    0: _Layout("initializeMint", ("mint", "rentSysvar"), _MINT_FIELDS),
    1: _Layout("initializeAccount", ("account", "mint", "owner", "rentSysvar")),
    3: _Layout("transfer", ("source", "destination", "authority"), (("amount", _AMOUNT),)),
    4: _Layout("approve", ("source", "delegate", "owner"), (("amount", _AMOUNT),)),
    5: _Layout("revoke", ("source", "owner")),
    6: _Layout(
        "setAuthority",
        ("account", "authority"),
        (("authorityType", _Reader.authority_type), ("newAuthority", _Reader.optional_key)),
    ),
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
    20: _Layout("initializeMint2", ("mint",), _MINT_FIELDS),
    21: _Layout("getAccountDataSize", ("mint",)),
    22: _Layout("initializeImmutableOwner", ("account",)),
}
_ASSOCIATED_ACCOUNTS = ("source", "account", "wallet", "mint", "systemProgram", "tokenProgram")
_ASSOCIATED = {0: _Layout("create", _ASSOCIATED_ACCOUNTS), 1: _Layout("createIdempotent", _ASSOCIATED_ACCOUNTS)}
_MULTISIG = frozenset({"authority", "owner", "mintAuthority", "freezeAuthority"})
"""Last accounts that may be a multisig, followed by its signers."""


def parsed_instruction(program: str, accounts: Sequence[str], data: bytes) -> dict[str, Any] | None:
    """Return ``program`` and ``parsed`` of an instruction, None if it is not known or does not fit its layout."""
    try:
        if program in (str(MEMO_PROGRAM), _MEMO_V1):
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


def _fill(layouts: dict[int, _Layout], kind: int, data: bytes, accounts: Sequence[str]) -> dict[str, Any]:
    layout = layouts.get(kind)
    if layout is None or len(accounts) < len(layout.accounts):
        raise DoesNotFit
    reader = _Reader(data)
    info: dict[str, Any] = dict(zip(layout.accounts, accounts))
    for name, read in layout.fields:
        value = read(reader)
        if value is not None:
            info[name] = value
    signers = list(accounts[len(layout.accounts) :])
    last = layout.accounts[-1]
    if signers and layouts is _TOKEN and last in _MULTISIG:
        info[f"multisig{last[0].upper()}{last[1:]}"] = info.pop(last)
        info["signers"] = signers
    return {"type": layout.name, "info": info}


def _u32(data: bytes) -> int:
    return int.from_bytes(data[:4], "little") if len(data) >= 4 else -1
