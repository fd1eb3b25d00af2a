"""A session of the simulator, and a LiteSVM beside it that runs the same."""

from __future__ import annotations

import base64
from typing import Any

from solders.account import Account
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from simsync.local import Simulator
from simsync.local.engine.transactions import error_json

from . import cluster_instructions as cluster
from .actors import BLOCKHASH, POOR, RICH, account_data, encoded, wallet
from .bare import Control, Rpc

SOL = 1_000_000_000
PAYER, OTHER = RICH.pubkey(), POOR.pubkey()
REPORTS_FEE = hasattr(TransactionMetadata, "fee")
"""Not with solders 0.27, whose LiteSVM checks no rent either."""
_BASE64 = {"encoding": "base64"}
_NEWEST = {"maxSupportedTransactionVersion": 0}
_SYSVARS = [
    cluster.CLOCK,
    cluster.EPOCH_SCHEDULE,
    cluster.RECENT_BLOCKHASHES,
    cluster.RENT,
    cluster.SLOT_HASHES,
    cluster.STAKE_HISTORY,
]


class Beside:
    """A session of the simulator, and a LiteSVM with the same accounts and sysvars."""

    def __init__(self, simulator: Simulator, control: Control, first: int, last: int) -> None:
        self._control = control
        self.rpc = Rpc(simulator, control.create(first, last))
        self.svm = LiteSVM().with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)
        for address, account in ((PAYER, wallet(1_000 * SOL)), (OTHER, wallet(SOL))):
            self.svm.set_account(address, account)
            self.rpc.call("modifyAccounts", {str(address): account_data(account.lamports)})
        self._copy_sysvars()

    @property
    def slot(self) -> int:
        found: int = self.rpc.call("getSlot")
        return found

    def go_on(self, slots: int = 1) -> None:
        """Advance both by that many slots."""
        self._control.proceed(slots)
        self._control.until("readyForContinue")
        self.svm.warp_to_slot(self.slot)
        self._copy_sysvars()

    def _copy_sysvars(self) -> None:
        for address, (lamports, owner, data) in zip(_SYSVARS, self.accounts(_SYSVARS)):
            self.svm.set_account(address, Account(lamports, data, owner))

    def accounts(self, keys: list[Pubkey]) -> list[Any]:
        """Return lamports, owner and data of accounts of the simulator, None for each that does not exist."""
        return [_shown(one) for one in self.rpc.value("getMultipleAccounts", [str(one) for one in keys], _BASE64)]

    def rent(self, size: int) -> int:
        found: int = self.rpc.call("getMinimumBalanceForRentExemption", size)
        assert found == self.svm.minimum_balance_for_rent_exemption(size)
        return found

    def run(
        self,
        *instructions: Instruction,
        signers: tuple[Keypair, ...] = (),
        error: object = None,
        tables: tuple[AddressLookupTableAccount, ...] = (),
        blockhash: Hash = BLOCKHASH,
    ) -> int:
        """Run a transaction on both, compare everything that both tell, and return the fee."""
        message = MessageV0.try_compile(PAYER, list(instructions), list(tables), blockhash)
        transaction = VersionedTransaction(message, [RICH, *signers])
        wire = encoded(transaction)
        keys = list(message.account_keys)
        for lookup in message.address_table_lookups:
            (table,) = (one for one in tables if one.key == lookup.account_key)
            keys += [table.addresses[index] for index in lookup.writable_indexes + lookup.readonly_indexes]
        config = {**_BASE64, "accounts": {**_BASE64, "addresses": [str(one) for one in keys]}}
        simulated = self.rpc.value("simulateTransaction", wire, config)
        stated = self.rpc.value("getFeeForMessage", base64.b64encode(to_bytes_versioned(message)).decode())
        signature = self.rpc.call("sendTransaction", wire, {**_BASE64, "skipPreflight": True})
        meta = self.rpc.call("getTransaction", signature, _NEWEST)["meta"]
        before = self.svm.get_balance(PAYER) or 0
        result = self.svm.send_transaction(transaction)
        failed = isinstance(result, FailedTransactionMetadata)
        bare: Any = result.meta() if isinstance(result, FailedTransactionMetadata) else result
        found = error_json(result.err()) if isinstance(result, FailedTransactionMetadata) else None
        assert found == error, bare.logs()
        assert meta["err"] == simulated["err"] == found
        assert meta["logMessages"] == simulated["logs"] == bare.logs()
        assert meta["computeUnitsConsumed"] == simulated["unitsConsumed"] == bare.compute_units_consumed()
        started = not failed or (self.svm.get_balance(PAYER) or 0) != before
        if REPORTS_FEE:
            assert meta["fee"] == (bare.fee() if started else 0)
            assert not started or stated == bare.fee()
        after = self.accounts(keys)
        assert after == [_of_litesvm(self.svm.get_account(one)) for one in keys]
        assert [0 if one is None else one[0] for one in after] == meta["postBalances"]
        if found is None:
            # A simulation shows what a transaction leaves at an address that it empties.
            left = [one if one is not None and one["lamports"] else None for one in simulated["accounts"]]
            assert list(map(_shown, left)) == after
        else:
            assert simulated["accounts"] == [None] * len(keys)
        fee: int = meta["fee"]
        return fee


def _shown(account: Any) -> Any:
    """Return lamports, owner and data of an account of RPC."""
    if account is None:
        return None
    return account["lamports"], Pubkey.from_string(account["owner"]), base64.b64decode(account["data"][0])


def _of_litesvm(account: Account | None) -> Any:
    if account is None or (not account.lamports and not account.data):
        return None
    return account.lamports, account.owner, bytes(account.data)
