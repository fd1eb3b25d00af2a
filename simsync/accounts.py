"""Account states to write and to read: wallets, token accounts, mints, and conversion from and to the JSON of the RPC.

    from simsync import accounts

    sub.rpc.modify_accounts({wallet: accounts.system_account(5_000_000_000)})

    held = accounts.read_token_account(sub.rpc.get_account_info(address)).amount

Each builder returns an :class:`~simsync.AccountData`. Addresses are base58 text or objects that print as such (solders'
``Pubkey``). Amounts are in lamports, or in base units of the mint. A wrong argument raises InvalidParams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, SupportsIndex, Union, overload

from simsync.errors import InvalidParams
from simsync.events import AccountState
from simsync.params import AccountData, base58, checks
from simsync.params.account import AccountLike, account_like
from simsync.params.account_encodings import LARGEST_ACCOUNT
from simsync.wire import accounts as wire

TOKEN_PROGRAM = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
TOKEN_2022_PROGRAM = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"
NATIVE_MINT = "So11111111111111111111111111111111111111112"
"""The mint of wrapped SOL."""

TOKEN_ACCOUNT_SIZE = 165
"""Bytes of data of a token account without extensions."""
MINT_SIZE = 82
"""Bytes of data of a mint without extensions."""

MINT_OFFSET, OWNER_OFFSET = 0, 32
"""Where mint and owner stand in the data of a token account."""

Account = Union[AccountData, AccountState, AccountLike, Mapping[str, Any], bytes]
"""An account that can be read: also one of another library such as solders' ``Account``, the JSON of the RPC in base64,
or the data alone."""

_ACCOUNT_OVERHEAD = 128
_LAMPORTS_PER_BYTE_YEAR = 3480
_YEARS = 2
_U8 = 2**8 - 1
_INITIALIZED, _FROZEN = 1, 2
_MULTISIG_SIZE = 355
_NONE, _SOME = bytes(4), (1).to_bytes(4, "little")
_IS_MINT, _IS_ACCOUNT = 1, 2
"""The byte after the fields, if there are extensions."""


@dataclass(frozen=True)
class TokenAccount:
    """The fields of a token account.

    Attributes:
        mint: Address of the mint.
        owner: Address of the wallet that holds the tokens.
        amount: Balance in base units of the mint.
        delegate: Address that may move tokens, None if there is none.
        delegated_amount: Base units that the delegate may move.
        close_authority: Address that may close the account, None if only the owner may.
        frozen: True if the tokens cannot be moved.
        native_reserve: For wrapped SOL the lamports that are not part of the balance, else None.
    """

    mint: str
    owner: str
    amount: int
    delegate: Optional[str] = None
    delegated_amount: int = 0
    close_authority: Optional[str] = None
    frozen: bool = False
    native_reserve: Optional[int] = None


@dataclass(frozen=True)
class Mint:
    """The fields of a mint.

    Attributes:
        decimals: Number of decimal places: one token is ``10 ** decimals`` base units.
        supply: Supply in base units.
        mint_authority: Address that may mint tokens, None if the supply is final.
        freeze_authority: Address that may freeze token accounts, None if freezing is not possible.
    """

    decimals: int
    supply: int
    mint_authority: Optional[str] = None
    freeze_authority: Optional[str] = None


def read_token_account(account: Account) -> TokenAccount:
    """Read a token account of either token program. Extensions of Token-2022 are skipped.

    Args:
        account: The account, or its data.

    Raises:
        InvalidParams: It is not a token account, or not an initialized one.
        ProtocolError: The account is JSON, or a state of a diff, that cannot be read.
    """
    data = _token_data("account", account)
    if not _is(data, TOKEN_ACCOUNT_SIZE, _IS_ACCOUNT, 72, 109, 129) or data[108] not in (_INITIALIZED, _FROZEN):
        raise InvalidParams("account", account, "is not an initialized token account")
    reserve = _read_option(data, 109, 8)
    return TokenAccount(
        mint=base58.encode(data[MINT_OFFSET : MINT_OFFSET + 32]),
        owner=base58.encode(data[OWNER_OFFSET : OWNER_OFFSET + 32]),
        amount=int.from_bytes(data[64:72], "little"),
        delegate=_read_key(data, 72),
        delegated_amount=int.from_bytes(data[121:129], "little"),
        close_authority=_read_key(data, 129),
        frozen=data[108] == _FROZEN,
        native_reserve=None if reserve is None else int.from_bytes(reserve, "little"),
    )


def is_token_account(account: Account) -> bool:
    """Return True for what :func:`read_token_account` reads.

    Raises:
        ProtocolError: The account is JSON, or a state of a diff, that cannot be read.
    """
    try:
        read_token_account(account)
    except InvalidParams:
        return False
    return True


def read_mint(account: Account) -> Mint:
    """Read a mint of either token program. Extensions of Token-2022 are skipped.

    Args:
        account: The account, or its data.

    Raises:
        InvalidParams: It is not a mint, or not an initialized one.
        ProtocolError: The account is JSON, or a state of a diff, that cannot be read.
    """
    data = _token_data("account", account)
    if not _is(data, MINT_SIZE, _IS_MINT, 0, 46) or data[45] != _INITIALIZED:
        raise InvalidParams("account", account, "is not an initialized mint")
    return Mint(
        decimals=data[44],
        supply=int.from_bytes(data[36:44], "little"),
        mint_authority=_read_key(data, 0),
        freeze_authority=_read_key(data, 46),
    )


def _token_data(argument: str, account: Account) -> bytes:
    if isinstance(account, (bytes, bytearray, memoryview)):
        return bytes(account)
    if not isinstance(account, AccountState):
        account = from_json(account) if isinstance(account, Mapping) else account_like(argument, account)
    if account.owner not in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM):
        raise InvalidParams(argument, account, f"belongs to {account.owner}, which is not a token program")
    return account.data


def _is(data: bytes, size: int, kind: int, *options: int) -> bool:
    """Extensions begin after the size of a token account, for mints too, with a byte for the kind of the account.

    The token programs tell a multisig by its size alone. An optional field begins with a tag of four bytes, 0 or 1.
    """
    extended = len(data) > TOKEN_ACCOUNT_SIZE and len(data) != _MULTISIG_SIZE and data[TOKEN_ACCOUNT_SIZE] == kind
    return (len(data) == size or extended) and all(data[place : place + 4] in (_NONE, _SOME) for place in options)


def _read_option(data: bytes, offset: int, size: int) -> bytes | None:
    return data[offset + 4 : offset + 4 + size] if data[offset : offset + 4] == _SOME else None


def _read_key(data: bytes, offset: int) -> str | None:
    key = _read_option(data, offset, 32)
    return None if key is None else base58.encode(key)


def rent_exempt_minimum(size: SupportsIndex) -> int:
    """Return the lamports that make an account exempt from rent.

    Args:
        size: Length of its data in bytes.
    """
    return (_ACCOUNT_OVERHEAD + checks.integer("size", size, 0, LARGEST_ACCOUNT)) * _LAMPORTS_PER_BYTE_YEAR * _YEARS


def system_account(lamports: SupportsIndex) -> AccountData:
    """Return a wallet: an account without data, owned by the system program.

    Args:
        lamports: Its balance.
    """
    return AccountData(lamports)


def removed_account() -> AccountData:
    """Return the state that removes an account when it is written."""
    return AccountData(0)


def token_account(
    mint: object,
    owner: object,
    amount: SupportsIndex,
    *,
    lamports: SupportsIndex | None = None,
    delegate: object = None,
    delegated_amount: SupportsIndex = 0,
    close_authority: object = None,
    frozen: bool = False,
) -> AccountData:
    """Return a token account of the SPL Token program.

    The supply of the mint does not change, see :func:`mint_account`. For wrapped SOL use :func:`native_token_account`.

    Args:
        mint: Address of the mint.
        owner: Address of the wallet that holds the tokens.
        amount: Balance in base units of the mint.
        lamports: Balance in lamports; None means the rent-exempt minimum.
        delegate: Address that may move tokens, or None.
        delegated_amount: Base units that the delegate may move.
        close_authority: Address that may close the account, or None.
        frozen: True if the tokens cannot be moved.
    """
    if checks.address("mint", mint) == NATIVE_MINT:
        raise InvalidParams(
            "mint", mint, "is the mint of wrapped SOL: use native_token_account(owner, lamports_wrapped)"
        )
    return AccountData(
        _lamports(lamports, TOKEN_ACCOUNT_SIZE),
        TOKEN_PROGRAM,
        _token_account_data(mint, owner, amount, None, delegate, delegated_amount, close_authority, frozen),
    )


def native_token_account(
    owner: object,
    lamports_wrapped: SupportsIndex,
    *,
    delegate: object = None,
    delegated_amount: SupportsIndex = 0,
    close_authority: object = None,
    frozen: bool = False,
) -> AccountData:
    """Return a token account of the SPL Token program with wrapped SOL.

    Its balance in lamports is ``lamports_wrapped`` and the rent-exempt minimum.

    Args:
        owner: Address of the wallet that holds the tokens.
        lamports_wrapped: Balance of wrapped SOL in lamports.
        delegate: Address that may move tokens, or None.
        delegated_amount: Lamports that the delegate may move.
        close_authority: Address that may close the account, or None.
        frozen: True if the tokens cannot be moved.
    """
    reserve = rent_exempt_minimum(TOKEN_ACCOUNT_SIZE)
    wrapped = checks.integer("lamports_wrapped", lamports_wrapped, 0, checks.U64 - reserve)
    data = _token_account_data(
        NATIVE_MINT, owner, wrapped, reserve, delegate, delegated_amount, close_authority, frozen
    )
    return AccountData(reserve + wrapped, TOKEN_PROGRAM, data)


def token_2022_account(
    mint: object,
    owner: object,
    amount: SupportsIndex,
    *,
    lamports: SupportsIndex | None = None,
    delegate: object = None,
    delegated_amount: SupportsIndex = 0,
    close_authority: object = None,
    frozen: bool = False,
) -> AccountData:
    """Return a token account of the Token-2022 program without extensions.

    The arguments are those of :func:`token_account`. Some extensions of a mint, such as transfer fees, require
    extensions in its token accounts; this is not an account for such a mint.
    """
    return AccountData(
        _lamports(lamports, TOKEN_ACCOUNT_SIZE),
        TOKEN_2022_PROGRAM,
        _token_account_data(mint, owner, amount, None, delegate, delegated_amount, close_authority, frozen),
    )


def mint_account(
    decimals: SupportsIndex,
    supply: SupportsIndex = 0,
    *,
    mint_authority: object = None,
    freeze_authority: object = None,
    lamports: SupportsIndex | None = None,
    program: object = TOKEN_PROGRAM,
) -> AccountData:
    """Return a mint without extensions.

    Args:
        decimals: Number of decimal places, 0 to 255.
        supply: Supply in base units. It should be the sum of all token accounts: burning more than this fails.
        mint_authority: Address that may mint tokens; None makes the supply final.
        freeze_authority: Address that may freeze token accounts; None forbids freezing.
        lamports: Balance in lamports; None means the rent-exempt minimum.
        program: Address of the token program.
    """
    data = (
        _optional_key("mint_authority", mint_authority)
        + _u64("supply", supply)
        + bytes((checks.integer("decimals", decimals, 0, _U8), _INITIALIZED))
        + _optional_key("freeze_authority", freeze_authority)
    )
    return AccountData(_lamports(lamports, MINT_SIZE), checks.address("program", program), data)


def from_json(raw: Mapping[str, object]) -> AccountData:
    """Convert an account from the JSON of the RPC.

    Args:
        raw: The account, with data as ``[text, "base64"]`` or ``{"data", "encoding"}``.

    Raises:
        ProtocolError: It is not an account, its data has another encoding, or only a slice of its data is included.
    """
    return wire.account_data(raw)


def to_json(account: AccountData) -> dict[str, Any]:
    """Convert an account to the JSON of the RPC. The rent epoch, which is not part of AccountData, is 0."""
    if not isinstance(account, AccountData):
        raise InvalidParams("account", account, "must be an AccountData")
    return wire.account_json(account)


@overload
def from_state(state: AccountState) -> AccountData: ...
@overload
def from_state(state: None) -> None: ...
def from_state(state: AccountState | None) -> AccountData | None:
    """Convert a state of an :class:`~simsync.AccountDiff`, so that it can be written.

    Args:
        state: Its ``before`` or ``after``; None is returned as None.

    Raises:
        ProtocolError: The state cannot be read.
    """
    if state is not None and not isinstance(state, AccountState):
        raise InvalidParams("state", state, "must be an AccountState, or None")
    return None if state is None else wire.account_data_of_state(state)


def _lamports(lamports: SupportsIndex | None, size: int) -> int:
    # At least 1, because an account without lamports does not exist.
    return rent_exempt_minimum(size) if lamports is None else checks.integer("lamports", lamports, 1, checks.U64)


def _u64(argument: str, value: SupportsIndex) -> bytes:
    return checks.integer(argument, value, 0, checks.U64).to_bytes(8, "little")


def _option(content: bytes | None, size: int) -> bytes:
    """Return an optional field: a tag and the content, whose space is kept if there is none."""
    return bytes(4 + size) if content is None else _SOME + content


def _optional_key(argument: str, value: object) -> bytes:
    return _option(None if value is None else checks.address_bytes(argument, value), 32)


def _token_account_data(
    mint: object,
    owner: object,
    amount: SupportsIndex,
    native_reserve: int | None,
    delegate: object,
    delegated_amount: SupportsIndex,
    close_authority: object,
    frozen: bool,
) -> bytes:
    delegated = _u64("delegated_amount", delegated_amount)
    if any(delegated) and delegate is None:
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
