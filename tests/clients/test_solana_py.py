"""solana-py works on a session of the embedded simulator, in one environment with simsync."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

import simsync
from simsync.local import Ledger, Simulator, mint_account

async_api = pytest.importorskip("solana.rpc.async_api", reason="solana-py needs Python 3.11")

SOL = 1_000_000_000
MINT = Pubkey.from_bytes(bytes([5] * 32))


async def pay_and_look(url: str) -> dict[str, Any]:
    client = async_api.AsyncClient(url, "confirmed")
    payer, other = Keypair(), Keypair().pubkey()
    airdrop = await client.request_airdrop(payer.pubkey(), 5 * SOL)
    await client.confirm_transaction(airdrop.value)
    blockhash = (await client.get_latest_blockhash()).value.blockhash
    pay = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=other, lamports=SOL))
    message = MessageV0.try_compile(payer.pubkey(), [pay], [], blockhash)
    transaction = VersionedTransaction(message, [payer])
    simulated = await client.simulate_transaction(transaction)
    signature = (await client.send_transaction(transaction)).value
    await client.confirm_transaction(signature)
    rows = (await client.get_signatures_for_address(other)).value
    seen = await client.get_transaction(signature, max_supported_transaction_version=0)
    found = {
        "balance": (await client.get_balance(other)).value,
        "simulated": simulated.value.err,
        "history": [row.signature for row in rows] == [signature],
        "slot": seen.value.slot,
        "fee": (await client.get_fee_for_message(message)).value,
        "status": (await client.get_signature_statuses([signature])).value[0].err,
        "block": (await client.get_block(1000, max_supported_transaction_version=0)).value.block_height,
        "epoch": (await client.get_epoch_info()).value.epoch,
        "decimals": (await client.get_token_supply(MINT)).value.decimals,
        "owned": any(one.pubkey == other for one in (await client.get_program_accounts(Pubkey.default())).value),
    }
    await client.close()
    return found


def test_it_sends_confirms_and_reads() -> None:
    ledger = Ledger.generate(slots=20, bundle_size=20, transactions_per_slot=1).with_accounts({MINT: mint_account(6)})
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, 1_019), timeout=20) as session:
            session.ensure_ready(30)
            assert asyncio.run(pay_and_look(session.rpc_endpoint)) == {
                "balance": SOL,
                "simulated": None,
                "history": True,
                "slot": 1_000,
                "fee": 5_000,
                "status": None,
                "block": 1,
                "epoch": 0,
                "decimals": 6,
                "owned": True,
            }
