"""Token balances of SPL token accounts, in the form of ``preTokenBalances`` and ``postTokenBalances``."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from solders.pubkey import Pubkey

if TYPE_CHECKING:
    from collections.abc import Callable

    from solders.account import Account

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN_PROGRAMS = frozenset({TOKEN_PROGRAM, TOKEN_2022_PROGRAM})

_ACCOUNT_SIZE = 165
_DECIMALS_OFFSET = 44
_STATE_OFFSET = 108
_IS_TOKEN_ACCOUNT = 2  # account type that Token-2022 writes behind the base state


class TokenBalance(NamedTuple):
    """Balance of one token account: ``amount`` in the smallest unit of the mint."""

    position: int
    mint: str
    owner: str
    program: str
    amount: int
    decimals: int

    def to_json(self) -> dict[str, Any]:
        scaled = Decimal(self.amount).scaleb(-self.decimals)
        text = f"{scaled:f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return {
            "accountIndex": self.position,
            "mint": self.mint,
            "owner": self.owner,
            "programId": self.program,
            "uiTokenAmount": {
                "amount": str(self.amount),
                "decimals": self.decimals,
                "uiAmount": float(scaled) if self.amount else None,
                "uiAmountString": text,
            },
        }


def token_account(account: Account) -> bytes | None:
    """Return the data of an initialized token account, None for any other account."""
    if account.owner not in TOKEN_PROGRAMS:
        return None
    data = account.data
    if len(data) < _ACCOUNT_SIZE or not data[_STATE_OFFSET]:
        return None
    if len(data) > _ACCOUNT_SIZE and data[_ACCOUNT_SIZE] != _IS_TOKEN_ACCOUNT:
        return None
    return data


def token_balance(index: int, account: Account, find: Callable[[Pubkey], Account | None]) -> TokenBalance | None:
    """Return the balance of the token account at ``index``, None if it is no token account or its mint is unknown."""
    data = token_account(account)
    if data is None:
        return None
    mint = Pubkey.from_bytes(data[:32])
    mint_account = find(mint)
    if mint_account is None or len(mint_account.data) <= _DECIMALS_OFFSET:
        return None
    return TokenBalance(
        index,
        str(mint),
        str(Pubkey.from_bytes(data[32:64])),
        str(account.owner),
        int.from_bytes(data[64:72], "little"),
        mint_account.data[_DECIMALS_OFFSET],
    )
