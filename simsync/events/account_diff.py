"""Account states, and the changes of accounts."""

from __future__ import annotations

import base64
from collections.abc import Hashable
from typing import Any, Callable, NamedTuple, Optional

from simsync.events.event import DecodedEvent


class AccountState:
    """An account at one moment.

    Attributes:
        lamports: Balance in lamports.
        owner: Address of the owning program.
        executable: True for a program.
        rent_epoch: Epoch in which rent is due next.
        space: Length of the data in bytes, None if the server does not send it.
    """

    __slots__ = ("_data", "_decode", "_encoded", "executable", "lamports", "owner", "rent_epoch", "space")

    def __init__(
        self,
        lamports: int,
        owner: str,
        executable: bool,
        rent_epoch: int,
        space: int | None,
        encoded: object,
        decode: Callable[[Any], bytes],
    ) -> None:
        self.lamports = lamports
        self.owner = owner
        self.executable = executable
        self.rent_epoch = rent_epoch
        self.space = space
        self._encoded = encoded
        self._decode = decode
        self._data: bytes | None = None

    @property
    def data(self) -> bytes:
        """Data of the account, decoded on first use. Raises ProtocolError if its encoding is not known."""
        if self._data is None:
            self._data = self._decode(self._encoded)
        return self._data

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes by name; ``data`` is base64 text, None if simsync cannot read what the server sent."""
        try:
            data = base64.b64encode(self.data).decode("ascii")
        except Exception:  # noqa: BLE001 (the decoder is given, and one account must not spoil a table)
            data = None
        return {
            "lamports": self.lamports,
            "owner": self.owner,
            "executable": self.executable,
            "rent_epoch": self.rent_epoch,
            "space": self.space,
            "data": data,
        }

    def __eq__(self, other: object) -> bool:
        if type(other) is not AccountState:
            return NotImplemented
        mine, theirs = (
            (state.lamports, state.owner, state.executable, state.rent_epoch, state.space) for state in (self, other)
        )
        return mine == theirs and (self._encoded == other._encoded or self.data == other.data)

    def __hash__(self) -> int:
        return hash((self.lamports, self.owner))

    def __repr__(self) -> str:
        return f"AccountState(lamports={self.lamports}, owner={self.owner!r}, space={self.space})"


class AccountDiffFields(NamedTuple):
    """Decoded content of an :class:`AccountDiff`."""

    account: Optional[str]
    signature: Optional[str]
    before: Optional[AccountState]
    after: Optional[AccountState]


class AccountDiff(DecodedEvent[AccountDiffFields]):
    """An account before and after one transaction of ``slot``, or before and after an override.

    Delivered by ``subscribe_account_diffs()``.
    """

    __slots__ = ()

    @property
    def account(self) -> str | None:
        """Address of the account."""
        return self._load().account

    @property
    def signature(self) -> str | None:
        """Signature of the transaction that changed the account, None for an override."""
        return self._load().signature

    @property
    def before(self) -> AccountState | None:
        """State before, None if the account was created."""
        return self._load().before

    @property
    def after(self) -> AccountState | None:
        """State after, None if the account was deleted."""
        return self._load().after

    @property
    def created(self) -> bool:
        """True if the account did not exist before."""
        return self.before is None and self.after is not None

    @property
    def deleted(self) -> bool:
        """True if the account does not exist after."""
        return self.after is None and self.before is not None

    def _identity(self) -> Hashable:
        return self.slot, self.account, self.signature

    def _row(self) -> dict[str, Any]:
        return {
            "slot": self.slot,
            "account": self.account,
            "signature": self.signature,
            "created": self.created,
            "deleted": self.deleted,
            "before": None if self.before is None else self.before.to_dict(),
            "after": None if self.after is None else self.after.to_dict(),
        }

    def __repr__(self) -> str:
        return f"AccountDiff(slot={self.slot}, account={self.account!r}, before={self.before!r}, after={self.after!r})"
