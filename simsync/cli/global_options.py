"""The options of all commands, which may stand before or after the name of the command."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import click

from simsync._version import __version__
from simsync.cli.settings import Settings

_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
"""From ``--quiet`` to ``-vv``."""


def log_level(quiet: bool, verbose: int) -> int:
    """The level of the log."""
    return _LEVELS[0] if quiet else _LEVELS[min(1 + verbose, len(_LEVELS) - 1)]


def with_global_options(command: click.Command) -> click.Command:
    """Let a command, and each command below it, take the global options too. The last one on the line wins."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_global_options(below)
    own = {text for parameter in command.params for text in parameter.opts}
    for option in _options():
        # A command that has one of the names keeps it; `doctor -v` is still the global option.
        option.opts = [text for text in option.opts if text not in own]
        if option.opts:
            command.params.append(option)
    return command


def _options() -> list[click.Option]:
    """Hidden, because the help of each command is about the command, and that of ``simsync`` lists these."""
    return [
        _hidden("--url", callback=_setting("url")),
        _hidden("--api-key", callback=_setting("api_key")),
        _hidden("--ca-bundle", type=click.Path(path_type=Path), callback=_setting("ca_bundle")),
        _hidden("-q", "--quiet", is_flag=True, callback=_set_quiet),
        _hidden("-v", "--verbose", count=True, callback=_set_verbose),
        _hidden("--version", is_flag=True, is_eager=True, callback=_show_version),
    ]


def _hidden(*names: str, **settings: Any) -> click.Option:
    # A name of its own: a command may have an option of the same name.
    name = "global_" + names[-1].lstrip("-").replace("-", "_")
    return click.Option([name, *names], expose_value=False, hidden=True, **settings)


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


def _show_version(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(version_line())
        context.exit()


def version_line() -> str:
    """What ``--version`` prints."""
    return f"simsync, version {__version__}"
