"""One backtest session without any I/O: it executes blocks step by step and says what to tell the client."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from solders.transaction import VersionedTransaction

from simsync.local.action_result import ActionResult
from simsync.local.actions import Action, Due, Schedule
from simsync.local.engine import AccountRefused, Engine, real_changes
from simsync.local.events import Completed, Discovered, Paused, Ready, Refused, SlotExecuted, StatusChanged, Step
from simsync.local.executed import AccountsOverridden, ExecutedTransaction, RecordedTransaction, ShownTransaction
from simsync.local.stream import SlotBegun, SlotShown, Stream
from simsync.local.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from solders.account import Account
    from solders.pubkey import Pubkey

    from simsync.local.behaviour import Behaviour
    from simsync.local.ledger import Block, HistoricalTransaction, Ledger

_SLOTS_UNTIL_FINAL = 32
_Shown = TypeVar("_Shown", ExecutedTransaction, RecordedTransaction)


@dataclass(frozen=True)
class Advance:
    """Execute ``count`` more blocks, with accounts replaced before and own transactions run after the first of them."""

    count: int = 1
    transactions: tuple[VersionedTransaction, ...] = ()
    accounts: tuple[tuple[Pubkey, Account], ...] = ()


@dataclass(frozen=True)
class AdvanceTo:
    """Execute up to, not including, the batch ``batch_index`` of ``slot``; None stands for the slot as a whole."""

    slot: int
    batch_index: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a session was created for. Slots are inclusive at both ends."""

    start_slot: int
    end_slot: int
    signer_filter: frozenset[str] = field(default_factory=frozenset)
    send_summary: bool = False
    discover_programs: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    extra_units: int = 0
    """Compute units that each transaction may use beyond what it asks for."""


class Backtest:
    """The state of one session.

    The block of the start slot is executed at the start, so that the state stands at the start slot when the session is
    first ready. Every block after it is executed by a continue. Engine and start slot wait until they are needed.
    With discoveries the block of the start slot is executed by a continue, too, so that one can pause inside it.
    ``on_slot`` is called after each executed block.
    """

    def __init__(
        self, ledger: Ledger, plan: Plan, behaviour: Behaviour, on_slot: Callable[[], None] | None = None
    ) -> None:
        self.plan = plan
        self.stream = Stream(behaviour.replay_slots)
        self.summary = Summary()
        self.slot = plan.start_slot
        self.executed = 0
        self.completed = False
        self._behaviour = behaviour
        self._on_slot = on_slot
        self._ledger = ledger
        self._blocks = ledger.blocks_between(plan.start_slot, plan.end_slot)
        self._next = 0
        self._batch = 0
        self._engine: Engine | None = None
        self._block: Block | None = None
        self._history: OrderedDict[str, ShownTransaction] = OrderedDict()
        starts_with_block = bool(self._blocks) and self._blocks[0].slot == plan.start_slot
        self._start_is_ahead = starts_with_block and bool(plan.discover_programs)
        self._announced = plan.start_slot
        self._schedule = Schedule(plan.actions) if plan.actions else None
        self._programs = self._schedule.programs if self._schedule is not None else frozenset()
        self._problems: list[Refused] = []

    # -- what the session stands on

    @property
    def engine(self) -> Engine:
        """The engine, with the start slot executed unless a continue has to do that."""
        if self._engine is None:
            self._start()
        assert self._engine is not None
        return self._engine

    @property
    def blockhash(self) -> str:
        """The blockhash of the current block."""
        block = self._current_block
        return block.blockhash if block is not None else "1" * 32

    @property
    def block_height(self) -> int:
        block = self._current_block
        return block.height if block is not None else 0

    @property
    def _current_block(self) -> Block | None:
        """The block that was last begun, or that of the start slot if it is still ahead."""
        return self._block if self._block is not None else self._ledger.block(self.slot)

    @property
    def block_time(self) -> int:
        """Unix seconds of the current slot."""
        return self._block.time if self._block is not None else self._ledger.time_of(self.slot)

    def transaction(self, signature: str) -> ShownTransaction | None:
        """Return the last executed transaction with that signature, if it is still kept."""
        return self._history.get(signature)

    def ensure_started(self) -> None:
        """Make the engine ready and execute the start slot, unless that has been done or a continue has to do it."""
        if self._engine is None:
            self._start()

    def free(self) -> None:
        """Let go of the engine and of what RPC reads. Nothing may be asked of the session afterwards."""
        self._engine = None
        self._history.clear()

    # -- steps

    def opening(self) -> Iterator[Step]:
        """Yield what is said before the first continue."""
        yield StatusChanged("startingRuntime")
        yield StatusChanged("programAccountsLoaded")
        yield from self._discoveries()
        if self._behaviour.notify_start and not self._start_is_ahead:
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
            if self._behaviour.statuses:
                yield StatusChanged("appliedAccountModifications")
        own = request.transactions
        for _ in range(request.count):
            if self._next >= len(self._blocks):
                break
            yield from self._run_block(own)
            own = ()
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
            text = f"slot {request.slot} was already executed, the session stands at slot {self.slot}"
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
                reached = min(wanted, self._batches(block))
                yield from self._run_batches(block, reached)
        yield Paused(request.slot, reached)
        if self._behaviour.ready_after_paused:
            yield Ready()

    def _is_ahead(self, slot: int, batch_index: int | None) -> bool:
        """Can the session still pause there, although it already stands at that slot?"""
        if self._next >= len(self._blocks) or self._blocks[self._next].slot != slot:
            return False
        if self._blocks[self._next] is not self._block:
            return True
        return batch_index is not None and batch_index >= self._batch

    def inject(self, transaction: VersionedTransaction) -> ExecutedTransaction:
        """Execute a transaction of the client in the current slot, and show it to subscribers."""
        engine = self.engine
        return self._show(ExecutedTransaction(transaction, engine.execute(transaction), self.slot, self.block_time))

    def override(self, accounts: Iterable[tuple[Pubkey, Account]]) -> None:
        """Replace accounts in the current slot, all or none, and show it to subscribers. Raises AccountRefused."""
        changes = real_changes(self.engine.set_accounts(accounts))
        if changes:
            self.stream.add(AccountsOverridden(self.slot, changes))

    # -- parts of a step

    def _start(self) -> None:
        bundle = self._ledger.bundle_at(self.plan.start_slot)
        self._engine = Engine(bundle.accounts if bundle is not None else {}, extra_units=self.plan.extra_units)
        self._engine.enter_slot(self.plan.start_slot, self._ledger.time_of(self.plan.start_slot))
        if self._blocks and self._blocks[0].slot == self.plan.start_slot and not self._start_is_ahead:
            for _ in self._run_batches(self._blocks[0], self._batches(self._blocks[0])):
                pass
            for _ in self._leave_block():
                pass
        self.stream.wake()

    def _run_block(self, own: tuple[VersionedTransaction, ...]) -> Iterator[Step]:
        block = self._blocks[self._next]
        detailed = self._behaviour.statuses
        if self._behaviour.notify_skipped:
            yield from self._skipped(block.slot)
        if detailed:
            yield StatusChanged("decodedTransactions")
            yield StatusChanged("executingBlockTransactions")
        yield from self._run_batches(block, self._batches(block))
        if detailed:
            yield StatusChanged("executedBlockTransactions")
        yield from self._run_own(own)
        yield from self._leave_block()
        while self._problems:
            yield self._problems.pop(0)
        yield SlotExecuted(block.slot)

    def _run_own(self, own: Iterable[VersionedTransaction]) -> Iterator[Step]:
        own = tuple(own)
        if not own:
            return
        if self._behaviour.statuses:
            yield StatusChanged("readyToExecuteUserTransactions")
        for transaction in own:
            self.inject(transaction)
        if self._behaviour.statuses:
            yield StatusChanged("executedUserTransactions")

    def _run_batches(self, block: Block, until: int) -> Iterator[None]:
        """Execute the batches before ``until`` that have not run yet."""
        engine = self.engine
        if block is not self._block:
            self._block = block
            self.slot = block.slot
            engine.enter_slot(block.slot, block.time)
            self.stream.add(SlotBegun(block.slot))
            yield from self._run_slot_actions(block.slot, before=True)
        size = self._behaviour.batch_size
        while self._batch < until:
            first = self._batch * size
            if block.recorded:
                yield from self._replay_batch(block, block.recorded[first : first + size])
            else:
                yield from self._execute_batch(block, block.transactions[first : first + size])
            self._batch += 1
            yield None

    def _execute_batch(self, block: Block, items: Iterable[HistoricalTransaction]) -> Iterator[None]:
        decoded = ((item, VersionedTransaction.from_bytes(item.wire)) for item in items)
        batch = [(item, transaction) for item, transaction in decoded if not self._filtered(transaction)]
        around: list[tuple[Due, bool, bytes]] = []
        if self._schedule is not None and self._programs:
            keys = [transaction.message.account_keys for _, transaction in batch]
            around = [(due, before, batch[index][0].wire) for due, before, index in self._schedule.around(keys)]
        yield from self._run_match_actions(around, before=True)
        for item, transaction in batch:
            outcome = self.engine.execute(transaction)
            self.summary.count(item, outcome)
            self._show(ExecutedTransaction(transaction, outcome, block.slot, block.time))
        yield from self._run_match_actions(around, before=False)

    def _replay_batch(self, block: Block, replies: Iterable[dict[str, Any]]) -> Iterator[None]:
        batch = [RecordedTransaction(reply, block.slot, block.time) for reply in replies]
        batch = [one for one in batch if not self.plan.signer_filter or not self.plan.signer_filter & one.signers]
        around: list[tuple[Due, bool, None]] = []
        if self._schedule is not None and self._programs:
            keys = [[program for program in self._programs if str(program) in one.mentions] for one in batch]
            around = [(due, before, None) for due, before, _ in self._schedule.around(keys)]
        yield from self._run_match_actions(around, before=True)
        for one in batch:
            self._show(one)
        yield from self._run_match_actions(around, before=False)

    def _run_slot_actions(self, slot: int, *, before: bool) -> Iterator[None]:
        if self._schedule is None:
            return
        for due in self._schedule.at(slot, before=before):
            self._act(due, None, None)
            yield None

    def _run_match_actions(self, around: Iterable[tuple[Due, bool, bytes | None]], *, before: bool) -> Iterator[None]:
        for due, runs_before, matched in around:
            if runs_before == before:
                self._act(due, self._batch, matched)
                yield None

    def _act(self, due: Due, batch_index: int | None, matched: bytes | None) -> None:
        """Carry out an action and show its result."""
        action, transactions = due
        try:
            if action.declares:
                self.override(action.overrides)
                return
            if action.commits:
                outcomes = [self.inject(transaction).outcome for transaction in transactions]
                accounts = [self.engine.account(address) for address in action.return_accounts]
            else:
                outcomes, accounts = self.engine.attempt(action.overrides, transactions, action.return_accounts)
        except AccountRefused as error:
            self._problems.append(Refused("simulationError", {"error": f"actions[{action.index}]: {error}"}))
            return
        form = self._behaviour.action_form
        self.stream.add(
            ActionResult(action, self.slot, outcomes, accounts, batch_index=batch_index, matched=matched, form=form)
        )

    def _filtered(self, transaction: VersionedTransaction) -> bool:
        if not self.plan.signer_filter:
            return False
        message = transaction.message
        signers = message.account_keys[: message.header.num_required_signatures]
        return any(str(key) in self.plan.signer_filter for key in signers)

    def _leave_block(self) -> Iterator[None]:
        block = self._blocks[self._next]
        yield from self._run_slot_actions(block.slot, before=False)
        self.stream.add(SlotShown(block.slot, block.parent, max(0, block.slot - _SLOTS_UNTIL_FINAL)))
        self._next += 1
        self._batch = 0
        self._announced = block.slot
        if self._on_slot is not None:
            self._on_slot()

    def _skipped(self, until: int) -> Iterator[Step]:
        for slot in range(self._announced + 1, until):
            yield SlotExecuted(slot)

    def _complete(self) -> Iterator[Step]:
        if self._behaviour.notify_skipped:
            yield from self._skipped(self.plan.end_slot + 1)
        self.completed = True
        yield Completed(self.summary if self.plan.send_summary else None)
        self.stream.finish()

    def _show(self, shown: _Shown) -> _Shown:
        self.executed += 1
        self._history[shown.signature] = shown
        self._history.move_to_end(shown.signature)
        oldest = shown.slot - self._behaviour.history_slots
        while True:
            first = next(iter(self._history.values()))
            if first.slot > oldest:
                break
            del self._history[first.signature]
        self.stream.add(shown)
        return shown

    def _batches(self, block: Block) -> int:
        return -(-block.transaction_count // self._behaviour.batch_size)

    def _discoveries(self) -> Iterator[Step]:
        """Announce the batches that hold a transaction with a wanted program among its accounts.

        Of recorded transactions only the places are known, not the bytes.
        """
        wanted = frozenset(self.plan.discover_programs)
        if not wanted:
            return
        size = self._behaviour.batch_size
        for block in self._blocks:
            for batch in range(self._batches(block)):
                found: set[str] = set()
                matching: list[int] = []
                for index in range(batch * size, min((batch + 1) * size, block.transaction_count)):
                    programs = wanted.intersection(_named(block, index))
                    if programs:
                        found |= programs
                        matching.append(index)
                if matching:
                    wires = () if block.recorded else tuple(block.transactions[index].wire for index in matching)
                    yield Discovered(block.slot, batch, tuple(sorted(found)), wires, tuple(matching))
            yield None


def _named(block: Block, index: int) -> Iterable[str]:
    """Return the accounts that a transaction of a block names; in a recording also those from lookup tables."""
    if block.recorded:
        return RecordedTransaction(block.recorded[index], block.slot, block.time).mentions
    return map(str, VersionedTransaction.from_bytes(block.transactions[index].wire).message.account_keys)
