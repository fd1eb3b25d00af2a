"""The parts of ``docs/`` that are made from the code.

    python -m tools.pages [--check]

===============================  ========================  ==============================================
page                             part                      made from
===============================  ========================  ==============================================
``internals/capture.md``         what a capture settles    ``simsync.doctor.table``
``internals/compatibility.md``   the column "where"        ``# guess: NAME`` above the code that makes it
..                               the table of generations  ``simsync.wire.generations.RULES``
..                               the subscriptions         ``simsync.wire.streams.STREAMS``
..                               the signs of a generation ``simsync.doctor.generation.SIGNS``
``internals/features.md``        the column "shown by"     ``# feature: NAME`` above a test
``internals/waits.md``           the table of waits        ``# wait: …`` above each call that may block
``internals/reliability.md``     the table of safeguards   ``# safeguard: NAME`` at a statement
``guides/scripts.md``            the lists of scripts      the docstrings of ``examples/``
..                               the code                  the names of the files in ``examples/short/``
``guides/cron.md``               the exit codes            ``simsync.cli.exit_codes``
``guides/install.md``            the table of extras       ``setup.cfg``
``reference/cli.md``             the whole page            the commands
``reference/events.md``          the whole page            the events and the columns of their tables
``reference/options.md``         the whole page            the fields of the options
``reference/errors.md``          the whole page            the exceptions
``reference/recording_file.md``  the tables                ``simsync.run.record_file``, ``simsync.run.tables``
``reference/local.md``           switches and faults       ``simsync.local.Behaviour``, ``Faults``
``_diagrams/``                   the whole files           ``tools/diagrams.py``
``../CITATION.cff``              the whole file            ``setup.cfg``, the version
===============================  ========================  ==============================================

NAME is the first cell of a row. Everything else in a table is written by hand. With ``--check`` nothing is written, and
the exit status is 1 if a page is out of date. A marker without a row, and a row without a marker, are always errors.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping
from typing import Callable

from simsync.cli import exit_codes
from simsync.run import record_file, tables
from tests import safeguards
from tools import (
    api_pages,
    citation,
    commands,
    compatibility_page,
    diagrams,
    event_page,
    install_page,
    local_page,
    waits,
)
from tools.docstrings import Undocumented, parsed, table
from tools.markers import ROOT, marked_places

DOCS = ROOT / "docs"
_GENERATIONS = "<!-- table of generations: python -m tools.pages -->\n"
_SETTLED = "<!-- what a capture settles: python -m tools.pages -->\n"
_SETTLED_END = "<!-- end of what a capture settles -->"
_GENERATIONS_END = "<!-- end of the table of generations -->"
_SUBSCRIPTIONS = "<!-- subscriptions by generation: python -m tools.pages -->\n"
_SUBSCRIPTIONS_END = "<!-- end of the subscriptions by generation -->"
_SIGNS = "<!-- signs of a generation: python -m tools.pages -->\n"
_SIGNS_END = "<!-- end of the signs of a generation -->"
_EXIT_CODES = "<!-- exit codes: python -m tools.pages -->\n"
_EXIT_CODES_END = "<!-- end of the exit codes -->"
_RECORDS = "<!-- records: python -m tools.pages -->\n"
_RECORDS_END = "<!-- end of the records -->"
_EXTRAS = "<!-- extras: python -m tools.pages -->\n"
_EXTRAS_END = "<!-- end of the extras -->"
_CODE = "<!-- code of the short scripts: python -m tools.pages -->\n"
_CODE_END = "<!-- end of the code -->"
_SCRIPTS = "<!-- short scripts: python -m tools.pages -->\n"
_SCRIPTS_END = "<!-- end of the short scripts -->"
_EXAMPLES = "<!-- examples: python -m tools.pages -->\n"
_EXAMPLES_END = "<!-- end of the examples -->"
_SWITCHES = "<!-- switches: python -m tools.pages -->\n"
_SWITCHES_END = "<!-- end of the switches -->"
_FAULTS = "<!-- faults: python -m tools.pages -->\n"
_FAULTS_END = "<!-- end of the faults -->"
_COLUMNS = "<!-- columns: python -m tools.pages -->\n"
_COLUMNS_END = "<!-- end of the columns -->"
NOT_HERE = "left out: "
"""How the second cell of a row of ``features.md`` begins that needs no test."""


class Incomplete(Exception):
    """A page cannot be made; each line of the message says what is missing."""


def compatibility(text: str) -> str:
    text = with_column(text, "where", "guess", marked_places("guess", "simsync", relative_to="simsync"))
    text = _between(text, _GENERATIONS, _GENERATIONS_END, f"\n{compatibility_page.requests()}\n\n")
    text = _between(text, _SUBSCRIPTIONS, _SUBSCRIPTIONS_END, f"\n{compatibility_page.subscriptions()}\n\n")
    return _between(text, _SIGNS, _SIGNS_END, f"\n{compatibility_page.signs()}\n\n")


def capture(text: str) -> str:
    return _between(text, _SETTLED, _SETTLED_END, f"\n{compatibility_page.settled()}\n\n")


def features(text: str) -> str:
    return with_column(text, "shown by", "feature", marked_places("feature", "tests"), optional=NOT_HERE)


def waits_page(text: str) -> str:
    rows = waits.waits()
    _require(waits.problems(rows))
    return _between(text, waits.BEGIN, waits.END, waits.table(rows))


def reliability(text: str) -> str:
    return _between(text, safeguards.BEGIN, safeguards.END, safeguards.table(safeguards.noted_in(text)))


def cron(text: str) -> str:
    return _between(text, _EXIT_CODES, _EXIT_CODES_END, f"\n{exit_codes.table()}\n\n")


def install(text: str) -> str:
    return _between(text, _EXTRAS, _EXTRAS_END, f"\n{install_page.extras()}\n\n")


def scripts(text: str) -> str:
    text = _between(text, _CODE, _CODE_END, f"\n{_code('examples/short')}\n\n")
    text = _between(text, _SCRIPTS, _SCRIPTS_END, f"\n{_programs('examples/short')}\n\n")
    return _between(text, _EXAMPLES, _EXAMPLES_END, f"\n{_programs('examples')}\n\n")


def _code(folder: str) -> str:
    """The code of each program of a folder, in a part of the page that is closed at first."""
    return "\n\n".join(
        f"<details>\n<summary><code>{path.name}</code></summary>\n\n"
        f"```{{literalinclude}} ../../{folder}/{path.name}\n:language: python\n```\n\n</details>"
        for path in sorted((ROOT / folder).glob("*.py"))
    )


def _programs(folder: str) -> str:
    """The programs of a folder, each with the first paragraph of its docstring."""
    rows = []
    for path in sorted((ROOT / folder).glob("*.py")):
        about = parsed(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").paragraphs
        _require([] if about else [f"{folder}/{path.name}: add a docstring"])
        rows.append([f"`{path.name}`", about[0]])
    return table(["script", "what it does"], rows)


def recording_file(text: str) -> str:
    """The kinds of records and the columns of the tables."""
    records = parsed(record_file.__doc__).sections["Records"]
    _require([f"simsync/run/record_file.py: describe '{kind}'" for kind in record_file.KINDS if kind not in records])
    rows = [[f"`{kind}`", records[kind]] for kind in record_file.KINDS]
    text = _between(text, _RECORDS, _RECORDS_END, f"\n{table(['type', 'data'], rows)}\n\n")
    parts = []
    for name, columns in tables.TABLES.items():
        cells = [[f"`{column.name}`", column.kind, column.meaning] for column in columns]
        parts.append(f"### {name}\n\n{table(['column', 'type', 'meaning'], cells)}\n")
    return _between(text, _COLUMNS, _COLUMNS_END, "\n" + "\n".join(parts) + "\n")


def embedded(text: str) -> str:
    text = _between(text, _SWITCHES, _SWITCHES_END, f"\n{local_page.switches()}\n\n")
    return _between(text, _FAULTS, _FAULTS_END, f"\n{local_page.faults()}\n\n")


def _whole(make: Callable[[], str]) -> Callable[[str], str]:
    """A page of which nothing is written by hand."""
    return lambda _text: make()


PAGES: Mapping[str, Callable[[str], str]] = {
    "guides/cron.md": cron,
    "guides/install.md": install,
    "guides/scripts.md": scripts,
    "internals/capture.md": capture,
    "internals/compatibility.md": compatibility,
    "internals/features.md": features,
    "internals/reliability.md": reliability,
    "internals/waits.md": waits_page,
    "reference/cli.md": _whole(commands.page),
    "reference/errors.md": _whole(api_pages.errors_page),
    "reference/events.md": _whole(event_page.page),
    "reference/local.md": embedded,
    "reference/options.md": _whole(api_pages.options_page),
    "reference/recording_file.md": recording_file,
    "../CITATION.cff": _whole(citation.page),
    **{f"_diagrams/{name}.svg": _whole(draw) for name, draw in diagrams.DIAGRAMS.items()},
}
"""How each page is made from its present text. The names are relative to ``docs/``."""


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
        path = DOCS / name
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        try:
            made = make(text)
        except (Incomplete, Undocumented) as problems:
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
        shown = (DOCS / name).resolve().relative_to(ROOT)
        print(f"{shown} is out of date" if check else f"{shown} is written")
        if not check:
            (DOCS / name).write_text(text, encoding="utf-8")
    return int(check and bool(pages))


if __name__ == "__main__":
    sys.exit(main())
