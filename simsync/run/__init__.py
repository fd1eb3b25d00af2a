"""Working with recorded runs: reading the files of the vendor's tool, summing them up, comparing two of them.

On the public API of simsync only; the command line (``simsync summarize``, ``simsync compare``) is a thin layer above.
"""

from __future__ import annotations

from simsync.run.comparison import Comparison
from simsync.run.records import Record, read_records
from simsync.run.totals import RunTotals, summarize

__all__ = ["Comparison", "Record", "RunTotals", "read_records", "summarize"]
