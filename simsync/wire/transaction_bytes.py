"""The serialized form of a transaction, rebuilt from a ``getTransaction`` reply that has all its parts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from simsync.errors import ProtocolError
from simsync.params import base58

_VERSIONED = 0x80
"""Set in the first byte of a message that has a version."""
_VERSION_1 = b"\x81"
_KEY, _SIGNATURE = 32, 64


def message_version(version: object, lookups: object) -> Any:
    """The version of a message: ``"legacy"`` or a number.

    Args:
        version: what the reply says. It may be missing (None) or wrong.
        lookups: the message's lookups of addresses in tables, which only versioned messages can have.
    """
    if lookups:
        return version if type(version) is int else 0
    return "legacy" if version is None else version


def serialized_transaction(result: Any) -> bytes:
    """Return the transaction in its binary form. Raises ProtocolError if the reply does not have all of its parts."""
    try:
        transaction = result["transaction"]
        if isinstance(transaction, (list, tuple)):
            return _decoded(*transaction)
        message = transaction["message"]
        signatures = [_base58(signature, _SIGNATURE) for signature in transaction["signatures"]]
        return _with_count(signatures) + _message(message, result.get("version"))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, binascii.Error) as error:
        reason = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise ProtocolError(f"the transaction cannot be serialized: {reason}", result) from error


def _decoded(text: str, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.b64decode(text, validate=True)
    if encoding == "base58":
        return base58.decode(text)
    raise ValueError(f"unknown encoding {encoding!r}")


def _message(message: Mapping[str, Any], version: Any) -> bytes:
    # jsonParsed lists the accounts of lookup tables among the others, which the binary form does not.
    listed = [key for key in message["accountKeys"] if not _is_looked_up(key)]
    keys = [key["pubkey"] if isinstance(key, Mapping) else key for key in listed]
    lookups = message.get("addressTableLookups") or []
    version = message_version(version, lookups)
    body = (
        _header(message, listed)
        + _with_count(_base58(key, _KEY) for key in keys)
        + _base58(message["recentBlockhash"], _KEY)
        + _with_count(_instruction(one, message["accountKeys"]) for one in message["instructions"])
    )
    if version == "legacy":
        return body
    return bytes((_VERSIONED | int(version),)) + body + _with_count(_lookup(one) for one in lookups)


def _is_looked_up(key: object) -> bool:
    return isinstance(key, Mapping) and key.get("source") == "lookupTable"


def _header(message: Mapping[str, Any], keys: Sequence[Any]) -> bytes:
    header = message.get("header")
    if isinstance(header, Mapping):
        names = ("numRequiredSignatures", "numReadonlySignedAccounts", "numReadonlyUnsignedAccounts")
        return bytes(header[name] for name in names)
    # jsonParsed has flags instead.
    flags = [(key["signer"], key["writable"]) for key in keys]
    return bytes(
        (
            sum(signer for signer, _writable in flags),
            sum(signer and not writable for signer, writable in flags),
            sum(not signer and not writable for signer, writable in flags),
        )
    )


def _instruction(instruction: Mapping[str, Any], keys: Sequence[Any]) -> bytes:
    if "parsed" in instruction:
        raise ValueError("an instruction was sent parsed, without its data")
    data = base58.decode(instruction["data"])
    accounts = instruction["accounts"]
    if "programIdIndex" in instruction:
        program, places = instruction["programIdIndex"], accounts
    else:  # jsonParsed, of a program that the server cannot parse
        index = {key["pubkey"]: place for place, key in reversed(list(enumerate(keys)))}
        program, places = index[instruction["programId"]], [index[account] for account in accounts]
    return bytes((program,)) + _length(len(places)) + bytes(places) + _length(len(data)) + data


def _lookup(lookup: Mapping[str, Any]) -> bytes:
    writable, readonly = lookup["writableIndexes"], lookup["readonlyIndexes"]
    key = _base58(lookup["accountKey"], _KEY)
    return key + _length(len(writable)) + bytes(writable) + _length(len(readonly)) + bytes(readonly)


def _with_count(parts: Iterable[bytes]) -> bytes:
    listed = list(parts)
    return _length(len(listed)) + b"".join(listed)


def _length(count: int) -> bytes:
    """Solana's compact form of a length: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while count > 0x7F:
        encoded.append(count & 0x7F | 0x80)
        count >>= 7
    encoded.append(count)
    return bytes(encoded)


def _base58(text: str, size: int) -> bytes:
    data = base58.decode(text)
    if len(data) != size:
        raise ValueError(f"{text!r} is not base58 of {size} bytes")
    return data


def first_signature(transaction: bytes) -> str | None:
    """The first signature of a serialized transaction as base58, None if it has none."""
    # The count has one byte, since no transaction has room for 128 signatures.
    start, count = 1, transaction[:1]
    if count == _VERSION_1:  # the message stands first, and begins with the number of signatures
        count = transaction[1:2]
        start = len(transaction) - sum(count) * _SIGNATURE
    if not 0 < sum(count) < 128 or start < 1 or len(transaction) < start + _SIGNATURE:
        return None
    return base58.encode(transaction[start : start + _SIGNATURE])
