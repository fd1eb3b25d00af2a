"""Ids as the protocol wants them: a prefix and a lower-case UUID version 7."""

from __future__ import annotations

import os
import time
import uuid


def _uuid7() -> uuid.UUID:
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def session_id() -> str:
    """Return a new id of a session."""
    return f"backtest_{_uuid7()}"


def control_session_id() -> str:
    """Return a new id of a group of sessions."""
    return f"parallel_{_uuid7()}"


def build_request_id() -> str:
    """Return a new id of a requested bundle build."""
    return f"build_{_uuid7()}"
