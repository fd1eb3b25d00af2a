"""Removes secrets from a capture. ``docs/capture.md`` lists what is removed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

from simsync.doctor.fields import fold, folded

KEY, HOST, OTHER_HOST, PRIVATE = "<api-key>", "<host>", "<other-host>", "<private>"

_SHORT = 8
"""Characters. A shorter secret is replaced only as a whole word; it may be a part of many other words."""
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_AUTHORITY = re.compile(r"\b(wss?|https?)://(?!<)[^/\s\"'?#<]+", re.IGNORECASE)
_ID_KEYS = {
    "sessionid": "session",
    "sessionids": "session",
    "controlsessionid": "control",
    "taskid": "task",
    "taskids": "task",
    "requestid": "build",
    "idempotencykey": "idempotency-key",
}
_PRIVATE_KEYS = folded(
    "apiKey apiKeyId apiKeyName keyName email user username userId organization organizationId team tenant customer"
    " accountId sessionName"
)
_PRIVATE_PARTS = folded(
    "authorization cookie password passwd passphrase secret credential apiKey privateKey bearer jwt email phone"
    " userName accountName ownerName fullName firstName lastName displayName customerName organizationName companyName"
)
"""A key that contains any of these names a secret or a person."""
_PRIVATE_ENDS = ("token", "tokens")
"""As in ``access_token``; ``tokenAmount`` and other words about tokens of the chain begin with it."""
_CREDENTIALS = re.compile(r"\b(Bearer|Basic)\s+(?=\S*[\d=])[\w.~+/=-]{8,}", re.IGNORECASE)
_PATH_ID = re.compile(r"/(backtest|build-bundle)/([^/?#\s\"']+)")
_PATH_KINDS = {"backtest": "session", "build-bundle": "build"}


@dataclass(frozen=True)
class Redaction:
    """Pairs of a text to remove and its placeholder. Immutable; :meth:`also` returns another one."""

    replacements: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, api_key: str, url: str, hidden: Iterable[str] = ()) -> Redaction:
        """Redaction for a server.

        Args:
            api_key: The key; empty if there is none.
            url: Address of the control connection.
            hidden: Other texts to remove.
        """
        pairs = [(form, KEY) for form in _forms(api_key)]
        for number, text in enumerate(hidden, 1):
            pairs += [(form, f"<hidden-{number}>") for form in _forms(text)]
        parts = urlsplit(url)
        pairs += [(text, HOST) for text in (parts.netloc, parts.hostname or "") if text]
        return cls(tuple(dict(reversed(pairs)).items()))

    def also(self, text: str, placeholder: str) -> Redaction:
        """A redaction that removes one more text."""
        return Redaction((*self.replacements, (text, placeholder)))

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: self._placeholders[found.group().lower()], text)
        text = _CREDENTIALS.sub(lambda found: f"{found.group(1)} {PRIVATE}", text)
        text = _AUTHORITY.sub(lambda found: f"{found.group(1)}://{OTHER_HOST}", text)
        return _ADDRESS.sub("<address>", text)

    def value(self, value: Any) -> Any:
        """A JSON value without secrets in its strings and keys, and without the values of private keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {
                self.text(key): PRIVATE if _is_private(key) and one is not None else self.value(one)
                for key, one in value.items()
            }
        return value

    @cached_property
    def _placeholders(self) -> Mapping[str, str]:
        return {text.lower(): placeholder for text, placeholder in self.replacements}

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        texts = sorted({text for text, _placeholder in self.replacements}, key=len, reverse=True)
        if not texts:
            return None
        return re.compile("|".join(self._expression(text) for text in texts), re.IGNORECASE)

    def _expression(self, text: str) -> str:
        alone = len(text) < _SHORT or self._placeholders[text.lower()] == HOST
        return rf"(?<![\w.-]){re.escape(text)}(?![\w-])" if alone else re.escape(text)


def _is_private(key: str) -> bool:
    name = fold(key).replace("-", "")
    return name in _PRIVATE_KEYS or name.endswith(_PRIVATE_ENDS) or any(part in name for part in _PRIVATE_PARTS)


def _forms(secret: str) -> Iterator[str]:
    """The secret as it is, in URLs, in JSON, in hex, and in base64 at each of the three offsets."""
    if not secret:
        return
    raw = secret.encode("utf-8")
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    if len(raw) < _SHORT:
        return
    yield raw.hex()
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Only the characters that do not depend on the bytes before and after the secret.
            yield encode(b"\0" * before + raw).decode("ascii")[first:last]


def identifiers(value: Any) -> Iterator[tuple[str, str]]:
    """The ids in a JSON value, as pairs of kind (``session``, ``control``, ``task`` …) and id.

    With the id of a session, anyone can read and change the session while it lives.
    """
    if isinstance(value, list):
        for one in value:
            yield from identifiers(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            kind = _ID_KEYS.get(fold(key))
            if kind is not None:
                yield from ((kind, text) for text in (one if isinstance(one, list) else [one]) if _is_id(text))
            if fold(key) == "lastsequences" and isinstance(one, dict):
                yield from (("session", name) for name in one if _is_id(name))
            if fold(key) == "rpcendpoint" and isinstance(one, str):
                yield from identifiers_in_path(one)
            yield from identifiers(one)


def identifiers_in_path(url: str) -> Iterator[tuple[str, str]]:
    """The ids in the path of an address, as pairs of kind and id."""
    for kind, text in _PATH_ID.findall(url):
        yield _PATH_KINDS[kind], text


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not value.startswith("<")


def shape(value: Any) -> Any:
    """A JSON value without its content: the keys, the first entry of each list, and the types of the values."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    if isinstance(value, bool) or value is None:
        return value
    return 0 if isinstance(value, (int, float)) else "<text>"
