"""Results of scheduled actions."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, Optional

from simsync.events.account_diff import AccountState
from simsync.events.event import DecodedEvent
from simsync.events.transaction_error import ErrorInWords


class _OutcomeFields(NamedTuple):
    error: Any
    logs: Sequence[str]
    compute_units: Optional[int]
    fee: Optional[int]
    return_data: Any


class TransactionOutcome(ErrorInWords, _OutcomeFields):
    """Outcome of one transaction of an action.

    Attributes:
        error: None if the transaction succeeded, else the error as JSON values of the RPC.
        logs: Log lines of the programs.
        compute_units: Compute units consumed, None if the server does not send them.
        fee: Fee in lamports, None if the server does not send it.
        return_data: Return data as JSON values.
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the error in words, by name, as JSON values."""
        return {
            "success": self.error is None,
            "error": self.error,
            "error_text": self.error_text,
            "error_code": self.error_code,
            "error_instruction": self.error_instruction,
            "compute_units": self.compute_units,
            "fee": self.fee,
            "logs": list(self.logs),
            "return_data": self.return_data,
        }


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
    """A :class:`~simsync.ScheduledAction` was executed in ``slot``.

    Delivered by ``subscribe_actions()``, for sessions with ``CreateSession(actions=...)``.
    """

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

    def _identity(self) -> Hashable:
        return self.slot, self.batch_index, self.action_index, self.label

    def _row(self) -> dict[str, Any]:
        return {
            "slot": self.slot,
            "batch_index": self.batch_index,
            "action_index": self.action_index,
            "label": self.label,
            "committed": self.committed,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
            "accounts": [None if account is None else account.to_dict() for account in self.accounts],
            "matched": None if self.matched is None else base64.b64encode(self.matched).decode("ascii"),
        }

    def __repr__(self) -> str:
        return f"ActionResult(slot={self.slot}, label={self.label!r}, outcomes={self.outcomes!r})"
