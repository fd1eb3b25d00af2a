"""Generates a ledger: wallets trade lamports and tokens through the real programs, and the results are recorded."""

from __future__ import annotations

import hashlib
import random
import struct
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

from solders.account import Account
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from simsync.local.engine.engine import Engine
from simsync.local.engine.programs import (
    LOOKUP_TABLE_PROGRAM,
    SYSTEM_PROGRAM,
    TINY_PROGRAM,
    associated_address,
    close_account,
    create_associated_account,
    create_mint,
    lookup_table_data,
    memo,
    mint_to,
    program_accounts,
    system_transfer,
    tiny_program,
    token_transfer,
)
from simsync.local.ledger.blocks import Block, Bundle, HistoricalTransaction
from simsync.params import checks

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_BLOCK_TIME = 1_761_000_000
"""Unix time (seconds) of the first slot of a generated ledger."""
SLOTS_PER_SECOND = 2.5

_WALLET_LAMPORTS = 1_000_000_000_000
_POOR_LAMPORTS = 50_000_000
_MINT_SIZE = 82
_DECIMALS = 6
_TINY_CALLS = 50
"""Of 1,000 transactions, if there is a tiny program."""
_MAX_MINTS = 8


def generate_blocks(
    *,
    seed: int,
    start_slot: SupportsIndex,
    slots: SupportsIndex,
    transactions_per_slot: SupportsIndex,
    bundle_size: SupportsIndex,
    skip_every: SupportsIndex | None,
    accounts: SupportsIndex,
    with_tiny_program: bool,
) -> tuple[list[Block], list[Bundle]]:
    """Return the blocks and bundles of :meth:`simsync.local.Ledger.generate`. Raises InvalidParams."""
    start_slot = checks.integer("start_slot", start_slot, 1, checks.U64)
    slots = checks.integer("slots", slots, 1, checks.U64)
    transactions_per_slot = checks.integer("transactions_per_slot", transactions_per_slot, 0, checks.U64)
    bundle_size = checks.integer("bundle_size", bundle_size, 1, checks.U64)
    skip_every = checks.optional_integer("skip_every", skip_every, 2, checks.U64)
    wallets = checks.integer("accounts", accounts, 4, checks.U64)
    with_tiny_program = checks.flag("tiny_program", with_tiny_program)
    market = _Market(seed, wallets, deploy_slot=start_slot - 1 if with_tiny_program else None)
    blocks: list[Block] = []
    bundles: list[Bundle] = []
    parent = start_slot - 1
    previous: dict[Pubkey, Account] = {}
    for offset in range(slots):
        slot = start_slot + offset
        starts_bundle = offset % bundle_size == 0
        if starts_bundle:
            snapshot = market.engine.snapshot()
            for address, account in snapshot.items():
                # Share what did not change, so that many bundles take little more memory than one.
                if previous.get(address) == account:
                    snapshot[address] = previous[address]
            previous = snapshot
            bundles.append(Bundle(slot, min(slot + bundle_size, start_slot + slots) - 1, snapshot))
        if skip_every is not None and (offset + 1) % skip_every == 0 and not starts_bundle:
            continue
        time = FIRST_BLOCK_TIME + int(offset / SLOTS_PER_SECOND)
        blockhash = Hash.hash(f"simsync-local/{seed}/block/{slot}".encode())
        market.engine.enter_slot(slot, time, blockhash=str(blockhash))
        transactions = market.block(blockhash, transactions_per_slot)
        blocks.append(Block(slot, parent, len(blocks) + 1, time, str(blockhash), tuple(transactions)))
        parent = slot
    return blocks, bundles


class _Signer(NamedTuple):
    """A key pair and its address, which is slow to derive."""

    keypair: Keypair
    address: Pubkey


class _Market:
    """The wallets, mints and token accounts of the ledger, and the transactions that they make."""

    def __init__(self, seed: int, wallets: int, *, deploy_slot: int | None) -> None:
        """If ``deploy_slot`` is given, a tiny program is deployed in that slot."""
        self._seed = seed
        self._random = random.Random(seed)
        self._wallets = [self._signer(f"wallet/{index}") for index in range(wallets)]
        # These only receive; their attempts to send more than they have give failed transactions.
        self._poor = self._wallets[::8]
        self._rich = [wallet for index, wallet in enumerate(self._wallets) if index % 8]
        self._mints: list[Pubkey] = []
        self._authorities: dict[Pubkey, _Signer] = {}
        self._holders: dict[Pubkey, list[_Signer]] = {}
        self._counter = 0
        table = self._signer("table").address
        addresses = [wallet.address for wallet in self._wallets[:64]]
        self._table = AddressLookupTableAccount(table, addresses)
        poor = {wallet.address for wallet in self._poor}
        start = {
            wallet.address: Account(_POOR_LAMPORTS if wallet.address in poor else _WALLET_LAMPORTS, b"", SYSTEM_PROGRAM)
            for wallet in self._wallets
        }
        data = lookup_table_data(self._wallets[1].address, addresses)
        self.engine = Engine({})
        start[table] = Account(self.engine.rent_exempt_minimum(len(data)), data, LOOKUP_TABLE_PROGRAM)
        if deploy_slot is not None:
            start.update(program_accounts(TINY_PROGRAM, tiny_program(), deploy_slot))
        self.engine.set_accounts(start.items())
        self._mint_rent = self.engine.rent_exempt_minimum(_MINT_SIZE)
        self._moves: tuple[tuple[int, Callable[[], _Plan]], ...] = (
            (700, self._transfer),
            (780, self._transfer_with_memo),
            (800, self._transfer_too_much),
            (930, self._send_tokens),
            (950, self._send_too_many_tokens),
            (970, self._open_token_account),
            (985, self._mint_more),
            (993, self._close_token_account),
            (1000, self._create_mint),
        )
        if deploy_slot is not None:
            self._moves = ((_TINY_CALLS, self._call_tiny_program), *self._moves)

    def block(self, blockhash: Hash, count: int) -> list[HistoricalTransaction]:
        """Make and execute ``count`` transactions with different signatures, since clients tell them apart by these."""
        seen: set[bytes] = set()
        transactions: list[HistoricalTransaction] = []
        while len(transactions) < count:
            transaction = self._sign(self._next_move()(), blockhash)
            signature = bytes(transaction.signatures[0])
            if signature in seen:
                continue
            seen.add(signature)
            outcome = self.engine.execute(transaction)
            transactions.append(
                HistoricalTransaction(bytes(transaction), outcome.error, outcome.written_balances(), outcome.trace())
            )
        return transactions

    def _signer(self, name: str) -> _Signer:
        seed = hashlib.sha256(f"simsync-local/{self._seed}/{name}".encode()).digest()
        keypair = Keypair.from_seed(seed)
        return _Signer(keypair, keypair.pubkey())

    def _next_move(self) -> Callable[[], _Plan]:
        roll = self._random.randrange(1000)
        return next(move for limit, move in self._moves if roll < limit)

    def _pick(self, choices: list[Any]) -> Any:
        return choices[self._random.randrange(len(choices))]

    def _sign(self, plan: _Plan, blockhash: Hash) -> VersionedTransaction:
        instructions, signers = plan
        payer = signers[0].address
        message: Message | MessageV0
        roll = self._random.randrange(100)
        if roll < 20:
            tables = [self._table] if roll < 5 else []
            message = MessageV0.try_compile(payer, instructions, tables, blockhash)
        else:
            message = Message.new_with_blockhash(instructions, payer, blockhash)
        to_sign = to_bytes_versioned(message)
        return VersionedTransaction.populate(message, [signer.keypair.sign_message(to_sign) for signer in signers])

    def _transfer(self) -> _Plan:
        sender = self._pick(self._rich)
        receiver = self._pick(self._wallets)
        lamports = 1_000 + self._random.randrange(500_000)
        return [system_transfer(sender.address, receiver.address, lamports)], [sender]

    def _transfer_with_memo(self) -> _Plan:
        instructions, signers = self._transfer()
        self._counter += 1
        return [*instructions, memo(signers[0].address, f"payment {self._counter}")], signers

    def _transfer_too_much(self) -> _Plan:
        sender = self._pick(self._poor)
        receiver = self._wallets[1].address
        lamports = _WALLET_LAMPORTS + self._random.randrange(1_000_000)
        return [system_transfer(sender.address, receiver, lamports)], [sender]

    def _call_tiny_program(self) -> _Plan:
        instructions, signers = self._transfer()
        self._counter += 1
        return [Instruction(TINY_PROGRAM, struct.pack("<I", self._counter), []), *instructions], signers

    def _create_mint(self) -> _Plan:
        if len(self._mints) >= _MAX_MINTS:
            return self._mint_more()
        authority = self._pick(self._rich)
        mint = self._signer(f"mint/{len(self._mints)}")
        self._mints.append(mint.address)
        self._authorities[mint.address] = authority
        self._holders[mint.address] = []
        instructions = create_mint(authority.address, mint.address, self._mint_rent, _DECIMALS)
        return instructions, [authority, mint]

    def _open_token_account(self) -> _Plan:
        if not self._mints:
            return self._create_mint()
        mint = self._pick(self._mints)
        holders = self._holders[mint]
        owner = self._pick(self._rich)
        if owner in holders:
            return self._mint_more()
        payer = self._authorities[mint]
        holders.append(owner)
        amount = 1_000_000 + self._random.randrange(10_000_000)
        return (
            [
                create_associated_account(payer.address, owner.address, mint),
                mint_to(mint, associated_address(owner.address, mint), payer.address, amount),
            ],
            [payer],
        )

    def _mint_more(self) -> _Plan:
        mint = self._mint_with_holders(1)
        if mint is None:
            return self._open_token_account() if self._mints else self._create_mint()
        authority = self._authorities[mint]
        target = associated_address(self._pick(self._holders[mint]).address, mint)
        amount = 1_000_000 + self._random.randrange(10_000_000)
        return [mint_to(mint, target, authority.address, amount)], [authority]

    def _mint_with_holders(self, count: int) -> Pubkey | None:
        mints = [mint for mint in self._mints if len(self._holders[mint]) >= count]
        return self._pick(mints) if mints else None

    def _token_accounts(self) -> tuple[Pubkey, _Signer, Pubkey, Pubkey] | None:
        """Return a mint, an owner, the owner's token account and the token account of someone else."""
        mint = self._mint_with_holders(2)
        if mint is None:
            return None
        holders = self._holders[mint]
        first = self._random.randrange(len(holders))
        second = (first + 1 + self._random.randrange(len(holders) - 1)) % len(holders)
        owner = holders[first]
        return (
            mint,
            owner,
            associated_address(owner.address, mint),
            associated_address(holders[second].address, mint),
        )

    def _amount(self, token_account: Pubkey) -> int:
        account = self.engine.account(token_account)
        if account is None:
            return 0
        amount: int = struct.unpack_from("<Q", account.data, 64)[0]
        return amount

    def _send_tokens(self) -> _Plan:
        chosen = self._token_accounts()
        if chosen is None:
            return self._open_token_account()
        mint, owner, source, target = chosen
        available = self._amount(source)
        amount = 1 + self._random.randrange(max(1, min(available, 200_000)))
        return [token_transfer(source, mint, target, owner.address, amount, _DECIMALS)], [owner]

    def _send_too_many_tokens(self) -> _Plan:
        chosen = self._token_accounts()
        if chosen is None:
            return self._open_token_account()
        mint, owner, source, target = chosen
        amount = self._amount(source) + 1 + self._random.randrange(1_000_000)
        return [token_transfer(source, mint, target, owner.address, amount, _DECIMALS)], [owner]

    def _close_token_account(self) -> _Plan:
        chosen = self._token_accounts()
        if chosen is None:
            return self._open_token_account()
        mint, owner, source, target = chosen
        self._holders[mint].remove(owner)
        # A token account can only be closed when it is empty.
        instructions = [close_account(source, owner.address)]
        amount = self._amount(source)
        if amount:
            instructions.insert(0, token_transfer(source, mint, target, owner.address, amount, _DECIMALS))
        return instructions, [owner]


if TYPE_CHECKING:
    _Plan = tuple[list[Instruction], list[_Signer]]
