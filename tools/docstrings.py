"""Docstrings in Google's style, taken apart for the generated pages."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import ForwardRef, NamedTuple

_SECTION = re.compile(r"^(Args|Attributes|Raises|Records|Returns):$")
_ITEM = re.compile(r"^ {4}(\w+): (.*)$")
_PAGE = re.compile(r"``docs/([\w/]+)\.md``")
_ROLE = re.compile(r":(?:py:)?(\w+):`([^`<]*?)(?: <([^>`]*)>)?`", re.DOTALL)


class Undocumented(Exception):
    """A docstring lacks what a page needs; the message says what to add."""


class Docstring(NamedTuple):
    """The text before the sections, as paragraphs, and the items of each section by name."""

    paragraphs: list[str]
    sections: Mapping[str, Mapping[str, str]]


def parsed(documented: object) -> Docstring:
    """The parts of a docstring, in Markdown."""
    text = inspect.cleandoc(documented) if isinstance(documented, str) else inspect.getdoc(documented) or ""
    before: list[str] = []
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] | None = None
    item = ""
    for line in text.splitlines():
        heading = _SECTION.match(line)
        if heading:
            section = sections.setdefault(heading[1], {})
        elif section is None:
            before.append(line)
        elif found := _ITEM.match(line):
            item = found[1]
            section[item] = found[2]
        elif line.strip() and item:
            section[item] += f" {line.strip()}"
    paragraphs = [_joined(part) for part in re.split(r"\n\s*\n", "\n".join(before)) if part.strip()]
    return Docstring(
        [markdown(part) for part in paragraphs],
        {name: {key: markdown(value) for key, value in items.items()} for name, items in sections.items()},
    )


def _joined(paragraph: str) -> str:
    return " ".join(line.strip() for line in paragraph.splitlines())


def markdown(text: str) -> str:
    """The roles and literals of a docstring in the Markdown of the site."""
    text = _PAGE.sub(lambda page: f"[{page[1].rpartition('/')[2]}](../{page[1]}.md)", _ROLE.sub(_reference, text))
    return text.replace("``", "`").replace("|", "\\|")


def _reference(match: re.Match[str]) -> str:
    role, shown, target = match.groups()
    name = (target or shown).lstrip("~")
    if not name.startswith("simsync."):
        return f"``{shown}``"
    if role == "attr":  # `simsync.Coverage.unproven`: the class is the place where it is described
        return f"``{name.rpartition('.')[0].rpartition('.')[2]}.{name.rpartition('.')[2]}``"
    return f"{{py:obj}}`{shown}`" if target is None else f"{{py:obj}}`{shown.strip()} <{target}>`"


def first_sentence(text: str) -> str:
    """The first sentence of a paragraph."""
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def without(paragraphs: list[str], *beginnings: str) -> list[str]:
    """The paragraphs that begin with none of these words."""
    return [one for one in paragraphs if not one.startswith(beginnings)]


def beginning(paragraphs: list[str], words: str) -> str:
    """The paragraph that begins with these words; empty if there is none."""
    return next((one for one in paragraphs if one.startswith(words)), "")


def type_text(annotation: object) -> str:
    """An annotation in words: ``Optional[int]`` and ``int | None`` become ``int or None``."""
    if isinstance(annotation, ForwardRef):  # as a named tuple has them
        annotation = annotation.__forward_arg__
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    if found := re.fullmatch(r"Optional\[(.*)\]", text):
        text = f"{found[1]} | None"
    if found := re.match(r"Union\[(.*)\]((?: \| None)?)$", text):
        text = re.sub(r", (?![^\[]*\])", " | ", found[1]) + found[2]
    text = text.replace("Sequence[", "list[").replace("Mapping[", "dict[").replace("Any", "JSON")
    return text.replace(" | ", " or ")


def annotation_of(owner: type, name: str) -> object:
    """The annotation of a field or property of a class."""
    for base in owner.__mro__:
        if name in vars(base).get("__annotations__", {}):
            return base.__annotations__[name]
        found = vars(base).get(name)
        getter: Callable[..., object] | None = found.fget if isinstance(found, property) else None
        if getter is not None:
            return getter.__annotations__.get("return", "")
    for base in owner.__mro__:
        given = getattr(vars(base).get("__init__"), "__annotations__", {})
        if name in given:
            return given[name]
    raise Undocumented(f"{owner.__name__}.{name}: the docstring describes it, but it has no annotation")


def wrapped(paragraph: str) -> str:
    """A paragraph in lines that are not too long."""
    return "\n".join(textwrap.wrap(paragraph, 120, break_long_words=False, break_on_hyphens=False))


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(["| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *rows]])
