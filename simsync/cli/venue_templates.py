"""The file of ``run --venue-templates``: direct fills as JSON, in the vendor's spelling or that of ``to_dict()``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click

import simsync
from simsync.params import DirectFill, FillAccount, FillInstruction, FillTaker

_CAPITAL = re.compile(r"[A-Z]")


class _OtherForm(Exception):
    """A template has other keys than simsync knows; the text says which."""


def direct_fills(path: Path) -> list[object]:
    """Read and check the templates of a file.

    One with other keys than simsync knows is returned as it is, which standard error says.

    Raises:
        UsageError: The file is not a list of JSON objects.
        InvalidParams: A template breaks a rule of the server, which would refuse the whole run.
    """
    return [_fill(f"venue_templates[{index}]", template) for index, template in enumerate(_json_list(path))]


def _json_list(path: Path) -> list[Mapping[str, object]]:
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise click.UsageError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise click.UsageError(f"{path} must contain a list of objects")
    return value


def _fill(name: str, template: Mapping[str, object]) -> object:
    try:
        known = _known(DirectFill, template)
        instruction = _known(FillInstruction, known["instruction"])
        if not isinstance(instruction["accounts"], list):
            raise _OtherForm("its accounts are no list")
        instruction["accounts"] = [_known(FillAccount, one) for one in instruction["accounts"]]
        if isinstance(instruction["data"], str):
            instruction["data"] = {"data": instruction["data"], "encoding": "base64"}
        _known_data(instruction["data"])
        known.update(instruction=instruction, taker=_known(FillTaker, known["taker"]))
    except _OtherForm as error:
        click.echo(f"simsync: {name} is sent unchanged and unchecked: {error}", err=True)
        return template
    try:
        return DirectFill.from_dict(known)
    except simsync.InvalidParams as error:
        raise simsync.InvalidParams(f"{name}.{error.argument}", error.value, error.rule) from error


def _known(kind: Any, value: object) -> dict[str, Any]:
    """The values of an object by the names of the fields, if each is known and none is missing."""
    if not isinstance(value, dict):
        raise _OtherForm(f"{value!r} is no object with the fields of a {kind.__name__}")
    named = {_CAPITAL.sub(lambda match: "_" + match.group().lower(), key): one for key, one in value.items()}
    names = {field.name: field.default is MISSING for field in fields(kind)}
    missing = [name for name, needed in names.items() if needed and name not in named]
    other = [name for name in named if name not in names]
    for what, found in (("lacks", missing), ("has the unknown fields", other)):
        if found:
            raise _OtherForm(f"as a {kind.__name__} it {what} {', '.join(found)}")
    return named


def _known_data(value: object) -> None:
    if not isinstance(value, dict) or set(value) != {"data", "encoding"}:
        raise _OtherForm(f"{value!r} is neither base64 nor an object with data and encoding")
