"""Accounts of a ledger from files, as the Solana command line and the RPC write them."""

from __future__ import annotations

import base64
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.errors import InvalidParams
from simsync.local.encoding import decode_base58, zstandard
from simsync.local.ledger.file import decompressed
from simsync.local.ledger.reply_files import ACCOUNTS, files_in, plain_name, read_json
from simsync.params import checks

if TYPE_CHECKING:
    import os

_LARGEST = 16 * 1024 * 1024
"""Bytes of the data of an account; a cluster allows 10 MiB."""


class AccountFiles(NamedTuple):
    """The accounts in files, and how many addresses there have none: a node answers with null for these."""

    accounts: dict[Pubkey, Account]
    missing: int


def read_account_files(*paths: str | os.PathLike[str]) -> dict[Pubkey, Account]:
    """Read accounts from JSON files and folders of them; ``.gz`` and ``.zst`` are decompressed.

    A file holds one account as ``solana account ADDRESS --output json`` writes it, a list of such accounts (the
    ``result`` of ``getProgramAccounts``), a reply to ``getAccountInfo`` in a file that is named by its address, or an
    object that maps addresses to accounts. Null stands for an account that does not exist, and is left out.

    Args:
        *paths: Files and folders. Of a captured folder the accounts are taken; hidden files in folders are left out.

    Returns:
        The accounts by address; of an address that occurs twice, the last one.

    Raises:
        OSError: A file cannot be read.
        InvalidParams: A file holds something else.
    """
    return read_accounts(paths).accounts


def read_accounts(paths: Iterable[str | os.PathLike[str]]) -> AccountFiles:
    """Read accounts as :func:`read_account_files` does, and count those that do not exist."""
    found: dict[Pubkey, Account] = {}
    missing: set[Pubkey] = set()
    for path in map(Path, paths):
        for file in files_in(path, ACCOUNTS):
            for address, account in _accounts_in(file, read_json(file)):
                if account is None:
                    missing.add(address)
                else:
                    found[address] = account
    return AccountFiles(found, len(missing.difference(found)))


def _accounts_in(file: Path, value: object) -> list[tuple[Pubkey, Account | None]]:
    try:
        return [
            (Pubkey.from_string(address), None if account is None else _account(account))
            for address, account in _pairs(file, value)
        ]
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InvalidParams("path", str(file), f"holds something that is not an account ({error})") from error


def _pairs(file: Path, value: object) -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping) and value.get("error") is not None:
        raise ValueError(f"the reply is an error: {reprlib.repr(value['error'])}")
    if isinstance(value, Mapping) and "result" in value:
        value = value["result"]
    if isinstance(value, Mapping) and "value" in value and "context" in value:
        value = value["value"]
    if value is None:
        return [(plain_name(file), None)]
    if isinstance(value, list):
        return [_named(one) for one in value]
    if not isinstance(value, Mapping):
        raise ValueError(f"a {type(value).__name__}")
    if "pubkey" in value:
        return [_named(value)]
    if "lamports" in value:
        return [(plain_name(file), value)]
    return list(value.items())


def _named(value: object) -> tuple[str, Any]:
    if not isinstance(value, Mapping) or "pubkey" not in value or "account" not in value:
        raise ValueError("an account in a list, or beside its address, needs the keys pubkey and account")
    return value["pubkey"], value["account"]


def _account(value: Mapping[str, Any]) -> Account:
    lamports = value["lamports"]
    if type(lamports) is not int or not 0 <= lamports <= checks.U64:
        raise ValueError(f"lamports must be an integer from 0 to {checks.U64}, not {reprlib.repr(lamports)}")
    data = _data(value["data"])
    return Account(lamports, data, Pubkey.from_string(value["owner"]), bool(value.get("executable")))


def _data(value: Any) -> bytes:
    if isinstance(value, Mapping):
        if "parsed" in value:
            raise ValueError("data in jsonParsed; ask for base64")
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
    try:
        return decompressed(raw, "", _LARGEST)
    except InvalidParams as error:
        raise ValueError(f"data in base64+zstd {error.rule}") from error
