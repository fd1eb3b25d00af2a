"""Tables and JSON on standard output, in a terminal and in a pipe."""

from __future__ import annotations

import io
import re
import sys

import pytest

from simsync.cli.output import Link, show_table

ROWS = [
    (312_000_000, "5ew4uzhm" * 11, '{"InstructionError":[0,{"Custom":7}]}' * 3, -123_456_789_012),
    (312_000_001, "short", "ok", 0),
]
COLUMNS = ("slot", "signature", "result", "units")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\")


class Output(io.StringIO):
    """Standard output that says whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, width: int = 80, rows: object = ROWS) -> list[str]:
    output = Output(terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", output)
    show_table(COLUMNS, rows)  # type: ignore[arg-type]
    return output.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_one_line_for_each_row(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = [ESCAPES.sub("", line) for line in shown(monkeypatch, terminal=True, width=width)]
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert lines[1].split()[0] == "312000000"
    assert lines[1].endswith("-123456789012")  # numbers are never cut
    assert "…" in lines[1]
    assert "…" not in lines[2]


@pytest.mark.parametrize("forced", [False, True])
def test_a_pipe_gets_everything_on_one_line(monkeypatch: pytest.MonkeyPatch, forced: bool) -> None:
    if forced:
        monkeypatch.setenv("FORCE_COLOR", "1")
    lines = shown(monkeypatch, terminal=False)
    assert ("\x1b[" in lines[0]) is forced
    plain = [ESCAPES.sub("", line) for line in lines]
    assert len(plain) == 3
    assert plain[1].split() == [str(cell) for cell in ROWS[0]]


def test_no_colour_if_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not any(re.search(r"\x1b\[[0-9;]*3[0-9]", line) for line in shown(monkeypatch, terminal=True))


def test_links_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(1, Link("text", "https://example.org/page"), "ok", 2)]
    assert "https://example.org/page" in "".join(shown(monkeypatch, terminal=True, rows=rows))
    assert "example.org" not in "".join(shown(monkeypatch, terminal=False, rows=rows))


def test_text_cannot_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(1, "a\nb\tc", "\x1b[31mred\x9b2J [bold]x[/bold]", 2)]
    (_head, line) = shown(monkeypatch, terminal=False, rows=rows)
    assert line.split() == ["1", "a", "b", "c", "[31mred", "2J", "[bold]x[/bold]", "2"]
