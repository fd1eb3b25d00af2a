"""The diagrams of the site, drawn as SVG from boxes and arrows; ``python -m tools.pages`` writes them.

They are put into the pages as they are, so their colours are those of the theme, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Callable

LINE = 17
"""Height of a line of text in a box."""


@dataclass(frozen=True)
class Box:
    """A rectangle with lines of text; ``kind`` is its class in the style sheet."""

    x: int
    y: int
    width: int
    text: str
    kind: str = "plain"

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @property
    def height(self) -> int:
        return LINE * len(self.lines) + 14

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def bottom(self) -> int:
        return self.y + self.height

    def drawn(self) -> Iterator[str]:
        place = f'x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}"'
        yield f'<rect class="{self.kind}" {place} rx="6"/>'
        for number, line in enumerate(self.lines):
            y = self.y + 7 + LINE * number + 12
            yield f'<text x="{self.middle}" y="{y}" text-anchor="middle">{escape(line)}</text>'


@dataclass(frozen=True)
class Arrow:
    """A line through these points with a head at its end, and a label beside its middle."""

    points: Sequence[tuple[int, int]]
    label: str = ""
    label_at: tuple[int, int] = (0, 0)
    anchor: str = "start"

    def drawn(self) -> Iterator[str]:
        path = " ".join(f"{x},{y}" for x, y in self.points)
        yield f'<polyline class="arrow" points="{path}" marker-end="url(#head)"/>'
        for number, line in enumerate(self.label.split("\n") if self.label else []):
            x, y = self.label_at
            yield f'<text class="label" x="{x}" y="{y + number * 14}" text-anchor="{self.anchor}">{escape(line)}</text>'


def drawing(title: str, width: int, height: int, parts: Sequence[Box | Arrow]) -> str:
    """A whole SVG file. The title is what a screen reader says."""
    head = (
        f'<svg class="diagram" viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg"'
        f' style="max-width: {width}px">'
    )
    marker = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
        ' orient="auto-start-reverse"><path class="head" d="M0,0 L8,4 L0,8 z"/></marker></defs>'
    )
    drawn = [line for part in parts for line in part.drawn()]
    return "\n".join([head, f"<title>{escape(title)}</title>", marker, *drawn, "</svg>", ""])


def down(upper: Box, lower: Box, label: str = "", x: int | None = None) -> Arrow:
    """An arrow from the bottom of a box to the top of another one."""
    at = upper.middle if x is None else x
    return Arrow([(at, upper.bottom), (at, lower.y - 1)], label, (at + 7, (upper.bottom + lower.y) // 2 + 4))


def threads() -> str:
    server = Box(20, 10, 400, "simulator", "outside")
    reader = Box(10, 100, 130, "simsync-reader\none per control\nconnection", "thread")
    data = Box(150, 100, 148, "simsync-subscriptions\none per control\nconnection", "thread")
    writer = Box(310, 100, 120, "simsync-writer\none per control\nconnection", "thread")
    queue = Box(60, 225, 200, "queue of the session\n(a queue.Queue)", "store")
    outbox = Box(310, 225, 120, "outbox", "store")
    loop = Box(20, 330, 400, "your thread\nfor event in session.events(advance=10)", "caller")
    return drawing(
        "Two threads put events into the queue of a session, your loop takes them, and a third one sends continues.",
        440,
        390,
        [
            *(server, reader, data, writer, queue, outbox, loop),
            Arrow([(110, server.bottom), (110, 99)], "control events", (102, 72), "end"),
            Arrow([(220, server.bottom), (220, 99)], "transactions, diffs", (228, 62), "start"),
            Arrow([(370, 99), (370, server.bottom + 1)], "continues", (362, 88), "end"),
            down(reader, queue, "", 100),
            down(data, queue, "", 220),
            Arrow([(160, queue.bottom), (160, 329)], "events, in order", (168, 307)),
            Arrow([(370, 329), (370, outbox.bottom + 1)], "continue", (362, 300), "end"),
            Arrow([(370, 224), (370, writer.bottom + 1)]),
        ],
    )


def continue_life() -> str:
    queued = Box(170, 10, 160, "queued", "store")
    sent = Box(170, 95, 160, "sent", "thread")
    running = Box(170, 185, 160, "running", "thread")
    answered = Box(170, 275, 160, "answered:\nready, paused, completed", "caller")
    uncertain = Box(10, 185, 120, "uncertain", "doubt")
    asking = Box(10, 285, 120, "ask the RPC\nfor the slot", "doubt")
    failed = Box(10, 405, 140, "ContinueSendError", "outside")
    return drawing(
        "A continue is queued, sent, running and answered. If the connection is lost after it was sent, events or the"
        " slot of the RPC decide whether it is sent again.",
        440,
        445,
        [
            *(queued, sent, running, answered, uncertain, asking, failed),
            down(queued, sent, "fully written"),
            down(sent, running, "an event that it caused"),
            down(running, answered, "its last event"),
            Arrow([(330, 110), (352, 110), (352, 32), (331, 32)], "not fully\nwritten", (358, 66)),
            Arrow([(170, 110), (70, 110), (70, 184)], "connection lost", (162, 103), "end"),
            Arrow([(130, 193), (169, 193)], "proven", (150, 180), "middle"),
            down(uncertain, asking, "no proof\nin 5 s"),
            Arrow([(130, 309), (150, 309), (150, 208), (169, 208)], "slot is higher", (156, 236)),
            Arrow(
                [(100, 333), (100, 372), (428, 372), (428, 18), (331, 18)], "the slot has not moved: again", (110, 365)
            ),
            Arrow([(40, 333), (40, 404)], "no answer", (47, 394)),
        ],
    )


def reconnect() -> str:
    steps = (
        ("connection lost", "outside"),
        ("wait (backoff), connect again\nuntil attempts or time run out", "thread"),
        ("attach with the cursor:\nthe last sequence number or slot", "thread"),
        ("the server repeats what is newer", "outside"),
        ("drop what was already received", "store"),
    )
    boxes: list[Box] = []
    for text, kind in steps:
        boxes.append(Box(80, boxes[-1].bottom + 26 if boxes else 10, 280, text, kind))
    y = boxes[-1].bottom + 46
    good = Box(10, y, 130, "nothing missing:\ncontinue", "caller")
    bad = Box(155, y, 130, "slots are missing:\nSubscriptionFailed", "doubt")
    open_ = Box(300, y, 130, "cannot be proven:\ncoverage.unproven", "doubt")
    last = boxes[-1]
    return drawing(
        "After a lost connection simsync attaches with its cursor, drops repeated events, and judges whether anything"
        " is missing.",
        440,
        y + 60,
        [
            *(*boxes, good, bad, open_),
            *(down(upper, lower) for upper, lower in zip(boxes, boxes[1:])),
            Arrow([(last.middle, last.bottom), (last.middle, y - 20), (75, y - 20), (75, y - 1)]),
            Arrow([(last.middle, last.bottom), (last.middle, y - 1)]),
            Arrow([(last.middle, last.bottom), (last.middle, y - 20), (365, y - 20), (365, y - 1)]),
        ],
    )


DIAGRAMS: Mapping[str, Callable[[], str]] = {"threads": threads, "continue": continue_life, "reconnect": reconnect}
