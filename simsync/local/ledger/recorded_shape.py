"""The shape of a recorded transaction: what sessions read of it, checked once, when a ledger is made or loaded.

A reply that passes can be served in every form: in the encoding in which it was recorded, in those that can be made
from it, and with its accounts only. Other fields are served unchanged, whatever they hold.
"""

from __future__ import annotations

import re
import reprlib
from functools import lru_cache
from typing import Any, Callable

from solders.pubkey import Pubkey
from solders.signature import Signature

from simsync.local.encoding import dump_json
from simsync.params import checks

_BASE58 = re.compile("[1-9A-HJ-NP-Za-km-z]*")
_HEADER = ("numRequiredSignatures", "numReadonlySignedAccounts", "numReadonlyUnsignedAccounts")
_INT, _TEXT, _OBJECT = frozenset({int}), frozenset({str}), frozenset({dict})
_LEVELS = 100
"""Levels of nesting that are left for what stands around a transaction, and for the stack of the server."""

_Check = Callable[[object], bool]


class Misshapen(ValueError):
    """A recorded transaction cannot be served; the message names the place and the rule."""

    def __init__(self, place: str, rule: str, value: object) -> None:
        super().__init__(f"{place} must be {rule}, not {reprlib.repr(value)}")


def check_row(row: dict[str, Any]) -> None:
    """Check a ``getTransaction`` reply in ``json`` or ``jsonParsed``. Raises Misshapen."""
    version = row["version"]
    if version != "legacy" and not _is_byte(version):
        raise Misshapen("version", "legacy or a number", version)
    if row["blockTime"] is not None and not _is_unsigned(row["blockTime"]):
        raise Misshapen("blockTime", "null or a number of seconds", row["blockTime"])
    is_parsed = _check_message(row["transaction"])
    if row.get("meta") is not None:
        _check_meta(row["meta"], is_parsed)
    _check_json(row)


def check_rewards(found: object) -> tuple[dict[str, Any], ...]:
    """Return the rewards of a block. Raises Misshapen."""
    if not isinstance(found, list) or not _are_objects(found):
        raise Misshapen("rewards", "a list of objects", found)
    _check_json(found)
    return tuple(found)


def _check_message(transaction: dict[str, Any]) -> bool:
    """Check signatures and message; is it in ``jsonParsed``?"""
    signatures, message = transaction.get("signatures"), transaction.get("message")
    if not _are(signatures, _TEXT) or not signatures:
        raise Misshapen("signatures", "a list of texts, at least one", signatures)
    if not isinstance(message, dict):
        raise Misshapen("message", "an object", message)
    keys = message.get("accountKeys")
    if isinstance(keys, list) and any(isinstance(key, dict) for key in keys):
        for index, key in enumerate(keys):
            if not isinstance(key, dict) or not _is_address(key.get("pubkey")):
                raise Misshapen(f"accountKeys[{index}]", "an object with an address as pubkey", key)
        _check_instructions("instructions", message.get("instructions"), is_parsed=True)
        return True
    # A recording may lack the header, and with it the bytes: then it is served only as it was recorded.
    whole = message.get("header") is not None
    if not isinstance(keys, list) or not _are(keys, _TEXT) or (whole and not all(map(_is_address, keys))):
        raise Misshapen("accountKeys", "a list of addresses", keys)
    if whole:
        _check_whole(signatures, message)
    if whole or "instructions" in message:
        _check_instructions("instructions", message.get("instructions"), is_parsed=False)
    return False


def _check_whole(signatures: list[str], message: dict[str, Any]) -> None:
    """Check what the bytes of a transaction are made of, besides its keys and instructions."""
    header = message["header"]
    if not isinstance(header, dict) or not all(_is_byte(header.get(name)) for name in _HEADER):
        raise Misshapen("header", f"an object with the numbers {', '.join(_HEADER)}", header)
    if not _is_address(message.get("recentBlockhash")):
        raise Misshapen("recentBlockhash", "base58 of 32 bytes", message.get("recentBlockhash"))
    for index, signature in enumerate(signatures):
        try:
            Signature.from_string(signature)
        except ValueError:
            raise Misshapen(f"signatures[{index}]", "base58 of 64 bytes", signature) from None
    lookups = message.get("addressTableLookups")
    if lookups is None:
        return
    if not isinstance(lookups, list):
        raise Misshapen("addressTableLookups", "a list", lookups)
    for index, one in enumerate(lookups):
        if not isinstance(one, dict) or not _is_address(one.get("accountKey")):
            raise Misshapen(f"addressTableLookups[{index}]", "an object with an address as accountKey", one)
        for name in ("writableIndexes", "readonlyIndexes"):
            if not _are_within(one.get(name), 255):
                raise Misshapen(f"{name} of addressTableLookups[{index}]", "numbers from 0 to 255", one.get(name))


def _check_instructions(place: str, found: object, *, is_parsed: bool) -> None:
    if not isinstance(found, list):
        raise Misshapen(place, "a list", found)
    for index, one in enumerate(found):
        if not isinstance(one, dict):
            raise Misshapen(f"{place}[{index}]", "an object", one)
        if is_parsed:
            # Shown unchanged: parsed, or with accounts and data where the node does not know the program.
            if not isinstance(one.get("programId"), str) and not _is_byte(one.get("programIdIndex")):
                raise Misshapen(f"programId of {place}[{index}]", "an address", one.get("programId"))
            continue
        # An index behind the last account is left: a transaction that failed to sanitize may have one.
        if not _is_byte(one.get("programIdIndex")):
            raise Misshapen(f"programIdIndex of {place}[{index}]", "from 0 to 255", one.get("programIdIndex"))
        if not _are_within(one.get("accounts"), 255):
            raise Misshapen(f"accounts of {place}[{index}]", "numbers from 0 to 255", one.get("accounts"))
        data = one.get("data")
        if not isinstance(data, str) or _BASE58.fullmatch(data) is None:
            raise Misshapen(f"data of {place}[{index}]", "base58", data)


def _check_meta(meta: object, is_parsed: bool) -> None:
    if not isinstance(meta, dict):
        raise Misshapen("meta", "an object", meta)
    for name, rule, fits in _META:
        value = meta.get(name)
        if value is not None and not fits(value):
            raise Misshapen(f"{name} of meta", rule, value)
    for index, group in enumerate(meta.get("innerInstructions") or ()):
        place = f"innerInstructions[{index}]"
        if not isinstance(group, dict) or not _is_byte(group.get("index")):
            raise Misshapen(place, "an object with a number as index", group)
        _check_instructions(f"{place}.instructions", group.get("instructions"), is_parsed=is_parsed)
    for name, value in (meta.get("loadedAddresses") or {}).items():
        if value is not None and not _are(value, _TEXT):
            raise Misshapen(f"{name} of loadedAddresses", "a list of addresses", value)


def _check_json(row: object) -> None:
    """Replies are written as JSON, which some values that Python reads from JSON do not survive."""
    value = row
    for _ in range(_LEVELS):
        value = [value]
    try:
        dump_json(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise Misshapen("the whole", f"JSON with integers of at most 64 bits ({reason})", row) from error


def _is_byte(value: object) -> bool:
    return type(value) is int and 0 <= value <= 255


def _is_unsigned(value: object) -> bool:
    return type(value) is int and 0 <= value <= checks.U64


def _are(value: object, kinds: frozenset[type]) -> bool:
    """Is it a list of values of these types?"""
    return isinstance(value, list) and kinds.issuperset(map(type, value))


def _are_within(value: object, most: int) -> bool:
    """Is it a list of integers from 0 to ``most``?"""
    if not isinstance(value, list) or not _are(value, _INT):
        return False
    return not value or (min(value) >= 0 and max(value) <= most)


def _is_address(value: object) -> bool:
    return isinstance(value, str) and _is_base58_of_32(value)


@lru_cache(maxsize=65_536)
def _is_base58_of_32(text: str) -> bool:
    try:
        Pubkey.from_string(text)
    except ValueError:
        return False
    return True


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _are_lamports(value: object) -> bool:
    return _are_within(value, checks.U64)


def _are_texts(value: object) -> bool:
    return _are(value, _TEXT)


def _are_objects(value: object) -> bool:
    return _are(value, _OBJECT)


_META: tuple[tuple[str, str, _Check], ...] = (
    ("status", "an object", _is_object),
    ("fee", "a number of lamports", _is_unsigned),
    ("preBalances", "a list of lamports", _are_lamports),
    ("postBalances", "a list of lamports", _are_lamports),
    ("preTokenBalances", "a list of objects", _are_objects),
    ("postTokenBalances", "a list of objects", _are_objects),
    ("innerInstructions", "a list", _is_list),
    ("logMessages", "a list of texts", _are_texts),
    ("loadedAddresses", "an object", _is_object),
    ("returnData", "an object", _is_object),
    ("computeUnitsConsumed", "a number", _is_unsigned),
    ("rewards", "a list", _is_list),
)
"""What a node puts into ``meta``; each may be null or missing."""
