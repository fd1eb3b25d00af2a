"""Removes secrets from a capture. ``docs/capture.md`` lists what is removed."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from simsync.doctor.fields import fold, folded
from simsync.doctor.protocol_words import KEYS, TEXT_KEYS, is_key, is_plain_shape, may_stay

KEY, HOST, OTHER_HOST, PRIVATE = "<api-key>", "<host>", "<other-host>", "<private>"

_LARGE_NUMBER = 10_000
"""A number from here on, or a fraction, under a key that is not of the protocol may be that of a person."""
_SHORT = 8
"""Characters. A shorter secret is replaced only as a whole word; it may be a part of many other words."""
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_IPV6 = re.compile(r"(?<![\w:.])\[?[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}\]?(?![\w:])")
_MAC = re.compile(r"(?<![\w:-])[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}(?![\w:-])")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*")
_BARE_HOST = re.compile(r"(?<![\w.<@-])(?:[a-zA-Z0-9][a-zA-Z0-9-]*\.)+[a-zA-Z]{2,}(?::\d{1,5})?(?![\w(])")
_HOST_AND_PORT = re.compile(r"(?<![\w.<:/-])(?:localhost|(?=[\w-]*[a-zA-Z])(?=[\w-]*[\d-])[a-zA-Z0-9-]+):\d{4,5}(?!\d)")
_FILE = re.compile(r"(?<![\w<>])(?:/(?:home|Users|root)/|[A-Za-z]:\\+)[^\s\"'<>:;,]*")
_UUID = re.compile(r"(?:\w+_)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SOME_ID = re.compile(r"\b(?:backtest|parallel|session|control|task|build|req|org|acct|user|cus)_[\w-]{4,}")
_TOKEN = re.compile(
    r"\b(?:sk|pk|rk|ghp|gho|github_pat|glpat|npm|hf|xox[a-z]|AKIA|ASIA|AIza|eyJ|key|api|tok|token)[-_]?[\w.-]{8,}\b"
)
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*", re.DOTALL)
_IN_GROUPS = re.compile(r"(?<![\w.])(?:\+\d[\d ()/-]{7,}\d|\d{4}(?:[ -]\d{4}){2,3}(?:[ -]?\d{1,4})?)(?![\w.])")
"""Numbers of telephones and of cards."""
_RANDOM = re.compile(r"(?<![\w/+])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{20,}(?![\w+/])")
_ASSIGNED = re.compile(
    r"(?<![A-Za-z])((?:\w+[-_ ])?"
    r"(?:api[-_ ]?key(?:[-_ ]?name)?|token|password|passwd|passphrase|pass|pwd|pin|otp|secret|sid|cookie|authorization"
    r"|user(?:[-_ ]?name)?|login|e?mail|name|owner|customer|organi[sz]ation|tenant|team|phone|key(?=\W+\w*\d))"
    r"[\"']?(?:\s*[=:]\s*|\s+is\s+|\s+(?=[\"']\S))(?:(?:Bearer|Basic|Digest|Token|ApiKey)\s+(?!<))?)"
    r"(?!<)(\"[^\"]*\"|'[^']*'|[^\s,;\"'<>}\]]+)",
    re.IGNORECASE,
)
_AUTHORITY = re.compile(r"\b(wss?|https?)://(?!<)[^/\s\"'?#<]+", re.IGNORECASE)
_OTHER_SCHEME = re.compile(
    r"\b((?!wss?:|https?:)[a-z][a-z0-9+.-]*:)//[^\s\"'<>]+|(?<![\w:/<>])//[^\s\"'<>/]+", re.IGNORECASE
)
_QUERY = re.compile(r"([?&][\w.-]+=)(?!<)([^&\s#\"'<>]+)")
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
    " accountId accountNo accountNumber sessionName name createdBy pin otp dob ssn iban ip"
)
_PRIVATE_PARTS = folded(
    "authorization cookie password passwd passphrase secret credential apiKey privateKey bearer jwt email phone"
    " userName accountName ownerName fullName firstName lastName displayName customerName organizationName companyName"
    " keypair mnemonic seedPhrase recoveryPhrase pinCode customerNumber taxNumber birth clientIp remoteIp"
)
"""A key that contains any of these names a secret or a person."""
_PRIVATE_ENDS = ("token", "tokens")
"""As in ``access_token``; ``tokenAmount`` and other words about tokens of the chain begin with it."""
_CREDENTIALS = re.compile(r"\b(Bearer|Basic|Digest|Token|ApiKey)\s+(?=\S*[\d=])[\w.~+/=-]{8,}", re.IGNORECASE)
_VARIANTS = folded("err error event")
"""Below these keys a single key names what happened."""
_DIGIT = re.compile(r"\d")
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
        text = _OTHER_SCHEME.sub(lambda found: f"{found.group(1) or ''}//{OTHER_HOST}", text)
        text = _QUERY.sub(_parameter, text)
        text = _ADDRESS.sub("<address>", text)
        return _IPV6.sub(_address_or_not, text)

    def sentence(self, text: str) -> str:
        """A text of a server, which may hold anything, without what looks like a secret."""
        text = _ASSIGNED.sub(lambda found: f"{found.group(1)}{PRIVATE}", self.text(text))
        for pattern, placeholder in (
            (_PEM, PRIVATE),
            (_MAIL, "<mail>"),
            (_MAC, "<address>"),
            (_FILE, "<file>"),
            (_UUID, "<id>"),
            (_SOME_ID, "<id>"),
            (_TOKEN, PRIVATE),
            (_BARE_HOST, OTHER_HOST),
            (_HOST_AND_PORT, OTHER_HOST),
            (_IN_GROUPS, PRIVATE),
        ):
            text = pattern.sub(placeholder, text)
        return _RANDOM.sub(lambda found: found.group() if is_plain_shape(found.group()) else PRIVATE, text)

    def value(self, value: object) -> object:
        """A JSON value of which only what is known to be harmless stays: keys and shapes of the protocol."""
        if isinstance(value, dict) and value.get("method") == "error":
            return {self._name(key, True): self._value(one, "error") for key, one in value.items()}
        return self._value(value, "message")

    def _value(self, value: object, key: str) -> object:
        """``key``: the nearest key around the value."""
        if isinstance(value, str):
            return self._string(value, key)
        if isinstance(value, list):
            return [self._value(one, key) for one in value]
        if isinstance(value, dict):
            # Where no key is of the protocol, they are not names of fields but, perhaps, of persons.
            are_fields = fold(key) in _VARIANTS or any(fold(name) in KEYS or _is_private(name) for name in value)
            return {self._name(name, are_fields): self._field(name, one) for name, one in value.items()}
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value if fold(key) in KEYS or is_plain_shape(key) or _is_harmless(value) else PRIVATE
        return value

    def _field(self, key: str, value: object) -> object:
        return PRIVATE if _is_private(key) and value is not None else self._value(value, key)

    def _name(self, key: str, is_field: bool) -> str:
        found = self.text(key)
        if fold(found) in KEYS or is_plain_shape(found) or _is_private(found):
            return found
        # A name of a field has no digits, or nothing in it that looks like a secret.
        looks_harmless = not _DIGIT.search(found) or self.sentence(found) == found
        return found if is_field and is_key(found) and looks_harmless else "<key>"

    def _string(self, value: str, key: str) -> str:
        name = fold(key)
        if name in TEXT_KEYS:
            return self.sentence(value)
        if name in KEYS:
            found = self.text(value)
            return found if may_stay(name, found) else PRIVATE
        found = self.sentence(value)
        if found.isdecimal() and len(found) < 32:  # no address is that short
            return found if _is_harmless(int(found)) else PRIVATE
        return found if is_plain_shape(found) else PRIVATE

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


def _address_or_not(found: re.Match[str]) -> str:
    try:
        ipaddress.IPv6Address(found.group().strip("[]"))
    except ValueError:
        return found.group()  # a time, or anything else with colons
    return "<address>"


def _parameter(found: re.Match[str]) -> str:
    return found.group() if is_plain_shape(unquote(found.group(2))) else f"{found.group(1)}{PRIVATE}"


def _is_harmless(number: float) -> bool:
    return isinstance(number, int) and abs(number) < _LARGE_NUMBER


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
    return 0 if isinstance(value, (int, float)) else "<text>"
