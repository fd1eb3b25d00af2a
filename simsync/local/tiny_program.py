"""The smallest programs there are: they end at once with a result."""

from __future__ import annotations

import hashlib
import struct

from solders.keypair import Keypair
from solders.pubkey import Pubkey

from simsync.errors import InvalidParams

TINY_PROGRAM: Pubkey = Keypair.from_seed(hashlib.sha256(b"simsync-local/tiny-program").digest()).pubkey()
"""Where ``Ledger.generate(tiny_program=True)`` has put one."""

_EXIT = b"\x95" + bytes(7)
_INVALID_ACCOUNT_DATA = 4 << 32


def tiny_program(result: int = 0) -> bytes:
    """Return the ELF of a program that does nothing but end with ``result``.

    0 is success, 1 to 2**31 - 1 fails with that custom error. Raises InvalidParams.
    """
    if not isinstance(result, int) or isinstance(result, bool) or not 0 <= result < 2**31:
        raise InvalidParams("result", result, "must be an integer from 0 to 2147483647")
    return _elf(b"\xb7\0\0\0" + struct.pack("<i", result) + _EXIT)


def failing_elf() -> bytes:
    """Return the ELF of a program that ends with InvalidAccountData at once."""
    high = _INVALID_ACCOUNT_DATA >> 32
    load = b"\xb7\0\0\0" + struct.pack("<i", high) + b"\x67\0\0\0" + struct.pack("<i", 32)
    return _elf(load + _EXIT)


def _elf(code: bytes) -> bytes:
    names = b"\0.text\0.shstrtab\0"
    start = 64 + 56
    sections = start + len(code) + len(names)
    padding = -sections % 8
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 247, 1, start, 64, sections + padding, 0, 64, 56, 1, 64, 3, 2)
    segment = struct.pack("<IIQQQQQQ", 1, 5, start, start, start, len(code), len(code), 4096)
    text = struct.pack("<IIQQQQIIQQ", 1, 1, 6, start, start, len(code), 0, 0, 8, 0)
    strings = struct.pack("<IIQQQQIIQQ", 7, 3, 0, 0, start + len(code), len(names), 0, 0, 1, 0)
    return header + segment + code + names + bytes(padding) + bytes(64) + text + strings
