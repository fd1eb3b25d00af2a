"""The numbered messages of one session, kept so that a client that comes back gets what it missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Retained:
    """Messages in order, numbered from 1."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []

    def add(self, encode: Callable[[int], bytes]) -> bytes:
        """Number a message with ``encode(number)``, keep it and return it."""
        message = encode(len(self._messages) + 1)
        self._messages.append(message)
        return message

    def after(self, number: int) -> list[bytes]:
        """Return the messages with a number above ``number``."""
        return self._messages[number:]
