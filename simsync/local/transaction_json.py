"""Transactions in the shape of a ``getTransaction`` reply with encoding ``json``."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from solders.message import Message, MessageV0

from simsync.local.encoding import encode_base58

if TYPE_CHECKING:
    from typing import Union

    from solders.message import MessageV1
    from solders.transaction import VersionedTransaction

    from simsync.local.engine import Outcome

    AnyMessage = Union[Message, MessageV0, MessageV1]


def transaction_json(transaction: VersionedTransaction, outcome: Outcome, slot: int, block_time: int) -> dict[str, Any]:
    """Return the reply for an executed transaction; ``block_time`` is in unix seconds."""
    message = transaction.message
    return {
        "slot": slot,
        "blockTime": block_time,
        "version": version_of(message),
        "transaction": {
            "signatures": [str(signature) for signature in transaction.signatures],
            "message": message_json(message),
        },
        "meta": meta_json(outcome),
    }


def version_of(message: AnyMessage) -> str | int:
    """Return ``legacy`` or the number of the message format."""
    if isinstance(message, Message):
        return "legacy"
    return 0 if isinstance(message, MessageV0) else 1


def message_json(message: AnyMessage) -> dict[str, Any]:
    header = message.header
    encoded: dict[str, Any] = {
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "accountKeys": [str(key) for key in message.account_keys],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programIdIndex": instruction.program_id_index,
                "accounts": list(instruction.accounts),
                "data": encode_base58(instruction.data),
                "stackHeight": None,
            }
            for instruction in message.instructions
        ],
    }
    if isinstance(message, MessageV0):
        encoded["addressTableLookups"] = [
            {
                "accountKey": str(lookup.account_key),
                "writableIndexes": list(lookup.writable_indexes),
                "readonlyIndexes": list(lookup.readonly_indexes),
            }
            for lookup in message.address_table_lookups
        ]
    return encoded


def meta_json(outcome: Outcome) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "err": outcome.error,
        "status": {"Ok": None} if outcome.error is None else {"Err": outcome.error},
        "fee": outcome.fee,
        "preBalances": outcome.pre_balances,
        "postBalances": outcome.post_balances,
        "preTokenBalances": [balance.to_json() for balance in outcome.pre_tokens],
        "postTokenBalances": [balance.to_json() for balance in outcome.post_tokens],
        "innerInstructions": inner_instructions_json(outcome),
        "logMessages": outcome.logs,
        "rewards": [],
        "loadedAddresses": {
            "writable": [str(key) for key in outcome.loaded_writable],
            "readonly": [str(key) for key in outcome.loaded_readonly],
        },
        "computeUnitsConsumed": outcome.units,
    }
    returned = return_data_json(outcome)
    if returned is not None:
        meta["returnData"] = returned
    return meta


def inner_instructions_json(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "instructions": [
                {
                    "programIdIndex": inner.instruction().program_id_index,
                    "accounts": list(inner.instruction().accounts),
                    "data": encode_base58(inner.instruction().data),
                    "stackHeight": inner.stack_height(),
                }
                for inner in group
            ],
        }
        for index, group in enumerate(outcome.meta.inner_instructions())
        if group
    ]


def return_data_json(outcome: Outcome) -> dict[str, Any] | None:
    returned = outcome.return_data
    if returned is None:
        return None
    program, data = returned
    return {"programId": str(program), "data": [base64.b64encode(data).decode(), "base64"]}
