"""Counts how the execution of a session compares with what the ledger recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simsync.local.engine import Outcome
    from simsync.local.ledger import HistoricalTransaction


@dataclass
class Summary:
    """Transactions of the ledger by how they went.

    ``correct`` ended as recorded; ``incorrect`` did not: its error (``execution_errors``), the balances of the
    accounts it wrote (``balance_diff``) or the programs that ran (``log_diff``) differ. ``unsanitizable`` could not
    be run at all.
    """

    correct: int = 0
    incorrect: int = 0
    execution_errors: int = 0
    balance_diff: int = 0
    log_diff: int = 0
    unsanitizable: int = 0

    def count(self, recorded: HistoricalTransaction, outcome: Outcome) -> None:
        """Compare one execution with its recording."""
        if outcome.unsanitizable and recorded.error != outcome.error:
            self.unsanitizable += 1
            return
        error = outcome.error != recorded.error
        balances = outcome.written_balances() != recorded.written_balances
        trace = outcome.trace() != recorded.trace
        self.execution_errors += error
        self.balance_diff += balances
        self.log_diff += trace
        if error or balances or trace:
            self.incorrect += 1
        else:
            self.correct += 1
