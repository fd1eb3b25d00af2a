"""One backtest session without any I/O: how far each request advances it, and what it tells the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solders.transaction import VersionedTransaction

from simsync.local.backtest.execution import Execution
from simsync.local.backtest.messages import Completed, Discovered, Paused, Ready, SlotExecuted, StatusChanged, Step
from simsync.local.backtest.stream import RecordedTransaction
from simsync.local.encoding import encode_base58
from simsync.local.engine.accounts import AccountRefused
from simsync.local.engine.sysvars import made_up_hash
from simsync.local.request_fields import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from solders.account import Account
    from solders.pubkey import Pubkey

    from simsync.local.backtest.decoded import DecodedBlocks
    from simsync.local.backtest.engines import Engines
    from simsync.local.backtest.history import History
    from simsync.local.backtest.messages import Advance, AdvanceTo, Plan
    from simsync.local.backtest.stream import ExecutedTransaction
    from simsync.local.behaviour import Behaviour
    from simsync.local.engine.engine import Engine
    from simsync.local.ledger.blocks import Block
    from simsync.local.ledger.ledger import Ledger


class Backtest:
    """The state of one session.

    The block of the start slot is executed at the start, so the state is that of the start slot when the session is
    first ready; each continue executes the blocks after it. With discoveries the first continue executes the block of
    the start slot too, so that the client can pause inside it. The engine and the start block wait until something
    needs them, which saves memory in parallel sessions.

    ``on_slot`` is called after each executed block.
    """

    def __init__(
        self,
        ledger: Ledger,
        plan: Plan,
        behaviour: Behaviour,
        on_slot: Callable[[], None] | None = None,
        engines: Engines | None = None,
        blocks: DecodedBlocks | None = None,
    ) -> None:
        self.plan = plan
        self.completed = False
        self.behaviour = behaviour
        self._on_slot = on_slot
        self._ledger = ledger
        self._execution = Execution(ledger, plan, behaviour, engines, blocks)
        self.stream = self._execution.stream
        self.summary = self._execution.summary
        self._blocks = ledger.blocks_between(plan.start_slot, plan.end_slot)
        self._next = 0
        """Index of the first block that is not finished."""
        starts_with_block = bool(self._blocks) and self._blocks[0].slot == plan.start_slot
        self._start_is_ahead = starts_with_block and bool(plan.discover_programs)
        self._announced = plan.start_slot
        """The last slot for which the client got, or needs, no more ``slotNotification``."""

    # -- the current state

    @property
    def engine(self) -> Engine:
        """The engine, started if necessary."""
        self.ensure_started()
        return self._execution.engine

    @property
    def slot(self) -> int:
        """The slot in which the session stands."""
        return self._execution.slot

    @property
    def blockhash(self) -> str:
        """The hash of the current block, or of the last one before if the slot carries none."""
        block = self._current_block
        return block.blockhash if block is not None else encode_base58(made_up_hash(self.slot))

    @property
    def block_height(self) -> int:
        """The height of the current block, 0 if it is not known."""
        block = self._current_block
        return (block.height or 0) if block is not None else 0

    @property
    def _current_block(self) -> Block | None:
        """The block that was begun last; before the first, that of the start slot or the last one before it."""
        block = self._execution.block
        if block is not None:
            return block
        return self.block_before(self.slot + 1)

    def blocks_until_now(self) -> Sequence[Block]:
        """Return the blocks of the session up to the current slot, and of the ledger before it."""
        return self._ledger.blocks_between(0, self.slot)

    def block_at(self, slot: int) -> Block | None:
        """Return the block of a slot, None if the slot carries none."""
        return self._ledger.block(slot)

    def block_before(self, slot: int) -> Block | None:
        """Return the last block before a slot, None if the ledger begins later."""
        return self._ledger.block_before(slot)

    def time_of(self, slot: int) -> int:
        """Return the unix time in seconds at a slot as far as it is known."""
        return self._ledger.time_of(slot)

    @property
    def history(self) -> History:
        """The transactions that were shown."""
        return self._execution.history

    def ensure_started(self) -> None:
        """Make the engine and execute the start block, unless that was done. With discoveries the block waits."""
        execution = self._execution
        if execution.started:
            return
        execution.start()
        if self._blocks and self._blocks[0].slot == self.plan.start_slot and not self._start_is_ahead:
            for _ in self._run_to_end(self._blocks[0]):
                pass
        self.stream.wake()

    def park(self) -> None:
        """Give the engine up until something needs it again; its accounts are kept."""
        self._execution.park()

    def free(self) -> None:
        """Release the engine and the history. The session must not be used afterwards."""
        self._execution.free()

    # -- changes by the client, in the current slot

    def inject(self, transaction: VersionedTransaction) -> ExecutedTransaction:
        """Execute a transaction of the client, and show it to subscribers."""
        self.ensure_started()
        return self._execution.inject(transaction)

    def override(self, accounts: Iterable[tuple[Pubkey, Account]]) -> None:
        """Replace accounts, all or none, and show the changes to subscribers. Raises AccountRefused."""
        self.ensure_started()
        self._execution.override(accounts)

    # -- requests

    def opening(self) -> Iterator[Step]:
        """Yield the events before the first continue."""
        yield StatusChanged("startingRuntime")
        yield StatusChanged("programAccountsLoaded")
        yield from self._discoveries()
        if self.behaviour.notify_start and not self._start_is_ahead:
            yield SlotExecuted(self.plan.start_slot)
        yield Ready()

    def advance(self, request: Advance) -> Iterator[Step]:
        """Carry out a continue."""
        if self.completed:
            yield Refused("noMoreBlocks", {})
            return
        self.ensure_started()
        if request.accounts:
            try:
                self.override(request.accounts)
            except AccountRefused as error:
                yield Refused("invalidRequest", {"error": str(error)})
                yield Ready()
                return
            if self.behaviour.statuses:
                yield StatusChanged("appliedAccountModifications")
        own = request.transactions
        for _ in range(request.count):
            if self._next >= len(self._blocks):
                break
            yield from self._run_block(own)
            own = ()
        # Without a block they run in the slot where the session stands.
        yield from self._run_own(own)
        if self._next >= len(self._blocks) and request.count:
            yield from self._complete()
        else:
            yield Ready()

    def advance_to(self, request: AdvanceTo) -> Iterator[Step]:
        """Carry out a continue-to."""
        if self.completed:
            yield Refused("noMoreBlocks", {})
            return
        self.ensure_started()
        wanted = request.batch_index
        if request.slot <= self.slot and not self._is_ahead(request.slot, wanted):
            text = f"slot {request.slot} was already executed; the session is at slot {self.slot}"
            yield Refused("invalidRequest", {"error": text})
            yield Ready()
            return
        while self._next < len(self._blocks) and self._blocks[self._next].slot < request.slot:
            yield from self._run_block(())
        if self._next >= len(self._blocks) and request.slot > self.plan.end_slot:
            yield from self._complete()
            return
        reached: int | None = None
        if wanted is not None and self._next < len(self._blocks):
            block = self._blocks[self._next]
            if block.slot == request.slot:
                reached = min(wanted, self._execution.batches(block))
                yield from self._execution.run_batches(block, reached)
        yield Paused(request.slot, reached)
        if self.behaviour.ready_after_paused:
            yield Ready()

    def _is_ahead(self, slot: int, batch_index: int | None) -> bool:
        """Can the session still pause there, although it already stands at that slot?"""
        if self._next >= len(self._blocks) or self._blocks[self._next].slot != slot:
            return False
        if self._blocks[self._next] is not self._execution.block:
            return True
        return batch_index is not None and batch_index >= self._execution.batch

    # -- parts of a request

    def _run_block(self, own: tuple[VersionedTransaction, ...]) -> Iterator[Step]:
        """Execute the next block, or what is left of it, with the client's transactions at its end."""
        block = self._blocks[self._next]
        detailed = self.behaviour.statuses
        if self.behaviour.notify_skipped:
            yield from self._skipped(block.slot)
        if detailed:
            yield StatusChanged("decodedTransactions")
            yield StatusChanged("executingBlockTransactions")
        yield from self._execution.run_batches(block, self._execution.batches(block))
        if detailed:
            yield StatusChanged("executedBlockTransactions")
        yield from self._run_own(own)
        yield from self._finish(block)
        problems = self._execution.problems
        while problems:
            yield problems.pop(0)
        yield SlotExecuted(block.slot)

    def _run_own(self, own: tuple[VersionedTransaction, ...]) -> Iterator[Step]:
        if not own:
            return
        if self.behaviour.statuses:
            yield StatusChanged("readyToExecuteUserTransactions")
        for transaction in own:
            self.inject(transaction)
        if self.behaviour.statuses:
            yield StatusChanged("executedUserTransactions")

    def _run_to_end(self, block: Block) -> Iterator[None]:
        yield from self._execution.run_batches(block, self._execution.batches(block))
        yield from self._finish(block)

    def _finish(self, block: Block) -> Iterator[None]:
        yield from self._execution.finish(block)
        self._next += 1
        self._announced = block.slot
        if self._on_slot is not None:
            self._on_slot()

    def _skipped(self, until: int) -> Iterator[Step]:
        """Announce the slots without a block before ``until``."""
        for slot in range(self._announced + 1, until):
            yield SlotExecuted(slot)

    def _complete(self) -> Iterator[Step]:
        if self.behaviour.notify_skipped:
            yield from self._skipped(self.plan.end_slot + 1)
        self.completed = True
        yield Completed(self.summary if self.plan.send_summary else None)
        self.stream.finish()

    def _discoveries(self) -> Iterator[Step]:
        """Announce the batches in which a transaction names a wanted program among its accounts.

        Recordings need not hold the bytes of a transaction, so only the positions are given there.
        """
        wanted = frozenset(self.plan.discover_programs)
        if not wanted:
            return
        size = self.behaviour.batch_size
        for block in self._blocks:
            for batch in range(self._execution.batches(block)):
                found: set[str] = set()
                matching: list[int] = []
                for index in range(batch * size, min((batch + 1) * size, block.transaction_count)):
                    programs = wanted.intersection(_accounts_of(block, index))
                    if programs:
                        found |= programs
                        matching.append(index)
                if matching:
                    wires = () if block.recorded else tuple(block.transactions[index].wire for index in matching)
                    yield Discovered(block.slot, batch, tuple(sorted(found)), wires, tuple(matching))
            yield None


def _accounts_of(block: Block, index: int) -> Iterable[str]:
    """Return the accounts that a transaction of a block names; in a recording also those from lookup tables."""
    if block.recorded:
        return RecordedTransaction(block.recorded[index], block.slot, block.time).mentions
    return map(str, VersionedTransaction.from_bytes(block.transactions[index].wire).message.account_keys)
