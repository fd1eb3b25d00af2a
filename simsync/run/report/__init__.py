"""Pages about recorded runs: one HTML file each, which needs no network and no other file (extra ``[report]``)."""

from __future__ import annotations

from simsync.run.report.comparison_page import write_comparison
from simsync.run.report.run_page import write_report

__all__ = ["write_comparison", "write_report"]
