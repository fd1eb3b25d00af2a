"""The payloads of received WebSocket frames, grouped into the blocks that are decoded in one call.

Nearly all control messages are slot events, and consecutive ones mostly have the same length. Cutting such frames apart
in Python costs more than decoding them. So text frames of equal length stay together as a run until they are decoded:
their headers are overwritten with white space, which leaves one JSON document a line, without a copy for each message.

Only this module knows about runs and about the size of a block. To everyone else, what a receive returns is a
:class:`Payloads`: a collection of bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter
from typing import Callable, NamedTuple

LARGEST_BLOCK = 64
"""Messages that are decoded in one call, when they came in frames of different lengths."""

SHORTEST_RUN = 16
"""Frames. A shorter run costs more to find than it saves."""

LONGEST_RUN = 128
"""Frames. What is decoded from one run should still be in the processor's cache when it is used."""

LARGEST_RUN_FRAME = 1024
"""Bytes. Larger frames take so long to decode that cutting them apart does not matter."""

_FINAL_TEXT = 0x81
_FINAL_BINARY = 0x82
PLAIN = (_FINAL_TEXT, _FINAL_BINARY)
"""The first bytes of plain data frames: of text and binary frames that are not fragmented."""

_SPACES = b" " * LONGEST_RUN
_LINE_ENDS = b"\n" * LONGEST_RUN
_OPENING = b"{" * LONGEST_RUN
_CLOSING = b"}" * LONGEST_RUN

_first, _last = itemgetter(0), itemgetter(-1)


class BinaryMessage(bytes):
    """The payload of a binary frame, where it has to be told from text."""

    __slots__ = ()


class Block:
    """Payloads that are decoded in one call. Iterating yields each of them."""

    __slots__ = ("_payloads",)

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self._payloads = payloads

    def __len__(self) -> int:
        return len(self._payloads)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._payloads)

    def lines(self) -> bytes | bytearray | None:
        """All payloads as one text with a JSON object per line; None if they cannot be decoded together.

        They can if all of them are ASCII, begin with ``{`` and end with ``}``. Then a decoder that finds as many
        objects as there are payloads has found exactly one in each: an object cannot extend over two lines, because in
        JSON no ``{`` follows a ``}`` without a comma, and no string contains a line end. Text that is not ASCII may be
        invalid UTF-8, which only a decoder that reads every string completely would notice.
        """
        payloads = self._payloads
        try:
            objects = set(map(_first, payloads)) == {ord("{")} and set(map(_last, payloads)) == {ord("}")}
        except IndexError:  # an empty payload
            return None
        lines = b"\n".join(payloads)
        return lines if objects and lines.isascii() else None


class _Run(Block):
    """``count`` text frames of ``stride`` bytes each, of which the first ``header`` are the frame's header."""

    __slots__ = ("_count", "_frames", "_header", "_stride")

    def __init__(self, frames: bytes, header: int, stride: int) -> None:
        self._frames = frames
        self._header = header
        self._stride = stride
        self._count = len(frames) // stride

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        frames, header, stride = self._frames, self._header, self._stride
        return iter([frames[start + header : start + stride] for start in range(0, len(frames), stride)])

    def lines(self) -> bytearray | None:
        # Each assignment writes one column: the bytes at the same place of every frame.
        lines, header, stride, count = bytearray(self._frames), self._header, self._stride, self._count
        if lines[header::stride] != _OPENING[:count] or lines[stride - 1 :: stride] != _CLOSING[:count]:
            return None
        lines[::stride] = _LINE_ENDS[:count]
        for column in range(1, header):
            lines[column::stride] = _SPACES[:count]
        return lines if lines.isascii() else None


class Payloads(Collection[bytes]):
    """The payloads of received data frames, in order: what one receive returns.

    ``blocks`` holds the same payloads, grouped for a decoder that reads many in one call.
    """

    __slots__ = ("blocks",)

    def __init__(self, payloads: Sequence[bytes] = ()) -> None:
        self.blocks = _blocks(payloads)

    @classmethod
    def of(cls, payloads: Collection[bytes]) -> Payloads:
        """``payloads`` itself if it is grouped already, else its grouped form."""
        return payloads if isinstance(payloads, Payloads) else cls(list(payloads))

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __iter__(self) -> Iterator[bytes]:
        # Of a list, so that operator.length_hint() tells how many are left.
        return iter([payload for block in self.blocks for payload in block])

    def __contains__(self, payload: object) -> bool:
        return any(payload == one for one in self)


class Cut(NamedTuple):
    """What :func:`cut_frames` found.

    ``position``: where the first frame begins that was not cut. ``missing``: at least how many of its bytes are not in
    the buffer; 0 if it is not a plain data frame. ``oversized``: the length of its payload if that is above the limit,
    else 0.
    """

    payloads: Payloads
    position: int
    missing: int
    oversized: int


def cut_frames(
    buffer: bytes, position: int, limit: int, *, plain: Sequence[int], binary: Callable[[bytes], bytes]
) -> Cut:
    """Cut unmasked frames until the buffer ends or a frame comes whose first byte is not in ``plain``.

    ``limit``: bytes of a payload, at least 65,535. ``binary``: what becomes of the payload of a binary frame.
    """
    payloads = Payloads()
    blocks = payloads.blocks
    loose: list[bytes] = []
    append = loose.append
    size = len(buffer)
    last_length = -1
    # Looking for a run costs as much as cutting several frames. So it is done only where two frames in a row have the
    # same length, and not again before the end of a run that turned out too short.
    look_at = 0
    missing, oversized = 1, 0
    try:
        while True:
            first = buffer[position]
            length = buffer[position + 1]
            if length < 126:
                start = position + 2
            elif length == 126:
                length = buffer[position + 2] << 8 | buffer[position + 3]
                start = position + 4
            elif length == 127:
                start = position + 10
                if start > size:
                    break
                length = int.from_bytes(buffer[position + 2 : start], "big")
                if length > limit:
                    oversized = length
                    break
            else:  # masked
                missing = 0
                break
            if first not in plain:
                missing = 0
                break
            stop = start + length
            if stop > size:
                missing = stop - size
                break
            if length == last_length and position >= look_at and first == _FINAL_TEXT and length <= LARGEST_RUN_FRAME:
                stride = stop - position
                count = _length_of_run(buffer, position, start - position, stride)
                end_of_run = position + count * stride
                if count >= SHORTEST_RUN:
                    blocks += _blocks(loose)
                    loose.clear()
                    blocks.append(_Run(buffer[position:end_of_run], start - position, stride))
                    position = end_of_run
                    continue
                look_at = end_of_run
            last_length = length
            append(buffer[start:stop] if first == _FINAL_TEXT else binary(buffer[start:stop]))
            position = stop
    except IndexError:  # the buffer ends inside a header
        pass
    blocks += _blocks(loose)
    return Cut(payloads, position, missing, oversized)


def _blocks(payloads: Sequence[bytes]) -> list[Block]:
    return [Block(payloads[start : start + LARGEST_BLOCK]) for start in range(0, len(payloads), LARGEST_BLOCK)]


def _length_of_run(buffer: bytes, start: int, header: int, stride: int) -> int:
    """How many complete frames with the same header follow each other, beginning with the one at ``start``."""
    # A frame with the same header has the same length, so the next frame begins one stride later, and so on: what is
    # compared are headers, never payload bytes that look like one. They are compared by column (one byte of the header
    # in all frames), because slicing and stripping do that without a loop over the frames.
    count = min(LONGEST_RUN, (len(buffer) - start) // stride)
    end = start + count * stride
    for place in range(start, start + header):
        column = buffer[place:end:stride]
        count = min(count, len(column) - len(column.lstrip(column[:1])))
    return count
