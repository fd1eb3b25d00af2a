"""What the embedded simulator replays: where a ledger comes from, and how it is saved."""

from __future__ import annotations

from simsync.local.ledger.blocks import Block, Bundle, HistoricalTransaction
from simsync.local.ledger.ledger import Ledger

__all__ = ["Block", "Bundle", "HistoricalTransaction", "Ledger"]
