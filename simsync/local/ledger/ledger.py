"""The ledger: blocks of transactions, and the accounts that each bundle starts with."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, SupportsIndex

from simsync.errors import InvalidParams
from simsync.local.engine.own_thread import in_own_thread
from simsync.local.engine.sysvars import SLOT_HASHES_KEPT, SLOT_SECONDS, SLOTS_PER_EPOCH, PastSlot
from simsync.local.ledger import file
from simsync.local.ledger.blocks import blocks_of_replies, blocks_of_transactions, bundles_over
from simsync.local.ledger.execution import executable
from simsync.local.ledger.generate import generate_blocks
from simsync.local.ledger.given_accounts import given_accounts
from simsync.local.ledger.reply_files import blocks_of_files
from simsync.local.ledger.upgradeable_programs import DeployedLater, lonely_programs
from simsync.params import checks

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from solders.account import Account
    from solders.pubkey import Pubkey

    from simsync.local.ledger.blocks import Block, Bundle
    from simsync.params import AccountModifications


class Ledger:
    """Blocks in slot order, divided into bundles. A ledger does not change once it is made.

    Most ledgers come from :meth:`generate`, :meth:`load`, :meth:`from_blocks` or :meth:`from_transactions`.

    Args:
        blocks: The blocks, in ascending order of slots.
        bundles: The bundles, without gaps between them.
        origin: A short text that tells where the ledger comes from.

    Raises:
        InvalidParams: There is no bundle or a gap between bundles, or a block is out of order or outside the bundles.
    """

    def __init__(self, blocks: Sequence[Block], bundles: Sequence[Bundle], *, origin: str = "") -> None:
        self.blocks = tuple(blocks)
        self.bundles = tuple(bundles)
        self.origin = origin
        self._slots = [block.slot for block in self.blocks]
        timed = [(block.slot, block.time) for block in self.blocks if block.time is not None]
        self._timed_slots = [slot for slot, _ in timed]
        self._times = [time for _, time in timed]
        self._starts = [bundle.start_slot for bundle in self.bundles]
        if not self.bundles:
            raise InvalidParams("bundles", bundles, "a ledger needs at least one bundle")
        for before, after in zip(self.bundles, self.bundles[1:]):
            if after.start_slot != before.end_slot + 1:
                raise InvalidParams("bundles", after.start_slot, f"must start at slot {before.end_slot + 1}")
        if any(after <= before for before, after in zip(self._slots, self._slots[1:])):
            raise InvalidParams("blocks", self._slots[:5], "must be in ascending order of slots")
        if self._slots and not self.start_slot <= self._slots[0] <= self._slots[-1] <= self.end_slot:
            raise InvalidParams("blocks", self._slots[0], "must be within the bundles")

    def __repr__(self) -> str:
        counts = f"{len(self.bundles)} bundles, {len(self.blocks)} blocks"
        return f"<Ledger slots {self.start_slot}..{self.end_slot}, {counts}>"

    @property
    def start_slot(self) -> int:
        """The first slot of the first bundle."""
        return self.bundles[0].start_slot

    @property
    def end_slot(self) -> int:
        """The last slot of the last bundle."""
        return self.bundles[-1].end_slot

    @property
    def transaction_count(self) -> int:
        """The number of transactions in all blocks."""
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

    def block_before(self, slot: int) -> Block | None:
        """Return the last block before ``slot``, or None if the ledger begins later."""
        index = bisect_left(self._slots, slot)
        return self.blocks[index - 1] if index else None

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
        """Return the unix time in seconds of the last block up to ``slot``, or of the first block if there is none.

        Blocks whose time was not recorded do not count; without any other it is 0.
        """
        if not self._times:
            return 0
        return self._times[max(0, bisect_right(self._timed_slots, slot) - 1)]

    def past_of(self, slot: int) -> list[PastSlot]:
        """Return the last blocks before ``slot``, oldest first, as many as the sysvars of an engine hold."""
        before = self.blocks[max(0, bisect_left(self._slots, slot) - SLOT_HASHES_KEPT) : bisect_left(self._slots, slot)]
        return [PastSlot(block.slot, block.blockhash) for block in before]

    def epoch_start_of(self, slot: int) -> int:
        """Return the unix time in seconds of the first slot of the epoch of ``slot``.

        If the ledger does not reach back that far, it is estimated from its first block.
        """
        first = slot - slot % SLOTS_PER_EPOCH
        if not self._times or self._timed_slots[0] <= first:
            return self.time_of(first)
        return int(self._times[0] - (self._timed_slots[0] - first) * SLOT_SECONDS)

    def with_accounts(self, accounts: AccountModifications) -> Ledger:
        """Return a ledger with the same blocks, in which every bundle starts with these accounts too.

        A program that was deployed after the start of a bundle can be called there: its ProgramData gets slot 0.

        Args:
            accounts: The accounts by address, in any form that ``modify_accounts`` of a session takes; they replace
                those that a bundle has. ``read_account_files``, ``program_accounts`` and ``mint_account`` of
                :mod:`simsync.local` make them.

        Raises:
            InvalidParams: A value is not an account, or a program has no ProgramData and so could not be called.
        """
        given = given_accounts(accounts)
        for bundle in self.bundles:
            for program, data in lonely_programs(given, bundle.accounts).items():
                rule = f"is a program without its ProgramData {data}: add that account, or leave the program out"
                raise InvalidParams("accounts", str(program), rule)
        later = DeployedLater(given)
        bundles = [
            replace(bundle, accounts={**bundle.accounts, **given, **later.before(bundle.start_slot)})
            for bundle in self.bundles
        ]
        return Ledger(self.blocks, bundles, origin=self.origin)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ledger to one file of JSON lines.

        Args:
            path: The file. A name that ends in ``.zst`` is compressed with zstd.

        Raises:
            OSError: The file cannot be written.
            MissingExtra: The name ends in ``.zst`` and zstandard is not installed.
        """
        file.save(file.Parts(self.blocks, self.bundles, self.origin), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ledger:
        """Read a ledger that :meth:`save` wrote.

        Args:
            path: The file. A name that ends in ``.zst`` is decompressed, up to 1 GiB.

        Returns:
            The ledger.

        Raises:
            OSError: The file cannot be read.
            MissingExtra: The name ends in ``.zst`` and zstandard is not installed.
            InvalidParams: The file is not a ledger, or is larger than 1 GiB once decompressed.
        """
        parts = file.load(path)
        return cls(parts.blocks, parts.bundles, origin=parts.origin)

    @classmethod
    def generate(
        cls,
        *,
        seed: SupportsIndex = 1,
        start_slot: SupportsIndex = 1_000,
        slots: SupportsIndex = 400,
        transactions_per_slot: SupportsIndex = 50,
        bundle_size: SupportsIndex = 50,
        skip_every: SupportsIndex | None = None,
        accounts: SupportsIndex = 64,
        tiny_program: bool = False,
    ) -> Ledger:
        """Make a ledger of real, signed transactions by executing them. The same arguments give the same ledger.

        Args:
            seed: Decides what is traded.
            start_slot: The first slot.
            slots: The number of slots.
            transactions_per_slot: The number of transactions in each block.
            bundle_size: The number of slots in each bundle.
            skip_every: If n, every n-th slot carries no block, except the first slot of a bundle.
            accounts: The number of wallets, at least 4.
            tiny_program: Deploy a program at :data:`simsync.local.TINY_PROGRAM` that does nothing, and let some
                transactions call it. A strategy can replace it with another program.

        Returns:
            The ledger.

        Raises:
            InvalidParams: An argument is out of range.
        """
        number = checks.any_integer("seed", seed)
        blocks, bundles = in_own_thread(
            lambda: generate_blocks(
                seed=number,
                start_slot=start_slot,
                slots=slots,
                transactions_per_slot=transactions_per_slot,
                bundle_size=bundle_size,
                skip_every=skip_every,
                accounts=accounts,
                with_tiny_program=tiny_program,
            )
        )
        return cls(blocks, bundles, origin=f"generated with seed {number}")

    @classmethod
    def from_blocks(
        cls,
        blocks: Iterable[object],
        *,
        bundle_size: SupportsIndex | None = None,
        accounts: AccountModifications | None = None,
        execute: bool = False,
    ) -> Ledger:
        """Make a ledger of recorded ``getBlock`` replies.

        Their transactions are served unchanged; with ``execute`` they are executed, and the summary of a session says
        how many came out as they did on chain. That needs the accounts as they were before the first block: with those
        of another time most transactions come out differently, or cannot run.

        Args:
            blocks: Pairs of slot and reply, replies with a key ``slot``, or a mapping from slots to replies. Replies
                may be in their JSON-RPC envelope. Gaps, None and errors for skipped slots are slots without a block.
            bundle_size: The number of slots in each bundle; by default there is one bundle.
            accounts: The accounts at the start of every bundle, see :meth:`with_accounts`.
            execute: Execute the transactions. There is one bundle then, as the accounts of later slots are not known.

        Returns:
            The ledger.

        Raises:
            InvalidParams: A reply cannot be used.
        """
        return cls._recorded(blocks_of_replies(blocks), bundle_size, accounts, execute)

    @classmethod
    def from_files(
        cls,
        *paths: str | os.PathLike[str],
        bundle_size: SupportsIndex | None = None,
        accounts: AccountModifications | None = None,
        execute: bool = False,
    ) -> Ledger:
        """Make a ledger of files that hold ``getBlock`` replies, see :meth:`from_blocks`.

        Args:
            *paths: Files and folders, also a captured one. A file holds one reply (``.json``; its name may give the
                slot), a list of them, an object of slots and replies, or one a line (``.jsonl``, ``.ndjson``); ``.gz``
                and ``.zst`` are decompressed. Hidden files in folders are left out.
            bundle_size: The number of slots in each bundle; by default there is one bundle.
            accounts: The accounts at the start of every bundle.
            execute: Execute the transactions.

        Returns:
            The ledger.

        Raises:
            OSError: A file cannot be read.
            MissingExtra: A name ends in ``.zst`` and zstandard is not installed.
            InvalidParams: A file or a reply cannot be used.
        """
        return cls._recorded(blocks_of_files(paths), bundle_size, accounts, execute)

    @classmethod
    def from_transactions(cls, transactions: Iterable[object], *, bundle_size: SupportsIndex | None = None) -> Ledger:
        """Make a ledger of recorded ``getTransaction`` replies. They are served unchanged, not executed.

        Args:
            transactions: The replies, in any order. Those of one slot make up its block.
            bundle_size: The number of slots in each bundle; by default there is one bundle.

        Returns:
            The ledger.

        Raises:
            InvalidParams: A reply cannot be used.
        """
        return cls._recorded(blocks_of_transactions(transactions), bundle_size)

    @classmethod
    def _recorded(
        cls,
        blocks: list[Block],
        bundle_size: SupportsIndex | None,
        accounts: AccountModifications | None = None,
        execute: bool = False,
    ) -> Ledger:
        blocks.sort(key=lambda block: block.slot)
        if execute:
            if bundle_size is not None:
                rule = "is not allowed with execute: only the accounts before the first block are known"
                raise InvalidParams("bundle_size", bundle_size, rule)
            blocks = [executable(block) for block in blocks]
        origin = "recorded, to be executed" if execute else "recorded"
        return cls(blocks, bundles_over(blocks, bundle_size), origin=origin).with_accounts(accounts or {})
