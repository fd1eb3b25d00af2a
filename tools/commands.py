"""The page of the command line, ``docs/cli.md``, made from the commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from simsync.cli.app import cli
from simsync.cli.exit_codes import table

HEAD = f"""# The command line

`pip install 'simsync[cli]'` installs the command `simsync`; add `[local]` for the embedded simulator. This page is
generated from the commands by `python -m tools.pages`, and the suite checks that it is current.

An error is one line on standard error, where logs go too; with `--verbose` an unexpected one has its traceback.
Standard output has only the result: a table, in plain text if it is not a terminal, or JSON with `--json`. Where a file
is read or written, `-` stands for standard input and output. The options of `simsync` itself may also stand behind the
command; only `--verbose` of `doctor` has a meaning of its own (`-v` has not). For shell completion see
`_SIMSYNC_COMPLETE=bash_source simsync` (or `zsh_source`, `fish_source`). The exit codes are the same in every command:

{table()}
"""


def page() -> str:
    return "\n".join([HEAD, *_command("simsync", cli, 2)])


def _command(path: str, command: click.Command, level: int) -> Iterator[str]:
    arguments = " ".join(_argument(one) for one in command.params if isinstance(one, click.Argument))
    yield f"{'#' * level} `{path}{' ' + arguments if arguments else ''}`\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if options:
        yield "| option | takes | meaning |\n| --- | --- | --- |"
        yield from (_option(one) for one in options)
        yield ""
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _command(f"{path} {name}", command.commands[name], min(level + 1, 4))


def _argument(argument: click.Argument) -> str:
    name = _choices(argument) or argument.metavar or (argument.name or "").upper()
    several = "..." if argument.nargs == -1 and not name.endswith("...") else ""
    return f"{name}{several}" if argument.required else f"[{name}{several}]"


def _choices(parameter: click.Parameter) -> str:
    return "|".join(map(str, parameter.type.choices)) if isinstance(parameter.type, click.Choice) else ""


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = option.metavar or _choices(option) or option.type.name.replace(" range", "").upper()
    takes = "" if option.is_flag or option.count else value.replace("|", "\\|")
    meaning = (option.help or "").replace("|", "\\|")
    if option.required:
        meaning += " Required."
    elif option.show_default and not option.is_flag:
        meaning += f" Default: {option.default}."
    return f"| {names} | {takes} | {meaning.strip()} |"
