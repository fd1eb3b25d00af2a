"""How a server answers RPC calls and the HTTP services."""

from __future__ import annotations

from simsync.doctor.conversation import Capture
from simsync.doctor.fields import entries, field, spellings, text
from simsync.doctor.observation import Look, Seen

_NO_SUCH_METHOD = -32601


def rpc(method: str) -> Look:
    """Whether a call of this method was answered with a result."""

    def look(capture: Capture) -> Seen:
        for call in capture.calls(method):
            error = field(call.reply, "error")
            if call.status == 200 and isinstance(call.reply, dict) and "result" in call.reply:
                yield "taken"
            elif field(error, "code") == _NO_SUCH_METHOD:
                yield "no method", method
            elif call.status == 200 and error is not None:
                yield "refused", str(field(error, "message"))
            else:
                yield "unreadable", f"{method} (HTTP {call.status})"

    return look


def _reply(capture: Capture, path: str) -> object:
    return next((one.reply for one in capture.services(path) if one.status == 200), None)


def _status(capture: Capture, path: str) -> Seen:
    return [("status", f"{path} answered HTTP {one.status}") for one in capture.services(path)]


def keys_on_receipt(capture: Capture) -> Seen:
    ranges, usage = _reply(capture, "/available-ranges"), _reply(capture, "/usage")
    objects = {"ranges": ranges[0] if isinstance(ranges, list) and ranges else None, "usage": usage}
    cases = {name: " and ".join(sorted(spellings(one))) for name, one in objects.items() if isinstance(one, dict)}
    if cases:
        yield "any", ", ".join(f"{name} {case or 'one word'}" for name, case in cases.items())


def bundle_size(capture: Capture) -> Seen:
    ranges = entries({"ranges": _reply(capture, "/available-ranges")}, "ranges")
    keys = {key for one in ranges if isinstance(one, dict) for key in one if "size" in key.lower()}
    if ranges:
        usual = any(field(one, "maxBundleSize") is not None for one in ranges)
        yield "usual" if usual else "other" if keys else "none", ", ".join(sorted(keys))


def usage_window(capture: Capture) -> Seen:
    for one in capture.services("/usage"):
        if one.status == 200 and "since=" in one.url:
            told, asked = text(one.reply, "since"), one.url.split("since=", 1)[1]
            yield "untold" if told is None else "taken" if told[:10] == asked[:10] else "ignored"
    yield from _status(capture, "/usage")


def usage_extras(capture: Capture) -> Seen:
    usage = _reply(capture, "/usage")
    found = [name for name in ("daily", "pricing") if field(usage, name) is not None]
    if isinstance(usage, dict):
        yield "some" if found else "none", " and ".join(found)
    yield from _status(capture, "/usage")


def bundles(capture: Capture) -> Seen:
    listing = _reply(capture, "/build-bundle")
    wanted = {"builds": ("requestId", "status"), "bundles": ("startSlot", "endSlot")}
    found = [(one, names) for key, names in wanted.items() for one in entries(listing, key)]
    missing = sorted({name for one, names in found for name in names if field(one, name) is None})
    if isinstance(listing, dict):
        yield "missing" if missing else "these" if found else "nothing", ", ".join(missing)
    yield from _status(capture, "/build-bundle")


def build_path(capture: Capture) -> Seen:
    for one in capture.exchanges:
        if one.path.startswith("/build-bundle/") and one.method == "GET":
            yield "taken" if one.status == 200 else "refused", f"HTTP {one.status}"
    yield from ["nothing" for _listing in capture.services("/build-bundle")]
