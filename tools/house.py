"""Measure the rooms of the package: lines, files, circles of imports, ``Any``, comments, private names read elsewhere.

    python -m tools.house [--check]

A room is a folder or a module at the top. With ``--check`` the exit status is 1 when a file is longer than 400 lines,
when modules import each other in a circle (imports under ``TYPE_CHECKING`` count), or when a private name is read
outside of its folder or in a test. Needs the extra ``[dev]``.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "simsync"
LONGEST, SHORTEST = 400, 25
NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}
"""Public methods of named tuples; the underscore only keeps them apart from fields."""


@dataclass(frozen=True)
class Source:
    """One file."""

    path: Path

    @cached_property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse("\n".join(self.lines))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of the tree, walked once."""
        return list(ast.walk(self.tree))

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def folder(self) -> str:
        return self.path.parent.relative_to(ROOT).as_posix()

    @property
    def room(self) -> str:
        return self.name if self.folder == PACKAGE else f"{self.folder}/"

    @property
    def comments(self) -> int:
        """Lines that hold a comment only."""
        return sum(line.lstrip().startswith("#") for line in self.lines)

    @cached_property
    def code(self) -> int:
        """Lines that are not blank, no comment, and no docstring."""
        texts = [
            node.value
            for node in self.nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        ]
        documented = {line for text in texts for line in range(text.lineno, (text.end_lineno or text.lineno) + 1)}
        filled = (number for number, line in enumerate(self.lines, 1) if line.strip() and line.lstrip()[0] != "#")
        return sum(number not in documented for number in filled)

    @cached_property
    def anys(self) -> int:
        """How often ``Any`` stands in annotations, aliases and casts."""
        return sum(isinstance(node, ast.Name) and node.id == "Any" for node in self.nodes)

    @cached_property
    def private_definitions(self) -> set[str]:
        """Names with an underscore that are defined or assigned here."""
        found: set[str] = set()
        for node in self.nodes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
                found.add(node.attr)
        return set(filter(_is_private, found))

    def private_uses(self) -> Iterator[tuple[int, str]]:
        """Line and name of each private name of something else that is used here."""
        for node in self.nodes:
            if isinstance(node, ast.Attribute) and _is_private(node.attr) and not _is_own(node.value):
                yield node.lineno, node.attr
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, alias.name) for alias in node.names if _is_private(alias.name))


def _is_private(name: str) -> bool:
    # With an underscore at both ends, as in `_repr_html_`, it is the name of a protocol.
    return name.startswith("_") and not name.endswith("_") and name not in NAMED_TUPLE


def _is_own(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def sources(folder: str) -> list[Source]:
    return [Source(path) for path in sorted((ROOT / folder).rglob("*.py"))]


def circles() -> list[list[str]]:
    """Modules that import each other, directly or not."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=False, cache_dir=None)
    above = {module: graph.find_upstream_modules(module) for module in graph.modules}
    groups = {frozenset({one, *(other for other in above[one] if one in above[other])}) for one in above}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def private_reads(readers: Iterable[Source], library: Sequence[Source], across: str) -> list[str]:
    """Private names of the library that are defined in another ``folder`` (or ``name``, of a file) than that of their
    reader. A name that the reader's own side defines too is taken for its own: types are not looked at."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    for source in library:
        for name in source.private_definitions:
            places[name].add(getattr(source, across))
    return [
        f"{source.name}:{line} {name}"
        for source in readers
        for line, name in source.private_uses()
        if places[name] and getattr(source, across) not in places[name] and name not in source.private_definitions
    ]


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def rooms(library: Sequence[Source]) -> str:
    by_room: defaultdict[str, list[Source]] = defaultdict(list)
    for source in library:
        by_room[source.room].append(source)
        by_room["all"].append(source)
    rows = []
    for room, files in sorted(by_room.items(), key=lambda item: (item[0] == "all", item)):
        lines = sum(len(source.lines) for source in files)
        code, comments = sum(source.code for source in files), sum(source.comments for source in files)
        share = f"{comments / code:.3f}" if code else ""
        rows.append([room, len(files), lines, code, share, sum(source.anys for source in files)])
    return table(["room", "files", "lines", "lines of code", "comment lines per line of code", "Any"], rows)


def section(title: str, items: Sequence[object]) -> str:
    return "\n".join([f"\n{title}: {len(items)}", *(f"- {item}" for item in items)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 when a rule is broken")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))  # this checkout, whatever is installed
    library = sources(PACKAGE)
    long = [source for source in library if len(source.lines) > LONGEST]
    short = [source for source in library if len(source.lines) < SHORTEST and source.path.name != "__init__.py"]
    groups = circles()
    across_rooms = private_reads(library, library, "folder")
    across_files = [read for read in private_reads(library, library, "name") if read not in across_rooms]
    tests = Counter(read.rpartition("/")[0] for read in private_reads(sources("tests"), library, "folder"))
    print(rooms(library))
    print(section(f"Files of more than {LONGEST} lines", [f"{one.name}: {len(one.lines)}" for one in long]))
    print(section(f"Other files of less than {SHORTEST} lines", [f"{one.name}: {len(one.lines)}" for one in short]))
    print(section("Circles of imports", [", ".join(group) for group in groups]))
    print(section("Private names read in another folder", across_rooms))
    print(section("Private names read in another file of the same folder", across_files))
    print(section("Folders of tests that read private names", [f"{one}/: {tests[one]}" for one in sorted(tests)]))
    print(f"private names read in tests, in all: {sum(tests.values())}")
    return int(options.check and bool(long or groups or across_rooms or tests))


if __name__ == "__main__":
    sys.exit(main())
