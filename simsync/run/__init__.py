"""Recorded runs: driving and recording one, reading the files of the vendor's tool, summing up, comparing.

On the public API of simsync only; the command line (``simsync run``, ``summarize``, ``compare``) is a thin layer above.
``simsync.run.probing`` finds out how a server speaks (``simsync doctor --capture``).
"""

from __future__ import annotations

from simsync.run.comparison import Comparison
from simsync.run.driver import RunPlan, record_run
from simsync.run.recording import Recorder
from simsync.run.records import Record, read_records
from simsync.run.resuming import Kept, keep_finished
from simsync.run.totals import RunTotals, summarize

__all__ = [
    "Comparison",
    "Kept",
    "Record",
    "Recorder",
    "RunPlan",
    "RunTotals",
    "keep_finished",
    "read_records",
    "record_run",
    "summarize",
]
