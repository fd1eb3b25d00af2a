"""Account states to write, by address."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, SupportsIndex, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import account_encodings, checks
from simsync.params.plain_mappings import object_from_json

SYSTEM_PROGRAM = "11111111111111111111111111111111"


@dataclass(frozen=True)
class EncodedBinary(JsonForm):
    """Binary data as text.

    Attributes:
        data: The encoded data.
        encoding: ``"base64"``, the only encoding.
    """

    data: str = ""
    encoding: str = "base64"

    def __post_init__(self) -> None:
        if self.encoding != "base64":
            raise InvalidParams("encoding", self.encoding, "must be 'base64'")
        checks.assign(self, data=checks.base64_text("data", self.data))

    @classmethod
    def from_bytes(cls, data: bytes) -> EncodedBinary:
        """Encode bytes."""
        return cls(base64.b64encode(data).decode("ascii"))

    def to_bytes(self) -> bytes:
        """Return the decoded bytes."""
        return base64.b64decode(self.data)


def data_to_json(data: bytes) -> dict[str, str]:
    """Encode binary data for ``to_dict()``."""
    return {"data": base64.b64encode(data).decode("ascii"), "encoding": "base64"}


def data_from_json(value: Mapping[str, str]) -> bytes:
    """Decode binary data of a ``to_dict()``."""
    return EncodedBinary(**value).to_bytes()


@dataclass(frozen=True)
class AccountData(JsonForm):
    """A whole account state. The rent epoch is not part of it.

    Writing an account with no lamports, no data and the system program as owner removes it.

    Attributes:
        lamports: Balance in lamports; 1 SOL = 1,000,000,000 lamports.
        owner: Address of the owning program.
        data: Data of the account; the constructor also accepts base64 text and :class:`EncodedBinary`.
        executable: True for a program.
    """

    lamports: int
    owner: str = SYSTEM_PROGRAM
    data: bytes = field(default=b"", metadata=config(encoder=data_to_json, decoder=data_from_json))
    executable: bool = False

    if TYPE_CHECKING:

        def __init__(
            self,
            lamports: SupportsIndex,
            owner: object = SYSTEM_PROGRAM,
            data: object = b"",
            executable: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        data: Any = self.data
        if isinstance(data, EncodedBinary):
            data = data.to_bytes()
        checks.assign(
            self,
            lamports=checks.integer("lamports", self.lamports, 0, checks.U64),
            owner=checks.address("owner", self.owner),
            data=checks.binary("data", data),
            executable=checks.flag("executable", self.executable),
        )

    @property
    def space(self) -> int:
        """Length of the data in bytes."""
        return len(self.data)


class AccountLike(Protocol):
    """An account of another library, such as solders' ``Account``, or an :class:`~simsync.AccountState`."""

    @property
    def lamports(self) -> int:
        """Balance in lamports."""

    @property
    def owner(self) -> Any:
        """Address of the owning program."""

    @property
    def data(self) -> bytes:
        """Data of the account."""

    @property
    def executable(self) -> bool:
        """True for a program."""


AccountModifications = Mapping[Any, Union[AccountData, AccountLike, Mapping[str, Any]]]
"""Address → state to write: an :class:`AccountData`, or an account from ``getAccountInfo`` or another library.

Any other plain mapping in place of an ``AccountData`` is sent unchanged.
"""


def checked_modifications(argument: str, values: object) -> dict[str, AccountData | Mapping[str, Any]]:
    """Return a copy of account modifications whose addresses and states were checked."""
    checked: dict[str, AccountData | Mapping[str, Any]] = {}
    for key, state in checks.mapping(argument, values).items():
        name = checks.address(f"{argument} key", key)
        checked[name] = _checked_state(f"{argument}[{name}]", state)
    return checked


def checked_overrides(argument: str, values: object) -> dict[str, AccountData | Mapping[str, Any]]:
    """The same for overrides that the server applies by itself: it does not accept programs there."""
    checked = checked_modifications(argument, values)
    for address, state in checked.items():
        if state.get("executable") if isinstance(state, Mapping) else state.executable:
            rule = "must not be executable; write programs with modify_program of a session, or of its rpc"
            raise InvalidParams(f"{argument}[{address}]", state, rule)
    return checked


def _checked_state(argument: str, state: object) -> AccountData | Mapping[str, object]:
    if isinstance(state, Mapping):
        return _of_rpc(argument, state) if _is_of_rpc(state) else checks.plain_mapping(argument, state)
    return account_like(argument, state)


def account_like(argument: str, state: Any) -> AccountData:
    """The account that an object of another library stands for."""
    if isinstance(state, AccountData):
        return state
    if not all(hasattr(state, name) for name in ("lamports", "owner", "executable")):
        raise InvalidParams(argument, state, "must be an AccountData, or an account of another library")
    return _whole(argument, state, state.lamports, state.owner, state.data, state.executable, _space(state))


def _is_of_rpc(state: Mapping[str, object]) -> bool:
    """True for an account as the RPC gives it; the server wants another form of the data."""
    data = state.get("data")
    if "lamports" not in state or "owner" not in state:
        return False
    if isinstance(data, str):  # only the other keys of a reply tell how the caller encoded it
        return "rentEpoch" in state or "space" in state
    return isinstance(data, (list, tuple)) or (isinstance(data, Mapping) and "parsed" in data)


def _of_rpc(argument: str, state: Mapping[str, Any]) -> AccountData:
    given = state["data"]
    if isinstance(given, str):
        given = (given, account_encodings.LEGACY)
    text, encoding = given if len(given) == 2 and not isinstance(given, Mapping) else (None, "jsonParsed")
    if encoding not in account_encodings.ENCODINGS:
        raise InvalidParams(argument, state, f"has data in the encoding {encoding!r}: ask the RPC for base64")
    try:
        data = account_encodings.decode(text, encoding)
    except ValueError as error:
        raise InvalidParams(f"{argument}.data", given, f"{error}: ask the RPC for base64") from error
    executable = state.get("executable", False)
    return _whole(argument, state, state["lamports"], state["owner"], data, executable, state.get("space"))


def _whole(
    argument: str, state: object, lamports: Any, owner: object, data: object, executable: Any, space: int | None
) -> AccountData:
    try:
        account = AccountData(lamports, owner, data, executable)
    except InvalidParams as error:
        raise InvalidParams(f"{argument}.{error.argument}", error.value, error.rule) from None
    if space is not None and space != account.space:
        rule = f"has {space} bytes of data, but only {account.space} are included: ask the RPC without dataSlice"
        raise InvalidParams(argument, state, rule)
    return account


def _space(state: object) -> int | None:
    space = getattr(state, "space", None)
    return space if isinstance(space, int) else None


def modifications_from_json(value: Mapping[str, object]) -> dict[str, AccountData | Mapping[str, Any]]:
    """Decode account modifications of a ``to_dict()``. Plain mappings are returned unchanged."""
    return {address: object_from_json(AccountData, state) for address, state in value.items()}
