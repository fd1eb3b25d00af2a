"""The API key, kept so that it is not shown by accident."""

from __future__ import annotations

from simsync.params import checks

HEADER = "X-API-Key"
_HIDDEN = "(hidden)"


class ApiKey:
    """Whoever holds one can be printed, logged and looked into without telling the key; pickling it is refused."""

    __slots__ = ("_text",)

    def __init__(self, value: object) -> None:
        """Raises InvalidParams, without the key."""
        self._text = checks.api_key(value)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return _HIDDEN if self._text else "None"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an API key is not copied or pickled: make a Client where one is needed")

    def headers(self) -> dict[str, str]:
        """The header in which it travels, the only way out; none without a key."""
        return {HEADER: self._text} if self._text else {}

    def hidden_in(self, text: str) -> str:
        """``text`` without the key: a server may quote it when it refuses it."""
        return text.replace(self._text, _HIDDEN) if self._text else text  # safeguard: the API key is masked -> text

    def harmless(self, error: BaseException) -> BaseException | None:
        """``error``, to be kept as a cause; None when it, or what led to it, quotes the key."""
        current: BaseException | None = error
        while current is not None and self._text:
            if self._text in str(current):
                return None
            current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        return error


NO_KEY = ApiKey("")
