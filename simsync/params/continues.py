"""The two requests that let the engine advance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.account import checked_modifications, modifications_from_json


@dataclass(frozen=True)
class Continue(JsonForm):
    """Advance by ``advance_count`` blocks.

    ``transactions`` are the caller's own (base64 text, bytes, or objects with a byte form such as solders'
    ``VersionedTransaction``); signatures are not verified, so any account may sign. ``modify_accounts`` maps an
    address to the :class:`~simsync.AccountData` that it has before execution. Asking for more blocks than are left
    runs to the end.
    """

    advance_count: int = 1
    transactions: Sequence[Any] = ()
    modify_accounts: Mapping[str, Any] = field(default_factory=dict, metadata=config(decoder=modifications_from_json))

    def __post_init__(self) -> None:
        checks.assign(
            self,
            advance_count=checks.integer("advance_count", self.advance_count, 1, checks.U64),
            transactions=checks.transactions("transactions", self.transactions),
            modify_accounts=checked_modifications("modify_accounts", self.modify_accounts),
        )


@dataclass(frozen=True)
class ContinueTo(JsonForm):
    """Advance until ``slot``, and there to the batch ``batch_index`` (None: the slot boundary)."""

    slot: int
    batch_index: Optional[int] = None

    def __post_init__(self) -> None:
        checks.integer("slot", self.slot, 0, checks.U64)
        checks.optional_integer("batch_index", self.batch_index, 0, checks.U32)
