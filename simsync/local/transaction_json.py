"""Executed transactions in the JSON of Solana's RPC."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from simsync.local.encoding import encode_base58

if TYPE_CHECKING:
    from simsync.local.engine.message_parts import MessageParts
    from simsync.local.engine.transactions import Outcome


def message_json(message: MessageParts) -> dict[str, Any]:
    """Return the message of a transaction."""
    encoded: dict[str, Any] = {
        "header": {
            "numRequiredSignatures": message.signers,
            "numReadonlySignedAccounts": message.readonly_signed,
            "numReadonlyUnsignedAccounts": message.readonly_unsigned,
        },
        "accountKeys": list(map(str, message.keys)),
        "recentBlockhash": str(message.blockhash),
        "instructions": [
            {"programIdIndex": program, "accounts": list(accounts), "data": encode_base58(data), "stackHeight": None}
            for program, accounts, data in message.instructions
        ],
    }
    if message.lookups is not None:
        encoded["addressTableLookups"] = [
            {
                "accountKey": str(lookup.account_key),
                "writableIndexes": list(lookup.writable_indexes),
                "readonlyIndexes": list(lookup.readonly_indexes),
            }
            for lookup in message.lookups
        ]
    return encoded


def meta_json(outcome: Outcome) -> dict[str, Any]:
    """Return the ``meta`` of a reply."""
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
            "writable": list(map(str, outcome.loaded_writable)),
            "readonly": list(map(str, outcome.loaded_readonly)),
        },
        "computeUnitsConsumed": outcome.units,
    }
    returned = return_data_json(outcome)
    if returned is not None:
        meta["returnData"] = returned
    return meta


def inner_instructions_json(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the instructions that programs ran, by the instruction that caused them."""
    groups = outcome.meta.inner_instructions()
    if not any(groups):
        return []
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
        for index, group in enumerate(groups)
        if group
    ]


def return_data_json(outcome: Outcome) -> dict[str, Any] | None:
    """Return the data that a program returned, None if there is none."""
    returned = outcome.return_data
    if returned is None:
        return None
    program, data = returned
    return {"programId": str(program), "data": [base64.b64encode(data).decode(), "base64"]}
