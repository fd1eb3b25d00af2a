"""A quote after each slot: a transaction is simulated on its state and leaves no trace."""

from __future__ import annotations

from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

import simsync

ME = Pubkey.from_string("9DjGTJfJRmgsYL8427pw2Vu46e5pHaENViFJUbUXMqEc")
POOL = Pubkey.from_string("5zMJLoa7eDGafayVWte5x55JdrkffFKNTGrVHukt6X7e")
SWAP = transfer(TransferParams(from_pubkey=ME, to_pubkey=POOL, lamports=1_000_000))  # stands for a real one
QUOTE = Transaction.new_unsigned(Message([SWAP], ME))  # signatures are not checked

with simsync.Client().session(simsync.CreateSession(1_050, 1_079)) as session:
    for slot in session.steps():
        quote = session.rpc.simulate_transaction(QUOTE, accounts=[POOL])
        pool = quote.accounts[0]
        outcome = f"the pool would have {pool.lamports:,} lamports" if pool else quote.error_text
        print(f"slot {slot}: {outcome}, {quote.compute_units} units")
