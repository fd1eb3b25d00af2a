"""Slots, heights and times, which files and replies of others hold."""

from __future__ import annotations

import reprlib

from simsync.errors import InvalidParams
from simsync.params import checks

MOST = 2**63 - 1


def unsigned(name: str, value: object) -> int:
    """Return an integer from 0 to 2**63 - 1. Raises ValueError with a sentence for anything else."""
    if type(value) is int and 0 <= value <= MOST:  # nearly always, and files hold many
        return value
    try:
        return checks.integer(name, value, 0, MOST)
    except InvalidParams:
        raise ValueError(f"{name} must be an integer from 0 to {MOST}, not {reprlib.repr(value)}") from None
