"""The faults: each is a small object that gets the relay, the direction and the unit that is due; see ``proxy.py``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.runtime.wire_peer import CONTINUATION, PING, PONG, TEXT, encode

from .proxy import DOWN, Fault, Relay


@dataclass(frozen=True)
class Cut:
    """Forward the first ``at`` bytes of the unit (by default none; 0.5 is half of it), then end the connection."""

    at: float = 0
    reset: bool = False

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        relay.send(direction, unit[: _bytes(self.at, unit)])
        if self.reset:
            relay.reset()
        relay.cut()


@dataclass(frozen=True)
class HalfClose:
    """The receiver sees the end of the stream, and is still heard."""

    def __call__(self, relay: Relay, direction: str, _unit: bytes) -> None:
        relay.half_close(direction)


@dataclass(frozen=True)
class Stall:
    """Forward the first ``at`` bytes of the unit, then nothing more in either direction."""

    at: float = 0

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        relay.send(direction, unit[: _bytes(self.at, unit)])
        relay.stall()


@dataclass(frozen=True)
class Mute:
    """Nothing more in this direction; the other one goes on."""

    def __call__(self, relay: Relay, direction: str, _unit: bytes) -> None:
        relay.mute(direction)


@dataclass(frozen=True)
class Delay:
    """Hold the unit, after its first ``at`` bytes, and all that comes behind it."""

    seconds: float = 0.02
    at: float = 0

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        cut = _bytes(self.at, unit)
        relay.send(direction, unit[:cut])
        relay.pause(self.seconds)
        relay.send(direction, unit[cut:])


@dataclass(frozen=True)
class Trickle:
    """One byte at a time."""

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        for position in range(len(unit)):
            relay.send(direction, unit[position : position + 1])


@dataclass(frozen=True)
class Spoil:
    """Each bit of the unit is turned over."""

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        relay.send(direction, bytes(byte ^ 0xFF for byte in unit))


@dataclass(frozen=True)
class Before:
    """Bytes of the proxy's own come before the unit; with ``last`` nothing comes after them."""

    data: bytes = field(repr=False)
    last: bool = False

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        relay.send(direction, self.data)
        if self.last:
            relay.mute(direction)
        else:
            relay.send(direction, unit)


@dataclass(frozen=True)
class Instead:
    """Bytes of the proxy's own take the place of the unit."""

    data: bytes = field(repr=False)

    def __call__(self, relay: Relay, direction: str, _unit: bytes) -> None:
        relay.send(direction, self.data)


@dataclass(frozen=True)
class Swallow:
    """The unit does not come; but the first event of a session does, since nothing would tell that it is missing."""

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        if b'"seq_id":1,' in unit:
            relay.send(direction, unit)


@dataclass(frozen=True)
class Endless:
    """A message in fragments that does not end; how many bytes of it were taken."""

    taken: list[int]

    def __call__(self, relay: Relay, direction: str, _unit: bytes) -> None:
        relay.send(direction, encode(TEXT, b"", final=False))
        self.taken.append(relay.feed(direction, encode(CONTINUATION, b" " * 60_000, final=False), 64_000_000))
        relay.cut()


@dataclass(frozen=True)
class Twice:
    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        relay.send(direction, unit + unit)


@dataclass(frozen=True)
class Swap:
    """The unit comes after the one behind it."""

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        relay.hold(direction, unit)


@dataclass(frozen=True)
class Fragmented:
    """The message in fragments of ``size`` bytes, a ping between each two."""

    size: int
    ping: bool = True

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        opcode, payload = parts(unit)
        if opcode > 2:
            relay.send(direction, unit)
            return
        relay.send(direction, fragments(opcode, payload, self.size, encode(PING, b"between") if self.ping else b""))


@dataclass(frozen=True)
class WrongLength:
    """The header says ``by`` bytes more than there are."""

    by: int

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        opcode, payload = parts(unit)
        head = encode(opcode, b"x" * max(0, len(payload) + self.by))
        relay.send(direction, head[: len(head) - len(payload) - self.by] + payload)


@dataclass(frozen=True)
class NoPongs:
    """The server never answers a ping; for every unit."""

    def __call__(self, relay: Relay, direction: str, unit: bytes) -> None:
        if unit[0] & 0x0F != PONG:
            relay.send(direction, unit)


@dataclass(frozen=True)
class Refuse:
    """Answer an upgrade with ``response`` instead of forwarding it."""

    response: bytes = field(repr=False)

    def __call__(self, relay: Relay, _direction: str, _unit: bytes) -> None:
        relay.send(DOWN, self.response)
        relay.finish()


def _bytes(at: float, unit: bytes) -> int:
    return int(at * len(unit)) if 0 < at < 1 else int(at)


def parts(unit: bytes) -> tuple[int, bytes]:
    """Opcode and payload of an unmasked frame."""
    length, start = unit[1], 2
    if length > 125:
        start = 4 if length == 126 else 10
    return unit[0] & 0x0F, unit[start:]


def fragments(opcode: int, payload: bytes, size: int, between: bytes = b"") -> bytes:
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    last = len(pieces) - 1
    frames = [
        encode(CONTINUATION if index else opcode, piece, final=index == last) for index, piece in enumerate(pieces)
    ]
    return between.join(frames)


def texts(payloads: Iterable[bytes]) -> bytes:
    return b"".join(encode(TEXT, payload) for payload in payloads)


BREAKS: dict[str, Fault] = {
    "cut": Cut(),
    "reset": Cut(reset=True),
    "half-close": HalfClose(),
    "cut in the middle of a message": Cut(0.5),
    "reset in the middle of a message": Cut(0.5, reset=True),
}
"""After these the connection is over, and both sides can know."""

SILENCES: dict[str, Fault] = {
    "stall": Stall(),
    "stall in the middle of a message": Stall(0.5),
    "silence in one direction": Mute(),
}
"""After these the connection is of no use, and nothing says so."""

HARMLESS: dict[str, Fault] = {"delay": Delay(), "byte by byte": Trickle()}
