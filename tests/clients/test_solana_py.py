"""solana-py works on a session of the embedded simulator, in one environment with simsync."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

import simsync
from simsync.local import Ledger, Simulator, mint_account

from .page import methods_of

async_api = pytest.importorskip("solana.rpc.async_api", reason="solana-py needs Python 3.11")
websocket_api: Any = pytest.importorskip("solana.rpc.websocket_api")

SOL = 1_000_000_000
MINT = Pubkey.from_bytes(bytes([5] * 32))
SYSTEM = Pubkey.default()


@pytest.fixture
def session() -> Iterator[simsync.BacktestSession]:
    ledger = Ledger.generate(slots=20, bundle_size=20, transactions_per_slot=1).with_accounts({MINT: mint_account(6)})
    with Simulator(ledger) as simulator:
        client = simsync.Client(simulator.url, simulator.api_key)
        with client.session(simsync.CreateSession(1_000, 1_019), timeout=20) as session:
            session.ensure_ready(30)
            yield session


async def payment(client: Any, payer: Keypair, receiver: Pubkey) -> VersionedTransaction:
    blockhash = (await client.get_latest_blockhash()).value.blockhash
    pay = transfer(TransferParams(from_pubkey=payer.pubkey(), to_pubkey=receiver, lamports=SOL))
    return VersionedTransaction(MessageV0.try_compile(payer.pubkey(), [pay], [], blockhash), [payer])


async def pay_and_look(url: str) -> dict[str, Any]:
    client = async_api.AsyncClient(url, "confirmed")
    payer, other = Keypair(), Keypair().pubkey()
    airdrop = await client.request_airdrop(payer.pubkey(), 5 * SOL)
    await client.confirm_transaction(airdrop.value)
    transaction = await payment(client, payer, other)
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
        "fee": (await client.get_fee_for_message(transaction.message)).value,
        "status": (await client.get_signature_statuses([signature])).value[0].err,
        "block": (await client.get_block(1000, max_supported_transaction_version=0)).value.block_height,
        "epoch": (await client.get_epoch_info()).value.epoch,
        "decimals": (await client.get_token_supply(MINT)).value.decimals,
        "owned": any(one.pubkey == other for one in (await client.get_program_accounts(SYSTEM)).value),
    }
    await client.close()
    return found


async def watch(url: str, session: simsync.BacktestSession) -> None:
    client = async_api.AsyncClient(url, "confirmed")
    payer, other = Keypair(), Keypair().pubkey()
    await client.request_airdrop(payer.pubkey(), 5 * SOL)
    async with websocket_api.SolanaWsClient(url.replace("http", "ws", 1)) as socket:

        async def until(kind: str) -> list[Any]:
            """Return the notifications up to the first of that kind."""
            found = [await socket.recv()]
            while type(found[-1]).__name__ != f"{kind}Notification":
                found.append(await socket.recv())
            return found

        subscriptions = [await socket.slot_subscribe(), await socket.root_subscribe()]
        seen: list[Any] = []
        await asyncio.to_thread(session.advance, 100, timeout=20)
        while len(seen) < 40:
            seen.append(await socket.recv())
        slots = [one.result.slot for one in seen if type(one).__name__ == "SlotNotification"]
        roots = [one.result for one in seen if type(one).__name__ == "RootNotification"]
        assert slots == list(range(1_000, 1_020))
        assert roots == [slot - 32 for slot in slots]
        for one in subscriptions:
            await socket.unsubscribe(one)
        # The session is completed, and the connection stays open.
        transaction = await payment(client, payer, other)
        signature = transaction.signatures[0]
        await socket.account_subscribe(pubkey=other)
        await socket.program_subscribe(program_id=SYSTEM)
        await socket.signature_subscribe(signature=signature)
        await socket.logs_subscribe(filter_=websocket_api.RpcTransactionLogsFilterMentions(other))
        await client.send_transaction(transaction)
        (account,) = [one for one in await until("Account") if type(one).__name__ == "AccountNotification"]
        assert account.result.value.lamports == SOL
        program = (await until("Program"))[-1]
        assert program.result.value.account.owner == SYSTEM
        assert (await until("Signature"))[-1].result.value.err is None
        assert (await until("Logs"))[-1].result.value.signature == signature
    await client.close()


def test_it_sends_confirms_and_reads(session: simsync.BacktestSession, called: set[str]) -> None:
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
    assert called == {name for name in methods_of("solana-py") if not name.endswith("Subscribe")}


def test_its_websocket_stays_open(session: simsync.BacktestSession, called: set[str]) -> None:
    asyncio.run(asyncio.wait_for(watch(session.rpc_endpoint, session), 30))
    subscribed = {name for name in called if name.endswith("Subscribe")}
    assert subscribed == {name for name in methods_of("solana-py") if name.endswith("Subscribe")}
