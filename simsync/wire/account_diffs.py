"""Account-diff notifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simsync.events import AccountDiffFields
from simsync.wire.accounts import account_state
from simsync.wire.spelling import FoldedFields


def account_diff_fields(result: Any) -> AccountDiffFields:
    """Nothing raises; no ``pre`` means created, no ``post`` deleted."""
    fields = FoldedFields(result if isinstance(result, Mapping) else {})
    return AccountDiffFields(
        account=fields.text("account"),
        signature=fields.text("signature"),
        before=account_state(fields.get("pre")),
        after=account_state(fields.get("post")),
    )
