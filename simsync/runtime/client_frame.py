"""WebSocket frames as a client sends them: final, and masked with a new key each (RFC 6455, 5.2 and 5.3).

websocket-client encodes frames too, in four times the time. In a closed loop each slot costs one of them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

_FINAL = 0x80
_MASKED = 0x80
_LENGTH_OF_16_BITS = 126
_LENGTH_OF_64_BITS = 127


def client_frames(messages: Sequence[tuple[bytes, int]]) -> list[bytes]:
    """Encode each message as one frame.

    Args:
        messages: Each message with its kind, one of the ``OPCODE_…`` of :class:`websocket.ABNF`.

    Returns:
        The bytes to write, one item for each message.
    """
    # All keys in one call: the interpreter goes to another thread at each.
    keys = os.urandom(4 * len(messages))
    return [_frame(*message, keys[4 * number : 4 * number + 4]) for number, message in enumerate(messages)]


def _frame(payload: bytes, opcode: int, key: bytes) -> bytes:
    size = len(payload)
    if size < _LENGTH_OF_16_BITS:
        header = struct.pack("!BB", _FINAL | opcode, _MASKED | size)
    elif size < 1 << 16:
        header = struct.pack("!BBH", _FINAL | opcode, _MASKED | _LENGTH_OF_16_BITS, size)
    else:
        header = struct.pack("!BBQ", _FINAL | opcode, _MASKED | _LENGTH_OF_64_BITS, size)
    # One operation on two large numbers, whatever the size.
    masks = (key * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "little") ^ int.from_bytes(masks, "little")).to_bytes(size, "little")
    return header + key + masked
