"""The balances of token accounts before and after a transaction."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from solders.pubkey import Pubkey

from simsync.local.engine.programs import TOKEN_PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from solders.account import Account

    from simsync.local.engine.message_parts import FindAccount

_TOKEN_ACCOUNT_SIZE = 165
_TOKEN_STATE_OFFSET = 108
_MINT_DECIMALS_OFFSET = 44
_MOST_FLOAT_DECIMALS = 19
_IS_TOKEN_ACCOUNT = 2
"""The account type that Token-2022 writes after the base state."""
_PROGRAM_NAMES = {program: str(program) for program in TOKEN_PROGRAMS}


def ui_amount(amount: int, decimals: int) -> dict[str, object]:
    """Return an amount of tokens, which is in the smallest unit, as RPC shows it."""
    digits = text = str(amount)
    if decimals:
        digits = digits.rjust(decimals + 1, "0")
        rest = digits[-decimals:].rstrip("0")
        whole = digits[:-decimals]
        digits = f"{whole}.{rest}" if rest else whole
    # As on a node, which divides floats, by a power of ten that must fit into 64 bits.
    shown = float(amount) / float(10**decimals) if decimals <= _MOST_FLOAT_DECIMALS else None
    return {"amount": text, "decimals": decimals, "uiAmount": shown, "uiAmountString": digits}


class TokenBalance(NamedTuple):
    """Balance of one SPL token account; ``amount`` is in the smallest unit of the mint."""

    position: int
    mint: str
    owner: str
    program: str
    amount: int
    decimals: int

    def to_json(self) -> dict[str, object]:
        """Return an entry of ``preTokenBalances`` or ``postTokenBalances``."""
        shown = ui_amount(self.amount, self.decimals)
        if not self.amount:
            # As a node shows it: what it stores of a balance of zero comes back as null.
            shown["uiAmount"] = None
        return {
            "accountIndex": self.position,
            "mint": self.mint,
            "owner": self.owner,
            "programId": self.program,
            "uiTokenAmount": shown,
        }


def token_account(account: Account) -> bytes | None:
    """Return the data of an initialized token account, None for any other account."""
    return _initialized(account.data) if account.owner in TOKEN_PROGRAMS else None


def _initialized(data: bytes) -> bytes | None:
    """Return the data of an account of a token program if it is an initialized token account."""
    if len(data) < _TOKEN_ACCOUNT_SIZE or not data[_TOKEN_STATE_OFFSET]:
        return None
    if len(data) > _TOKEN_ACCOUNT_SIZE and data[_TOKEN_ACCOUNT_SIZE] != _IS_TOKEN_ACCOUNT:
        return None
    return data


def token_balances(accounts: Iterable[tuple[int, Account | None]], find: FindAccount) -> tuple[TokenBalance, ...]:
    """Return the balances of the token accounts among accounts with their positions.

    Those of an unknown mint are left out.
    """
    balances: list[TokenBalance] = []
    known: dict[bytes, int | None] = {}
    for position, account in accounts:
        if account is None or (program := _PROGRAM_NAMES.get(account.owner)) is None:
            continue
        data = _initialized(account.data)
        if data is None:
            continue
        mint = data[:32]
        if mint not in known:
            known[mint] = _decimals_of(find(Pubkey.from_bytes(mint)))
        decimals = known[mint]
        if decimals is not None:
            amount = int.from_bytes(data[64:72], "little")
            balances.append(TokenBalance(position, _address(mint), _address(data[32:64]), program, amount, decimals))
    return tuple(balances)


def _decimals_of(mint: Account | None) -> int | None:
    data = mint.data if mint is not None else b""
    return data[_MINT_DECIMALS_OFFSET] if len(data) > _MINT_DECIMALS_OFFSET else None


@lru_cache(maxsize=4096)
def _address(data: bytes) -> str:
    return str(Pubkey.from_bytes(data))
