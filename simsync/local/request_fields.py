"""Reads the fields of JSON requests, with keys in either spelling, and the errors that answer a bad request."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local.encoding import brief
from simsync.local.engine.message_parts import parse_transaction
from simsync.local.solana_json import MalformedAccount, read_modifications
from simsync.params import checks

if TYPE_CHECKING:
    from solders.account import Account


class Refused(NamedTuple):
    """The error that answers a request; ``name`` and ``fields`` are those of the protocol's errors."""

    name: str
    fields: dict[str, Any]


class BadRequest(Exception):
    """A request cannot be carried out; ``refused`` is the answer."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.name)
        self.refused = refused


def invalid(text: str) -> BadRequest:
    """Return the exception for ``invalidRequest`` with this text."""
    return BadRequest(Refused("invalidRequest", {"error": text}))


class Fields:
    """The fields of an object, found by name in any case and with or without underscores. Raises BadRequest."""

    def __init__(self, value: object, what: str) -> None:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise invalid(f"the params of {what} must be an object")
        self._what = what
        self._values = {plain(key): item for key, item in value.items()}

    def get(self, name: str) -> Any:
        return self._values.get(plain(name))

    def integer(self, name: str, default: int | None = None, most: int = checks.U64) -> int:
        value = self.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise invalid(f"{name} of {self._what} must be an integer from 0 to {most}, not {brief(value)}")
        return value

    def flag(self, name: str) -> bool:
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise invalid(f"{name} of {self._what} must be true or false, not {brief(value)}")
        return bool(value)

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str):
            raise invalid(f"{name} of {self._what} must be a string, not {brief(value)}")
        return value

    def items(self, name: str) -> list[object]:
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise invalid(f"{name} of {self._what} must be a list")
        return value

    def addresses(self, name: str) -> list[str]:
        return [read_address(item, f"{name} of {self._what}") for item in self.items(name)]


def plain(name: str) -> str:
    """Return a key in the form in which keys are compared."""
    return name.replace("_", "").lower()


def read_address(value: Any, where: str) -> str:
    """Return a checked address. Raises BadRequest."""
    try:
        return str(Pubkey.from_string(value))
    except (ValueError, TypeError) as error:
        raise invalid(f"{where}: {brief(value)} is not a Solana address (base58 of 32 bytes)") from error


def read_transaction(index: int, text: object) -> VersionedTransaction:
    """Return the transaction in a base64 string; ``index`` is its position in the request. Raises BadRequest."""
    if not isinstance(text, str):
        raise invalid(f"transactions[{index}] must be a base64 string")
    try:
        wire = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(Refused("invalidTransactionEncoding", {"index": index, "error": str(error)})) from error
    try:
        return parse_transaction(wire)
    except ValueError as error:
        raise BadRequest(Refused("invalidTransactionFormat", {"index": index, "error": str(error)})) from error


def read_accounts(value: object) -> tuple[tuple[Pubkey, Account], ...]:
    """Return the accounts of an object that maps addresses to account data. Raises BadRequest."""
    try:
        return tuple(read_modifications(value))
    except MalformedAccount as error:
        raise BadRequest(Refused(error.name, error.fields)) from error
