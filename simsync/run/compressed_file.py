"""Compressed recordings: the bytes of a file whatever its compression, and blocks compressed as they are written.

What is read is recognised by its first bytes, what is written by the ending of the name: ``.gz`` and ``.zst`` (extra
``[speed]``). ``-`` and pipes are read too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, Callable, Protocol, cast

from simsync.errors import InvalidParams, MissingExtra
from simsync.run.path_like import PathLike
from simsync.run.temporary_folder import into_temporary_folder

logger = logging.getLogger("simsync.run")

STANDARD_INPUT = "-"
"""The path that stands for standard input."""

LARGEST_LINE = 256 * 1024 * 1024
"""Bytes of a line of a compressed file: without a bound a small file could fill the memory."""

_GZIP = b"\x1f\x8b"
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
"""How a zstd file begins: with data, or with a frame that readers skip."""
_GZIP_WBITS = 31
"""A gzip header and trailer around the deflated data, in the words of zlib."""
_LEVEL = 6
_READ = 1 << 18
_ZSTD_READ = 1 << 10
"""Bytes of a zstd file that are decompressed at once: they give at most 32 MiB."""

_kept: dict[object, IO[bytes]] | None = None
"""Copies of standard input and of pipes, while :func:`pipes_are_kept` is open."""


class Compressor(Protocol):
    """Compresses a stream block by block."""

    def block(self, data: bytes) -> bytes:
        """Returns what makes all data up to here readable."""

    def end(self) -> bytes:
        """Returns the end of the stream."""


def compressor_for(name: PathLike) -> Compressor | None:
    """The compressor that the ending of a name asks for; None for plain text.

    Raises:
        MissingExtra: The name ends in ``.zst`` and zstandard is not installed.
    """
    text = os.fspath(name).lower()
    if text.endswith(".gz"):
        return _Gzip()
    return _Zstd() if text.endswith((".zst", ".zstd")) else None


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WBITS)

    def block(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush()


class _Zstd:
    def __init__(self) -> None:
        self._library = _zstandard()
        self._stream = self._library.ZstdCompressor(write_checksum=True).compressobj()

    def block(self, data: bytes) -> bytes:
        return cast(bytes, self._stream.compress(data) + self._stream.flush(self._library.COMPRESSOBJ_FLUSH_BLOCK))

    def end(self) -> bytes:
        return cast(bytes, self._stream.flush())


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtra("reading and writing .zst files", "speed") from error
    return zstandard


@contextlib.contextmanager
def open_decompressed(path: PathLike, on_cut: Callable[[], object] | None = None) -> Iterator[Iterator[bytes]]:
    """Open a file for reading, and decompress it.

    Args:
        path: The file, a pipe, or ``-`` for standard input.
        on_cut: Called if a compressed stream was cut off or is damaged.

    Yields:
        An iterator over the lines. A compressed stream that was cut off ends where it was cut, with a warning.

    Raises:
        InvalidParams: A line of a compressed file is longer than :data:`LARGEST_LINE`; raised by the iterator.
        MissingExtra: The file is compressed with zstd and zstandard is not installed.
        OSError: The file cannot be read.
    """
    with _opened(path) as file:
        first = file.read(4)
        file.seek(0)
        if first.startswith(_GZIP):
            yield _until_cut(path, _lines(path, _gunzipped(file)), on_cut)
        elif _ZSTD.match(first):
            yield _until_cut(path, _lines(path, _unzstd(file)), on_cut)
        else:
            yield iter(file)


def _gunzipped(file: IO[bytes]) -> Iterator[bytes]:
    """The content of a gzip file, piece by piece: all of it up to where it was cut, unlike that of the standard module.

    A file may hold several streams, one after the other.
    """
    stream = zlib.decompressobj(_GZIP_WBITS)
    data = b""
    while True:
        data = data or file.read(_READ)
        if not data:
            break
        if stream.eof:
            data = data.lstrip(b"\0")  # padding
            if not data:
                continue
            stream = zlib.decompressobj(_GZIP_WBITS)
        before = stream.copy()
        try:
            piece = stream.decompress(data, _READ)
        except zlib.error:
            yield from _before_damage(before, data)
            raise
        yield piece
        data = stream.unused_data if stream.eof else stream.unconsumed_tail
    yield stream.flush()
    if not stream.eof:
        raise EOFError("its last stream has no end")


def _before_damage(stream: Any, data: bytes) -> Iterator[bytes]:
    """What a piece of a gzip file holds up to the place where it is damaged."""
    with contextlib.suppress(zlib.error):
        for place in range(len(data)):
            yield stream.decompress(data[place : place + 1])


def _unzstd(file: IO[bytes]) -> Iterator[bytes]:
    """The content of a zstd file, piece by piece: all of it up to where it was cut or damaged.

    A file may hold several frames, one after the other.
    """
    library = _zstandard()
    frame = library.ZstdDecompressor().decompressobj()
    begin = given = 0  # of the frame: its place in the file, and how much of its content was given
    data = b""
    while True:
        data = data or file.read(_ZSTD_READ)
        if not data:
            break
        if frame.eof:
            data = data.lstrip(b"\0")  # padding
            if not data:
                continue
            frame = library.ZstdDecompressor().decompressobj()
            begin, given = file.tell() - len(data), 0
        try:
            piece = frame.decompress(data)
        except library.ZstdError as error:
            file.seek(begin)
            yield from _before_zstd_damage(file, given)
            raise EOFError(error) from error
        given += len(piece)
        yield piece
        data = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise EOFError("its last frame has no end")


def _before_zstd_damage(file: IO[bytes], given: int) -> Iterator[bytes]:
    """What a zstd frame holds between the content that was given and the place where it is damaged."""
    library = _zstandard()
    with contextlib.suppress(library.ZstdError), library.ZstdDecompressor().stream_reader(file, closefd=False) as frame:
        while given > 0:
            given -= len(frame.read(min(given, _READ))) or given
        yield from iter(lambda: frame.read(1), b"")  # byte by byte, because an error drops what was asked for


def _lines(path: PathLike, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of decompressed blocks."""
    rest: list[bytes] = []
    length = 0
    for block in blocks:
        first, *more = block.split(b"\n")
        rest.append(first)
        length += len(first)
        for following in more:
            yield b"".join(rest) + b"\n"
            rest, length = [following], len(following)
        if length > LARGEST_LINE:
            raise InvalidParams("path", str(path), f"has a line of more than {LARGEST_LINE:,} bytes")
    if length:
        yield b"".join(rest)


def _until_cut(path: PathLike, lines: Iterator[bytes], on_cut: Callable[[], object] | None) -> Iterator[bytes]:
    try:
        yield from lines
    except (EOFError, zlib.error) as error:
        # A killed run leaves a stream without its end; everything up to its last block is there.
        logger.warning("%s: the compressed data ends early (%s); what came before it is read", path, error)
        if on_cut is not None:
            on_cut()


@contextlib.contextmanager
def pipes_are_kept() -> Iterator[None]:
    """Let standard input and pipes be read more than once while the block runs: some commands read a file twice."""
    global _kept
    before, _kept = _kept, {}
    try:
        yield
    finally:
        for file in _kept.values():
            file.close()
        _kept = before


@contextlib.contextmanager
def _opened(path: PathLike) -> Iterator[IO[bytes]]:
    """A file that can be read from its start. Standard input and pipes are copied to a temporary file first."""
    if os.fspath(path) == STANDARD_INPUT:
        with _copied("standard input", sys.stdin.buffer) as file:
            yield file
        return
    with open(path, "rb") as direct:  # noqa: PTH123 (a path may be text)
        status = os.fstat(direct.fileno())
        if stat.S_ISREG(status.st_mode):
            yield direct
            return
        with _copied((status.st_dev, status.st_ino), direct) as file:
            yield file


@contextlib.contextmanager
def _copied(identity: object, source: IO[bytes]) -> Iterator[IO[bytes]]:
    copy = None if _kept is None else _kept.get(identity)
    if copy is None:
        copy = tempfile.TemporaryFile(prefix="simsync-")  # noqa: SIM115 (closed below or by pipes_are_kept)
        with into_temporary_folder():
            shutil.copyfileobj(source, copy)
        if _kept is not None:
            _kept[identity] = copy
    copy.seek(0)
    try:
        yield copy
    finally:
        if _kept is None:
            copy.close()
