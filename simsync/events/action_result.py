"""Results of scheduled actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from simsync.events.account_diff import AccountState
from simsync.events.event import DecodedEvent


class TransactionOutcome(NamedTuple):
    """Outcome of one transaction of an action.

    Attributes:
        error: None if the transaction succeeded, else the error as JSON values of the RPC.
        logs: Log lines of the programs.
        compute_units: Compute units consumed, None if the server does not send them.
        fee: Fee in lamports, None if the server does not send it.
        return_data: Return data as JSON values.
    """

    error: Any
    logs: Sequence[str]
    compute_units: Optional[int]
    fee: Optional[int]
    return_data: Any


class ActionResultFields(NamedTuple):
    """Decoded content of an :class:`ActionResult`."""

    batch_index: Optional[int]
    action_index: Optional[int]
    label: Optional[str]
    committed: Optional[bool]
    outcomes: Sequence[TransactionOutcome]
    accounts: Sequence[Optional[AccountState]]
    matched: Optional[bytes]


class ActionResult(DecodedEvent[ActionResultFields]):
    """A :class:`~simsync.ScheduledAction` was executed in ``slot``."""

    __slots__ = ()

    @property
    def batch_index(self) -> int | None:
        """Index of the batch at which the action was executed, None at the boundary of a slot."""
        return self._load().batch_index

    @property
    def action_index(self) -> int | None:
        """Index of the action in ``CreateSession(actions=...)``."""
        return self._load().action_index

    @property
    def label(self) -> str | None:
        """The label of the action, by which results are told apart."""
        return self._load().label

    @property
    def committed(self) -> bool | None:
        """True if the changes were kept, None if the server does not send it."""
        return self._load().committed

    @property
    def outcomes(self) -> Sequence[TransactionOutcome]:
        """One outcome per transaction, in order."""
        return self._load().outcomes

    @property
    def accounts(self) -> Sequence[AccountState | None]:
        """States of the action's ``return_accounts`` after its last transaction, in order."""
        return self._load().accounts

    @property
    def matched(self) -> bytes | None:
        """The transaction that triggered an action at a match, serialized."""
        return self._load().matched

    def __repr__(self) -> str:
        return f"ActionResult(slot={self.slot}, label={self.label!r}, outcomes={self.outcomes!r})"
