"""Recorded runs: driving and recording one, reading the files of the vendor's tool, summing up, comparing.

On the public API of simsync only; the command line (``simsync run``, ``summarize``, ``compare``) is a thin layer above.
Pages are in :mod:`simsync.run.report` and tables in :mod:`simsync.run.export`, since they need the extra ``[report]``.
``simsync.run.probing`` finds out how a server speaks (``simsync doctor --capture``).
"""

from __future__ import annotations

from simsync.run.comparison import Comparison
from simsync.run.driver import RunPlan, record_run
from simsync.run.recording import Recorder
from simsync.run.records import Record, read_records
from simsync.run.resuming import Kept, keep_finished
from simsync.run.strategy import RecordedSession, Strategy, StrategyFailed
from simsync.run.totals import RunTotals, summarize

__all__ = [
    "Comparison",
    "Kept",
    "Record",
    "RecordedSession",
    "Recorder",
    "RunPlan",
    "RunTotals",
    "Strategy",
    "StrategyFailed",
    "keep_finished",
    "read_records",
    "record_run",
    "summarize",
]
