"""Decodes the errors of the simulator and sorts them by severity.

How the server writes an error is a guess: a string if it has no fields, otherwise an object with one key. An object
with a tag key is accepted too. Names are compared without case and underscores. An unknown name is kept, and the error
counts as not terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simsync.events import BacktestError
from simsync.wire.spelling import fold, snake_case

# guess: which errors end a session
TERMINAL = (
    "SessionNotFound",
    "SessionOwnerMismatch",
    "NoMoreBlocks",
    "BundleNotFound",
    "NoProducedBlocksInRange",
    "SessionNameTaken",
    "AdvanceSlotFailed",
    "FinalizeSlotFailed",
    "InitializingSysvarsFailed",
    "InvalidRequest",
)
"""After these errors the session cannot be continued or attached to."""

TRANSIENT = ("SessionOwnershipBusy", "Internal", "ClerkError")

# guess: which errors are not delivered
IGNORED = ("SimulationError",)
"""Inside a session these errors are logged, not delivered."""

DELIVERED = (
    "InvalidTransactionEncoding",
    "InvalidTransactionFormat",
    "InvalidAccountEncoding",
    "InvalidAccountOwner",
    "InvalidAccountPubkey",
    "InvalidBlockhashFormat",
)

_NAMES = {fold(name): name for group in (TERMINAL, TRANSIENT, IGNORED, DELIVERED) for name in group}
_TAG_KEYS = ("type", "kind", "code", "method", "error")
_CONTENT_KEYS = ("params", "data", "content")


_ADVICE = {
    "BundleNotFound": "Client.available_ranges() lists the slots that can be replayed; a single session must begin at"
    " the start of a range and end within it",
    "NoProducedBlocksInRange": "choose a longer range",
    "SessionNotFound": "the session has ended or its disconnect timeout expired; create a new one",
}


def advice(error: BacktestError) -> str:
    """What the caller can do about the error, in parentheses; empty if nothing is known."""
    text = _ADVICE.get(error.name)
    return f" ({text})" if text else ""


def is_terminal(error: BacktestError) -> bool:
    """True if the session cannot continue after this error; the default of ``Dialect(is_terminal=...)``."""
    return error.name in TERMINAL


def is_transient(error: BacktestError) -> bool:
    """True if the same request may succeed later."""
    return error.name in TRANSIENT


def is_ignored(error: BacktestError) -> bool:
    """True for errors about a single transaction, which do not concern the caller who drives the session."""
    return error.name in IGNORED


# guess: which errors answer a continue
def refuses_continue(error: BacktestError) -> bool:
    """True for errors about the content of a continue. Nothing was executed, so another may be sent. (A guess.)"""
    return error.name in DELIVERED


# guess: form of errors
# guess: names and fields of errors
def decode_error(raw: object) -> BacktestError:
    """Decode an error of any form. ``terminal`` is left for the dialect to set."""
    name, content = _name_and_content(raw)
    known = _NAMES.get(fold(name), name)
    if isinstance(content, Mapping):
        fields = {snake_case(str(key)): value for key, value in content.items()}
    elif content is None:
        fields = {}
    else:
        fields = {"error": content}
    return BacktestError(known, fields, raw)


def _name_and_content(raw: object) -> tuple[str, Any]:
    if isinstance(raw, str):
        return raw, None
    if not isinstance(raw, Mapping):
        return "Unknown", raw
    folded = {fold(str(key)): key for key in raw}
    for tag in _TAG_KEYS:
        # {"error": "text"} is a payload, unless the text names a variant.
        name = raw[folded[tag]] if tag in folded else None
        if not isinstance(name, str) or (tag == "error" and fold(name) not in _NAMES):
            continue
        for content in _CONTENT_KEYS:
            if content in folded:
                return name, raw[folded[content]]
        return name, {key: value for key, value in raw.items() if key != folded[tag]}
    if len(raw) == 1:
        (name, content) = next(iter(raw.items()))
        if fold(str(name)) in ("error", "message") and isinstance(content, str):
            return "Unknown", raw
        return str(name), content
    return "Unknown", raw
