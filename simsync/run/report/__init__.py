"""Pages about recorded runs (extra ``[report]``).

Each page is one HTML file that needs neither a network nor other files.
"""

from __future__ import annotations

from simsync.run.report.comparison_page import write_comparison
from simsync.run.report.history_page import write_history
from simsync.run.report.run_page import write_report

__all__ = ["write_comparison", "write_history", "write_report"]
