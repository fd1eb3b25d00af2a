"""The filters of ``getProgramAccounts`` and ``programSubscribe``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsync.local.rpc_params import binary, invalid, unsigned

if TYPE_CHECKING:
    from collections.abc import Callable

    from solders.account import Account

MAX_FILTERS = 4


def account_filters(value: Any) -> list[Callable[[Account], bool]]:
    """Return a test for each of the filters ``dataSize`` and ``memcmp``. Raises RpcFault."""
    filters = value or []
    if not isinstance(filters, list) or len(filters) > MAX_FILTERS:
        raise invalid(f"filters must be a list of at most {MAX_FILTERS}")
    return [_filter(item) for item in filters]


def _filter(item: Any) -> Callable[[Account], bool]:
    if isinstance(item, dict) and "dataSize" in item:
        size = unsigned(item["dataSize"], "dataSize")
        return lambda account: len(account.data) == size
    compare = item.get("memcmp") if isinstance(item, dict) else None
    if not isinstance(compare, dict):
        raise invalid(f"unknown filter {item!r}")
    offset = unsigned(compare.get("offset"), "offset of memcmp")
    wanted = binary(compare.get("bytes"), compare.get("encoding") or "base58")
    return lambda account: bytes(account.data)[offset : offset + len(wanted)] == wanted
