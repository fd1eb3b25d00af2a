"""What the hosted simulator documents of Solana's RPC and PubSub. Everything else is served only here."""

from __future__ import annotations

HOSTED = frozenset(
    {
        # RPC
        "getAccountInfo",
        "getAddressLookupTable",
        "getBalance",
        "getFeeForMessage",
        "getLatestBlockhash",
        "getMultipleAccounts",
        "getProgramAccounts",
        "getSignatureStatuses",
        "getSlot",
        "getTransaction",
        "modifyAccounts",
        "sendTransaction",
        "simulateTransaction",
        # PubSub
        "accountDiffSubscribe",
        "accountSubscribe",
        "actionSubscribe",
        "logsSubscribe",
        "programSubscribe",
        "signatureSubscribe",
        "slotSubscribe",
        "transactionSubscribe",
    }
)
"""Methods that the hosted simulator documents. With the switch ``hosted_surface`` only these are served."""


def is_served(method: str, *, hosted_surface: bool) -> bool:
    """May a client call ``method``? With ``hosted_surface`` only what the hosted simulator documents."""
    return not hosted_surface or method in HOSTED
