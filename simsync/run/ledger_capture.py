"""Capturing real blocks over the RPC of a node, for ledgers of the embedded simulator."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

import tenacity

from simsync.errors import ConnectError, HttpStatusError, InvalidParams, RpcError
from simsync.options import Options
from simsync.params import checks
from simsync.rpc import Rpc
from simsync.run.output_file import PathLike, replaced

BLOCKS, ACCOUNTS = "blocks", "accounts"
"""The folders with the blocks, one file each, and with the accounts that they name."""
ATTEMPTS = 6
_TIMEOUT = 60.0
_LONGEST_WAIT = 120.0
"""Seconds; a node that asks for more is left alone."""
_SKIPPED = frozenset({-32007, -32009})
"""RPC errors for a slot without a block."""
_AT_ONCE = 100
"""Accounts in one request."""


@dataclass(frozen=True)
class Captured:
    """What is in the folder after a capture.

    Attributes:
        blocks: Blocks in the range.
        skipped: Slots without a block.
        fetched: Blocks and skipped slots that this call has fetched; the others were there before.
        accounts: Accounts that were fetched.
    """

    blocks: int
    skipped: int
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
        program: Keep only the transactions that mention this program.
        accounts: Also fetch the accounts that the transactions name, as the node has them now.
        per_second: Requests in a second at most. A node that answers with 429 or ``Retry-After`` is asked later.
        on_block: Called with each slot that is done.

    Returns:
        The numbers.

    Raises:
        InvalidParams: An argument is not valid.
        ConnectError: The node does not answer; what was fetched stays, call again to go on.
        HttpStatusError: The node answered with an HTTP error.
        RpcError: The node answered with an error.
        OSError: A file cannot be written.
    """
    start_slot, end_slot = checks.slot_range(start_slot, end_slot)
    wanted = None if program is None else checks.address("program", program)
    blocks = Path(folder, BLOCKS)
    found = skipped = fetched = 0
    named: dict[str, None] = {}
    with contextlib.closing(_Node(rpc_url, checks.seconds("per_second", per_second, 0.001))) as node:
        blocks.mkdir(parents=True, exist_ok=True)
        for slot in range(start_slot, end_slot + 1):
            path = blocks / f"block-{slot}.json.gz"
            if path.exists():
                block = _read(path)
            else:
                block = _only(node.block(slot), wanted)
                _write(path, block)
                fetched += 1
            if accounts and block is not None:
                for one in block.get("transactions") or ():
                    named.update(dict.fromkeys(_addresses_of(one)))
            found += block is not None
            skipped += block is None
            if on_block is not None:
                on_block(slot)
        number = _fetch_accounts(node, Path(folder, ACCOUNTS), named) if accounts else 0
    return Captured(found, skipped, fetched, number)


class _Node:
    """Calls a node, at a limited rate, and retries transient failures."""

    def __init__(self, rpc_url: str, per_second: float) -> None:
        parts = urlsplit(checks.text("rpc_url", rpc_url))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidParams("rpc_url", "...", "must be an address that begins with http:// or https://")
        self._url = rpc_url
        self._host = f"{parts.scheme}://{parts.hostname}"
        self._pause = 1 / per_second
        self._next = 0.0
        self._rpc = Rpc(rpc_url, Options(rpc_timeout=_TIMEOUT))

    def close(self) -> None:
        self._rpc.close()

    def block(self, slot: int) -> Optional[dict[str, Any]]:
        """A block; None for a slot without one."""
        config = {
            "encoding": "json",
            "transactionDetails": "full",
            "maxSupportedTransactionVersion": 0,
            "rewards": False,
        }
        try:
            block: Optional[dict[str, Any]] = self._ask("getBlock", [slot, config])
        except RpcError as error:
            if error.code in _SKIPPED:
                return None
            raise
        return block if block is None else {**block, "slot": slot}

    def accounts(self, addresses: list[str]) -> list[Optional[dict[str, Any]]]:
        reply = self._ask("getMultipleAccounts", [addresses, {"encoding": "base64"}])
        found: list[Optional[dict[str, Any]]] = reply["value"]
        return found

    def _ask(self, method: str, params: list[Any]) -> Any:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_transient),
            wait=_wait,
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            reraise=True,
        )
        return retrying(self._once, method, params)

    def _once(self, method: str, params: list[Any]) -> object:
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._pause
        try:
            return self._rpc.call(method, params)
        except HttpStatusError as error:
            # What simsync raises has the whole address, and with it the key.
            raise HttpStatusError(self._host, error.status, error.body, retry_after=error.retry_after) from None
        except ConnectError as error:
            raise ConnectError(str(error).replace(self._url, self._host)) from None


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, HttpStatusError):
        return error.retryable and error.retry_after <= _LONGEST_WAIT
    return isinstance(error, ConnectError)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    backoff = tenacity.wait_exponential(multiplier=0.5, max=30)(state)
    return max(error.retry_after, backoff) if isinstance(error, HttpStatusError) else backoff


def _only(block: Optional[dict[str, Any]], program: str | None) -> Optional[dict[str, Any]]:
    """The block with only the transactions that mention this program."""
    if block is None or program is None:
        return block
    kept = [one for one in block.get("transactions") or [] if program in _addresses_of(one)]
    return {**block, "transactions": kept}


def _addresses_of(transaction: dict[str, Any]) -> Iterator[str]:
    """The accounts that a transaction names, also those from lookup tables."""
    for key in transaction["transaction"]["message"]["accountKeys"]:
        yield key["pubkey"] if isinstance(key, dict) else key
    loaded = (transaction.get("meta") or {}).get("loadedAddresses") or {}
    yield from (*loaded.get("writable", ()), *loaded.get("readonly", ()))


def _fetch_accounts(node: _Node, target: Path, named: Iterable[str]) -> int:
    """Fetch the named accounts that are not there yet; how many were fetched."""
    target.mkdir(exist_ok=True)
    there = {path.name.split(".")[0] for path in target.iterdir()}
    missing = [address for address in named if address not in there]
    fetched = 0
    for begin in range(0, len(missing), _AT_ONCE):
        part = missing[begin : begin + _AT_ONCE]
        for address, account in zip(part, node.accounts(part)):
            if account is not None:
                _write(target / f"{address}.json.gz", account)
                fetched += 1
    return fetched


def _read(path: Path) -> Optional[dict[str, Any]]:
    try:
        value: Optional[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))["result"]
    except (OSError, EOFError, ValueError, LookupError, TypeError) as error:
        raise InvalidParams("folder", str(path), f"is not a captured block; remove it ({error})") from error
    return value


def _write(path: Path, value: object) -> None:
    """Write a file in one step, so that one that is there is whole."""
    with replaced(path) as part:
        part.write_bytes(gzip.compress(json.dumps({"result": value}).encode(), mtime=0))
