"""What a backtest session receives (plan and requests) and what it sends (events)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

from simsync.local.request_fields import Refused

if TYPE_CHECKING:
    from solders.account import Account
    from solders.pubkey import Pubkey
    from solders.transaction import VersionedTransaction

    from simsync.local.actions import Action
    from simsync.local.engine.transactions import Outcome
    from simsync.local.ledger.blocks import HistoricalTransaction

# -- plan and requests


@dataclass(frozen=True)
class Plan:
    """The parameters that a session was created with. Slots are inclusive at both ends."""

    start_slot: int
    end_slot: int
    signer_filter: frozenset[str] = field(default_factory=frozenset)
    send_summary: bool = False
    discover_programs: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    extra_units: int = 0
    """Compute units that each transaction may use beyond its limit."""


@dataclass(frozen=True)
class Advance:
    """Execute ``count`` more blocks.

    ``accounts`` are replaced before the first block, the client's own ``transactions`` run after its history.
    """

    count: int = 1
    transactions: tuple[VersionedTransaction, ...] = ()
    accounts: tuple[tuple[Pubkey, Account], ...] = ()


@dataclass(frozen=True)
class AdvanceTo:
    """Execute everything before the batch ``batch_index`` of ``slot``, or before the slot itself if that is None."""

    slot: int
    batch_index: int | None = None


# -- events


class SlotExecuted(NamedTuple):
    """The slot is done."""

    slot: int


class Ready(NamedTuple):
    """The session waits for a continue."""


class Paused(NamedTuple):
    """The session stopped before the batch ``batch_index`` of ``slot``, or before the slot itself if that is None."""

    slot: int
    batch_index: int | None


class StatusChanged(NamedTuple):
    """What the session is doing, in the protocol's words."""

    status: str


class Completed(NamedTuple):
    """The last slot is done. ``summary`` is None unless the client requested it."""

    summary: Summary | None


class Discovered(NamedTuple):
    """The batch ``batch_index`` of ``slot`` will run one of ``programs``.

    ``indices`` are the positions of the matching transactions in the block, ``transactions`` their bytes if known.
    """

    slot: int
    batch_index: int
    programs: tuple[str, ...]
    transactions: tuple[bytes, ...]
    indices: tuple[int, ...]


class Acknowledged(NamedTuple):
    """The session was closed on request."""


Event = Union[SlotExecuted, Ready, Paused, StatusChanged, Completed, Refused, Discovered, Acknowledged]
Step = Optional[Event]
"""An event, or None at a point where the session may yield to other work."""


@dataclass
class Summary:
    """How the execution of the ledger's transactions compares with their recording.

    ``correct`` ended as recorded; ``incorrect`` did not: the error (``execution_errors``), the balances of the written
    accounts (``balance_diff``) or the programs that ran (``log_diff``) differ. ``unsanitizable`` could not be run.
    """

    correct: int = 0
    incorrect: int = 0
    execution_errors: int = 0
    balance_diff: int = 0
    log_diff: int = 0
    unsanitizable: int = 0

    def count(self, recorded: HistoricalTransaction, outcome: Outcome) -> None:
        """Compare one execution with its recording."""
        if outcome.unsanitizable and recorded.error != outcome.error:
            self.unsanitizable += 1
            return
        error = outcome.error != recorded.error
        balances = outcome.written_balances() != recorded.written_balances
        trace = recorded.trace not in ("", outcome.trace())  # recorded without logs: not compared
        self.execution_errors += error
        self.balance_diff += balances
        self.log_diff += trace
        if error or balances or trace:
            self.incorrect += 1
        else:
            self.correct += 1
