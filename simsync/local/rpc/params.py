"""Checked reading of JSON-RPC params, and the errors that answer a call."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local.encoding import decode_base58

if TYPE_CHECKING:
    from collections.abc import Callable

    from solders.account import Account


PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
BLOCK_CLEANED_UP = -32001
PREFLIGHT_FAILED = -32002
BLOCK_NOT_AVAILABLE = -32004
SLOT_SKIPPED = -32007
UNSUPPORTED_VERSION = -32015
MIN_CONTEXT_SLOT_NOT_REACHED = -32016
MAX_WIRE_SIZE = 1232
"""Largest transaction in bytes that fits into one packet."""
MAX_FILTERS = 4


class RpcFault(Exception):
    """A call fails; it is answered with this error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def to_json(self) -> dict[str, Any]:
        """Return the error object."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


def invalid(text: str) -> RpcFault:
    """Return the error for invalid params. Everything in this file raises it."""
    return RpcFault(INVALID_PARAMS, f"Invalid params: {text}")


def required(params: list[Any], index: int, what: str) -> Any:
    """Return a param that must be there."""
    if index >= len(params):
        raise invalid(f"missing {what}")
    return params[index]


def config_at(params: list[Any], index: int) -> dict[str, Any]:
    """Return the configuration object at ``index``, empty if it is missing. A null in it is the same as no entry."""
    value = params[index] if index < len(params) else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid("the configuration must be an object")
    return {key: one for key, one in value.items() if one is not None}


def address(value: Any) -> Pubkey:
    """Return an address."""
    try:
        return Pubkey.from_string(value)
    except (ValueError, TypeError) as error:
        raise invalid(f"{value!r} is not a Solana address (base58 of 32 bytes)") from error


def unsigned(value: object, what: str) -> int:
    """Return a whole number that is not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise invalid(f"{what} must be a number, not {value!r}")
    return value


def binary(text: object, encoding: str) -> bytes:
    """Return the bytes of a string in ``base58`` or ``base64``."""
    if not isinstance(text, str):
        raise invalid("expected a string")
    try:
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
        if encoding == "base58":
            return decode_base58(text)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"invalid {encoding} encoding: {error}") from error
    raise invalid(f"unsupported encoding: {encoding}. Supported encodings: base58, base64")


def transaction(text: object, encoding: str) -> VersionedTransaction:
    """Return the transaction in a string."""
    wire = binary(text, encoding)
    if len(wire) > MAX_WIRE_SIZE:
        raise invalid(f"decoded transaction too large: {len(wire)} bytes (max: {MAX_WIRE_SIZE} bytes)")
    try:
        return VersionedTransaction.from_bytes(wire)
    except ValueError as error:
        raise invalid(f"failed to deserialize the transaction: {error}") from error


def account_filters(value: object) -> list[Callable[[Account], bool]]:
    """Return a test for each filter ``dataSize`` or ``memcmp``. Raises RpcFault."""
    filters = value or []
    if not isinstance(filters, list) or len(filters) > MAX_FILTERS:
        raise invalid(f"filters must be a list of at most {MAX_FILTERS}")
    return [_filter(item) for item in filters]


def _filter(item: object) -> Callable[[Account], bool]:
    if isinstance(item, dict) and "dataSize" in item:
        size = unsigned(item["dataSize"], "dataSize")
        return lambda account: len(account.data) == size
    compare = item.get("memcmp") if isinstance(item, dict) else None
    if not isinstance(compare, dict):
        raise invalid(f"unknown filter {item!r}")
    offset = unsigned(compare.get("offset"), "offset of memcmp")
    wanted = binary(compare.get("bytes"), compare.get("encoding") or "base58")
    return lambda account: bytes(account.data)[offset : offset + len(wanted)] == wanted
