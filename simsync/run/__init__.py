"""Recorded runs: driving and recording them, reading their files, summing up, comparing.

It uses nothing of ``wire``, ``protocol`` or ``runtime``, and the command line (``simsync run``, ``summarize``,
``compare``) is a thin layer above it. Pages are in :mod:`simsync.run.report` and tables in :mod:`simsync.run.export`,
because they need the extra ``[report]``.
"""

from __future__ import annotations

from simsync.run.comparison import Comparison
from simsync.run.completeness import CompletenessCheck, check_complete
from simsync.run.driver import record_run
from simsync.run.output_file import OutputBusy
from simsync.run.plan import RunPlan
from simsync.run.record_file import Record, read_records
from simsync.run.record_range import record
from simsync.run.recorder import Recorder
from simsync.run.recording import Recording, read_run
from simsync.run.resuming import Kept, keep_finished
from simsync.run.strategy import RecordedSession, Strategy, StrategyFailed
from simsync.run.totals import RunTotals, summarize

__all__ = [
    "Comparison",
    "CompletenessCheck",
    "Kept",
    "OutputBusy",
    "Record",
    "RecordedSession",
    "Recorder",
    "Recording",
    "RunPlan",
    "RunTotals",
    "Strategy",
    "StrategyFailed",
    "check_complete",
    "keep_finished",
    "read_records",
    "read_run",
    "record",
    "record_run",
    "summarize",
]
