"""The transactions of a discovery batch, decoded."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.events.transaction_error import ErrorInWords


@dataclass(frozen=True)
class DiscoveredTransaction(ErrorInWords):
    """A transaction of a :class:`~simsync.DiscoveryBatch`, as it was recorded. ``error_text`` says its error in words.

    A field after ``transaction`` is None if the server does not send it. If the layout differs from the documented one,
    the remaining fields are None and ``undecoded`` holds their bytes.

    Attributes:
        data: All bytes that the server sent.
        transaction: The bytes of the transaction, as a node takes them.
        error: The error as JSON values of the RPC.
        balances: ``pre_balances`` and ``post_balances`` in lamports, ``pre_token_balances`` and
            ``post_token_balances`` as the RPC lists them.
        logs: Log lines of the programs.
        inner_instructions: Instructions that programs have called, by ``index`` of the outer one.
        undecoded: The bytes after the last field that could be decoded.
    """

    data: bytes = field(repr=False)
    transaction: bytes = field(repr=False)
    error: Any = None
    balances: Optional[dict[str, Any]] = None
    logs: Optional[Sequence[str]] = None
    inner_instructions: Optional[Sequence[dict[str, Any]]] = None
    undecoded: bytes = field(default=b"", repr=False)

    def __hash__(self) -> int:
        return hash((type(self), self.data))  # the other fields are read from these bytes, and some have no hash

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the error in words, by name, as JSON values; bytes are base64 text."""
        return {
            "data": _base64(self.data),
            "transaction": _base64(self.transaction),
            "success": self.error is None,
            "error": self.error,
            "error_text": self.error_text,
            "error_code": self.error_code,
            "error_instruction": self.error_instruction,
            "balances": self.balances,
            "logs": None if self.logs is None else list(self.logs),
            "inner_instructions": None if self.inner_instructions is None else list(self.inner_instructions),
            "undecoded": _base64(self.undecoded),
        }

    def versioned_transaction(self) -> Any:
        """The transaction as a ``VersionedTransaction`` of solders.

        Raises:
            ImportError: solders is not installed (extra ``[local]``).
            ValueError: The bytes are not a transaction.
        """
        try:
            from solders.transaction import VersionedTransaction
        except ImportError as error:
            raise ImportError("an object of solders needs the extra: pip install 'simsync[local]'") from error
        return VersionedTransaction.from_bytes(self.transaction)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
