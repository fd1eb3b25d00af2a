"""Drive a Solana backtest simulator from plain, blocking Python.

    with simsync.Client().parallel(simsync.CreateSession(start_slot=1_000, end_slot=1_999)) as session:
        for sub, event in session.events(advance=10):
            print(sub.session_id, event)

Start with :class:`Client`. The embedded simulator is in ``simsync.local``.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

from simsync._version import __version__
from simsync.websocket_library import check_library, is_command

if TYPE_CHECKING:
    from simsync import accounts, programs
    from simsync.cancel import CancelToken
    from simsync.client import Client
    from simsync.errors import (
        AuthenticationError,
        Cancelled,
        CapacityError,
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
        Created,
        DiscoveredTransaction,
        DiscoveryBatch,
        Event,
        Instruction,
        Notification,
        Paused,
        ReadyForContinue,
        RerouteStats,
        SessionError,
        SessionSummary,
        Slot,
        Status,
        Transaction,
        TransactionOutcome,
        UnknownEvent,
    )
    from simsync.frames import Frame
    from simsync.options import Options
    from simsync.params import (
        AccountData,
        Anchor,
        Continue,
        ContinueTo,
        CreateSession,
        DiagnosticProbe,
        DirectFill,
        DiscoveryFilter,
        EncodedBinary,
        FillAccount,
        FillInstruction,
        FillTaker,
        MintPair,
        OracleUpdate,
        ProgramExecuted,
        Reroute,
        ScheduledAction,
        base58,
    )
    from simsync.progress_bar import progress
    from simsync.protocol.coverage import Coverage
    from simsync.ranges import RangeBound, SlotRange, filter_ranges, split_range
    from simsync.reports import (
        AvailableRange,
        Bundle,
        BundleBuild,
        BundleListing,
        ConnectionReport,
        DatasetCredentials,
        SignatureStatus,
        Simulation,
        UsageReport,
    )
    from simsync.rpc import Rpc
    from simsync.run.record_range import record
    from simsync.run.recording import Recording, read_run
    from simsync.run.sweep import sweep
    from simsync.run_summary import RunSummary
    from simsync.sessions.backtest_session import BacktestSession
    from simsync.sessions.collected import Collected
    from simsync.sessions.first_mistakes import UsageWarning
    from simsync.sessions.own_transactions import OwnTransaction
    from simsync.sessions.parallel_session import ParallelSession, SubResult
    from simsync.sessions.results import DiscoveryPause, StepResult
    from simsync.sessions.sub_session import SubSession
    from simsync.tables import to_arrow, to_pandas, to_polars
    from simsync.wire.dialect import Dialect

logging.getLogger("simsync").addHandler(logging.NullHandler())

__all__ = [
    "AccountData",
    "AccountDiff",
    "AccountState",
    "ActionResult",
    "Anchor",
    "AuthenticationError",
    "AvailableRange",
    "BacktestError",
    "BacktestSession",
    "Bundle",
    "BundleBuild",
    "BundleListing",
    "CancelToken",
    "Cancelled",
    "CapacityError",
    "Client",
    "Collected",
    "Completed",
    "ConnectError",
    "ConnectionReport",
    "Continue",
    "ContinueSendError",
    "ContinueTo",
    "ControlClosed",
    "ControlFailed",
    "Coverage",
    "CreateError",
    "CreateSession",
    "Created",
    "DatasetCredentials",
    "DiagnosticProbe",
    "Dialect",
    "DirectFill",
    "DiscoveredTransaction",
    "DiscoveryBatch",
    "DiscoveryFilter",
    "DiscoveryPause",
    "EncodedBinary",
    "Event",
    "EventTimeout",
    "FillAccount",
    "FillInstruction",
    "FillTaker",
    "Frame",
    "HttpStatusError",
    "Instruction",
    "InvalidParams",
    "MintPair",
    "MissingExtra",
    "Notification",
    "Options",
    "OracleUpdate",
    "OwnTransaction",
    "ParallelSession",
    "Paused",
    "ProgramExecuted",
    "ProtocolError",
    "RangeBound",
    "ReadyForContinue",
    "Recording",
    "RemoteError",
    "Reroute",
    "RerouteStats",
    "Rpc",
    "RpcError",
    "RunSummary",
    "ScheduledAction",
    "SessionError",
    "SessionSummary",
    "SignatureStatus",
    "SimsyncError",
    "Simulation",
    "Slot",
    "SlotRange",
    "Status",
    "StepResult",
    "SubResult",
    "SubSession",
    "SubscriptionFailed",
    "Transaction",
    "TransactionOutcome",
    "UnknownEvent",
    "UsageReport",
    "UsageWarning",
    "__version__",
    "accounts",
    "base58",
    "filter_ranges",
    "programs",
    "progress",
    "read_run",
    "record",
    "split_range",
    "sweep",
    "to_arrow",
    "to_pandas",
    "to_polars",
]

_HOME = {
    "simsync.cancel": ("CancelToken",),
    "simsync.client": ("Client",),
    "simsync.errors": (
        "AuthenticationError",
        "Cancelled",
        "CapacityError",
        "ConnectError",
        "ContinueSendError",
        "ControlClosed",
        "ControlFailed",
        "CreateError",
        "EventTimeout",
        "HttpStatusError",
        "InvalidParams",
        "MissingExtra",
        "ProtocolError",
        "RemoteError",
        "RpcError",
        "SimsyncError",
        "SubscriptionFailed",
    ),
    "simsync.events": (
        "AccountDiff",
        "AccountState",
        "ActionResult",
        "BacktestError",
        "Completed",
        "Created",
        "DiscoveredTransaction",
        "DiscoveryBatch",
        "Event",
        "Instruction",
        "Notification",
        "Paused",
        "ReadyForContinue",
        "RerouteStats",
        "SessionError",
        "SessionSummary",
        "Slot",
        "Status",
        "Transaction",
        "TransactionOutcome",
        "UnknownEvent",
    ),
    "simsync.frames": ("Frame",),
    "simsync.options": ("Options",),
    "simsync.params": (
        "AccountData",
        "Anchor",
        "Continue",
        "ContinueTo",
        "CreateSession",
        "DiagnosticProbe",
        "DirectFill",
        "DiscoveryFilter",
        "EncodedBinary",
        "FillAccount",
        "FillInstruction",
        "FillTaker",
        "MintPair",
        "OracleUpdate",
        "ProgramExecuted",
        "Reroute",
        "ScheduledAction",
        "base58",
    ),
    "simsync.progress_bar": ("progress",),
    "simsync.protocol.coverage": ("Coverage",),
    "simsync.ranges": ("RangeBound", "SlotRange", "filter_ranges", "split_range"),
    "simsync.reports": (
        "AvailableRange",
        "Bundle",
        "BundleBuild",
        "BundleListing",
        "ConnectionReport",
        "DatasetCredentials",
        "SignatureStatus",
        "Simulation",
        "UsageReport",
    ),
    "simsync.rpc": ("Rpc",),
    "simsync.run.record_range": ("record",),
    "simsync.run.recording": ("Recording", "read_run"),
    "simsync.run.sweep": ("sweep",),
    "simsync.run_summary": ("RunSummary",),
    "simsync.sessions.backtest_session": ("BacktestSession",),
    "simsync.sessions.collected": ("Collected",),
    "simsync.sessions.first_mistakes": ("UsageWarning",),
    "simsync.sessions.own_transactions": ("OwnTransaction",),
    "simsync.sessions.parallel_session": ("ParallelSession", "SubResult"),
    "simsync.sessions.results": ("DiscoveryPause", "StepResult"),
    "simsync.sessions.sub_session": ("SubSession",),
    "simsync.tables": ("to_arrow", "to_pandas", "to_polars"),
    "simsync.wire.dialect": ("Dialect",),
}
"""Where the public names are. They are imported on first use: so the command line can watch for signals before most of
the package is imported, and a program does not wait for what it does not use."""
_MODULES = frozenset({"accounts", "programs"})
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


if not is_command():  # which watches for signals first
    check_library()

if not TYPE_CHECKING:  # otherwise type checkers would accept every name

    def __getattr__(name: str) -> object:
        """Import a public name on first use."""
        if name in _MODULES:
            return importlib.import_module(f"simsync.{name}")
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
