"""What subscriptions show: transactions, executed here or recorded elsewhere, and accounts that were replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Union

from simsync.local.encoding import dump_json
from simsync.local.engine import AccountChange, real_changes
from simsync.local.transaction_json import transaction_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solders.transaction import VersionedTransaction

    from simsync.local.engine import Outcome


class ShownTransaction(Protocol):
    """What subscriptions and RPC need to know of a transaction. ``block_time`` is in unix seconds."""

    slot: int
    block_time: int | None
    signature: str

    @property
    def error(self) -> Any: ...

    @property
    def logs(self) -> list[str]: ...

    @property
    def mentions(self) -> frozenset[str]: ...

    @property
    def changed(self) -> Sequence[AccountChange]: ...

    def to_json(self) -> dict[str, Any]: ...

    def encoded(self) -> bytes: ...

    def forget_encoded(self) -> None: ...


class ExecutedTransaction:
    """A transaction that ran on the engine. Its JSON is made when first asked for, and kept for all subscribers."""

    __slots__ = ("_changed", "_encoded", "_mentions", "block_time", "outcome", "signature", "slot", "transaction")

    def __init__(self, transaction: VersionedTransaction, outcome: Outcome, slot: int, block_time: int | None) -> None:
        self.transaction = transaction
        self.outcome = outcome
        self.slot = slot
        self.block_time = block_time
        self.signature = str(transaction.signatures[0]) if transaction.signatures else ""
        self._encoded: bytes | None = None
        self._mentions: frozenset[str] | None = None
        self._changed: list[AccountChange] | None = None

    @property
    def error(self) -> Any:
        return self.outcome.error

    @property
    def logs(self) -> list[str]:
        return self.outcome.logs

    @property
    def mentions(self) -> frozenset[str]:
        """Every account key of the transaction, also those from lookup tables."""
        if self._mentions is None:
            self._mentions = frozenset(map(str, self.outcome.keys))
        return self._mentions

    @property
    def changed(self) -> Sequence[AccountChange]:
        """The accounts that the transaction really changed, as long as it is kept for subscriptions."""
        if self._changed is None:
            self._changed = real_changes(self.outcome.changes)
        return self._changed

    def to_json(self) -> dict[str, Any]:
        return transaction_json(self.transaction, self.outcome, self.slot, self.block_time or 0)

    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = dump_json(self.to_json())
        return self._encoded

    def forget_encoded(self) -> None:
        """Free what only subscriptions need, once the transaction has left their buffer."""
        self._encoded = None
        self._mentions = None
        self._changed = None
        self.outcome.changes = []


class RecordedTransaction:
    """A recorded ``getTransaction`` reply, shown as it is."""

    __slots__ = ("_encoded", "_reply", "block_time", "signature", "slot")

    def __init__(self, reply: dict[str, Any], slot: int, block_time: int | None) -> None:
        self._reply = reply
        self._encoded: bytes | None = None
        self.slot = slot
        self.block_time = block_time
        self.signature: str = reply["transaction"]["signatures"][0]

    @property
    def error(self) -> Any:
        return (self._reply.get("meta") or {}).get("err")

    @property
    def logs(self) -> list[str]:
        return (self._reply.get("meta") or {}).get("logMessages") or []

    @property
    def mentions(self) -> frozenset[str]:
        keys = self._reply["transaction"]["message"]["accountKeys"]
        names = {key["pubkey"] if isinstance(key, dict) else key for key in keys}
        loaded = (self._reply.get("meta") or {}).get("loadedAddresses") or {}
        return frozenset(names.union(loaded.get("writable") or (), loaded.get("readonly") or ()))

    @property
    def changed(self) -> Sequence[AccountChange]:
        """Recorded replies do not say how accounts changed."""
        return ()

    @property
    def signers(self) -> frozenset[str]:
        """The accounts that signed."""
        message = self._reply["transaction"]["message"]
        keys = message["accountKeys"]
        count = len(self._reply["transaction"]["signatures"])
        return frozenset(key["pubkey"] if isinstance(key, dict) else key for key in keys[:count])

    def to_json(self) -> dict[str, Any]:
        return self._reply

    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = dump_json(self._reply)
        return self._encoded

    def forget_encoded(self) -> None:
        self._encoded = None


class AccountsOverridden:
    """Accounts that a client replaced."""

    __slots__ = ("_changes", "slot")

    signature = None

    def __init__(self, slot: int, changes: list[AccountChange]) -> None:
        self.slot = slot
        self._changes = changes

    @property
    def changed(self) -> Sequence[AccountChange]:
        return self._changes

    def forget_encoded(self) -> None:
        self._changes = []


TransactionItem = Union[ExecutedTransaction, RecordedTransaction]
TRANSACTIONS = (ExecutedTransaction, RecordedTransaction)
CHANGES = (ExecutedTransaction, AccountsOverridden)
"""What tells how accounts changed."""
