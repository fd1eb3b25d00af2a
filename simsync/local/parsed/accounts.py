"""Accounts in the form ``jsonParsed``: tokens, mints, lookup tables and nonces."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from solders.pubkey import Pubkey

from simsync.local.engine.programs import (
    LOOKUP_TABLE_HEADER,
    LOOKUP_TABLE_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
)
from simsync.local.engine.token_balances import ui_amount

if TYPE_CHECKING:
    from solders.account import Account

    from simsync.local.engine.message_parts import FindAccount

_MINT_SIZE, _TOKEN_ACCOUNT_SIZE = 82, 165
_IS_MINT, _IS_TOKEN_ACCOUNT = 1, 2
"""The account type that Token-2022 writes after the base state."""
_STATES = ("uninitialized", "initialized", "frozen")
_NONCE_SIZE = 80
_LOOKUP_TABLE = 1
_AUTHORITY = 22
"""Offset of the authority of a lookup table, if the flag before it is set."""
EXTENSIONS = {
    0: "uninitialized",
    1: "transferFeeConfig",
    2: "transferFeeAmount",
    3: "mintCloseAuthority",
    4: "confidentialTransferMint",
    5: "confidentialTransferAccount",
    6: "defaultAccountState",
    7: "immutableOwner",
    8: "memoTransfer",
    9: "nonTransferable",
    10: "interestBearingConfig",
    11: "cpiGuard",
    12: "permanentDelegate",
    13: "nonTransferableAccount",
    14: "transferHook",
    15: "transferHookAccount",
    16: "confidentialTransferFeeConfig",
    17: "confidentialTransferFeeAmount",
    18: "metadataPointer",
    19: "tokenMetadata",
    20: "groupPointer",
    21: "tokenGroup",
    22: "groupMemberPointer",
    23: "tokenGroupMember",
    24: "confidentialMintBurn",
    25: "scaledUiAmountConfig",
    26: "pausableConfig",
    27: "pausableAccount",
}
"""The names of the extensions of Token-2022, by number."""


def parsed_account(account: Account, find: FindAccount) -> dict[str, object] | None:
    """Return the ``data`` of an account as a node parses it; None if its layout is not known here."""
    data, owner = bytes(account.data), account.owner
    if owner in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
        program = "spl-token" if owner == TOKEN_PROGRAM else "spl-token-2022"
        found = _token(data, find)
    elif owner == LOOKUP_TABLE_PROGRAM:
        program, found = "address-lookup-table", _lookup_table(data)
    elif owner == SYSTEM_PROGRAM and len(data) == _NONCE_SIZE:
        program, found = "nonce", _nonce(data)
    else:
        return None
    return None if found is None else {"program": program, "parsed": found, "space": len(data)}


def mint_of(data: bytes) -> dict[str, Any] | None:
    """Return ``info`` of a mint, None if the data is not that of an initialized mint."""
    if not _has_type(data, _MINT_SIZE, _IS_MINT) or not data[45]:
        return None
    info = {
        "mintAuthority": _optional_key(data, 0),
        "supply": str(_u64(data, 36)),
        "decimals": data[44],
        "isInitialized": True,
        "freezeAuthority": _optional_key(data, 46),
    }
    return _with_extensions(info, data)


def token_account_of(data: bytes, find: FindAccount) -> dict[str, object] | None:
    """Return ``info`` of a token account, None if it is not initialized or its mint is not known."""
    if not _has_type(data, _TOKEN_ACCOUNT_SIZE, _IS_TOKEN_ACCOUNT) or not 0 < data[108] < len(_STATES):
        return None
    mint_address = Pubkey.from_bytes(data[:32])
    mint_account = find(mint_address)
    mint = mint_of(bytes(mint_account.data)) if mint_account is not None else None
    if mint is None:
        return None
    decimals = mint["decimals"]
    info: dict[str, object] = {
        "mint": str(mint_address),
        "owner": str(Pubkey.from_bytes(data[32:64])),
        "tokenAmount": ui_amount(_u64(data, 64), decimals),
        "state": _STATES[data[108]],
        "isNative": data[109:113] == b"\1\0\0\0",
    }
    delegate, close_authority = _optional_key(data, 72), _optional_key(data, 129)
    if delegate is not None:
        info["delegate"] = delegate
        info["delegatedAmount"] = ui_amount(_u64(data, 121), decimals)
    if info["isNative"]:
        info["rentExemptReserve"] = ui_amount(_u64(data, 113), decimals)
    if close_authority is not None:
        info["closeAuthority"] = close_authority
    return _with_extensions(info, data)


def lookup_table_of(data: bytes) -> dict[str, object] | None:
    """Return ``info`` of an address lookup table, None for other data."""
    if len(data) < LOOKUP_TABLE_HEADER:
        return None
    kind, deactivation, extended, start, has_authority = struct.unpack_from("<IQQB?", data)
    if kind != _LOOKUP_TABLE:
        return None
    addresses = data[LOOKUP_TABLE_HEADER:]
    info: dict[str, object] = {
        "deactivationSlot": str(deactivation),
        "lastExtendedSlot": str(extended),
        "lastExtendedSlotStartIndex": start,
        "addresses": [str(Pubkey.from_bytes(addresses[at : at + 32])) for at in range(0, len(addresses) - 31, 32)],
    }
    if has_authority:
        info["authority"] = str(Pubkey.from_bytes(data[_AUTHORITY : _AUTHORITY + 32]))
    return info


def _token(data: bytes, find: FindAccount) -> dict[str, object] | None:
    account = token_account_of(data, find)
    if account is not None:
        return {"type": "account", "info": account}
    mint = mint_of(data)
    return None if mint is None else {"type": "mint", "info": mint}


def _lookup_table(data: bytes) -> dict[str, object] | None:
    info = lookup_table_of(data)
    return None if info is None else {"type": "lookupTable", "info": info}


def _nonce(data: bytes) -> dict[str, object] | None:
    version, state = struct.unpack_from("<II", data)
    if version > 1 or state != 1:
        return None
    info = {
        "authority": str(Pubkey.from_bytes(data[8:40])),
        "blockhash": str(Pubkey.from_bytes(data[40:72])),
        "feeCalculator": {"lamportsPerSignature": str(_u64(data, 72))},
    }
    return {"type": "initialized", "info": info}


def _has_type(data: bytes, size: int, kind: int) -> bool:
    """Is it the base state of ``size`` bytes, alone or with extensions after it?"""
    if len(data) == size:
        return True
    return len(data) > _TOKEN_ACCOUNT_SIZE and data[_TOKEN_ACCOUNT_SIZE] == kind


def _with_extensions(info: dict[str, Any], data: bytes) -> dict[str, object]:
    """Add the names of Token-2022 extensions. Their contents are not parsed."""
    names = []
    at = _TOKEN_ACCOUNT_SIZE + 1
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("<HH", data, at)
        if not kind:
            break
        names.append({"extension": EXTENSIONS.get(kind, "unparseableExtension")})
        at += 4 + size
    return {**info, "extensions": names} if names else info


def _optional_key(data: bytes, at: int) -> str | None:
    return str(Pubkey.from_bytes(data[at + 4 : at + 36])) if data[at : at + 4] == b"\1\0\0\0" else None


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")
