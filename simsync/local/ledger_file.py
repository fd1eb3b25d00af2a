"""A ledger in one file: JSON lines, compressed with zstd if the name ends in ``.zst``.

The first line describes the file. Then, in slot order, a line per bundle (the accounts that differ from the previous
bundle) and a line per block.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.errors import InvalidParams, MissingExtra
from simsync.local.ledger import Block, Bundle, HistoricalTransaction, Ledger

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

_FORMAT = "simsync-ledger"
_VERSION = 1
LARGEST = 1024**3
"""Bytes to which a compressed file may inflate."""
_PIECE = 1024
"""Compressed bytes that are inflated at once: at most 32 MiB come of them."""


def save(ledger: Ledger, path: str | os.PathLike[str]) -> None:
    """Write ``ledger`` to ``path``. Raises OSError, or MissingExtra for a ``.zst`` file without zstandard."""
    content = b"".join(_line(value) for value in _lines(ledger))
    target = Path(path)
    if target.suffix == ".zst":
        content = _zstandard().ZstdCompressor(level=6).compress(content)
    target.write_bytes(content)


def load(path: str | os.PathLike[str]) -> Ledger:
    """Read the ledger at ``path``. Raises OSError, MissingExtra, or InvalidParams if the file is no ledger."""
    source = Path(path)
    content = source.read_bytes()
    if source.suffix == ".zst":
        content = _inflated(content, str(path))
    try:
        return _read([json.loads(line) for line in content.splitlines()], str(path))
    except InvalidParams:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidParams("path", str(path), f"is not a ledger file: {error!r}") from error


def _inflated(content: bytes, path: str) -> bytes:
    """Piece by piece, as a small file may stand for more than the memory holds, and may lie about it."""
    zstandard = _zstandard()
    inflater = zstandard.ZstdDecompressor().decompressobj()
    pieces: list[bytes] = []
    size = 0
    try:
        for start in range(0, len(content), _PIECE):
            pieces.append(inflater.decompress(content[start : start + _PIECE]))
            size += len(pieces[-1])
            if size > LARGEST:
                raise InvalidParams(
                    "path", path, f"inflates to more than {LARGEST} bytes; if you trust it, inflate it with zstd first"
                )
            if inflater.eof:
                break
    except zstandard.ZstdError as error:
        raise InvalidParams("path", path, f"is not compressed with zstd: {error}") from error
    if not inflater.eof:
        raise InvalidParams("path", path, "ends in the middle")
    return b"".join(pieces)


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtra("a ledger file that ends in .zst", "speed") from error
    return zstandard


def _line(value: Any) -> bytes:
    # The standard library on purpose: the bytes of a file must not depend on what else is installed.
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _lines(ledger: Ledger) -> Iterator[dict[str, Any]]:
    yield {"format": _FORMAT, "version": _VERSION, "origin": ledger.origin}
    known: Mapping[Pubkey, Account] = {}
    for bundle in ledger.bundles:
        accounts: dict[str, Any] = {
            str(address): _account_row(account)
            for address, account in bundle.accounts.items()
            if known.get(address) != account
        }
        accounts.update({str(address): None for address in known if address not in bundle.accounts})
        known = bundle.accounts
        yield {"bundle": [bundle.start_slot, bundle.end_slot], "accounts": accounts}
        for block in ledger.blocks_between(bundle.start_slot, bundle.end_slot):
            line: dict[str, Any] = {
                "slot": block.slot,
                "parent": block.parent,
                "height": block.height,
                "time": block.time,
                "blockhash": block.blockhash,
            }
            if block.recorded:
                line["recorded"] = block.recorded
            else:
                line["transactions"] = [
                    [base64.b64encode(item.wire).decode(), item.error, item.written_balances, item.trace]
                    for item in block.transactions
                ]
            yield line


def _account_row(account: Account) -> list[Any]:
    return [
        account.lamports,
        str(account.owner),
        base64.b64encode(account.data).decode(),
        account.executable,
        account.rent_epoch,
    ]


def _read_account(row: list[Any]) -> Account:
    lamports, owner, data, executable, rent_epoch = row
    return Account(lamports, base64.b64decode(data), Pubkey.from_string(owner), executable, rent_epoch)


def _read(lines: list[dict[str, Any]], path: str) -> Ledger:
    if not lines or lines[0].get("format") != _FORMAT:
        raise InvalidParams("path", path, "is not a ledger file")
    if lines[0].get("version") != _VERSION:
        raise InvalidParams("path", path, f"is of version {lines[0].get('version')}, this simsync reads {_VERSION}")
    blocks: list[Block] = []
    bundles: list[Bundle] = []
    accounts: dict[Pubkey, Account] = {}
    for line in lines[1:]:
        if "bundle" in line:
            accounts = dict(accounts)
            for name, row in line["accounts"].items():
                address = Pubkey.from_string(name)
                if row is None:
                    accounts.pop(address, None)
                else:
                    accounts[address] = _read_account(row)
            start, end = line["bundle"]
            bundles.append(Bundle(start, end, accounts))
        else:
            blocks.append(_read_block(line))
    return Ledger(blocks, bundles, origin=lines[0]["origin"])


def _read_block(line: dict[str, Any]) -> Block:
    return Block(
        line["slot"],
        line["parent"],
        line["height"],
        line["time"],
        line["blockhash"],
        tuple(
            HistoricalTransaction(_checked_wire(wire), error, tuple(balances), trace)
            for wire, error, balances, trace in line.get("transactions", ())
        ),
        tuple(line.get("recorded", ())),
    )


def _checked_wire(text: str) -> bytes:
    """The bytes of a transaction. Raises ValueError if they are none."""
    wire = base64.b64decode(text)
    VersionedTransaction.from_bytes(wire)
    return wire
