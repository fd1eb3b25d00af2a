"""Frames of one length that lie one behind the other, as most of them do: kept as they came until they are decoded."""

from __future__ import annotations

from collections.abc import Iterator

SHORTEST = 16
"""Frames from which on it pays to keep them together."""

LONGEST = 128
"""What is made of one run should still be in the cache of the processor when it is used."""

_SPACES = b" " * LONGEST
_LINE_ENDS = b"\n" * LONGEST
_OPENING = b"{" * LONGEST
_CLOSING = b"}" * LONGEST


class FrameRun:
    """``count`` text frames, each of ``stride`` bytes, the first ``header`` of which are no payload.

    Iterating cuts out the payloads.
    """

    __slots__ = ("_frames", "count", "header", "stride")

    def __init__(self, frames: bytes, header: int, count: int) -> None:
        self._frames = frames
        self.header = header
        self.stride = len(frames) // count
        self.count = count

    def __iter__(self) -> Iterator[bytes]:
        frames, header, stride = self._frames, self.header, self.stride
        return iter([frames[start + header : start + stride] for start in range(0, len(frames), stride)])

    def lines(self) -> bytearray | None:
        """The payloads behind white space in place of the headers; None unless each of them looks like an object.

        Then a decoder of many documents finds exactly one in each payload or fails: none can end or begin elsewhere,
        because in no JSON an object follows an object without a comma.
        """
        lines, stride, count = bytearray(self._frames), self.stride, self.count
        if lines[self.header :: stride] != _OPENING[:count] or lines[stride - 1 :: stride] != _CLOSING[:count]:
            return None
        lines[::stride] = _LINE_ENDS[:count]
        for place in range(1, self.header):
            lines[place::stride] = _SPACES[:count]
        return lines if lines.isascii() else None


def length_of_run(buffer: bytes, start: int, header: int, stride: int) -> int:
    """How many frames with the very header of the one at ``start`` follow each other there, with that one, whole."""
    count = min(LONGEST, (len(buffer) - start) // stride)
    end = start + count * stride
    for place in range(start, start + header):
        column = buffer[place:end:stride]
        count = min(count, len(column) - len(column.lstrip(column[:1])))
    return count
