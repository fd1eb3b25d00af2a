"""Which accounts a message may write: some that it marks as writable are read-only on a cluster, and for LiteSVM."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from solders.pubkey import Pubkey

from simsync.local.engine.programs import UPGRADEABLE_LOADER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_Key = TypeVar("_Key", Pubkey, str)

_NAMES = frozenset(
    {
        "11111111111111111111111111111111",
        "AddressLookupTab1e1111111111111111111111111",
        "BPFLoader1111111111111111111111111111111111",
        "BPFLoader2111111111111111111111111111111111",
        "BPFLoaderUpgradeab1e11111111111111111111111",
        "ComputeBudget111111111111111111111111111111",
        "Config1111111111111111111111111111111111111",
        "Ed25519SigVerify111111111111111111111111111",
        "Feature111111111111111111111111111111111111",
        "KeccakSecp256k11111111111111111111111111111",
        "LoaderV411111111111111111111111111111111111",
        "NativeLoader1111111111111111111111111111111",
        "Secp256r1SigVerify1111111111111111111111111",
        "Stake11111111111111111111111111111111111111",
        "StakeConfig11111111111111111111111111111111",
        "Sysvar1111111111111111111111111111111111111",
        "Sysvar1nstructions1111111111111111111111111",
        "SysvarC1ock11111111111111111111111111111111",
        "SysvarEpochRewards1111111111111111111111111",
        "SysvarEpochSchedu1e111111111111111111111111",
        "SysvarFees111111111111111111111111111111111",
        "SysvarLastRestartS1ot1111111111111111111111",
        "SysvarRecentB1ockHashes11111111111111111111",
        "SysvarRent111111111111111111111111111111111",
        "SysvarRewards111111111111111111111111111111",
        "SysvarS1otHashes111111111111111111111111111",
        "SysvarS1otHistory11111111111111111111111111",
        "SysvarStakeHistory1111111111111111111111111",
        "Vote111111111111111111111111111111111111111",
        "ZkE1Gama1Proof11111111111111111111111111111",
        "ZkTokenProof1111111111111111111111111111111",
    }
)
"""The accounts that no transaction may write: built-in programs and sysvars."""
_RESERVED: frozenset[Pubkey | str] = _NAMES | frozenset(map(Pubkey.from_string, _NAMES))
_LOADER: frozenset[Pubkey | str] = frozenset({UPGRADEABLE_LOADER, str(UPGRADEABLE_LOADER)})


def really_writable(
    marked: Iterable[int], keys: Sequence[_Key], named: frozenset[_Key], programs: Collection[int]
) -> list[int]:
    """Return the indices of the accounts that a transaction may write, of those that its message marks as writable.

    They are not reserved, and not called as programs unless the loader of upgradeable programs is named too.

    Args:
        marked: Indices into ``keys``.
        keys: All account keys, those from lookup tables included.
        named: The same as a set.
        programs: The indices of the programs that the message calls.
    """
    reserved = _RESERVED & named
    may_call = not _LOADER.isdisjoint(reserved)
    return [index for index in marked if keys[index] not in reserved and (may_call or index not in programs)]
