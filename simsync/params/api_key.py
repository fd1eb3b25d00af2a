"""The API key, in an object that does not show it."""

from __future__ import annotations

import re

from simsync.params import checks

HEADER = "X-API-Key"
_HIDDEN = "(hidden)"
_SHORTEST = 8
"""Characters of a key that is masked inside of words too. A shorter one is masked where it stands alone."""


class ApiKey:
    """An API key. Printing, logging and inspecting it do not show the key; copying and pickling it are refused."""

    __slots__ = ("_text",)

    def __init__(self, value: object) -> None:
        """Raises InvalidParams, whose message does not contain the key."""
        self._text = checks.api_key(value)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return _HIDDEN if self._text else "None"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an API key cannot be copied or pickled: create a Client in the process that needs one")

    def headers(self) -> dict[str, str]:
        """Return the HTTP header with the key, the only place where it appears; empty if there is no key."""
        return {HEADER: self._text} if self._text else {}

    def hidden_in(self, text: str) -> str:
        """Return ``text``, which came from elsewhere, with the key masked: a server that refuses a key may quote it."""
        if not self._text:
            return text
        quoted = re.escape(self._text)
        pattern = quoted if len(self._text) >= _SHORTEST else rf"(?<!\w){quoted}(?!\w)"
        return re.sub(pattern, _HIDDEN, text)  # safeguard: the API key is masked -> text

    def harmless(self, error: BaseException) -> BaseException | None:
        """Return ``error`` if it can be kept as a cause, or None if it or one of its causes quotes the key."""
        current: BaseException | None = error
        while current is not None and self._text:
            told = str(current)
            if self.hidden_in(told) != told:
                return None
            current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        return error


NO_KEY = ApiKey("")
