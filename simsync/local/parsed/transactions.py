"""Transactions in the encodings of RPC: ``json``, ``jsonParsed``, ``base64``, ``base58`` and ``binary``.

They start from a ``getTransaction`` reply in ``json``, so that recorded transactions have the same forms as executed
ones.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from solders.hash import Hash
from solders.instruction import CompiledInstruction
from solders.message import Message, MessageAddressTableLookup, MessageHeader, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from simsync.local.encoding import decode_base58, encode_base58
from simsync.local.engine.reserved_keys import really_writable
from simsync.local.parsed.instructions import parsed_instruction

if TYPE_CHECKING:
    from collections.abc import Iterable

ENCODINGS = ("binary", "base64", "base58", "json", "jsonParsed")
"""``binary`` is the old name for base58 as bare text."""


class NotAvailable(ValueError):
    """A transaction cannot be shown in the requested encoding; the message says why."""


def in_encoding(reply: dict[str, Any], encoding: str) -> dict[str, object]:
    """Return a ``getTransaction`` reply in ``json``, or as it was recorded, in another encoding.

    Raises NotAvailable.
    """
    transaction = reply["transaction"]
    is_parsed = _is_parsed(transaction["message"])
    if encoding == ("jsonParsed" if is_parsed else "json"):
        return reply
    if is_parsed:
        raise NotAvailable(f"the transaction was recorded as jsonParsed and cannot be shown as {encoding}")
    if encoding == "jsonParsed":
        return _parsed(reply)
    wire = bytes(transaction_of(transaction, reply.get("version", "legacy")))
    text = base64.b64encode(wire).decode() if encoding == "base64" else encode_base58(wire)
    return {**reply, "transaction": text if encoding == "binary" else [text, encoding]}


def transaction_of(shown: dict[str, Any], version: str | int) -> VersionedTransaction:
    """Return the transaction in ``json`` (signatures and message) as an object.

    Raises NotAvailable if it is in ``jsonParsed``, not complete, or of a version above 0.
    """
    message = shown["message"]
    if _is_parsed(message):
        raise NotAvailable("the transaction was recorded as jsonParsed, which does not hold its bytes")
    if version not in ("legacy", 0):
        raise NotAvailable(f"the JSON of a transaction of version {version} does not hold all of its bytes")
    try:
        header = MessageHeader(
            message["header"]["numRequiredSignatures"],
            message["header"]["numReadonlySignedAccounts"],
            message["header"]["numReadonlyUnsignedAccounts"],
        )
        keys = [Pubkey.from_string(key) for key in message["accountKeys"]]
        blockhash = Hash.from_string(message["recentBlockhash"])
        instructions = [
            CompiledInstruction(one["programIdIndex"], decode_base58(one["data"]), bytes(one["accounts"]))
            for one in message["instructions"]
        ]
        lookups = message.get("addressTableLookups")
        made: Message | MessageV0
        if lookups is None:
            made = Message.new_with_compiled_instructions(
                header.num_required_signatures,
                header.num_readonly_signed_accounts,
                header.num_readonly_unsigned_accounts,
                keys,
                blockhash,
                instructions,
            )
        else:
            tables = [
                MessageAddressTableLookup(
                    Pubkey.from_string(one["accountKey"]), bytes(one["writableIndexes"]), bytes(one["readonlyIndexes"])
                )
                for one in lookups
            ]
            made = MessageV0(header, keys, blockhash, instructions, tables)
        signatures = [Signature.from_string(text) for text in shown["signatures"]]
        return VersionedTransaction.populate(made, signatures)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise NotAvailable(f"the recorded transaction is not complete: {error!r}") from error


def account_list(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every account of a transaction with its roles, those from lookup tables included. Raises NotAvailable."""
    message = reply["transaction"]["message"]
    keys = message["accountKeys"]
    if _is_parsed(message):
        return list(keys)
    header = message.get("header")
    if not isinstance(header, dict):
        raise NotAvailable("the transaction was recorded without the header of its message")
    signers, total = header["numRequiredSignatures"], len(keys)
    loaded = (reply.get("meta") or {}).get("loadedAddresses") or {}
    written, read = list(loaded.get("writable") or ()), list(loaded.get("readonly") or ())
    marked = [
        *range(signers - header["numReadonlySignedAccounts"]),
        *range(signers, total - header["numReadonlyUnsignedAccounts"]),
        *range(total, total + len(written)),
    ]
    everything = [*keys, *written, *read]
    programs = {one["programIdIndex"] for one in message.get("instructions") or ()}
    marked = [index for index in marked if index < len(everything)]
    writable = frozenset(really_writable(marked, everything, frozenset(everything), programs))
    return [
        {
            "pubkey": key,
            "signer": index < signers,
            "source": "transaction" if index < total else "lookupTable",
            "writable": index in writable,
        }
        for index, key in enumerate(everything)
    ]


def _is_parsed(message: dict[str, Any]) -> bool:
    keys = message.get("accountKeys") or ()
    return any(isinstance(key, dict) for key in keys)


def _parsed(reply: dict[str, Any]) -> dict[str, object]:
    message = reply["transaction"]["message"]
    accounts = account_list(reply)
    names = [one["pubkey"] for one in accounts]
    shown: dict[str, object] = {
        "accountKeys": accounts,
        "recentBlockhash": message["recentBlockhash"],
        "instructions": [_instruction(one, names) for one in message["instructions"]],
    }
    if "addressTableLookups" in message:
        shown["addressTableLookups"] = message["addressTableLookups"]
    found = {**reply, "transaction": {"signatures": reply["transaction"]["signatures"], "message": shown}}
    meta = reply.get("meta")
    if isinstance(meta, dict):
        meta = {key: value for key, value in meta.items() if key != "loadedAddresses"}
        meta["innerInstructions"] = parsed_inner_instructions(meta.get("innerInstructions") or (), names)
        found["meta"] = meta
    return found


def parsed_inner_instructions(groups: Iterable[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return inner instructions in ``json`` as in ``jsonParsed``; ``names`` are all account keys of the transaction."""
    return [{**group, "instructions": [_instruction(one, names) for one in group["instructions"]]} for group in groups]


def _instruction(one: dict[str, Any], names: list[str]) -> dict[str, object]:
    """Return an instruction with its program by name: parsed, or else with accounts and data."""
    try:
        program = names[one["programIdIndex"]]
        accounts = [names[index] for index in one["accounts"]]
    except IndexError:
        # The message itself is broken, as in transactions that fail to sanitize.
        return one
    height = one.get("stackHeight")
    parsed = parsed_instruction(program, accounts, decode_base58(one["data"]))
    if parsed is None:
        return {"programId": program, "accounts": accounts, "data": one["data"], "stackHeight": height}
    return {**parsed, "programId": program, "stackHeight": height}
