"""Pause before each batch that calls a program, and try something on exactly that state.

As it is, it starts the embedded simulator and pauses before batches of token transfers. For another simulator set
SIMULATOR_URL and SIMULATOR_API_KEY and give the range and the program: pause_and_simulate.py FIRST LAST PROGRAM_ID
"""

from __future__ import annotations

import contextlib
import os
import sys

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

import simsync
from simsync.local import Ledger, Simulator

SOL = 1_000_000_000  # lamports
FIRST, LAST = (int(slot) for slot in (sys.argv[1:3] or (1_000, 1_019)))
PROGRAM = sys.argv[3] if len(sys.argv) > 3 else "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
ME, FRIEND = Keypair.from_seed(bytes(32)), Pubkey.from_bytes(bytes([1] * 32))
PAYMENT = transfer(TransferParams(from_pubkey=ME.pubkey(), to_pubkey=FRIEND, lamports=SOL))
QUOTE = Transaction([ME], Message([PAYMENT], ME.pubkey()), Hash.default())

with contextlib.ExitStack() as stack:
    if os.environ.get("SIMULATOR_URL"):
        client = simsync.Client()
    else:
        slots = LAST - FIRST + 1
        ledger = Ledger.generate(start_slot=FIRST, slots=slots, bundle_size=slots, transactions_per_slot=20)
        simulator = stack.enter_context(Simulator(ledger, batch_size=4))
        client = simsync.Client(simulator.url, simulator.api_key)
    create = simsync.CreateSession(FIRST, LAST, discoveries=[simsync.ProgramExecuted(PROGRAM)])
    session = stack.enter_context(client.session(create))
    session.ensure_ready(timeout=600)
    session.modify_accounts({str(ME.pubkey()): simsync.accounts.system_account(10 * SOL)})
    pauses = 0
    print(f"{'slot':>12} {'batch':>6} {'matches':>8} {'the quote would':<16}")
    for pause in session.discoveries(timeout=120):
        pauses += 1
        quote = session.rpc.simulate_transaction(QUOTE)
        outcome = "succeed" if quote.error is None else f"fail: {quote.error}"
        found = pause.discovery
        print(f"{found.slot:>12} {found.batch_index!s:>6} {len(found.transactions):>8} {outcome:<16}")
    print(f"{pauses} pauses, coverage: {session.coverage.reason}")
    sys.exit(not session.coverage.complete)
