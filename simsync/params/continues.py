"""The two requests that make the engine advance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, SupportsIndex

from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.account import AccountModifications, checked_modifications, modifications_from_json


@dataclass(frozen=True)
class Continue(JsonForm):
    """Advance by a number of blocks.

    Attributes:
        advance_count: Number of blocks, at least 1. If fewer are left, the engine runs to the end of the range.
        transactions: Your own transactions: base64 text, bytes, or objects with a byte form such as solders'
            ``VersionedTransaction``. Signatures are not verified, so any account may sign. Whether the hosted server
            executes them before the first block or after its transactions is not certain.
        modify_accounts: Address → :class:`~simsync.AccountData` to write before anything is executed.
    """

    advance_count: int = 1
    transactions: Sequence[Any] = ()
    modify_accounts: Mapping[str, Any] = field(default_factory=dict, metadata=config(decoder=modifications_from_json))

    if TYPE_CHECKING:

        def __init__(
            self,
            advance_count: SupportsIndex = 1,
            transactions: Sequence[object] = (),
            modify_accounts: AccountModifications = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        modifications = checks.mapping("modify_accounts", self.modify_accounts)
        checks.assign(
            self,
            advance_count=checks.integer("advance_count", self.advance_count, 1, checks.U64),
            transactions=checks.transactions("transactions", self.transactions),
            modify_accounts=checked_modifications("modify_accounts", modifications) if modifications else {},
        )


@dataclass(frozen=True)
class ContinueTo(JsonForm):
    """Advance to a given place and pause there.

    Attributes:
        slot: Slot in which the engine pauses.
        batch_index: Index of the batch before which it pauses; None pauses at the boundary of the slot.
    """

    slot: int
    batch_index: Optional[int] = None

    if TYPE_CHECKING:

        def __init__(self, slot: SupportsIndex, batch_index: Optional[SupportsIndex] = None) -> None: ...

    def __post_init__(self) -> None:
        checks.assign(
            self,
            slot=checks.integer("slot", self.slot, 0, checks.U64),
            batch_index=checks.optional_integer("batch_index", self.batch_index, 0, checks.U32),
        )
