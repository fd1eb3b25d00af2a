"""What a scheduled action came to, as ``actionSubscribe`` shows it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from simsync.local.account_json import account_json
from simsync.local.encoding import dump_json
from simsync.local.transaction_error import describe_error
from simsync.local.transaction_json import return_data_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solders.account import Account

    from simsync.local.actions import Action
    from simsync.local.engine import Outcome


class ActionResult:
    """The outcomes of the transactions that ran, and the wanted accounts after the last of them.

    ``batch_index`` is None at the start or end of a slot; ``matched`` is the transaction that triggered the action.
    """

    __slots__ = ("_accounts", "_action", "_batch_index", "_encoded", "_form", "_matched", "_outcomes", "slot")

    def __init__(
        self,
        action: Action,
        slot: int,
        outcomes: Sequence[Outcome],
        accounts: Sequence[Account | None],
        *,
        batch_index: int | None = None,
        matched: bytes | None = None,
        form: str = "0.11",
    ) -> None:
        self.slot = slot
        self._action = action
        self._outcomes = outcomes
        self._accounts = accounts
        self._batch_index = batch_index
        self._matched = matched
        self._form = form
        self._encoded: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result in the form of 0.11, or in that of 0.10, which knows only one transaction: the last."""
        outcomes = [_outcome_json(outcome) for outcome in self._outcomes]
        if self._form == "0.10":
            ran = outcomes[-1] if outcomes else {"err": None, "logs": [], "unitsConsumed": 0}
        else:
            ran = {"transactionOutcomes": outcomes}
        matched = self._matched
        return {
            "context": {"slot": self.slot},
            "slot": self.slot,
            "batchIndex": self._batch_index,
            "actionIndex": self._action.index,
            "label": self._action.label,
            "committed": self._action.commits,
            **ran,
            "accounts": [None if account is None else account_json(account) for account in self._accounts],
            "matched": None if matched is None else {"data": base64.b64encode(matched).decode(), "encoding": "base64"},
        }

    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = dump_json(self.to_json())
        return self._encoded

    def forget_encoded(self) -> None:
        """Free what only subscriptions need, once the result has left their buffer."""
        self._encoded = None


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "err": None if outcome.error is None else describe_error(outcome.error),
        "logs": outcome.logs,
        "unitsConsumed": outcome.units,
        "fee": outcome.fee,
        "returnData": return_data_json(outcome),
    }
