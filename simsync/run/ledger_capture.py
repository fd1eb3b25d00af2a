"""Capturing real blocks over the RPC of a node, for ledgers of the embedded simulator."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from simsync.errors import InvalidParams, ProtocolError, RpcError
from simsync.params import base58, checks
from simsync.run.output_file import PathLike, replaced
from simsync.run.polite_node import PoliteNode

BLOCKS, ACCOUNTS = "blocks", "accounts"
"""The folders with the blocks, one file each, and with the accounts that they name."""
_SKIPPED = frozenset({-32007, -32009})
"""RPC errors for a slot without a block. Any other reply without one may have a block later."""
_AT_ONCE = 100
"""Accounts in one request."""
_PROGRAMS_AT_ONCE = 4
"""ProgramData in one request: each may have 10 MiB."""
_LOADER = "BPFLoaderUpgradeab1e11111111111111111111111"
_PROGRAM = b"\2\0\0\0"
"""How the data of an upgradeable program begins; the address of its ProgramData follows."""
_PROGRAM_SIZE = 36
_LARGEST_PROGRAM_FILE = 2048

_Account = Optional[dict[str, Any]]


@dataclass(frozen=True)
class Captured:
    """What is in the folder after a capture.

    Attributes:
        blocks: Blocks in the range.
        skipped: Slots without a block.
        missing: Slots that the node does not have yet, or not any more; a second call asks for them again.
        fetched: Blocks and skipped slots that this call has fetched; the others were there before.
        accounts: Accounts that were fetched.
    """

    blocks: int
    skipped: int
    missing: int
    fetched: int
    accounts: int


def capture_blocks(
    rpc_url: str,
    start_slot: int,
    end_slot: int,
    folder: PathLike,
    *,
    program: str | None = None,
    accounts: bool = False,
    per_second: float = 5.0,
    on_block: Callable[[int], object] | None = None,
) -> Captured:
    """Fetch blocks from a node into a folder that ``simsync ledger import`` reads.

    Each block is a file of its own, written when it is whole; a second call fetches what is missing.

    Args:
        rpc_url: The RPC of a node. It is not shown in errors, as many hold a key.
        start_slot: First slot.
        end_slot: Last slot, included.
        folder: Where ``blocks/`` and ``accounts/`` are made.
        program: Keep only the transactions that mention this program. The blocks of a folder have the same.
        accounts: Also fetch the accounts that the transactions name, as the node has them now, with lookup tables and
            the code of programs.
        per_second: Requests in a second at most. A node that is busy, or answers with ``Retry-After``, is asked later.
        on_block: Called with each slot that is done.

    Returns:
        The numbers.

    Raises:
        InvalidParams: An argument is not valid, or the folder was captured with another ``program``.
        ConnectError: The node does not answer; what was fetched stays; call again to continue.
        HttpStatusError: The node answered with an HTTP error.
        RpcError: The node answered with an error.
        ProtocolError: The node answered with something that cannot be read.
        OSError: A file cannot be written.
    """
    start_slot, end_slot = checks.slot_range(start_slot, end_slot)
    wanted = None if program is None else checks.address("program", program)
    blocks = Path(folder, BLOCKS)
    found = skipped = missing = fetched = 0
    named: dict[str, None] = {}
    with contextlib.closing(PoliteNode(rpc_url, checks.seconds("per_second", per_second, 0.001))) as node:
        blocks.mkdir(parents=True, exist_ok=True)
        for slot in range(start_slot, end_slot + 1):
            path = blocks / f"block-{slot}.json.gz"
            slot_content = _read(path, wanted) if path.exists() else None
            if slot_content is None:
                slot_content = _fetch(node, slot, wanted)
                if slot_content is None:
                    missing += 1
                    continue
                _write(path, slot_content.stored)
                fetched += 1
            block = slot_content.block
            if accounts and block is not None:
                for one in block.get("transactions") or ():
                    named.update(dict.fromkeys(_addresses_of(one)))
            found += block is not None
            skipped += block is None
            if on_block is not None:
                on_block(slot)
        number = _fetch_accounts(node, Path(folder, ACCOUNTS), named) if accounts else 0
    return Captured(found, skipped, missing, fetched, number)


# -- blocks


class _Slot(NamedTuple):
    """What a file holds: the block, None for a slot without one; and the form in which it is stored."""

    block: Optional[dict[str, Any]]
    stored: dict[str, Any]


def _fetch(node: PoliteNode, slot: int, program: str | None) -> Optional[_Slot]:
    """Fetch a slot; None if the node has no answer yet."""
    config = {"encoding": "json", "transactionDetails": "full", "maxSupportedTransactionVersion": 0, "rewards": False}
    try:
        block = node.ask("getBlock", [slot, config])
    except RpcError as error:
        if error.code not in _SKIPPED:
            raise
        return _Slot(None, {"error": {"code": error.code, "message": error.message}})
    if block is None:
        return None
    if not isinstance(block, dict):
        raise ProtocolError(f"the node sent something else than the block of slot {slot}", block)
    block = {**block, "slot": slot}
    if program is None:
        return _Slot(block, {"result": block})
    kept = [one for one in block.get("transactions") or [] if program in _addresses_of(one)]
    block = {**block, "transactions": kept}
    return _Slot(block, {"program": program, "result": block})


def _read(path: Path, program: str | None) -> Optional[_Slot]:
    """Read a stored slot; None if the node had no answer. Raises InvalidParams if another program was wanted."""
    try:
        stored = json.loads(gzip.decompress(path.read_bytes()))
        if "error" in stored:
            return _Slot(None, stored)
        block = stored["result"]
        before = stored.get("program")
        names = None if block is None else block.get("transactions")
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidParams("folder", str(path), f"is not a captured block; remove it ({error})") from error
    if block is None:
        return None
    if not isinstance(names, list):
        raise InvalidParams("folder", str(path), "is not a captured block; remove it (no transactions)")
    if before != program:
        kept = "all transactions" if before is None else f"only those that mention the program {before}"
        raise InvalidParams("program", program, f"{path} holds {kept}: take the same program, or another folder")
    return _Slot(block, stored)


def _addresses_of(transaction: Any) -> list[str]:
    """The accounts that a transaction names: also lookup tables, and those from lookup tables."""
    try:
        message = _message_of(transaction["transaction"])
        keys = [key["pubkey"] if isinstance(key, dict) else key for key in message["accountKeys"]]
        tables = [table["accountKey"] for table in message.get("addressTableLookups") or ()]
        loaded = (transaction.get("meta") or {}).get("loadedAddresses") or {}
        return [*keys, *tables, *(loaded.get("writable") or ()), *(loaded.get("readonly") or ())]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(f"the node sent a transaction that cannot be read ({error!r})", transaction) from error


def _message_of(transaction: object) -> Any:
    """The message of a transaction in JSON. A node may answer in base64 whatever it is asked for."""
    if isinstance(transaction, dict):
        return transaction["message"]
    from simsync.local.ledger.replies import decoded_transaction

    return decoded_transaction(transaction)[0]["message"]


# -- accounts


def _fetch_accounts(node: PoliteNode, target: Path, named: Iterable[str]) -> int:
    """Fetch the named accounts that are not there yet, and the code of programs; how many were fetched."""
    target.mkdir(exist_ok=True)
    there = {path.name.split(".")[0] for path in target.iterdir()}
    wanted = list(named)
    fetched = 0
    for part in _pieces([address for address in wanted if address not in there], _AT_ONCE):
        fetched += _store(target, there, _ask_accounts(node, part))
    code = {_program_data_of(_stored_program(target, address)) for address in wanted if address in there}
    for part in _pieces(sorted(one for one in code if one is not None and one not in there), _PROGRAMS_AT_ONCE):
        fetched += _store(target, there, _ask_accounts(node, part))
    return fetched


def _stored_program(target: Path, address: str) -> _Account:
    """A stored account, None if its file is too large for that of a program."""
    path = target / f"{address}.json.gz"
    if not path.is_file() or path.stat().st_size > _LARGEST_PROGRAM_FILE:
        return None
    try:
        found: _Account = json.loads(gzip.decompress(path.read_bytes()))["result"]
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError) as error:
        raise InvalidParams("folder", str(path), f"is not a captured account; remove it ({error})") from error
    return found


def _ask_accounts(node: PoliteNode, addresses: list[str]) -> dict[str, _Account]:
    reply = node.ask("getMultipleAccounts", [addresses, {"encoding": "base64"}])
    values = reply.get("value") if isinstance(reply, dict) else None
    if not isinstance(values, list) or len(values) != len(addresses):
        raise ProtocolError(f"the node sent something else than {len(addresses)} accounts", reply)
    return dict(zip(addresses, values))


def _store(target: Path, there: set[str], accounts: dict[str, _Account]) -> int:
    fetched = 0
    for address, account in accounts.items():
        if account is not None and address not in there:
            _write(target / f"{address}.json.gz", {"result": account})
            there.add(address)
            fetched += 1
    return fetched


def _program_data_of(account: _Account) -> str | None:
    """The address of the account with the code of an upgradeable program; None for any other account."""
    if account is None:
        return None
    try:
        if account["owner"] != _LOADER:
            return None
        data = base64.b64decode(account["data"][0])
    except (LookupError, TypeError, ValueError) as error:
        raise ProtocolError(f"the node sent an account that cannot be read ({error!r})", account) from error
    if not data.startswith(_PROGRAM) or len(data) < _PROGRAM_SIZE:
        return None
    return base58.encode(data[len(_PROGRAM) : _PROGRAM_SIZE])


def _pieces(addresses: list[str], size: int) -> Iterator[list[str]]:
    for begin in range(0, len(addresses), size):
        yield addresses[begin : begin + size]


def _write(path: Path, value: object) -> None:
    """Write a file in one step, so that one that is there is whole."""
    with replaced(path) as part:
        part.write_bytes(gzip.compress(json.dumps(value).encode(), mtime=0))
