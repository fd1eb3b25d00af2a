"""RPC calls that run transactions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from solders.account import Account
from solders.hash import Hash
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from simsync.local.engine.engine import LAMPORTS_PER_SIGNATURE
from simsync.local.engine.error_texts import describe_error
from simsync.local.engine.programs import SYSTEM_PROGRAM, system_transfer
from simsync.local.parsed.transactions import parsed_inner_instructions
from simsync.local.rpc.accounts import shown_account, with_context
from simsync.local.rpc.chain import latest_blockhash
from simsync.local.rpc.params import (
    INTERNAL_ERROR,
    PREFLIGHT_FAILED,
    SIGNATURE_FAILURE,
    RpcFault,
    account_encoding,
    address,
    config_at,
    invalid,
    listed,
    required,
    transaction,
    unexpected,
    unsigned,
)
from simsync.local.transaction_json import inner_instructions_json, return_data_json
from simsync.params import checks

if TYPE_CHECKING:
    from simsync.local.backtest.backtest import Backtest
    from simsync.local.engine.transactions import Outcome

_FAUCET = Pubkey.from_bytes(hashlib.sha256(b"simsync-local/faucet").digest())
"""It gets the lamports of each airdrop as an override and sends them on."""
_BROKEN = (
    "SanitizeFailure",
    "AddressLookupTableNotFound",
    "InvalidAddressLookupTableOwner",
    "InvalidAddressLookupTableData",
    "InvalidAddressLookupTableIndex",
)
"""Errors of transactions that a node refuses while it reads them."""
_LARGEST_AIRDROP = checks.U64 - LAMPORTS_PER_SIGNATURE


def simulate_transaction(backtest: Backtest, params: list[Any]) -> Any:
    config = config_at(params, 1)
    wanted = transaction(required(params, 0, "transaction"), config.get("encoding", "base58"))
    if config.get("sigVerify") and config.get("replaceRecentBlockhash"):
        raise invalid("sigVerify may not be used with replaceRecentBlockhash")
    outcome, written = _simulate(backtest, wanted)
    if config.get("sigVerify") and not all(wanted.verify_with_results()):
        raise RpcFault(SIGNATURE_FAILURE, "Transaction signature verification failure")
    value = _simulated(outcome)
    if "accounts" in config:
        value["accounts"] = _accounts_after(backtest, config["accounts"], outcome, written)
    if config.get("innerInstructions"):
        # A node parses them, unlike those of getTransaction in ``json``.
        names = [str(key) for key in outcome.keys]
        value["innerInstructions"] = parsed_inner_instructions(inner_instructions_json(outcome), names)
    if config.get("replaceRecentBlockhash"):
        value["replacementBlockhash"] = latest_blockhash(backtest)
    return with_context(backtest, value)


def send_transaction(backtest: Backtest, params: list[Any]) -> str:
    config = config_at(params, 1)
    wanted = transaction(required(params, 0, "transaction"), config.get("encoding", "base58"))
    # Also without a preflight: LiteSVM finds out only by a run whether a transaction can be in a block at all.
    outcome, _ = _simulate(backtest, wanted)
    if outcome.error is not None and not config.get("skipPreflight"):
        text = f"Transaction simulation failed: {describe_error(outcome.error)}"
        raise RpcFault(PREFLIGHT_FAILED, text, _simulated(outcome))
    shown = backtest.inject(wanted)
    backtest.stream.wake()
    return shown.signature


def request_airdrop(backtest: Backtest, params: list[Any]) -> str:
    """Give an account lamports: an override of a faucet, and a transfer from it that can be confirmed."""
    receiver = address(required(params, 0, "address"))
    lamports = unsigned(required(params, 1, "lamports"), "lamports")
    if lamports > _LARGEST_AIRDROP:
        raise invalid(f"Invalid params: an airdrop is at most {_LARGEST_AIRDROP} lamports, not {lamports}.")
    engine = backtest.engine
    backtest.override([(_FAUCET, Account(lamports + LAMPORTS_PER_SIGNATURE, b"", SYSTEM_PROGRAM))])
    # The number makes each signature another one.
    seed = f"simsync-local/airdrop/{backtest.slot}/{backtest.history.count}/{receiver}/{lamports}".encode()
    message = Message.new_with_blockhash(
        [system_transfer(_FAUCET, receiver, lamports)], _FAUCET, Hash.from_string(backtest.blockhash)
    )
    shown = backtest.inject(VersionedTransaction.populate(message, [Signature(hashlib.sha512(seed).digest())]))
    backtest.stream.wake()
    if shown.error is not None:
        left = engine.balance(_FAUCET)
        raise RpcFault(
            INTERNAL_ERROR, f"airdrop request failed: {describe_error(shown.error)}; the faucet keeps {left} lamports"
        )
    return shown.signature


def _simulate(backtest: Backtest, wanted: VersionedTransaction) -> tuple[Outcome, dict[Pubkey, Account]]:
    """Simulate a transaction. Refuses one that is broken: it never gets into a block."""
    outcome, written = backtest.engine.simulate(wanted)
    if outcome.error in _BROKEN:
        raise invalid(f"invalid transaction: {describe_error(outcome.error)}")
    return outcome, written


def _accounts_after(
    backtest: Backtest, wanted: object, outcome: Outcome, written: dict[Pubkey, Account]
) -> list[dict[str, Any] | None]:
    """Return the wanted accounts as a simulation leaves them; nothing for each of them if it failed."""
    if not isinstance(wanted, dict):
        raise unexpected(wanted, "accounts with addresses and encoding")
    form = account_encoding({"encoding": wanted.get("encoding")}, "base64")
    if form in ("binary", "base58"):
        raise invalid("base58 encoding not supported")
    keys = [address(item) for item in listed(wanted.get("addresses"), len(outcome.keys), "accounts")]
    if outcome.error is not None:
        return [None] * len(keys)
    return [
        shown_account(
            backtest, written[key] if key in written else backtest.engine.account(key), {"encoding": form}, form
        )
        for key in keys
    ]


def _simulated(outcome: Outcome) -> dict[str, Any]:
    return {
        "err": outcome.error,
        "logs": outcome.logs,
        "accounts": None,
        "unitsConsumed": outcome.units,
        # Not known here.
        "loadedAccountsDataSize": None,
        "returnData": return_data_json(outcome),
        "innerInstructions": None,
        "replacementBlockhash": None,
    }
