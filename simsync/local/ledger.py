"""What the embedded simulator replays: blocks of transactions and the accounts that each bundle starts from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from solders.account import Account
from solders.pubkey import Pubkey

from simsync.errors import InvalidParams

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence


class HistoricalTransaction(NamedTuple):
    """A transaction and what became of it when the ledger was made.

    ``error`` is in JSON-RPC form (None is success), ``written_balances`` are the lamports of the writable accounts
    afterwards, in the order of the account keys, and ``trace`` the digest of the programs that ran and how each ended.
    """

    wire: bytes
    error: Any
    written_balances: tuple[int, ...]
    trace: str


@dataclass(frozen=True)
class Block:
    """One slot that carries a block. ``time`` is in unix seconds, ``height`` counts blocks.

    A block holds either ``transactions``, which are executed, or ``recorded`` replies of getTransaction, which are
    served as they are.
    """

    slot: int
    parent: int
    height: int
    time: int
    blockhash: str
    transactions: tuple[HistoricalTransaction, ...] = ()
    recorded: tuple[dict[str, Any], ...] = ()

    @property
    def transaction_count(self) -> int:
        return len(self.transactions) or len(self.recorded)


@dataclass(frozen=True)
class Bundle:
    """A range of slots (both ends included) in which a session may start, and the accounts at its first slot."""

    start_slot: int
    end_slot: int
    accounts: Mapping[Pubkey, Account] = field(default_factory=dict, repr=False)


class Ledger:
    """Blocks in slot order, divided into bundles. It never changes once it is made."""

    def __init__(self, blocks: Sequence[Block], bundles: Sequence[Bundle], *, origin: str = "") -> None:
        """Raises InvalidParams if there is no bundle, a gap between bundles, or a block outside or out of order."""
        self.blocks = tuple(blocks)
        self.bundles = tuple(bundles)
        self.origin = origin
        self._slots = [block.slot for block in self.blocks]
        self._starts = [bundle.start_slot for bundle in self.bundles]
        if not self.bundles:
            raise InvalidParams("bundles", bundles, "a ledger needs at least one bundle")
        for before, after in zip(self.bundles, self.bundles[1:]):
            if after.start_slot != before.end_slot + 1:
                raise InvalidParams("bundles", after.start_slot, f"must begin at slot {before.end_slot + 1}")
        if any(after <= before for before, after in zip(self._slots, self._slots[1:])):
            raise InvalidParams("blocks", self._slots[:5], "must be in ascending order of slots")
        if self._slots and not self.start_slot <= self._slots[0] <= self._slots[-1] <= self.end_slot:
            raise InvalidParams("blocks", self._slots[0], "must lie within the bundles")

    def __repr__(self) -> str:
        counts = f"{len(self.bundles)} bundles, {len(self.blocks)} blocks"
        return f"<Ledger slots {self.start_slot}..{self.end_slot}, {counts}>"

    @property
    def start_slot(self) -> int:
        return self.bundles[0].start_slot

    @property
    def end_slot(self) -> int:
        return self.bundles[-1].end_slot

    @property
    def transaction_count(self) -> int:
        return sum(block.transaction_count for block in self.blocks)

    @property
    def accounts(self) -> Mapping[Pubkey, Account]:
        """The accounts before the first block."""
        return self.bundles[0].accounts

    def block(self, slot: int) -> Block | None:
        """Return the block of ``slot``, or None if that slot carries none."""
        index = bisect_left(self._slots, slot)
        if index < len(self._slots) and self._slots[index] == slot:
            return self.blocks[index]
        return None

    def blocks_between(self, start_slot: int, end_slot: int) -> tuple[Block, ...]:
        """Return the blocks of the slots from ``start_slot`` to ``end_slot``, both included."""
        return self.blocks[bisect_left(self._slots, start_slot) : bisect_right(self._slots, end_slot)]

    def bundle_at(self, slot: int) -> Bundle | None:
        """Return the bundle that covers ``slot``, or None."""
        index = bisect_right(self._starts, slot) - 1
        if index < 0 or slot > self.bundles[index].end_slot:
            return None
        return self.bundles[index]

    def time_of(self, slot: int) -> int:
        """Return the unix time (seconds) of the last block not after ``slot``, or that of the first block."""
        if not self.blocks:
            return 0
        return self.blocks[max(0, bisect_right(self._slots, slot) - 1)].time

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ledger to one file of JSON lines, compressed with zstd if the name ends in ``.zst``.

        Raises OSError, or MissingExtra without the zstandard package.
        """
        from simsync.local import ledger_file

        ledger_file.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ledger:
        """Read a ledger that :meth:`save` wrote. Raises OSError, MissingExtra, or InvalidParams if it is no ledger."""
        from simsync.local import ledger_file

        return ledger_file.load(path)

    @classmethod
    def generate(
        cls,
        *,
        seed: int = 1,
        start_slot: int = 1_000,
        slots: int = 400,
        transactions_per_slot: int = 50,
        bundle_size: int = 50,
        skip_every: int | None = None,
        accounts: int = 64,
        tiny_program: bool = False,
    ) -> Ledger:
        """Make a ledger of real, signed transactions by executing them; the same arguments give the same ledger.

        ``slots`` and ``bundle_size`` are numbers of slots. With ``skip_every=n`` every n-th slot carries no block,
        except the first slot of a bundle. ``accounts`` is the number of wallets. With ``tiny_program`` there is an
        upgradeable program at :data:`simsync.local.TINY_PROGRAM` that does nothing, and some transactions call it: to
        be replaced by another one. Raises InvalidParams.
        """
        from simsync.local.generate import generate

        return generate(
            seed=seed,
            start_slot=start_slot,
            slots=slots,
            transactions_per_slot=transactions_per_slot,
            bundle_size=bundle_size,
            skip_every=skip_every,
            accounts=accounts,
            with_tiny_program=tiny_program,
        )

    @classmethod
    def from_blocks(cls, blocks: Iterable[Any], *, bundle_size: int | None = None) -> Ledger:
        """Make a ledger of recorded getBlock replies, see :func:`simsync.local.recorded.from_blocks`."""
        from simsync.local import recorded

        return recorded.from_blocks(blocks, bundle_size=bundle_size)

    @classmethod
    def from_transactions(cls, transactions: Iterable[Any], *, bundle_size: int | None = None) -> Ledger:
        """Make a ledger of recorded getTransaction replies, see :func:`simsync.local.recorded.from_transactions`."""
        from simsync.local import recorded

        return recorded.from_transactions(transactions, bundle_size=bundle_size)
