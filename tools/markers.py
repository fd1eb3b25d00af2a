"""Comments that name what is below them: ``# guess: NAME`` in the code, ``# feature: NAME`` in a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def marked_places(word: str, folder: str, relative_to: str = "") -> Mapping[str, list[str]]:
    """The places below each comment ``# WORD: NAME``, as ``file.py:definition``, by name.

    Args:
        word: The word in front of the colon.
        folder: Where to look, relative to the checkout.
        relative_to: The folder that the paths of the result leave out.
    """
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        file = path.relative_to(ROOT / relative_to).as_posix()
        for name, definition in _marked(text, f"# {word}: "):
            places = found.setdefault(name, [])
            place = f"{file}:{definition}" if definition else file
            if place not in places:
                places.append(place)
    return found


def _marked(text: str, mark: str) -> Iterator[tuple[str, str]]:
    """Each name in a source text, and the definition that it marks."""
    if mark not in text:
        return
    lines, tree = text.splitlines(), ast.parse(text)
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith(mark):
            below = number + 1
            while below <= len(lines) and (not lines[below - 1].strip() or lines[below - 1].lstrip().startswith("#")):
                below += 1
            yield line.lstrip()[len(mark) :].strip(), _definition_at(tree, below)


def _definition_at(tree: ast.Module, line: int) -> str:
    """The innermost function, class, constant or field around a line; empty if there is none."""
    name = ""
    body = tree.body
    while True:
        around = [node for node in body if _name_of(node) and _first_line(node) <= line <= (node.end_lineno or 0)]
        if not around:
            return name
        name = _name_of(around[0])
        if isinstance(around[0], ast.ClassDef):
            body = around[0].body
        elif isinstance(around[0], _Definition):
            body = [node for node in around[0].body if isinstance(node, _Definition)]  # not its variables
        else:
            return name


def _name_of(node: ast.stmt) -> str:
    if isinstance(node, _Definition):
        return node.name
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else ""


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _Definition) else []
    return min([node.lineno, *(one.lineno for one in decorators)])
