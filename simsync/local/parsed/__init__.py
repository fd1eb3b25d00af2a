"""The form ``jsonParsed`` of accounts and transactions, for the programs whose layout is known here."""

from __future__ import annotations
