"""The tables of switches and faults in ``docs/reference/local.md``, made from their docstrings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

from simsync.local import Behaviour, Faults, behaviour
from tools.docstrings import Undocumented, first_sentence, parsed, table


def switches() -> str:
    """Each field of ``Behaviour`` with its default and its meaning."""
    described = dict(_field_docstrings())
    rows = []
    for name, default in ((name, getattr(Behaviour, name)) for name in Behaviour.__annotations__):
        if name not in described:
            raise Undocumented(f"simsync/local/behaviour.py: describe {name} below the field")
        rows.append([f"`{name}`", f"`{default!r}`", " ".join(parsed(described[name]).paragraphs)])
    return table(["switch", "default", "meaning"], rows)


def _field_docstrings() -> Iterator[tuple[str, str]]:
    """Name and text of each field that a string stands below."""
    tree = ast.parse(inspect.getsource(behaviour))
    for owner in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for field, below in zip(owner.body, owner.body[1:]):
            text = getattr(getattr(below, "value", None), "value", None)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, str):
                yield field.target.id, text


def faults() -> str:
    """Each method of ``Faults`` that schedules something, and then what can be read."""
    scheduling = [name for name, value in vars(Faults).items() if _schedules(name, value)]
    rows = [[f"`{_call(name)}`", _sentence(name)] for name in scheduling]
    reading = [name for name, value in vars(Faults).items() if isinstance(value, property) and name[0] != "_"]
    counts = [[f"`{name}`", _sentence(name)] for name in reading]
    return f"{table(['fault', 'effect'], rows)}\n\n{table(['to read', 'meaning'], counts)}"


def _schedules(name: str, value: object) -> bool:
    return inspect.isfunction(value) and name[0] != "_"


def _call(name: str) -> str:
    parameters = [one for one in inspect.signature(getattr(Faults, name)).parameters if one != "self"]
    return f"{name}({', '.join(parameters)})"


def _sentence(name: str) -> str:
    value = vars(Faults)[name]
    return first_sentence(parsed(value.fget if isinstance(value, property) else value).paragraphs[0])
