"""What a server of the benchmarks serves, as it says itself once it listens."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Stream:
    """``events`` of ``sessions`` sub-sessions at ``url``.

    ``size``: bytes of the stream; ``packed``: those of its compressed form. ``transactions`` and ``signatures``: how
    many there are, and the CRC-32 of their signatures in order. ``advance``: the blocks of each continue in a closed
    loop. ``core``: the processor that the server keeps to, -1 for any. ``ca``: the authority of its certificate, as PEM
    text; then the same port also speaks TLS.
    """

    url: str = ""
    events: int = 0
    sessions: int = 0
    size: int = 0
    packed: int = 0
    transactions: int = 0
    signatures: int = 0
    advance: int = 1
    core: int = -1
    ca: str = ""

    def over_tls(self) -> Stream:
        return replace(self, url=self.url.replace("ws://", "wss://"))

    @property
    def trips(self) -> int:
        """Continues of a closed loop."""
        return self.events // self.advance

    @property
    def is_tls(self) -> bool:
        return self.url.startswith("wss:")
