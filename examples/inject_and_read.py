"""Change the past: send an own transaction with a continue, read its effect over RPC, and override an account.

As it is, it starts the embedded simulator. For another one set SIMULATOR_URL and SIMULATOR_API_KEY and give the first
and the last slot as arguments.
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
START, END = (int(slot) for slot in (sys.argv[1:] or (1_000, 1_009)))
ME, FRIEND = Keypair.from_seed(bytes(32)), Pubkey.from_bytes(bytes([1] * 32))


def payment(lamports: int) -> Transaction:
    """A transfer from me to my friend. The simulator checks neither signatures nor blockhashes."""
    instruction = transfer(TransferParams(from_pubkey=ME.pubkey(), to_pubkey=FRIEND, lamports=lamports))
    return Transaction([ME], Message([instruction], ME.pubkey()), Hash.default())


def wait_until_ready(sub: simsync.SubSession) -> None:
    for event in sub.events(timeout=300):
        if isinstance(event, simsync.SessionError):
            raise SystemExit(f"the simulator reports: {event.error}")
        if isinstance(event, (simsync.ReadyForContinue, simsync.Completed)):
            return


with contextlib.ExitStack() as stack:
    client = simsync.Client() if os.environ.get("SIMULATOR_URL") else None
    if client is None:
        ledger = Ledger.generate(seed=1, start_slot=START, slots=END - START + 1, transactions_per_slot=10)
        simulator = stack.enter_context(Simulator(ledger))
        client = simsync.Client(simulator.url, simulator.api_key)
    session = stack.enter_context(client.parallel(simsync.CreateSession(START, END)))
    sub = session.sub_sessions[0]
    wait_until_ready(sub)
    print(f"slot {sub.rpc.get_slot()}: my friend has {sub.rpc.get_balance(FRIEND) / SOL} SOL")

    # I do not exist on chain, so I give myself something to spend, then pay with the same continue.
    me = {str(ME.pubkey()): simsync.AccountData(lamports=10 * SOL)}
    sub.send_continue(advance_count=1, transactions=[payment(3 * SOL)], modify_accounts=me)
    wait_until_ready(sub)
    print(f"slot {sub.rpc.get_slot()}: after my payment of 3 SOL my friend has {sub.rpc.get_balance(FRIEND) / SOL} SOL")

    # A transaction sent over RPC runs at once in the present slot.
    sub.rpc.send_transaction(payment(SOL))
    print(f"slot {sub.rpc.get_slot()}: after another 1 SOL over RPC it is {sub.rpc.get_balance(FRIEND) / SOL} SOL")

    # Any account can be overridden.
    sub.rpc.modify_accounts({str(FRIEND): simsync.AccountData(lamports=500 * SOL, data=b"a note")})
    friend = sub.rpc.get_account_info(FRIEND)
    assert friend is not None
    print(f"overridden: {friend.lamports / SOL} SOL and the data {friend.data!r}")
