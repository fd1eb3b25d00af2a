"""Executes blocks batch by batch, with scheduled actions around them, and shows the results to subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from simsync.local.actions import ActionResult, Due, Schedule
from simsync.local.backtest.decoded import Decoded, DecodedBlocks
from simsync.local.backtest.engines import Engines
from simsync.local.backtest.history import History
from simsync.local.backtest.messages import Summary
from simsync.local.backtest.stream import (
    AccountsOverridden,
    ExecutedTransaction,
    RecordedTransaction,
    SlotBegun,
    SlotShown,
    Stream,
)
from simsync.local.engine.accounts import AccountRefused
from simsync.local.engine.engine import Engine
from simsync.local.engine.transactions import real_changes
from simsync.local.request_fields import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from solders.account import Account
    from solders.pubkey import Pubkey
    from solders.transaction import VersionedTransaction

    from simsync.local.backtest.messages import Plan
    from simsync.local.behaviour import Behaviour
    from simsync.local.engine.message_parts import MessageParts
    from simsync.local.ledger.blocks import Block
    from simsync.local.ledger.ledger import Ledger

_SLOTS_UNTIL_FINAL = 32
_Shown = TypeVar("_Shown", ExecutedTransaction, RecordedTransaction)


class Execution:
    """The engine of one session, its position in the ledger, and the results that it has shown.

    The iterators that it returns yield None after each batch and each action: the caller may stop there to let other
    work run, and RPC calls then see the state between two batches.
    """

    def __init__(
        self,
        ledger: Ledger,
        plan: Plan,
        behaviour: Behaviour,
        engines: Engines | None = None,
        blocks: DecodedBlocks | None = None,
    ) -> None:
        self._engines = engines if engines is not None else Engines(1)
        self._blocks = blocks if blocks is not None else DecodedBlocks()
        self._parked: dict[Pubkey, Account] | None = None
        """The accounts of the engine while it is parked."""
        self.stream = Stream(behaviour.replay_slots)
        self.summary = Summary()
        self.slot = plan.start_slot
        self.block: Block | None = None
        """The block that was begun last."""
        self.batch = 0
        """Batches of that block that were executed; 0 again when the block is finished."""
        self.problems: list[Refused] = []
        """Errors of actions that the client has not been told yet."""
        self._ledger = ledger
        self._plan = plan
        self._behaviour = behaviour
        self._engine: Engine | None = None
        self.history = History(behaviour.history_slots)
        self._schedule = Schedule(plan.actions) if plan.actions else None
        self._programs = self._schedule.programs if self._schedule is not None else frozenset()

    @property
    def started(self) -> bool:
        return self._engine is not None or self._parked is not None

    @property
    def engine(self) -> Engine:
        """The engine, made again if it was parked."""
        if self._engine is None:
            assert self._parked is not None, "the execution was not started"
            accounts, self._parked = self._parked, None
            self._make_engine(accounts, self.slot)
        self._engines.used(self)
        assert self._engine is not None
        return self._engine

    def park(self) -> None:
        """Keep the accounts of the engine and give the engine up, until something needs it again."""
        if self._engine is not None:
            self._parked = self._engine.to_restore()
            self._engine = None
            self._engines.closed(self)

    def start(self) -> None:
        """Make the engine, with the accounts of the bundle that holds the start slot."""
        start = self._plan.start_slot
        bundle = self._ledger.bundle_at(start)
        self._make_engine(bundle.accounts if bundle is not None else {}, start)

    def _make_engine(self, accounts: Mapping[Pubkey, Account], slot: int) -> None:
        self._engine = Engine(accounts, extra_units=self._plan.extra_units, past=self._ledger.past_of(slot))
        self._engines.opened(self)
        self._enter_slot(slot)

    def _enter_slot(self, slot: int) -> None:
        block = self._ledger.block(slot)
        self.engine.enter_slot(
            slot,
            self._ledger.time_of(slot),
            blockhash=block.blockhash if block is not None else None,
            epoch_start=self._ledger.epoch_start_of(slot),
        )

    def free(self) -> None:
        """Release the engine and the history. The execution must not be used afterwards."""
        self._engine = self._parked = None
        self._engines.closed(self)
        self.history.clear()

    @property
    def block_time(self) -> int | None:
        """Unix seconds of the current slot, None if they were not recorded."""
        return self.block.time if self.block is not None else self._ledger.time_of(self.slot)

    # -- single transactions and accounts

    def inject(self, transaction: VersionedTransaction) -> ExecutedTransaction:
        """Execute a transaction of the client in the current slot, and show it."""
        decoded = Decoded(transaction)
        outcome = self.engine.execute(transaction, decoded.message)
        return self._show(ExecutedTransaction(decoded, outcome, self.slot, self.block_time))

    def override(self, accounts: Iterable[tuple[Pubkey, Account]]) -> None:
        """Replace accounts in the current slot, all or none, and show the changes. Raises AccountRefused."""
        changes = real_changes(self.engine.set_accounts(accounts))
        if changes:
            self.stream.add(AccountsOverridden(self.slot, changes))

    # -- blocks

    def batches(self, block: Block) -> int:
        """Return the number of batches of a block."""
        return -(-block.transaction_count // self._behaviour.batch_size)

    def run_batches(self, block: Block, until: int) -> Iterator[None]:
        """Begin the block unless it was begun, and execute its batches before ``until`` that have not run yet."""
        if block is not self.block:
            self.block = block
            self.slot = block.slot
            self._enter_slot(block.slot)
            self.stream.add(SlotBegun(block.slot))
            yield from self._run_slot_actions(block.slot, before=True)
        size = self._behaviour.batch_size
        while self.batch < until:
            part = slice(self.batch * size, (self.batch + 1) * size)
            if block.recorded:
                yield from self._replay_batch(block, block.recorded[part])
            else:
                yield from self._execute_batch(block, part)
            self.batch += 1
            yield None

    def finish(self, block: Block) -> Iterator[None]:
        """Finish a block whose batches have run."""
        yield from self._run_slot_actions(block.slot, before=False)
        self.stream.add(SlotShown(block.slot, block.parent, max(0, block.slot - _SLOTS_UNTIL_FINAL)))
        self.batch = 0

    def _execute_batch(self, block: Block, part: slice) -> Iterator[None]:
        items = zip(block.transactions[part], self._blocks.transactions(block)[part])
        batch = [(item, decoded) for item, decoded in items if not self._filtered(decoded.message)]
        around: list[tuple[Due, bool, bytes]] = []
        if self._schedule is not None and self._programs:
            keys = [decoded.message.keys for _, decoded in batch]
            around = [(due, before, batch[index][0].wire) for due, before, index in self._schedule.around(keys)]
        yield from self._run_match_actions(around, before=True)
        engine = self.engine
        for item, decoded in batch:
            outcome = engine.execute(decoded.transaction, decoded.message)
            if self._plan.send_summary:
                self.summary.count(item, outcome)
            self._show(ExecutedTransaction(decoded, outcome, block.slot, block.time))
        yield from self._run_match_actions(around, before=False)

    def _replay_batch(self, block: Block, replies: Iterable[dict[str, object]]) -> Iterator[None]:
        batch = [RecordedTransaction(reply, block.slot, block.time) for reply in replies]
        batch = [one for one in batch if not self._plan.signer_filter or not self._plan.signer_filter & one.signers]
        around: list[tuple[Due, bool, None]] = []
        if self._schedule is not None and self._programs:
            keys = [[program for program in self._programs if str(program) in one.mentions] for one in batch]
            around = [(due, before, None) for due, before, _ in self._schedule.around(keys)]
        yield from self._run_match_actions(around, before=True)
        for one in batch:
            self._show(one)
        yield from self._run_match_actions(around, before=False)

    def _filtered(self, message: MessageParts) -> bool:
        """Does the signer filter leave the transaction with this message out?"""
        unwanted = self._plan.signer_filter
        return bool(unwanted) and any(str(key) in unwanted for key in message.keys[: message.signers])

    def _show(self, shown: _Shown) -> _Shown:
        """Add a transaction to the stream and the history."""
        self.history.add(shown)
        self.stream.add(shown)
        return shown

    # -- actions

    def _run_slot_actions(self, slot: int, *, before: bool) -> Iterator[None]:
        if self._schedule is None:
            return
        for due in self._schedule.at(slot, before=before):
            self._act(due, None, None)
            yield None

    def _run_match_actions(self, around: Iterable[tuple[Due, bool, bytes | None]], *, before: bool) -> Iterator[None]:
        for due, runs_before, matched in around:
            if runs_before == before:
                self._act(due, self.batch, matched)
                yield None

    def _act(self, due: Due, batch_index: int | None, matched: bytes | None) -> None:
        """Run an action and show its result."""
        action, transactions = due
        try:
            if action.only_overrides:
                self.override(action.overrides)
                return
            if action.commits:
                outcomes = [self.inject(transaction).outcome for transaction in transactions]
                accounts = [self.engine.account(address) for address in action.return_accounts]
            else:
                outcomes, accounts = self.engine.attempt(action.overrides, transactions, action.return_accounts)
        except AccountRefused as error:
            self.problems.append(Refused("simulationError", {"error": f"actions[{action.index}]: {error}"}))
            return
        form = self._behaviour.action_form
        self.stream.add(
            ActionResult(action, self.slot, outcomes, accounts, batch_index=batch_index, matched=matched, form=form)
        )
