"""Account states to write: ``AccountData`` per address."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from simsync.errors import InvalidParams
from simsync.json_form import JsonForm, config
from simsync.params import checks
from simsync.params.stand_ins import restored

SYSTEM_PROGRAM = "11111111111111111111111111111111"


@dataclass(frozen=True)
class EncodedBinary(JsonForm):
    """Binary data as text. No other encoding than ``base64`` is known."""

    data: str = ""
    encoding: str = "base64"

    def __post_init__(self) -> None:
        if self.encoding != "base64":
            raise InvalidParams("encoding", self.encoding, "must be 'base64'")
        checks.assign(self, data=checks.base64_text("data", self.data))

    @classmethod
    def from_bytes(cls, data: bytes) -> EncodedBinary:
        return cls(base64.b64encode(data).decode("ascii"))

    def to_bytes(self) -> bytes:
        return base64.b64decode(self.data)


def data_to_json(data: bytes) -> dict[str, str]:
    """How ``to_dict`` writes binary data."""
    return {"data": base64.b64encode(data).decode("ascii"), "encoding": "base64"}


def data_from_json(value: Mapping[str, str]) -> bytes:
    """Undo ``to_dict``."""
    return EncodedBinary(**value).to_bytes()


@dataclass(frozen=True)
class AccountData(JsonForm):
    """A whole account state.

    ``lamports``: 1 SOL = 1,000,000,000 lamports. ``data`` may also be given as base64 text or ``EncodedBinary``. The
    rent epoch is not part of it. An account with zero lamports, no data and the system program as owner is removed.
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
"""Address → state to write. A plain mapping in place of ``AccountData`` is sent as it is."""


def checked_modifications(argument: str, values: object) -> dict[str, AccountData | Mapping[str, Any]]:
    checked: dict[str, AccountData | Mapping[str, Any]] = {}
    for key, state in checks.mapping(argument, values).items():
        name = checks.address(f"{argument} key", key)
        if not isinstance(state, (AccountData, Mapping)):
            raise InvalidParams(f"{argument}[{name}]", state, "must be an AccountData")
        argument_of_state = f"{argument}[{name}]"
        checked[name] = state if isinstance(state, AccountData) else checks.plain_mapping(argument_of_state, state)
    return checked


def modifications_from_json(value: Mapping[str, Any]) -> dict[str, AccountData | Mapping[str, Any]]:
    """Undo ``to_dict``: account states become ``AccountData`` again, plain mappings stay what they are."""
    return {address: restored(AccountData, state) for address, state in value.items()}
