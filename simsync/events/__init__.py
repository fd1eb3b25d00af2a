"""What a session delivers.

Control events (:class:`Slot` to :class:`Completed`) are small objects with slots. Data-plane events
(:class:`Transaction`, :class:`AccountDiff`, :class:`ActionResult`) decode their content when it is read. Nothing here
does I/O or knows the simulator's messages; only Solana's JSON for errors and token balances is read here.
"""

from __future__ import annotations

from simsync.events.account_diff import AccountDiff, AccountDiffFields, AccountState
from simsync.events.action_result import ActionResult, ActionResultFields, TransactionOutcome
from simsync.events.control import (
    SUMMARY_COUNTS,
    BacktestError,
    Completed,
    Created,
    DiscoveryBatch,
    Paused,
    ReadyForContinue,
    SessionError,
    SessionSummary,
    Slot,
    Status,
)
from simsync.events.discovered import DiscoveredTransaction
from simsync.events.event import Event, Notification, Reading, UnknownEvent
from simsync.events.reroute_stats import RerouteStats
from simsync.events.transaction import (
    Instruction,
    Transaction,
    TransactionFields,
    TransactionReading,
    TransactionStatus,
)
from simsync.events.transaction_error import ErrorInWords

__all__ = [
    "SUMMARY_COUNTS",
    "AccountDiff",
    "AccountDiffFields",
    "AccountState",
    "ActionResult",
    "ActionResultFields",
    "BacktestError",
    "Completed",
    "Created",
    "DiscoveredTransaction",
    "DiscoveryBatch",
    "ErrorInWords",
    "Event",
    "Instruction",
    "Notification",
    "Paused",
    "Reading",
    "ReadyForContinue",
    "RerouteStats",
    "SessionError",
    "SessionSummary",
    "Slot",
    "Status",
    "Transaction",
    "TransactionFields",
    "TransactionOutcome",
    "TransactionReading",
    "TransactionStatus",
    "UnknownEvent",
]
