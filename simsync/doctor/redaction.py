"""Removes secrets from a capture. ``docs/internals/capture.md`` lists what is removed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from simsync.doctor.fields import fold, folded
from simsync.doctor.known_text import MOST_DIGITS, is_known_name, is_numeral, is_plain, is_signature, known_part
from simsync.doctor.placeholders import BYTES, FIELD, HOST, KEY, OTHER_HOST, PLACEHOLDER, PRIVATE, TEXT, WORD, numbered
from simsync.doctor.protocol_words import BYTES_KEYS, KEYS, NUMBER_KEYS, PROTOCOL_WORDS, SIGNATURE_KEYS, SPOKEN_KEYS

_SHORT = 8
"""Characters. A shorter secret is replaced only as a whole word; it may be a part of many other words."""
_ADDRESS = re.compile(r"(?:(\w+)://([^/?#]*))?([^?#]*)(?:\?([^#]*))?.*", re.DOTALL)
_SCHEMES = ("ws", "wss", "http", "https")
_SERVICES = ("backtest", "usage", "build-bundle", "available-ranges", "health", "ready")
_NAME = re.compile(rf"{PLACEHOLDER.pattern}|(?P<name>[A-Za-z][\w-]*)")
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
    " accountId accountNo accountNumber sessionName name createdBy pin otp dob ssn iban ip login pwd"
)
_PRIVATE_PARTS = folded(
    "authorization cookie password passwd passphrase secret credential apiKey privateKey bearer jwt email phone"
    " userName accountName ownerName fullName firstName lastName displayName customerName organizationName companyName"
    " keypair mnemonic seedPhrase recoveryPhrase pinCode customerNumber taxNumber birth clientIp remoteIp"
)
"""A key that contains any of these names a secret or a person."""
_PRIVATE_ENDS = ("token", "tokens")
"""As in ``access_token``; ``tokenAmount`` and other words about tokens of the chain begin with it."""
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
            pairs += [(form, numbered("hidden", number)) for form in _forms(text)]
        parts = urlsplit(url)
        pairs += [(text, HOST) for text in (parts.netloc, parts.hostname or "") if text]
        return cls(tuple(dict(reversed(pairs)).items()))

    def also(self, text: str, placeholder: str) -> Redaction:
        """A redaction that removes one more text."""
        return Redaction((*self.replacements, (text, placeholder)))

    def named(self, text: str) -> str:
        """``text`` without the secrets that are known by name: the key, the host, ids, and what is to be hidden."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._placeholders[found.group().lower()], text)

    def address(self, text: str) -> str:
        """An address, or the path of one, of which only names of services and plain values stay."""
        parts = _ADDRESS.fullmatch(self.named(text))
        if parts is None:
            return WORD
        scheme, host, path, query = parts.groups()
        start = "" if scheme is None else f"{scheme if scheme in _SCHEMES else WORD}://{_host(host)}"
        place = "/".join(one if one in _SERVICES or is_plain(one) else WORD for one in path.split("/"))
        return start + place + ("" if query is None else "?" + "&".join(map(_parameter, query.split("&"))))

    def sentence(self, text: str) -> str:
        """A text of a server, which may hold anything: only known words, small numbers and addresses stay."""
        text = self.named(text)
        # What follows may be a secret although it looks harmless: a password may be a word, a pin has four digits.
        telling = next((one for one in _NAME.finditer(text) if _is_private(one["name"] or "")), None)
        if telling is not None and text[telling.end() :].strip():
            return f"{known_part(text[: telling.end()])} {PRIVATE}"
        return known_part(text)

    def value(self, value: object) -> object:
        """A JSON value of which only what is known to be harmless stays: keys and shapes of the protocol."""
        return self._value(value, "message")

    def _value(self, value: object, key: str) -> object:
        """``key``: the nearest key around the value."""
        if isinstance(value, str):
            return self._string(value, fold(key))
        if isinstance(value, list):
            return [self._value(one, key) for one in value]
        if isinstance(value, dict):
            return {self._name(name): self._field(name, one) for name, one in value.items()}
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            is_small = isinstance(value, int) and abs(value) < 10**MOST_DIGITS
            return value if is_small or self._takes_numbers(key) else PRIVATE
        return value

    def _takes_numbers(self, key: str) -> bool:
        """Below a key of the protocol for numbers, or one that is an address or an id."""
        return fold(key) in NUMBER_KEYS or is_plain(self.named(key))

    def _field(self, key: str, value: object) -> object:
        return PRIVATE if _is_private_key(key) and value is not None else self._value(value, key)

    def _name(self, key: str) -> str:
        found = self.named(key)
        return found if is_plain(found) or is_known_name(found.replace("-", "_")) else FIELD

    def _string(self, value: str, key: str) -> str:
        """``key`` is folded."""
        if key in SPOKEN_KEYS:
            return self.sentence(value)
        if key == "rpcendpoint":
            return self.address(value)
        found = self.named(value)
        if is_plain(found) or (key in SIGNATURE_KEYS and is_signature(found)):
            return found
        if key in NUMBER_KEYS and is_numeral(found):
            return found
        if key in KEYS and fold(found) in PROTOCOL_WORDS:
            return found
        return BYTES if key in BYTES_KEYS else PRIVATE

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


def _host(host: str) -> str:
    return HOST if host == HOST else OTHER_HOST


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    shown = value if is_plain(unquote(value)) or is_numeral(value) else PRIVATE
    return (name if is_known_name(name) else FIELD) + equals + shown


def _is_private_key(key: str) -> bool:
    return _is_private(key) or fold(key).endswith(_PRIVATE_ENDS)


def _is_private(name: str) -> bool:
    folded_name = fold(name).replace("-", "")
    return folded_name in _PRIVATE_KEYS or any(part in folded_name for part in _PRIVATE_PARTS)


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


def identifiers(value: object) -> Iterator[tuple[str, str]]:
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


def _is_id(value: object) -> bool:
    return isinstance(value, str) and bool(value) and not value.startswith("<")


def shape(value: object) -> Any:
    """A JSON value without its content: the keys, the first entry of each list, and the types of the values."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    if isinstance(value, bool) or value is None:
        return value
    return 0 if isinstance(value, (int, float)) else TEXT
