"""Checked reading of JSON-RPC params, and the errors that answer a call."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local.encoding import brief, decode_base58, zstandard
from simsync.local.engine.message_parts import parse_transaction
from simsync.local.engine.token_balances import token_account
from simsync.params import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from solders.account import Account


PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
BLOCK_CLEANED_UP = -32001
PREFLIGHT_FAILED = -32002
SIGNATURE_FAILURE = -32003
BLOCK_NOT_AVAILABLE = -32004
SLOT_SKIPPED = -32007
UNSUPPORTED_VERSION = -32015
MIN_CONTEXT_SLOT_NOT_REACHED = -32016
MAX_WIRE_SIZE = 1232
"""Largest transaction in bytes that fits into one packet."""
MAX_FILTERS = 4
_KEY, _SIGNATURE = (32, 44), (64, 88)
"""Bytes of an address or a hash, and of a signature; and the letters that they take at most in base58."""
_LEVELS = ("processed", "confirmed", "finalized")
_OLD_LEVELS = ("recent", "single", "singleGossip", "root", "max")
"""Names of levels that nodes took in the past, and that old clients still send."""
_ACCOUNT_ENCODINGS = ("binary", "base58", "base64", "jsonParsed", "base64+zstd")


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


def invalid(text: str, data: object = None) -> RpcFault:
    """Return the error for invalid params. Everything in this file raises it.

    Texts are those of a node, since clients search for them; ``data`` may say more.
    """
    return RpcFault(INVALID_PARAMS, text, data)


def unexpected(value: object, wanted: str) -> RpcFault:
    """Return the error for a value of the wrong type."""
    if value is None:
        kind = "null"
    elif isinstance(value, bool):
        kind = f"boolean `{str(value).lower()}`"
    elif isinstance(value, int):
        kind = f"integer `{value}`"
    elif isinstance(value, float):
        kind = f"floating point `{value}`"
    elif isinstance(value, str):
        kind = f'string "{value}"'
    else:
        kind = "map" if isinstance(value, dict) else "sequence"
    return invalid(f"Invalid params: invalid type: {kind}, expected {wanted}.")


def required(params: list[Any], index: int, what: str) -> Any:
    """Return a param that must be there."""
    if index >= len(params):
        raise invalid(f"`params` should have at least {index + 1} argument(s)", f"missing {what}")
    return params[index]


def config_at(params: list[Any], index: int) -> dict[str, Any]:
    """Return the configuration object at ``index``, empty if it is missing. A null in it is the same as no entry."""
    value = params[index] if index < len(params) else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise unexpected(value, "a configuration object")
    return {key: one for key, one in value.items() if one is not None}


def check_commitment(config: dict[str, Any]) -> None:
    """Refuse a level of commitment that no node knows. All levels mean the same here."""
    for key in ("commitment", "preflightCommitment"):
        level = config.get(key)
        if level is not None:
            one_of(level, (*_LEVELS, *_OLD_LEVELS), shown=_LEVELS)


def one_of(value: object, known: Sequence[str], *, shown: Sequence[str] | None = None) -> str:
    """Return a word that must be one of ``known``. The error lists ``shown``, by default all of them."""
    if not isinstance(value, str):
        raise unexpected(value, "a string")
    if value not in known:
        names = ", ".join(f"`{name}`" for name in shown or known)
        raise invalid(f"Invalid params: unknown variant `{value}`, expected one of {names}.")
    return value


def account_encoding(config: dict[str, Any], default: str) -> str:
    """Return the encoding of accounts that a configuration requests."""
    encoding = config.get("encoding")
    if encoding is None:
        return default
    if one_of(encoding, _ACCOUNT_ENCODINGS) == "base64+zstd" and zstandard is None:
        raise invalid("base64+zstd requires the zstandard package on the simulator's side")
    return str(encoding)


def data_slice(config: dict[str, Any]) -> tuple[int, int] | None:
    """Return offset and length of the piece of the data that a configuration requests, None for all of it."""
    wanted = config.get("dataSlice")
    if wanted is None:
        return None
    if not isinstance(wanted, dict):
        raise unexpected(wanted, "dataSlice with offset and length")
    return unsigned(wanted.get("offset"), "offset"), unsigned(wanted.get("length"), "length")


def address(value: object) -> Pubkey:
    """Return an address."""
    return Pubkey.from_bytes(_decoded(value, _KEY, "a Solana address"))


def signature(value: object) -> str:
    """Return the text of a signature."""
    _decoded(value, _SIGNATURE, "a signature")
    return str(value)


def blockhash(value: object) -> str:
    """Return the text of a blockhash."""
    try:
        _decoded(value, _KEY, "a blockhash")
    except RpcFault as fault:
        # Alone among the three, a node gives the reason without a head.
        fault.message = fault.message.replace("Invalid param: ", "")
        raise
    return str(value)


def _decoded(value: object, sizes: tuple[int, int], what: str) -> bytes:
    """Return the bytes of a base58 text. ``sizes``: how many it must hold, and its greatest length."""
    if not isinstance(value, str):
        raise unexpected(value, "a string")
    size, longest = sizes
    problem, decoded = "WrongSize", b""
    if len(value) <= longest:
        try:
            decoded = decode_base58(value)
        except ValueError:
            problem = "Invalid"
    if len(decoded) != size:
        raise invalid(f"Invalid param: {problem}", f"{value[:100]!r} is not {what} (base58 of {size} bytes)")
    return decoded


def unsigned(value: object, what: str) -> int:
    """Return a whole number that is not negative."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise unexpected(value, f"u64 as {what}")
    if not 0 <= value <= checks.U64:
        raise invalid(f"Invalid params: invalid value: integer `{value}`, expected u64 as {what}.")
    return value


def listed(value: object, most: int, what: str = "inputs") -> list[Any]:
    """Return a list of at most ``most`` entries."""
    if not isinstance(value, list):
        raise unexpected(value, "a sequence")
    if len(value) > most:
        raise invalid(f"Too many {what} provided; max {most}")
    return value


def binary(text: object, encoding: object) -> bytes:
    """Return the bytes of a string in ``base58`` or ``base64``."""
    if not isinstance(text, str):
        raise unexpected(text, "a string")
    try:
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
        if encoding == "base58":
            return decode_base58(text)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"invalid {encoding} encoding: {error}") from error
    raise invalid(f"unsupported encoding: {encoding}. Supported encodings: base58, base64")


def transaction(text: object, encoding: object) -> VersionedTransaction:
    """Return the transaction in a string."""
    wire = binary(text, encoding)
    if len(wire) > MAX_WIRE_SIZE:
        raise invalid(f"decoded transaction too large: {len(wire)} bytes (max: {MAX_WIRE_SIZE} bytes)")
    try:
        return parse_transaction(wire)
    except ValueError as error:
        raise invalid(f"failed to deserialize the transaction: {error}") from error


def account_filters(value: object) -> list[Callable[[Account], bool]]:
    """Return a test for each filter ``dataSize``, ``memcmp`` or ``tokenAccountState``. Raises RpcFault."""
    return [] if value is None else [_filter(item) for item in listed(value, MAX_FILTERS, "filters")]


def _filter(item: object) -> Callable[[Account], bool]:
    if item == "tokenAccountState":
        return lambda account: token_account(account) is not None
    if isinstance(item, dict) and "dataSize" in item:
        size = unsigned(item["dataSize"], "dataSize")
        return lambda account: len(account.data) == size
    compare = item.get("memcmp") if isinstance(item, dict) else None
    if not isinstance(compare, dict):
        raise invalid(f"Invalid params: unknown filter {brief(item)}, expected dataSize, memcmp or tokenAccountState.")
    offset = unsigned(compare.get("offset"), "offset of memcmp")
    given = compare.get("bytes")
    if isinstance(given, list) and all(type(one) is int and 0 <= one <= 255 for one in given):
        wanted = bytes(given)
    else:
        wanted = binary(given, compare.get("encoding") or "base58")
    return lambda account: bytes(account.data)[offset : offset + len(wanted)] == wanted
