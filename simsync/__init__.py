"""Drive a Solana backtest simulator from plain, blocking Python.

    with simsync.Client().parallel(simsync.CreateSession(start_slot=1_000, end_slot=1_999)) as session:
        for sub, event in session.events(advance=10):
            print(sub.session_id, event)

Start with :class:`Client`. ``simsync.local`` holds the embedded simulator.
"""

from __future__ import annotations

import logging

from simsync._version import __version__
from simsync.client import Client
from simsync.errors import (
    Cancelled,
    ConnectError,
    ContinueSendError,
    ControlClosed,
    ControlFailed,
    CreateError,
    EventTimeout,
    HttpStatusError,
    InvalidParams,
    MissingExtra,
    ProtocolError,
    RemoteError,
    RpcError,
    SimsyncError,
    SubscriptionFailed,
)
from simsync.events import (
    AccountDiff,
    AccountState,
    ActionResult,
    BacktestError,
    Completed,
    DiscoveryBatch,
    Event,
    Notification,
    Paused,
    ReadyForContinue,
    SessionError,
    SessionSummary,
    Slot,
    Status,
    Transaction,
    TransactionOutcome,
    UnknownEvent,
)
from simsync.options import Options
from simsync.parallel import ParallelSession, SubResult
from simsync.params import (
    AccountData,
    Anchor,
    Continue,
    ContinueTo,
    CreateSession,
    DiscoveryFilter,
    EncodedBinary,
    OracleUpdate,
    ProgramExecuted,
    ScheduledAction,
)
from simsync.protocol.coverage import Coverage
from simsync.rpc import Rpc
from simsync.runtime.cancel import CancelToken
from simsync.session import SubSession
from simsync.wire.dialect import Dialect

logging.getLogger("simsync").addHandler(logging.NullHandler())

__all__ = [
    "AccountData",
    "AccountDiff",
    "AccountState",
    "ActionResult",
    "Anchor",
    "BacktestError",
    "CancelToken",
    "Cancelled",
    "Client",
    "Completed",
    "ConnectError",
    "Continue",
    "ContinueSendError",
    "ContinueTo",
    "ControlClosed",
    "ControlFailed",
    "Coverage",
    "CreateError",
    "CreateSession",
    "Dialect",
    "DiscoveryBatch",
    "DiscoveryFilter",
    "EncodedBinary",
    "Event",
    "EventTimeout",
    "HttpStatusError",
    "InvalidParams",
    "MissingExtra",
    "Notification",
    "Options",
    "OracleUpdate",
    "ParallelSession",
    "Paused",
    "ProgramExecuted",
    "ProtocolError",
    "ReadyForContinue",
    "RemoteError",
    "Rpc",
    "RpcError",
    "ScheduledAction",
    "SessionError",
    "SessionSummary",
    "SimsyncError",
    "Slot",
    "Status",
    "SubResult",
    "SubSession",
    "SubscriptionFailed",
    "Transaction",
    "TransactionOutcome",
    "UnknownEvent",
    "__version__",
]
