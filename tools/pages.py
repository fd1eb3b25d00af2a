"""The parts of ``docs/`` that are made from the code.

    python -m tools.pages [--check]

=====================  =============================  ==================================================
page                   part                           made from
=====================  =============================  ==================================================
``compatibility.md``   the column "where"             ``# guess: NAME`` above the code that makes it
..                     the table of generations       ``simsync.wire.generations.RULES``
..                     what a capture settles         ``simsync.doctor.table``
..                     the signs of a generation      ``simsync.doctor.generation.SIGNS``
``features.md``        the column "shown by"          ``# feature: NAME`` above a test
``threads.md``         the table of waits             ``# wait: …`` above each call that may block
``reliability.md``     the table of safeguards        ``# safeguard: NAME`` at a statement
``cli.md``             the whole page                 the commands
=====================  =============================  ==================================================

NAME is the first cell of a row. Everything else in a table is written by hand. With ``--check`` nothing is written, and
the exit status is 1 if a page is out of date. A marker without a row, and a row without a marker, are always errors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Callable

from simsync.doctor import generation as signs
from simsync.doctor import table as observations
from simsync.wire import generations
from tests import safeguards
from tools import commands, waits
from tools.markers import ROOT, marked_places

DOCS = ROOT / "docs"
_GENERATIONS = "<!-- table of generations: python -m tools.pages -->\n"
_SETTLED = "<!-- what a capture settles: python -m tools.pages -->\n"
_SETTLED_END = "<!-- end of what a capture settles -->"
_GENERATIONS_END = "<!-- end of the table of generations -->"
_SIGNS = "<!-- signs of a generation: python -m tools.pages -->\n"
_SIGNS_END = "<!-- end of the signs of a generation -->"
NOT_HERE = "left out: "
"""How the second cell of a row of ``features.md`` begins that needs no test."""


class Incomplete(Exception):
    """A page cannot be made; each line of the message says what is missing."""


def compatibility(text: str) -> str:
    text = with_column(text, "where", "guess", marked_places("guess", "simsync", relative_to="simsync"))
    rows = [f"| {rule.what} | {rule.versions} | {rule.instead} |" for rule in generations.RULES]
    table = "\n".join(["| in a create | servers | with others |", "| --- | --- | --- |", *rows])
    text = _between(text, _GENERATIONS, _GENERATIONS_END, f"\n{table}\n\n")
    seen = [f"| {sign.what} | {sign.versions} |" for sign in signs.SIGNS]
    table = "\n".join(["| in a capture | servers |", "| --- | --- |", *seen])
    text = _between(text, _SIGNS, _SIGNS_END, f"\n{table}\n\n")
    return _between(text, _SETTLED, _SETTLED_END, f"\n{_settled()}\n\n")


def _settled() -> str:
    """Which guesses a capture settles, and in which step; why it does not settle the others."""
    steps: dict[str, list[str]] = {}
    for row in observations.OBSERVATIONS:
        steps.setdefault(row.step, []).append(row.guess)
    rows = [f"| {step} | {'; '.join(guesses)} |" for step, guesses in steps.items()]
    reasons: dict[str, list[str]] = {}
    for guess, reason in observations.NOT_OBSERVABLE.items():
        reasons.setdefault(reason, []).append(guess)
    others = [f"| {reason} | {'; '.join(guesses)} |" for reason, guesses in reasons.items()]
    settled = ["| step of the capture | guesses that it settles |", "| --- | --- |", *rows]
    return "\n".join([*settled, "", "| why no capture settles it | guesses |", "| --- | --- |", *others])


def features(text: str) -> str:
    return with_column(text, "shown by", "feature", marked_places("feature", "tests"), optional=NOT_HERE)


def threads(text: str) -> str:
    rows = waits.waits()
    _require(waits.problems(rows))
    return _between(text, waits.BEGIN, waits.END, waits.table(rows))


def reliability(text: str) -> str:
    return _between(text, safeguards.BEGIN, safeguards.END, safeguards.table(safeguards.noted_in(text)))


def command_line(_text: str) -> str:
    return commands.page()


PAGES: Mapping[str, Callable[[str], str]] = {
    "cli.md": command_line,
    "compatibility.md": compatibility,
    "features.md": features,
    "reliability.md": reliability,
    "threads.md": threads,
}
"""How each page is made from its present text."""


def cells_of(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def with_column(
    text: str, heading: str, word: str, places: Mapping[str, list[str]], optional: str | None = None
) -> str:
    """Fill the column with this heading in every table that has it."""
    lines, named, missing, column = [], set(), [], -1
    for line in text.splitlines():
        cells = cells_of(line)
        if not line.startswith("|"):
            column = -1
        elif heading in cells:
            column = cells.index(heading)
        elif column >= 0 and not line.startswith("| ---"):
            named.add(cells[0])
            found = places.get(cells[0], [])
            if not found and not (optional and cells[1].startswith(optional)):
                missing.append(f"{cells[0]}: add a comment '# {word}: {cells[0]}'")
            cells[column] = ", ".join(f"`{place}`" for place in found)
            line = "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"
        lines.append(line)
    unknown = [f"{places[name][0]}: the page has no row '{name}'" for name in sorted(set(places) - named)]
    _require([*missing, *unknown])
    return "\n".join(lines) + "\n"


def _between(text: str, begin: str, end: str, made: str) -> str:
    before, rest = text.split(begin)
    return f"{before}{begin}{made}{end}{rest.split(end)[1]}"


def _require(problems: list[str]) -> None:
    if problems:
        raise Incomplete("\n".join(problems))


def outdated() -> Iterator[tuple[str, str]]:
    """Name and right text of each page that is out of date."""
    for name, make in PAGES.items():
        text = (DOCS / name).read_text(encoding="utf-8")
        try:
            made = make(text)
        except Incomplete as problems:
            raise Incomplete(f"docs/{name}\n{problems}") from None
        if made != text:
            yield name, made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a page is out of date")
    check = parser.parse_args().check
    try:
        pages = list(outdated())
    except Incomplete as problems:
        print(problems)
        return 1
    for name, text in pages:
        print(f"docs/{name} is out of date" if check else f"docs/{name} is written")
        if not check:
            (DOCS / name).write_text(text, encoding="utf-8")
    return int(check and bool(pages))


if __name__ == "__main__":
    sys.exit(main())
