"""One backtest session without I/O: what it executes when, and what it tells the client and its subscriptions."""

from __future__ import annotations
