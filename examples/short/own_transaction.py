"""A transaction of your own in the past, and what became of it."""

from __future__ import annotations

from solders.hash import Hash
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import Transaction

import simsync

ME, FRIEND = Keypair.from_seed(bytes(32)), Pubkey.from_bytes(bytes([1] * 32))
FUNDED = {str(ME.pubkey()): simsync.accounts.system_account(2_000_000_000)}

with simsync.Client().session(simsync.CreateSession(1_050, 1_079)) as session:
    session.ensure_ready(timeout=600)
    session.modify_accounts(FUNDED)
    for lamports in (1_500_000_000, 1_500_000_001):
        pay = transfer(TransferParams(from_pubkey=ME.pubkey(), to_pubkey=FRIEND, lamports=lamports))
        mine = Transaction.new_signed_with_payer([pay], ME.pubkey(), [ME], Hash.default())
        for own in session.advance(transactions=[mine]).own:
            print(f"slot {own.slot}: {own.error_text or 'succeeded'}, {own.compute_units} units, fee {own.fee}")
    print(f"my friend has {session.rpc.get_balance(FRIEND) / 1e9} SOL")
