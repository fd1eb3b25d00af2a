"""Executes transactions with LiteSVM on a set of accounts."""

from __future__ import annotations

from simsync.local.engine.accounts import AccountRefused
from simsync.local.engine.engine import Engine

__all__ = ["AccountRefused", "Engine"]
