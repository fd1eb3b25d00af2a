"""Accounts in the JSON of Solana's RPC."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.local.encoding import brief, encode_base58, zstandard
from simsync.local.parsed.accounts import parsed_account
from simsync.params import checks

if TYPE_CHECKING:
    from simsync.local.engine.message_parts import FindAccount


_ACCOUNT_OVERHEAD, _EXEMPT_LAMPORTS_PER_BYTE = 128, 6_960
"""Bytes that rent counts beside the data, and lamports for each byte that make an account exempt."""
MAX_BASE58_SIZE = 128
"""Largest data in bytes that validators return in base58."""


class MalformedAccount(ValueError):
    """An account from a client cannot be used; ``name`` and ``fields`` are those of the protocol's error."""

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        super().__init__(": ".join(str(value) for value in fields.values()))
        self.name = name
        self.fields = fields


class UnsupportedEncoding(ValueError):
    """The requested account encoding is not available; the message says why."""


def account_json(
    account: Account,
    encoding: str = "base64",
    data_slice: tuple[int, int] | None = None,
    find: FindAccount | None = None,
) -> dict[str, Any]:
    """Return an account as RPC shows it; ``data_slice`` is offset and length in bytes. Raises UnsupportedEncoding.

    ``jsonParsed`` needs ``find``, which returns other accounts. Without it, and for accounts that cannot be parsed, it
    falls back to base64, as on a node.
    """
    data = bytes(account.data)
    shown: Any = parsed_account(account, find) if encoding == "jsonParsed" and find is not None else None
    if shown is None:
        offset, length = data_slice if data_slice is not None else (0, len(data))
        shown = _encode(data[offset : offset + length], encoding)
    return {
        "lamports": account.lamports,
        "owner": str(account.owner),
        "data": shown,
        "executable": account.executable,
        "rentEpoch": _rent_epoch(account, len(data)),
        "space": len(data),
    }


def _rent_epoch(account: Account, size: int) -> int:
    """Return the epoch as a cluster shows it, which marks an account as exempt when it loads it. LiteSVM does not."""
    if account.rent_epoch:
        return account.rent_epoch
    return checks.U64 if account.lamports >= (_ACCOUNT_OVERHEAD + size) * _EXEMPT_LAMPORTS_PER_BYTE else 0


def _encode(data: bytes, encoding: str) -> object:
    if encoding in ("base64", "jsonParsed"):
        return [base64.b64encode(data).decode(), "base64"]
    if encoding in ("base58", "binary"):
        if len(data) > MAX_BASE58_SIZE:
            raise UnsupportedEncoding(
                f"Encoded binary (base 58) data should be less than {MAX_BASE58_SIZE} bytes, "
                "please use Base64 encoding."
            )
        text = encode_base58(data)
        return text if encoding == "binary" else [text, "base58"]
    if encoding == "base64+zstd":
        if zstandard is None:
            raise UnsupportedEncoding("base64+zstd requires the zstandard package on the simulator's side")
        return [base64.b64encode(zstandard.ZstdCompressor().compress(data)).decode(), "base64+zstd"]
    raise UnsupportedEncoding(f"unknown encoding {encoding!r}")


def read_modifications(value: object) -> list[tuple[Pubkey, Account]]:
    """Return the accounts of an object that maps addresses to account data. Raises MalformedAccount."""
    if value is None:
        return []
    if not isinstance(value, dict):
        raise MalformedAccount("invalidRequest", {"error": "account modifications must be an object"})
    return [(_address(name), _account(name, item)) for name, item in value.items()]


def _address(name: str) -> Pubkey:
    try:
        return Pubkey.from_string(name)
    except ValueError as error:
        raise MalformedAccount("invalidAccountPubkey", {"address": name, "error": str(error)}) from error


def _account(address: str, item: object) -> Account:
    if not isinstance(item, dict):
        raise MalformedAccount("invalidRequest", {"error": f"the account {address} must be an object"})
    lamports = item.get("lamports")
    if not isinstance(lamports, int) or isinstance(lamports, bool) or not 0 <= lamports <= checks.U64:
        text = f"lamports of {address} must be an integer, not {brief(lamports)}"
        raise MalformedAccount("invalidRequest", {"error": text})
    try:
        owner = Pubkey.from_string(item.get("owner"))  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise MalformedAccount("invalidAccountOwner", {"address": address, "error": str(error)}) from error
    return Account(lamports, _data(address, item.get("data")), owner, bool(item.get("executable", False)))


def _data(address: str, value: object) -> bytes:
    encoding = value.get("encoding") if isinstance(value, dict) else None
    text = value.get("data") if isinstance(value, dict) else None
    if encoding != "base64" or not isinstance(text, str):
        problem = "data must be an object with a base64 string as data and base64 as encoding"
    else:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            problem = str(error)
    fields = {"address": address, "encoding": str(encoding), "error": problem}
    raise MalformedAccount("invalidAccountEncoding", fields)
