"""Transactions that the simulator has executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from simsync.events.event import DecodedEvent, Reading


class TransactionFields(NamedTuple):
    """Decoded content of a :class:`Transaction`."""

    signature: str
    error: Any
    logs: Sequence[str]
    fee: int
    compute_units: Optional[int]
    version: Any
    block_time: Optional[int]
    account_keys: Sequence[str]
    pre_balances: Sequence[int]
    post_balances: Sequence[int]
    pre_token_balances: Sequence[Mapping[str, Any]]
    post_token_balances: Sequence[Mapping[str, Any]]


class Transaction(DecodedEvent[TransactionFields]):
    """A transaction was executed in ``slot``. ``raw`` has the form of a ``getTransaction`` result."""

    __slots__ = ("_signature",)

    def __init__(self, slot: int, payload: bytes, reading: Reading, signature: str | None = None) -> None:
        # Repeats the base class, because calling it takes as long again, and this is done for each transaction.
        self.slot = slot
        self._payload = payload
        self._reading = reading
        self._raw = None
        self._fields = None
        self._signature = signature

    @property
    def signature(self) -> str:
        """First signature, base58. Usually known without decoding.

        The simulator does not verify signatures, so it need not be unique.
        """
        return self._load().signature if self._signature is None else self._signature

    @property
    def error(self) -> Any:
        """None if the transaction succeeded, else the error as JSON values of the RPC."""
        return self._load().error

    @property
    def logs(self) -> Sequence[str]:
        """Log lines of the programs, in order."""
        return self._load().logs

    @property
    def fee(self) -> int:
        """Fee in lamports."""
        return self._load().fee

    @property
    def compute_units(self) -> int | None:
        """Compute units consumed, None if the server does not send them."""
        return self._load().compute_units

    @property
    def version(self) -> Any:
        """``"legacy"`` or the number of the version."""
        return self._load().version

    @property
    def block_time(self) -> int | None:
        """Time of the block as Unix time in seconds, None if the server does not send it."""
        return self._load().block_time

    @property
    def account_keys(self) -> Sequence[str]:
        """Addresses of the accounts in the order of the balances; those from lookup tables are last."""
        return self._load().account_keys

    @property
    def pre_balances(self) -> Sequence[int]:
        """Balances before, in lamports, one per account key."""
        return self._load().pre_balances

    @property
    def post_balances(self) -> Sequence[int]:
        """Balances after, in lamports, one per account key."""
        return self._load().post_balances

    @property
    def pre_token_balances(self) -> Sequence[Mapping[str, Any]]:
        """Token balances before, as JSON values of the RPC."""
        return self._load().pre_token_balances

    @property
    def post_token_balances(self) -> Sequence[Mapping[str, Any]]:
        """Token balances after, as JSON values of the RPC."""
        return self._load().post_token_balances

    def __repr__(self) -> str:
        return f"Transaction(slot={self.slot}, signature={self.signature!r}, error={self.error!r})"
