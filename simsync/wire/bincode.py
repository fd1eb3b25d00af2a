"""Reads the binary form in which the server writes the transactions of a discovery: bincode 1 with fixed integers."""

from __future__ import annotations

import struct
from typing import Callable, TypeVar

T = TypeVar("T")

_VERSIONED = 0x80
"""Set in the first byte of a message that has a version."""
_KEY, _SIGNATURE, _HEADER = 32, 64, 3


class BincodeReader:
    """Reads values one after the other. Each method raises ValueError if the data is not what it reads."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    @property
    def rest(self) -> bytes:
        """What has not been read."""
        return self._data[self.place :]

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        part = self._data[self.place : self.place + size]
        if len(part) != size:
            raise ValueError(f"ends after {len(self._data)} bytes")
        self.place += size
        return part

    def integer(self, size: int) -> int:
        """An unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size), "little")

    def double(self) -> float:
        """A floating-point number of 8 bytes."""
        (value,) = struct.unpack("<d", self.take(8))
        return float(value)

    def compact(self) -> int:
        """A length as Solana writes it: 7 bits in each byte."""
        value = 0
        for shift in (0, 7, 14):
            byte = self.integer(1)
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise ValueError("has a length of more than three bytes")

    def text(self) -> str:
        """A string."""
        return self.take(self.integer(8)).decode("utf-8")

    def optional(self, read: Callable[[], T]) -> T | None:
        """An option."""
        tag = self.integer(1)
        if tag > 1:
            raise ValueError(f"has the option tag {tag}")
        return read() if tag else None

    def items(self, read: Callable[[], T]) -> list[T]:
        """A list."""
        count = self.integer(8)
        if count > len(self._data):  # each item has at least one byte
            raise ValueError(f"has a list of {count} items")
        return [read() for _ in range(count)]

    def transaction(self) -> bytes:
        """A transaction in its usual form, which bincode leaves as it is."""
        begin = self.place
        self.take(_SIGNATURE * self.compact())
        versioned = self.integer(1) & _VERSIONED
        self.take(_HEADER if versioned else _HEADER - 1)
        self.take(_KEY * self.compact())
        self.take(_KEY)
        for _ in range(self.compact()):
            self.take(1)
            self.take(self.compact())
            self.take(self.compact())
        if versioned:
            for _ in range(self.compact()):
                self.take(_KEY)
                self.take(self.compact())
                self.take(self.compact())
        return self._data[begin : self.place]
