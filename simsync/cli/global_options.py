"""The options of all commands, which may stand before or after the name of the command."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import click

from simsync.cli.settings import Settings

_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
"""From ``--quiet`` to ``-vv``."""


def log_level(quiet: bool, verbose: int) -> int:
    """The level of the log."""
    return _LEVELS[0] if quiet else _LEVELS[min(1 + verbose, len(_LEVELS) - 1)]


def with_global_options(command: click.Command) -> click.Command:
    """Let a command, and each command below it, take the global options too. They win over those before the command."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_global_options(below)
        return command
    own = {text for parameter in command.params for text in parameter.opts}
    # Hidden: the help of each command is about the command, that of ``simsync`` lists these.
    command.params += [option for option in _options() if not own.intersection(option.opts)]
    return command


def _options() -> list[click.Option]:
    return [
        click.Option(["--url"], expose_value=False, hidden=True, callback=_setting("url")),
        click.Option(["--api-key"], expose_value=False, hidden=True, callback=_setting("api_key")),
        click.Option(
            ["--ca-bundle"],
            type=click.Path(path_type=Path),
            expose_value=False,
            hidden=True,
            callback=_setting("ca_bundle"),
        ),
        click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, hidden=True, callback=_set_quiet),
        click.Option(["-v", "--verbose"], count=True, expose_value=False, hidden=True, callback=_set_verbose),
    ]


def _setting(name: str) -> Callable[[click.Context, click.Parameter, object], None]:
    def apply(context: click.Context, _parameter: click.Parameter, value: object) -> None:
        settings = context.find_object(Settings)
        if value is not None and settings is not None:
            changed: dict[str, Any] = {name: value}
            context.obj = replace(settings, **changed)

    return apply


def _set_quiet(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("simsync").setLevel(log_level(True, 0))


def _set_verbose(_context: click.Context, _parameter: click.Parameter, value: int) -> None:
    if value:
        logging.getLogger("simsync").setLevel(log_level(False, value))
