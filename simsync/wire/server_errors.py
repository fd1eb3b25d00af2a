"""Errors of the simulator: reading them in every form that was ever seen or guessed, and sorting them by severity.

How the server writes an error is a guess: a bare string without fields, else a one-key object. An object with a tag key
is accepted too. Names match ignoring case and underscores; unknown names are kept and count as non-terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simsync.events import BacktestError
from simsync.wire.spelling import fold, snake_case

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
"""After these, going on or re-attaching is pointless."""

TRANSIENT = ("SessionOwnershipBusy", "Internal", "ClerkError")

IGNORED = ("SimulationError",)
"""Inside a session these are logged and not delivered."""

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
    "BundleNotFound": "Client.available_ranges() lists what can be replayed; a single session has to begin at the start"
    " of a range and end inside it",
    "NoProducedBlocksInRange": "choose a longer range",
    "SessionNotFound": "it is over, or its disconnect timeout was; create another one",
}


def advice(error: BacktestError) -> str:
    """What the caller can do about it, in brackets; empty where nothing is known."""
    text = _ADVICE.get(error.name)
    return f" ({text})" if text else ""


def is_terminal(error: BacktestError) -> bool:
    """The default rule of :class:`~simsync.wire.dialect.Dialect`: is going on pointless after this error?"""
    return error.name in TERMINAL


def is_ignored(error: BacktestError) -> bool:
    """Errors about a single transaction do not concern the driver of a session."""
    return error.name in IGNORED


def refuses_continue(error: BacktestError) -> bool:
    """Errors about the content of a continue: nothing was executed, so another one may be sent. (A guess.)"""
    return error.name in DELIVERED


def decode_error(raw: Any) -> BacktestError:
    """The error in ``raw``, whatever its form; ``terminal`` is left for the dialect to set."""
    name, content = _name_and_content(raw)
    known = _NAMES.get(fold(name), name)
    if isinstance(content, Mapping):
        fields = {snake_case(str(key)): value for key, value in content.items()}
    elif content is None:
        fields = {}
    else:
        fields = {"error": content}
    return BacktestError(known, fields, raw)


def _name_and_content(raw: Any) -> tuple[str, Any]:
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
