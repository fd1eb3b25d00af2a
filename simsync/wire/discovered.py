"""Decodes the transactions of a discovery batch: ``data`` is base64 of bincode 1 of the fields named in ``_FIELDS``."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import partial
from typing import Any, Callable

from simsync.errors import ProtocolError
from simsync.events import DiscoveredTransaction
from simsync.params import base58
from simsync.wire.bincode import BincodeReader
from simsync.wire.transaction_errors import transaction_error


# guess: transactions of a discovery
def discovered_transaction(value: Any) -> DiscoveredTransaction:
    """Decode one entry of ``transactions``. What follows the transaction is decoded as far as its layout is known.

    Raises ProtocolError if there is no transaction in it.
    """
    try:
        encoded = (
            value["data"] if isinstance(value, Mapping) else value[0] if isinstance(value, (list, tuple)) else value
        )
        data = base64.b64decode(encoded, validate=True)
        reader = BincodeReader(data)
        transaction = reader.transaction()
    except (LookupError, TypeError, ValueError, binascii.Error) as error:
        raise ProtocolError(f"the discovered transaction cannot be read ({error})", value) from error
    found: dict[str, Any] = {}
    read_until = reader.place
    try:
        for name, read in _FIELDS.items():
            found[name] = reader.optional(partial(read, reader))
            read_until = reader.place
    except ValueError:
        reader.place = read_until  # the rest has another layout
    return DiscoveredTransaction(data, transaction, undecoded=reader.rest, **found)


def _logs(reader: BincodeReader) -> list[str]:
    return reader.items(reader.text)


def _balances(reader: BincodeReader) -> dict[str, Any]:
    return {
        "pre_balances": reader.items(lambda: reader.integer(8)),
        "post_balances": reader.items(lambda: reader.integer(8)),
        "pre_token_balances": reader.optional(lambda: reader.items(lambda: _token_balance(reader))),
        "post_token_balances": reader.optional(lambda: reader.items(lambda: _token_balance(reader))),
    }


def _token_balance(reader: BincodeReader) -> dict[str, Any]:
    return {
        "account_index": reader.integer(1),
        "mint": reader.text(),
        "ui_token_amount": {
            "ui_amount": reader.optional(reader.double),
            "decimals": reader.integer(1),
            "amount": reader.text(),
            "ui_amount_string": reader.text(),
        },
        "owner": reader.text(),
        "program_id": reader.text(),
    }


def _inner_instructions(reader: BincodeReader) -> list[dict[str, Any]]:
    return reader.items(
        lambda: {"index": reader.integer(1), "instructions": reader.items(lambda: _inner_instruction(reader))}
    )


def _inner_instruction(reader: BincodeReader) -> dict[str, Any]:
    return {
        "program_id_index": reader.integer(1),
        "accounts": list(reader.take(reader.compact())),
        "data": base58.encode(reader.take(reader.compact())),
        "stack_height": reader.optional(lambda: reader.integer(4)),
    }


_FIELDS: dict[str, Callable[[BincodeReader], Any]] = {
    "error": transaction_error,
    "balances": _balances,
    "logs": _logs,
    "inner_instructions": _inner_instructions,
}
"""The fields after the transaction, in this order; each is optional."""
