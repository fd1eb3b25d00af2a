"""The page of the command line, ``docs/reference/cli.md``, made from the commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from simsync.cli.app import cli
from simsync.cli.exit_codes import table
from tools.docstrings import wrapped

HEAD = f"""# The command line

`pip install 'simsync[cli]'` installs the command `simsync`; add `[local]` for the embedded simulator.

Standard output has only the result: a table (plain text outside a terminal), or JSON with `--json`. An error is one
line on standard error, where logs go too; `--verbose` adds the traceback of an unexpected error. `-` stands for
standard input and output. The options of `simsync` itself may also follow the command, except `--verbose` (not `-v`) of
`doctor`, which has another meaning.

For shell completion, add the line for your shell to its start-up file:

| shell | file | line |
| --- | --- | --- |
| bash | `~/.bashrc` | `eval "$(_SIMSYNC_COMPLETE=bash_source simsync)"` |
| zsh | `~/.zshrc` | `eval "$(_SIMSYNC_COMPLETE=zsh_source simsync)"` |
| fish | `~/.config/fish/completions/simsync.fish` | `_SIMSYNC_COMPLETE=fish_source simsync \\| source` |

The exit codes are the same in every command:

{table()}
"""


TAIL = "See also: [Cron](../guides/cron.md) · [Recording](../guides/recording.md) · [Comparing](../guides/compare.md)\n"
_PAGE = re.compile(r"docs/([\w/]+)\.md")


def page() -> str:
    return "\n".join([HEAD, *_command("simsync", cli, 2), TAIL])


def _command(path: str, command: click.Command, level: int) -> Iterator[str]:
    arguments = " ".join(_argument(one) for one in command.params if isinstance(one, click.Argument))
    yield f"{'#' * level} `{path}{' ' + arguments if arguments else ''}`\n"
    yield f"{_help(command.help or '')}\n"
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if options:
        yield "| option | takes | meaning |\n| --- | --- | --- |"
        yield from (_option(one) for one in options)
        yield ""
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _command(f"{path} {name}", command.commands[name], min(level + 1, 4))


def _help(text: str) -> str:
    """The help of a command in Markdown: indented lines are commands, and pages are links."""
    text = re.sub(r"^\x08\n", "", inspect.cleandoc(text), flags=re.MULTILINE)
    text = re.sub(r"((?:^ {2}\S.*\n?)+)", lambda found: _fenced(found[1]), text, flags=re.MULTILINE)
    paragraphs = _linked(text).split("\n\n")
    return "\n\n".join(part if "```" in part else wrapped(part) for part in paragraphs)


def _fenced(lines: str) -> str:
    return f"\n```sh\n{inspect.cleandoc(lines)}\n```\n"


def _linked(text: str) -> str:
    return _PAGE.sub(lambda found: f"[{found[1].rpartition('/')[2].replace('_', ' ')}](../{found[1]}.md)", text)


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
    meaning = _linked((option.help or "").replace("|", "\\|"))
    if option.required:
        meaning += " Required."
    elif option.show_default and not option.is_flag:
        meaning += f" Default: {option.default}."
    return f"| {names} | {takes} | {meaning.strip()} |"
