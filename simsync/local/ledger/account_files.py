"""Accounts of a ledger from files, as the Solana command line and the RPC write them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.errors import InvalidParams
from simsync.local.encoding import decode_base58, zstandard
from simsync.local.ledger.reply_files import is_reply_file, plain_name, read_json

if TYPE_CHECKING:
    import os

_LARGEST = 16 * 1024 * 1024


def read_account_files(*paths: str | os.PathLike[str]) -> dict[Pubkey, Account]:
    """Read accounts from JSON files and folders of them; ``.gz`` and ``.zst`` are decompressed.

    A file holds one account as ``solana account ADDRESS --output json`` writes it, a list of such accounts (the
    ``result`` of ``getProgramAccounts``), a reply to ``getAccountInfo`` in a file that is named by its address, or an
    object that maps addresses to accounts.

    Args:
        *paths: Files and folders.

    Returns:
        The accounts by address; of an address that occurs twice, the last one.

    Raises:
        OSError: A file cannot be read.
        InvalidParams: A file holds something else.
    """
    found: dict[Pubkey, Account] = {}
    for path in map(Path, paths):
        files = sorted(one for one in path.iterdir() if is_reply_file(one)) if path.is_dir() else [path]
        if not files:
            raise InvalidParams("path", str(path), "holds no file that ends in .json (.gz, .zst)")
        for file in files:
            found.update(_accounts_in(file, read_json(file)))
    return found


def _accounts_in(file: Path, value: object) -> Iterator[tuple[Pubkey, Account]]:
    try:
        for address, account in _pairs(file, value):
            yield Pubkey.from_string(address), _account(account)
    except (LookupError, TypeError, ValueError, OverflowError, binascii.Error) as error:
        raise InvalidParams("path", str(file), f"holds something that is not an account ({error})") from error


def _pairs(file: Path, value: object) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping) and "result" in value:
        value = value["result"]
    if isinstance(value, Mapping) and "value" in value and "context" in value:
        value = value["value"]
    if isinstance(value, list):
        return [(one["pubkey"], one["account"]) for one in value]
    if not isinstance(value, Mapping):
        raise ValueError(f"a {type(value).__name__}")
    if "pubkey" in value:
        return [(value["pubkey"], value["account"])]
    if "lamports" in value:
        return [(plain_name(file), value)]
    return list(value.items())


def _account(value: Mapping[str, Any]) -> Account:
    data = _data(value["data"])
    return Account(int(value["lamports"]), data, Pubkey.from_string(value["owner"]), bool(value.get("executable")))


def _data(value: Any) -> bytes:
    if isinstance(value, Mapping):
        value = [value["data"], value["encoding"]]
    if isinstance(value, str):
        return decode_base58(value)
    text, encoding = value
    if encoding == "base58":
        return decode_base58(text)
    raw = base64.b64decode(text, validate=True)
    if encoding == "base64":
        return raw
    if encoding != "base64+zstd":
        raise ValueError(f"data in the encoding {encoding!r}; ask for base64")
    if zstandard is None:
        raise ValueError("data in base64+zstd, which needs the package zstandard")
    decompressed: bytes = zstandard.ZstdDecompressor().decompress(raw, max_output_size=_LARGEST)
    return decompressed
