"""Durable transactions, which carry the value of a nonce account in the place of a blockhash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from solders.account import Account

from simsync.local.engine.programs import SYSTEM_PROGRAM

if TYPE_CHECKING:
    from solders.pubkey import Pubkey

    from simsync.local.engine.message_parts import FindAccount, Keys, MessageParts

_ADVANCE = b"\4\0\0\0"
_INITIALIZED = b"\1\0\0\0\1\0\0\0"
"""Version and state of a nonce account that durable transactions can use."""
_SIZE = 80
_AUTHORITY, _VALUE = slice(8, 40), slice(40, 72)


def advanced_by_failure(message: MessageParts, keys: Keys, find: FindAccount) -> tuple[Pubkey, Account] | None:
    """Return the nonce account of a durable transaction that failed, advanced; None for any other transaction.

    A cluster advances the nonce even then; otherwise the transaction could be sent again and again. LiteSVM keeps only
    the fee of a failed transaction. The next value is the one that LiteSVM sets after a success.
    """
    program, accounts, data = message.instructions[0] if message.instructions else (0, b"", b"")
    if data[:4] != _ADVANCE or not accounts or message.keys[program] != SYSTEM_PROGRAM:
        return None
    place = accounts[0]
    account = find(message.keys[place]) if place < len(message.keys) and place in keys.writable else None
    if account is None or account.owner != SYSTEM_PROGRAM or len(account.data) != _SIZE:
        return None
    state, value = account.data, bytes(message.blockhash)
    signers = {bytes(message.keys[index]) for index in accounts if index < message.signers}
    if not state.startswith(_INITIALIZED) or state[_VALUE] != value or state[_AUTHORITY] not in signers:
        return None
    following = hashlib.sha256(b"DURABLE_NONCE" + value).digest()
    advanced = state[: _VALUE.start] + following + state[_VALUE.stop :]
    return message.keys[place], Account(account.lamports, advanced, SYSTEM_PROGRAM, rent_epoch=account.rent_epoch)
