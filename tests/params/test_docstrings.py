"""The docstrings of the public API list exactly the fields and arguments that there are."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import simsync
from simsync import accounts, errors, events, programs, services

ROOMS = (
    *("simsync.accounts", "simsync.client", "simsync.errors", "simsync.events", "simsync.frames", "simsync.json_form"),
    *("simsync.options", "simsync.params", "simsync.programs", "simsync.ranges", "simsync.reports", "simsync.rpc"),
    *("simsync.run_summary", "simsync.services"),
)


def of_a_room(found: Any) -> bool:
    return str(getattr(found, "__module__", "")).startswith(ROOMS)


def public() -> Iterator[tuple[str, Any]]:
    """Each public class, function and method, by name."""
    modules = (simsync, events, errors, accounts, programs, services)
    seen: dict[str, Any] = {}
    for module in modules:
        for name in getattr(module, "__all__", vars(module)):
            found = getattr(module, name)
            if name.startswith("_") or not of_a_room(found):
                continue
            if inspect.isfunction(found):
                seen[name] = found
            elif inspect.isclass(found):
                seen[name] = found
                for member, value in vars(found).items():
                    function = getattr(value, "__func__", value)
                    if not member.startswith("_") and (inspect.isfunction(function) or isinstance(value, property)):
                        seen[f"{name}.{member}"] = function
    yield from sorted(seen.items())


PUBLIC = dict(public())
DATACLASSES = {name: found for name, found in PUBLIC.items() if dataclasses.is_dataclass(found)}
FUNCTIONS = {name: found for name, found in PUBLIC.items() if inspect.isfunction(found)}


def listed(documented: Any, section: str) -> list[str]:
    """The names in a section of a docstring in Google's style."""
    match = re.search(rf"^{section}:\n((?:    .*\n|\n)*)", f"{inspect.getdoc(documented)}\n", re.MULTILINE)
    return re.findall(r"^    (\w+): ", match.group(1), re.MULTILINE) if match else []


def test_the_api_is_found() -> None:
    assert len(DATACLASSES) > 30
    assert len(FUNCTIONS) > 50


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_has_a_docstring(name: str) -> None:
    found = PUBLIC[name]
    text = (found.fget if isinstance(found, property) else found).__doc__ or ""
    assert text and not text.startswith(f"{name}("), "the text that dataclasses makes is not a docstring"
    assert text.strip().splitlines()[0].endswith("."), "the first line is a sentence"


@pytest.mark.parametrize("name", DATACLASSES)
def test_each_field_is_described(name: str) -> None:
    kind = DATACLASSES[name]
    assert listed(kind, "Attributes") == [field.name for field in dataclasses.fields(kind)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_that_are_described_are_all_there(name: str) -> None:
    names = [one for one in inspect.signature(FUNCTIONS[name]).parameters if one not in ("self", "cls")]
    described = listed(FUNCTIONS[name], "Args")
    assert described in ([], names)
    assert described or len(names) < 3 or "arguments" in str(FUNCTIONS[name].__doc__).lower()
