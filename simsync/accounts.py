"""Account states to write: wallets, token accounts and mints, and accounts to and from the JSON of the RPC.

    from simsync import accounts

    sub.rpc.modify_accounts({wallet: accounts.system_account(5_000_000_000)})

Each builder returns an :class:`~simsync.AccountData`. Addresses are base58 text or objects that print as such (solders'
``Pubkey``); amounts are lamports, or base units of the mint. Whatever cannot be raises InvalidParams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from simsync.errors import InvalidParams
from simsync.events import AccountState
from simsync.params import AccountData, checks
from simsync.wire import accounts as wire

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
TOKEN_2022_PROGRAM = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"
NATIVE_MINT = "So11111111111111111111111111111111111111112"
"""The mint of wrapped SOL."""

TOKEN_ACCOUNT_SIZE = 165
"""Bytes."""
MINT_SIZE = 82
"""Bytes."""
LARGEST_ACCOUNT = 10 * 1024 * 1024
"""Bytes."""

_ACCOUNT_OVERHEAD = 128
_LAMPORTS_PER_BYTE_YEAR = 3480
_YEARS = 2
_U8 = 2**8 - 1
_INITIALIZED, _FROZEN = 1, 2


def rent_exempt_minimum(size: int) -> int:
    """The lamports that keep an account of ``size`` bytes of data alive."""
    checks.integer("size", size, 0, LARGEST_ACCOUNT)
    return (_ACCOUNT_OVERHEAD + size) * _LAMPORTS_PER_BYTE_YEAR * _YEARS


def system_account(lamports: int) -> AccountData:
    """A wallet: no data, owned by the system program."""
    return AccountData(lamports)


def removed_account() -> AccountData:
    """What removes an account: no lamports, no data, owned by the system program."""
    return AccountData(0)


def token_account(
    mint: object,
    owner: object,
    amount: int,
    *,
    lamports: int | None = None,
    delegate: object = None,
    delegated_amount: int = 0,
    close_authority: object = None,
    frozen: bool = False,
) -> AccountData:
    """An account of the SPL Token program with ``amount`` base units of ``mint``, held by the wallet ``owner``.

    ``lamports``: without it the rent-exempt minimum. ``delegate`` may move up to ``delegated_amount``. The mint's
    supply is not touched; see :func:`mint_account`. Wrapped SOL has a builder of its own.
    """
    if checks.address("mint", mint) == NATIVE_MINT:
        raise InvalidParams("mint", mint, "is wrapped SOL: use native_token_account(owner, lamports_wrapped)")
    return AccountData(
        _lamports(lamports, TOKEN_ACCOUNT_SIZE),
        TOKEN_PROGRAM,
        _token_account_data(mint, owner, amount, None, delegate, delegated_amount, close_authority, frozen),
    )


def native_token_account(
    owner: object,
    lamports_wrapped: int,
    *,
    delegate: object = None,
    delegated_amount: int = 0,
    close_authority: object = None,
    frozen: bool = False,
) -> AccountData:
    """An account of the SPL Token program with wrapped SOL.

    It holds ``lamports_wrapped`` and the rent-exempt minimum; closing it gives back both.
    """
    reserve = rent_exempt_minimum(TOKEN_ACCOUNT_SIZE)
    checks.integer("lamports_wrapped", lamports_wrapped, 0, checks.U64 - reserve)
    data = _token_account_data(
        NATIVE_MINT, owner, lamports_wrapped, reserve, delegate, delegated_amount, close_authority, frozen
    )
    return AccountData(reserve + lamports_wrapped, TOKEN_PROGRAM, data)


def token_2022_account(
    mint: object,
    owner: object,
    amount: int,
    *,
    lamports: int | None = None,
    delegate: object = None,
    delegated_amount: int = 0,
    close_authority: object = None,
    frozen: bool = False,
) -> AccountData:
    """An account of the Token-2022 program in the base layout, without extensions; else as :func:`token_account`.

    A mint with extensions may ask for extensions in its accounts (transfer fees do); this is no account for such a
    mint.
    """
    return AccountData(
        _lamports(lamports, TOKEN_ACCOUNT_SIZE),
        TOKEN_2022_PROGRAM,
        _token_account_data(mint, owner, amount, None, delegate, delegated_amount, close_authority, frozen),
    )


def mint_account(
    decimals: int,
    supply: int = 0,
    *,
    mint_authority: object = None,
    freeze_authority: object = None,
    lamports: int | None = None,
    program: object = TOKEN_PROGRAM,
) -> AccountData:
    """A mint, without extensions, of the token program ``program``.

    ``supply`` (base units) should be what the token accounts of the mint hold together: burning more than that fails.
    Without ``mint_authority`` the supply is fixed, without ``freeze_authority`` no account can be frozen. ``lamports``:
    without it the rent-exempt minimum.
    """
    data = (
        _optional_key("mint_authority", mint_authority)
        + _u64("supply", supply)
        + bytes((checks.integer("decimals", decimals, 0, _U8), _INITIALIZED))
        + _optional_key("freeze_authority", freeze_authority)
    )
    return AccountData(_lamports(lamports, MINT_SIZE), checks.address("program", program), data)


def from_json(raw: Mapping[str, Any]) -> AccountData:
    """An account as the RPC writes it, with data in base64; ``{"data", "encoding"}`` is read too.

    Raises ProtocolError for what is no such account, for another encoding, and for an account of which only a slice of
    the data is there.
    """
    return wire.account_data(raw)


def to_json(account: AccountData) -> dict[str, Any]:
    """An account as the RPC writes it. The rent epoch, which AccountData does not hold, is 0."""
    if not isinstance(account, AccountData):
        raise InvalidParams("account", account, "must be an AccountData")
    return wire.account_json(account)


@overload
def from_state(state: AccountState) -> AccountData: ...
@overload
def from_state(state: None) -> None: ...
def from_state(state: AccountState | None) -> AccountData | None:
    """The account of an :class:`~simsync.AccountDiff`, before or after; None stays None.

    Raises ProtocolError when the server sent something that cannot be read.
    """
    return None if state is None else wire.account_data_of_state(state)


def _lamports(lamports: int | None, size: int) -> int:
    # An account without lamports does not exist.
    return rent_exempt_minimum(size) if lamports is None else checks.integer("lamports", lamports, 1, checks.U64)


def _u64(argument: str, value: int) -> bytes:
    return checks.integer(argument, value, 0, checks.U64).to_bytes(8, "little")


def _option(content: bytes | None, size: int) -> bytes:
    """Tag and content; the space of the content stays where there is none."""
    return bytes(4 + size) if content is None else (1).to_bytes(4, "little") + content


def _optional_key(argument: str, value: object) -> bytes:
    return _option(None if value is None else checks.address_bytes(argument, value), 32)


def _token_account_data(
    mint: object,
    owner: object,
    amount: int,
    native_reserve: int | None,
    delegate: object,
    delegated_amount: int,
    close_authority: object,
    frozen: bool,
) -> bytes:
    delegated = _u64("delegated_amount", delegated_amount)
    if delegated_amount and delegate is None:
        raise InvalidParams("delegated_amount", delegated_amount, "needs a delegate")
    return (
        checks.address_bytes("mint", mint)
        + checks.address_bytes("owner", owner)
        + _u64("amount", amount)
        + _optional_key("delegate", delegate)
        + bytes((_FROZEN if checks.flag("frozen", frozen) else _INITIALIZED,))
        + _option(None if native_reserve is None else native_reserve.to_bytes(8, "little"), 8)
        + delegated
        + _optional_key("close_authority", close_authority)
    )
