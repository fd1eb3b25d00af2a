"""Observations about RPC and the HTTP services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simsync.run.probing.conversation import Capture, Exchange
from simsync.run.probing.fields import entries, field, spellings
from simsync.run.probing.observation import Look, Row, Seen, also

_NO_SUCH_METHOD = -32601


def _taken(method: str, setting: str, where: Callable[[Exchange], bool] = lambda _call: True) -> Look:
    """Was the call answered with a result?"""

    def look(capture: Capture) -> Seen | str | None:
        calls = [call for call in capture.calls(method) if where(call)]
        if not calls:
            return None
        if any(_result(call) for call in calls):
            return Seen("taken")
        call = calls[0]
        if field(call.reply, "error", "code") == _NO_SUCH_METHOD:
            return f"this server has no {method}"
        if call.status != 200 or field(call.reply, "error") is None:
            return f"{method} had no answer that can be read (HTTP {call.status})"
        return Seen(f"refused: {field(call.reply, 'error', 'message')}", setting)

    return look


def _result(call: Exchange) -> bool:
    return call.status == 200 and isinstance(call.reply, dict) and "result" in call.reply


def _reply(capture: Capture, path: str) -> Any:
    return next((one.reply for one in capture.services(path) if one.status == 200), None)


def _missing(capture: Capture, path: str) -> str | None:
    statuses = [one.status for one in capture.services(path)]
    return f"{path} answered HTTP {statuses[0]}" if statuses else None


def keys_on_receipt(capture: Capture) -> Seen | str | None:
    ranges = _reply(capture, "/available-ranges")
    usage = _reply(capture, "/usage")
    words = []
    if isinstance(ranges, list) and ranges:
        words.append(f"ranges {_case(ranges[0])}")
    if isinstance(usage, dict):
        words.append(f"usage {_case(usage)}")
    return Seen(", ".join(words)) if words else None


def _case(value: Any) -> str:
    return " and ".join(sorted(spellings(value))) or "one word"


def bundle_size(capture: Capture) -> Seen | None:
    ranges = _reply(capture, "/available-ranges")
    if not isinstance(ranges, list) or not ranges:
        return None
    if any(field(one, "maxBundleSize") is not None for one in ranges):
        return Seen("`maxBundleSize`")
    sizes = sorted({key for one in ranges if isinstance(one, dict) for key in one if "size" in key.lower()})
    if sizes:
        return Seen(f"named {', '.join(sizes)}", "read AvailableRange.raw")
    return also("not told; the slots from start to end count")


def usage_window(capture: Capture) -> Seen | str | None:
    for one in capture.services("/usage"):
        if one.status == 200 and "since=" in one.url:
            asked = one.url.split("since=", 1)[1][:10]
            told = field(one.reply, "since")
            if not isinstance(told, str):
                return "the report does not say which window it covers"
            if told[:10] == asked:
                return Seen("taken")
            return Seen("not heeded", "edit wire/services.py:usage_path")
    return _missing(capture, "/usage")


def usage_extras(capture: Capture) -> Seen | str | None:
    usage = _reply(capture, "/usage")
    if not isinstance(usage, dict):
        return _missing(capture, "/usage")
    found = [name for name in ("daily", "pricing") if field(usage, name) is not None]
    return also(f"{' and '.join(found)} are there") if found else Seen("not there")


def bundles(capture: Capture) -> Seen | str | None:
    listing = _reply(capture, "/build-bundle")
    if not isinstance(listing, dict):
        return _missing(capture, "/build-bundle")
    builds, owned = entries(listing, "builds"), entries(listing, "bundles")
    if not builds and not owned:
        return "this key has built nothing"
    odd = [name for one in builds for name in ("requestId", "status") if field(one, name) is None]
    odd += [name for one in owned for name in ("startSlot", "endSlot") if field(one, name) is None]
    if odd:
        return Seen(f"without {', '.join(sorted(set(odd)))}", "read BundleListing.raw")
    return Seen("these names")


def build_path(capture: Capture) -> Seen | str | None:
    for one in capture.exchanges:
        if one.path.startswith("/build-bundle/") and one.method == "GET":
            if one.status == 200:
                return Seen("answers")
            return Seen(f"HTTP {one.status}", "edit wire/services.py:build_path")
    return "this key has built nothing" if capture.services("/build-bundle") else None


ROWS = (
    Row(
        "params and result of `getAddressLookupTable`",
        "the address alone",
        _taken("getAddressLookupTable", 'sub.rpc.call("getAddressLookupTable", [...])'),
        "subscriptions",
    ),
    Row("commitment", "`confirmed`", _taken("getBalance", "sub.rpc.call(...)"), "subscriptions"),
    Row(
        "`searchTransactionHistory` of `getSignatureStatuses`",
        "always true",
        _taken("getSignatureStatuses", "sub.rpc.call(...)"),
        "subscriptions",
    ),
    Row(
        "bytes of a `memcmp` filter",
        "base64 with `encoding`",
        _taken("getProgramAccounts", "sub.rpc.call(...)"),
        "subscriptions",
    ),
    Row(
        "how many accounts and signatures one request may name",
        "100 and 256",
        _taken("getMultipleAccounts", "edit wire/rpc.py:MAX_ACCOUNTS"),
        "subscriptions",
    ),
    Row("keys on receipt", "any spelling", keys_on_receipt, "services"),
    Row("`/available-ranges`: size of a bundle", "`maxBundleSize`", bundle_size, "services"),
    Row("names of the window of `/usage`", "`since` and `until`", usage_window, "services"),
    Row("`daily` and `pricing` of a usage report", "not read", usage_extras, "services"),
    Row("fields of bundle builds and bundles", "id and status; slots", bundles, "services"),
    Row("path of one build", "`/build-bundle/<id>`", build_path, "services"),
)
