"""Action notifications, of both generations: outcomes in a list, or one outcome at the top level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simsync.errors import ProtocolError
from simsync.events import ActionResultFields, TransactionOutcome
from simsync.wire.accounts import account_state, decode_data
from simsync.wire.spelling import FoldedFields


def _outcome(fields: FoldedFields) -> TransactionOutcome:
    return TransactionOutcome(
        error=fields.get("err"),
        logs=tuple(fields.list("logs")),
        compute_units=fields.number("units_consumed"),
        fee=fields.number("fee"),
        return_data=fields.get("return_data"),
    )


def _matched(raw: Any) -> bytes | None:
    if raw is None:
        return None
    try:
        return decode_data(raw)
    except ProtocolError:
        return None  # ``raw`` of the event still holds it


def action_result_fields(result: Any) -> ActionResultFields:
    """Nothing raises."""
    fields = FoldedFields(result if isinstance(result, Mapping) else {})
    outcomes = fields.get("transaction_outcomes")
    if isinstance(outcomes, list):
        decoded = tuple(_outcome(FoldedFields(one)) for one in outcomes if isinstance(one, Mapping))
    else:
        decoded = (_outcome(fields),)
    committed = fields.get("committed")
    return ActionResultFields(
        batch_index=fields.number("batch_index"),
        action_index=fields.number("action_index"),
        label=fields.text("label"),
        committed=committed if isinstance(committed, bool) else None,
        outcomes=decoded,
        accounts=tuple(account_state(account) for account in fields.list("accounts")),
        matched=_matched(fields.get("matched")),
    )
