"""Accounts and transactions in the JSON of Solana's RPC."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from solders.account import Account
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey

from simsync.local.encoding import brief, encode_base58, zstandard
from simsync.local.parsed.accounts import parsed_account

if TYPE_CHECKING:
    from solders.transaction import VersionedTransaction

    from simsync.local.engine.transactions import AnyMessage, FindAccount, Outcome


_U64 = 2**64 - 1
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
    return _U64 if account.lamports >= (_ACCOUNT_OVERHEAD + size) * _EXEMPT_LAMPORTS_PER_BYTE else 0


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
    if not isinstance(lamports, int) or isinstance(lamports, bool) or not 0 <= lamports <= _U64:
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


def transaction_json(
    transaction: VersionedTransaction, outcome: Outcome, slot: int, block_time: int | None
) -> dict[str, Any]:
    """Return the ``getTransaction`` reply for an executed transaction; ``block_time`` is in unix seconds."""
    message = transaction.message
    return {
        "slot": slot,
        "blockTime": block_time,
        "version": version_of(message),
        "transaction": {
            "signatures": [str(signature) for signature in transaction.signatures],
            "message": message_json(message),
        },
        "meta": meta_json(outcome),
    }


def version_of(message: AnyMessage) -> str | int:
    """Return ``legacy`` or the version number of a message."""
    if isinstance(message, Message):
        return "legacy"
    return 0 if isinstance(message, MessageV0) else 1


def message_json(message: AnyMessage) -> dict[str, Any]:
    """Return the message of a transaction."""
    header = message.header
    encoded: dict[str, Any] = {
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "accountKeys": [str(key) for key in message.account_keys],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programIdIndex": instruction.program_id_index,
                "accounts": list(instruction.accounts),
                "data": encode_base58(instruction.data),
                "stackHeight": None,
            }
            for instruction in message.instructions
        ],
    }
    if isinstance(message, MessageV0):
        encoded["addressTableLookups"] = [
            {
                "accountKey": str(lookup.account_key),
                "writableIndexes": list(lookup.writable_indexes),
                "readonlyIndexes": list(lookup.readonly_indexes),
            }
            for lookup in message.address_table_lookups
        ]
    return encoded


def meta_json(outcome: Outcome) -> dict[str, Any]:
    """Return the ``meta`` of a reply."""
    meta: dict[str, Any] = {
        "err": outcome.error,
        "status": {"Ok": None} if outcome.error is None else {"Err": outcome.error},
        "fee": outcome.fee,
        "preBalances": outcome.pre_balances,
        "postBalances": outcome.post_balances,
        "preTokenBalances": [balance.to_json() for balance in outcome.pre_tokens],
        "postTokenBalances": [balance.to_json() for balance in outcome.post_tokens],
        "innerInstructions": inner_instructions_json(outcome),
        "logMessages": outcome.logs,
        "rewards": [],
        "loadedAddresses": {
            "writable": [str(key) for key in outcome.loaded_writable],
            "readonly": [str(key) for key in outcome.loaded_readonly],
        },
        "computeUnitsConsumed": outcome.units,
    }
    returned = return_data_json(outcome)
    if returned is not None:
        meta["returnData"] = returned
    return meta


def inner_instructions_json(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the instructions that programs ran, by the instruction that caused them."""
    return [
        {
            "index": index,
            "instructions": [
                {
                    "programIdIndex": inner.instruction().program_id_index,
                    "accounts": list(inner.instruction().accounts),
                    "data": encode_base58(inner.instruction().data),
                    "stackHeight": inner.stack_height(),
                }
                for inner in group
            ],
        }
        for index, group in enumerate(outcome.meta.inner_instructions())
        if group
    ]


def return_data_json(outcome: Outcome) -> dict[str, Any] | None:
    """Return the data that a program returned, None if there is none."""
    returned = outcome.return_data
    if returned is None:
        return None
    program, data = returned
    return {"programId": str(program), "data": [base64.b64encode(data).decode(), "base64"]}
