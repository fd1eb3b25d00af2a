"""Account states to write, by address."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import checks
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


AccountModifications = Mapping[str, Union[AccountData, Mapping[str, Any]]]
"""Address → state to write. A plain mapping in place of ``AccountData`` is sent unchanged."""


def checked_modifications(argument: str, values: object) -> dict[str, AccountData | Mapping[str, Any]]:
    """Return a copy of account modifications whose addresses and states were checked."""
    checked: dict[str, AccountData | Mapping[str, Any]] = {}
    for key, state in checks.mapping(argument, values).items():
        name = checks.address(f"{argument} key", key)
        if not isinstance(state, (AccountData, Mapping)):
            raise InvalidParams(f"{argument}[{name}]", state, "must be an AccountData")
        argument_of_state = f"{argument}[{name}]"
        checked[name] = state if isinstance(state, AccountData) else checks.plain_mapping(argument_of_state, state)
    return checked


def modifications_from_json(value: Mapping[str, Any]) -> dict[str, AccountData | Mapping[str, Any]]:
    """Decode account modifications of a ``to_dict()``. Plain mappings are returned unchanged."""
    return {address: object_from_json(AccountData, state) for address, state in value.items()}
