"""Does the suite notice when a safeguard is missing? Each is removed in a copy of the project, and the suite is run.

    python -m tests.safeguards [NAME ...] [--write]

A safeguard is a statement with the comment ``# safeguard: NAME`` at its end, or on a line of its own above it:

- the condition of an ``if`` or ``while`` becomes ``False``, or VALUE with ``# safeguard: NAME -> VALUE``;
- what a ``return`` or an assignment has on its right becomes VALUE;
- any other simple statement becomes ``pass``.

Prints which test fails first, and exits with 1 when a safeguard is not missed. Takes some minutes.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "internals" / "reliability.md"
BEGIN = "<!-- table of safeguards: python -m tests.safeguards --write, python -m tools.pages -->\n"
END = "<!-- end of the table of safeguards -->"
ORDER = ("protocol", "properties", "security", "runtime", "api", "faults", "process")
"""Folders of the suite, the quick ones first."""
HANGS_AFTER = 40
"""Seconds after which a test counts as failed: without its safeguard it may wait for ever."""

_MARKER = re.compile(r"# safeguard: (.+?)(?: -> (.+))?$")
_COMPOUND = (ast.For, ast.With, ast.Try, ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Safeguard:
    """A marker in ``file``, relative to the package."""

    name: str
    file: str
    line: int
    value: Optional[str] = None

    def removed_from(self, text: str) -> str:
        """The source text of the file without it."""
        statement = self._statement(text)
        replaced: ast.AST | None = statement
        value = self.value
        if isinstance(statement, (ast.If, ast.While)):
            replaced, value = statement.test, value or "False"
        elif value is not None:
            replaced = getattr(statement, "value", None)
        elif not isinstance(statement, (ast.Return, *_COMPOUND)):
            value = "pass"
        if not isinstance(replaced, (ast.expr, ast.stmt)) or value is None:
            raise ValueError(f"{self.file}:{self.line}: no rule says how to remove the safeguard {self.name!r}")
        lines = text.encode().splitlines(keepends=True)  # ast counts columns in bytes
        start = sum(map(len, lines[: replaced.lineno - 1])) + replaced.col_offset
        end = sum(map(len, lines[: (replaced.end_lineno or 0) - 1])) + (replaced.end_col_offset or 0)
        whole = b"".join(lines)
        return (whole[:start] + value.encode() + whole[end:]).decode()

    def _statement(self, text: str) -> ast.stmt:
        """The innermost one on the marker's line, or the one that follows it."""
        alone = text.splitlines()[self.line - 1].lstrip().startswith("#")
        line = self.line + alone
        statements = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
        return max(
            (one for one in statements if one.lineno <= line <= (one.end_lineno or 0)), key=lambda one: one.lineno
        )


def markers(text: str, file: str) -> list[Safeguard]:
    """The safeguards of one source text."""
    matches = ((number, _MARKER.search(line)) for number, line in enumerate(text.splitlines(), 1))
    return [Safeguard(match[1], file, number, match[2]) for number, match in matches if match is not None]


def safeguards() -> list[Safeguard]:
    """All of the library, by file and line."""
    package = ROOT / "simsync"
    return [
        safeguard
        for path in sorted(package.rglob("*.py"))
        for safeguard in markers(path.read_text(encoding="utf-8"), path.relative_to(package).as_posix())
    ]


def missed_by(safeguard: Safeguard) -> str | None:
    """The first test that fails without it; None when the suite passes."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "simsync"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__"))
        path = copy / "simsync" / safeguard.file
        path.write_text(safeguard.removed_from(path.read_text(encoding="utf-8")), encoding="utf-8")
        tests = [f"tests/{name}" for name in ORDER]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"--timeout={HANGS_AFTER}", *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    failed = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return failed[0] if failed else None


def table(tests: Mapping[str, str]) -> str:
    """Markdown. ``tests``: by name of the safeguard, the one that fails first."""
    rows = [f"| {one.name} | `{one.file}` | `{tests.get(one.name, 'not tried')}` |" for one in safeguards()]
    return "\n".join(["| without this | in | this test fails first |", "| --- | --- | --- |", *rows, ""])


def noted_in(page: str) -> dict[str, str]:
    """The test that fails first, by the name of the safeguard, as the page has it."""
    rows = [row.strip("| ").split(" | ") for row in page.split(BEGIN)[1].split(END)[0].splitlines()[2:]]
    return {name: test.strip("`") for name, _file, test in rows}


def write(tests: Mapping[str, str]) -> None:
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table(tests)}{END}{rest.split(END)[1]}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only safeguards with this in their name")
    parser.add_argument("--write", action="store_true", help="write the table of docs/internals/reliability.md")
    arguments = parser.parse_args()
    chosen = [one for one in safeguards() if not arguments.names or any(name in one.name for name in arguments.names)]
    found = noted_in(PAGE.read_text(encoding="utf-8"))
    complete = True
    for safeguard in chosen:
        test = missed_by(safeguard)
        print(f"{safeguard.name}: {test or 'NOT MISSED'}", flush=True)
        if test is None:
            complete = False
        else:
            found[safeguard.name] = test
    if complete and arguments.write:
        write(found)
    return int(not complete)


if __name__ == "__main__":
    sys.exit(main())
