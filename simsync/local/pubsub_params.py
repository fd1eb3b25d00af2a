"""What every kind of subscription is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, Protocol

from solders.pubkey import Pubkey

from simsync.local.account_json import zstandard

if TYPE_CHECKING:
    from simsync.local.behaviour import Behaviour
    from simsync.local.stream import StreamItem

    Pick = Callable[[StreamItem], Sequence[bytes]]

NOTHING: Sequence[bytes] = ()


class InvalidSubscription(ValueError):
    """The params of a subscribe cannot be used; the message is the answer's."""


class Kind(Protocol):
    """A kind of subscription; ``stem`` is what its method names begin with, ``once`` ends it after one notification."""

    stem: str
    once: bool

    def picker(self, params: list[Any]) -> Pick:
        """Return a function that gives the JSON ``result`` of each notification that an item leads to.

        It is called with every item of the stream in order. Raises InvalidSubscription.
        """
        ...


def config_of(params: list[Any]) -> dict[str, Any]:
    """Return the configuration behind the filter, empty if there is none."""
    return next((item for item in params[1:] if isinstance(item, dict)), {})


def filter_of(params: list[Any]) -> Any:
    return params[0] if params else None


def usual_params(stem: str, params: list[Any], behaviour: Behaviour) -> list[Any]:
    """Return the params with the filter in its usual form, where the behaviour wants another.

    Raises InvalidSubscription.
    """
    wanted = filter_of(params)
    if stem == "transaction" and behaviour.transaction_filter == "address" and wanted != "all":
        if not isinstance(wanted, str):
            raise InvalidSubscription('the filter must be "all" or an address')
        return [{"mentions": [wanted]}, *params[1:]]
    if stem == "accountDiff" and behaviour.diff_filter == "external":
        if not isinstance(wanted, dict) or len(wanted) != 1 or next(iter(wanted)) not in ("program", "account"):
            raise InvalidSubscription('the filter must be {"program": X} or {"account": X}')
        ((kind, of),) = wanted.items()
        return [{"address": of, "address_type": kind}, *params[1:]]
    return params


def address(value: Any) -> str:
    """Return a checked address. Raises InvalidSubscription."""
    try:
        return str(Pubkey.from_string(value))
    except (ValueError, TypeError) as error:
        raise InvalidSubscription(f"{value!r} is not an address") from error


def account_encoding(params: list[Any]) -> str:
    """Return ``base64+zstd`` if that is asked for and can be had, else ``base64``."""
    wanted = config_of(params).get("encoding")
    return wanted if wanted == "base64+zstd" and zstandard is not None else "base64"
