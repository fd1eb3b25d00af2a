"""The rows of the tables of transactions in a page, with their logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simsync.run.lookup import explorer_link

ROWS = 200
"""Most transactions in a page; ``simsync show`` and ``simsync sql`` list more."""
_LOG_LENGTH = 6_000
"""Characters of the logs of one transaction."""


def transaction_row(
    signature: str | None, cells: Sequence[object], logs: Sequence[tuple[str, str]], kind: str = "", tone: str = ""
) -> dict[str, Any]:
    """One row.

    Args:
        signature: The signature of the transaction; None if it was recorded without.
        cells: What its cells hold.
        logs: (title, text) of each of its logs; empty ones are left out.
        kind: What the filter of kinds compares.
        tone: ``good``, ``bad`` or ``plain``.
    """
    shown = [{"title": title, "text": _shortened(text)} for title, text in logs if text]
    return {
        "signature": signature,
        "cells": list(cells),
        "logs": shown,
        "link": explorer_link(signature or ""),
        "kind": kind,
        "tone": tone,
    }


def _shortened(text: str) -> str:
    return text if len(text) <= _LOG_LENGTH else text[:_LOG_LENGTH] + "\n… (simsync show prints all)"
