"""The placeholders in a capture, which replace what was removed."""

from __future__ import annotations

import re

KEY, HOST, OTHER_HOST = "<api-key>", "<host>", "<other-host>"
PRIVATE, WORD, NUMBER, BYTES, FIELD, TEXT = "<private>", "<word>", "<number>", "<bytes>", "<key>", "<text>"

_ALONE = (KEY, HOST, OTHER_HOST, PRIVATE, WORD, NUMBER, BYTES, FIELD, TEXT)
_NUMBERED = ("hidden", "session", "control", "task", "build", "idempotency-key")
"""Of these there are several, told apart by a number: ``<session-1>``."""

PLACEHOLDER = re.compile("|".join([*_ALONE, *(rf"<{name}-\d+>" for name in _NUMBERED)]))


def numbered(name: str, number: int) -> str:
    """The placeholder of one of several things of a kind.

    Args:
        name: The kind.
        number: Which one, from 1.
    """
    return f"<{name}-{number}>"
