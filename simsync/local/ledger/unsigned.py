"""Slots, heights and times, which files and replies of others hold."""

from __future__ import annotations

import reprlib

MOST = 2**63 - 1


def unsigned(name: str, value: object) -> int:
    """Return an integer from 0 to 2**63 - 1. Raises ValueError with a sentence for anything else."""
    if type(value) is not int or not 0 <= value <= MOST:
        raise ValueError(f"{name} must be an integer from 0 to {MOST}, not {reprlib.repr(value)}")
    return value
