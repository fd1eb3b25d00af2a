"""One backtest session without any I/O: it executes blocks step by step and says what to tell the client."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, TypeVar, Union

from solders.transaction import VersionedTransaction

from simsync.local.engine import AccountRefused, Engine
from simsync.local.executed import ExecutedTransaction, RecordedTransaction, ShownTransaction
from simsync.local.stream import SlotShown, Stream
from simsync.local.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from solders.account import Account
    from solders.pubkey import Pubkey

    from simsync.local.behaviour import Behaviour
    from simsync.local.ledger import Block, Ledger

_SLOTS_UNTIL_FINAL = 32
_Shown = TypeVar("_Shown", bound=ShownTransaction)


class SlotExecuted(NamedTuple):
    """The slot is done."""

    slot: int


class Ready(NamedTuple):
    """The session waits for a continue."""


class Paused(NamedTuple):
    """The session stands before the batch ``batch_index`` of ``slot``, or before the slot itself if that is None."""

    slot: int
    batch_index: int | None


class StatusChanged(NamedTuple):
    """What the session is doing, in the words of the protocol."""

    status: str


class Completed(NamedTuple):
    """The last slot is done. ``summary`` is None unless it was asked for."""

    summary: Summary | None


class Refused(NamedTuple):
    """A request could not be carried out; ``name`` and ``fields`` are those of the protocol's errors."""

    name: str
    fields: dict[str, Any]


class Discovered(NamedTuple):
    """The batch ``batch_index`` of ``slot`` will run one of ``programs``; ``transactions`` are its matching ones."""

    slot: int
    batch_index: int
    programs: tuple[str, ...]
    transactions: tuple[bytes, ...]
    indices: tuple[int, ...]


class Acknowledged(NamedTuple):
    """The session was closed on request."""


Event = Union[SlotExecuted, Ready, Paused, StatusChanged, Completed, Refused, Discovered, Acknowledged]
Step = Optional[Event]
"""An event, or None where the session may be interrupted for other work."""


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


class Backtest:
    """The state of one session.

    The block of the start slot is executed at the start, so that the state stands at the start slot when the session is
    first ready. Every block after it is executed by a continue. Engine and start slot wait until they are needed.
    """

    def __init__(self, ledger: Ledger, plan: Plan, behaviour: Behaviour) -> None:
        self.plan = plan
        self.stream = Stream(behaviour.replay_slots)
        self.summary = Summary()
        self.slot = plan.start_slot
        self.executed = 0
        self.completed = False
        self._behaviour = behaviour
        self._ledger = ledger
        self._blocks = ledger.blocks_between(plan.start_slot, plan.end_slot)
        self._next = 0
        self._batch = 0
        self._engine: Engine | None = None
        self._block: Block | None = None
        self._history: OrderedDict[str, ShownTransaction] = OrderedDict()
        self._announced = plan.start_slot

    # -- what the session stands on

    @property
    def engine(self) -> Engine:
        """The engine, with the start slot executed."""
        if self._engine is None:
            self._start()
        assert self._engine is not None
        return self._engine

    @property
    def blockhash(self) -> str:
        """The blockhash of the current block."""
        return self._block.blockhash if self._block is not None else "1" * 32

    @property
    def block_height(self) -> int:
        return self._block.height if self._block is not None else 0

    @property
    def block_time(self) -> int:
        """Unix seconds of the current slot."""
        return self._block.time if self._block is not None else self._ledger.time_of(self.slot)

    def transaction(self, signature: str) -> ShownTransaction | None:
        """Return the last executed transaction with that signature, if it is still kept."""
        return self._history.get(signature)

    def ensure_started(self) -> None:
        """Execute the start slot if that has not been done."""
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
        if self._behaviour.notify_start:
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
                self.engine.set_accounts(request.accounts)
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
        position = self._blocks[self._next].slot if self._next < len(self._blocks) else self.plan.end_slot + 1
        wanted = request.batch_index
        if request.slot <= self.slot and not (
            request.slot == position and wanted is not None and wanted >= self._batch
        ):
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

    def inject(self, transaction: VersionedTransaction) -> ExecutedTransaction:
        """Execute a transaction of the client in the current slot, and show it to subscribers."""
        engine = self.engine
        return self._show(ExecutedTransaction(transaction, engine.execute(transaction), self.slot, self.block_time))

    # -- parts of a step

    def _start(self) -> None:
        bundle = self._ledger.bundle_at(self.plan.start_slot)
        self._engine = Engine(bundle.accounts if bundle is not None else {})
        self._engine.enter_slot(self.plan.start_slot, self._ledger.time_of(self.plan.start_slot))
        if self._blocks and self._blocks[0].slot == self.plan.start_slot:
            for _ in self._run_batches(self._blocks[0], self._batches(self._blocks[0])):
                pass
            self._leave_block()
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
        self._leave_block()
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
        size = self._behaviour.batch_size
        while self._batch < until:
            first = self._batch * size
            for item in block.transactions[first : first + size]:
                transaction = VersionedTransaction.from_bytes(item.wire)
                if self._filtered(transaction):
                    continue
                outcome = engine.execute(transaction)
                self.summary.count(item, outcome)
                self._show(ExecutedTransaction(transaction, outcome, block.slot, block.time))
            for reply in block.recorded[first : first + size]:
                recorded = RecordedTransaction(reply, block.slot, block.time)
                if not (self.plan.signer_filter and self.plan.signer_filter & recorded.signers):
                    self._show(recorded)
            self._batch += 1
            yield None

    def _filtered(self, transaction: VersionedTransaction) -> bool:
        if not self.plan.signer_filter:
            return False
        message = transaction.message
        signers = message.account_keys[: message.header.num_required_signatures]
        return any(str(key) in self.plan.signer_filter for key in signers)

    def _leave_block(self) -> None:
        block = self._blocks[self._next]
        self.stream.add(SlotShown(block.slot, block.parent, max(0, block.slot - _SLOTS_UNTIL_FINAL)))
        self._next += 1
        self._batch = 0
        self._announced = block.slot

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
        """Announce the later batches that hold a transaction with a wanted program among its accounts."""
        wanted = frozenset(self.plan.discover_programs)
        if not wanted:
            return
        for block in self._blocks:
            if block.slot == self.plan.start_slot:
                continue
            size = self._behaviour.batch_size
            for batch in range(self._batches(block)):
                found: set[str] = set()
                matching: list[tuple[int, bytes]] = []
                for index, item in enumerate(block.transactions[batch * size : (batch + 1) * size], batch * size):
                    keys = VersionedTransaction.from_bytes(item.wire).message.account_keys
                    programs = wanted.intersection(map(str, keys))
                    if programs:
                        found |= programs
                        matching.append((index, item.wire))
                if matching:
                    indices, wires = zip(*matching)
                    yield Discovered(block.slot, batch, tuple(sorted(found)), tuple(wires), tuple(indices))
            yield None
