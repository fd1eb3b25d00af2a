"""The pages of options and errors, ``docs/reference/options.md`` and ``errors.md``, made from their docstrings."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator

import simsync
from simsync import client, errors, run
from simsync.run import sweep
from tools.docstrings import (
    Undocumented,
    annotation_of,
    beginning,
    first_sentence,
    parsed,
    table,
    type_text,
    without,
    wrapped,
)

OPTIONS_HEAD = """# Options

Pass these to a client: `simsync.Client(options=simsync.Options(ping_interval=5))`. Times are in seconds.
"""
ENVIRONMENT = f"""## Environment

| variable | meaning |
| --- | --- |
| `{client.URL_VARIABLE}`, `{client.KEY_VARIABLE}` | address and key of `Client()` and of the command line |
| `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy` | [proxies](../guides/network.md) |
| `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`, `SSL_CERT_FILE`, `SSL_CERT_DIR` | [certificates](../guides/network.md) |
| `SIMSYNC_SEED` | the seed of the [pytest plugin](../guides/testing.md) |

See also: [Network](../guides/network.md) · [Errors](errors.md) · [Compatibility](../internals/compatibility.md)
"""
SESSION_HEAD = """## CreateSession

The options of a session, of which `start_slot` and either `end_slot` or `slot_count` are required. What the server
makes of them is in [State](../guides/state.md).
"""
ERRORS_HEAD = """# Errors

Every exception is a `SimsyncError`. Messages say what failed, with which value, and what to do. `retryable` is True if
the same call may succeed later with nothing changed. The exception that caused a failure is its `__cause__`. All
exceptions can be pickled. [Mistakes](mistakes.md) has more than 100 messages with the code that causes them.
"""
DO = "What to do: "
SIZES = ("buffer_bytes", "max_message")


def options_page() -> str:
    parts = [OPTIONS_HEAD, _fields_of(simsync.Options), SESSION_HEAD, _fields_of(simsync.CreateSession)]
    parts += ["## Dialect\n", *_paragraphs(simsync.Dialect), _fields_of(simsync.Dialect, "Args"), ENVIRONMENT]
    return "\n".join(parts)


def _paragraphs(documented: object) -> Iterator[str]:
    yield from (f"{wrapped(part)}\n" for part in parsed(documented).paragraphs)


def _fields_of(owner: type, section: str = "Attributes") -> str:
    meanings = parsed(owner).sections[section]
    rows = []
    for field in dataclasses.fields(owner):
        if field.name not in meanings:
            raise Undocumented(f"{owner.__name__}: describe {field.name} in the docstring")
        kind = type_text(annotation_of(owner, field.name)).replace("|", "\\|")
        rows.append([f"`{field.name}`", f"`{kind}`", _default(field), meanings[field.name]])
    return f"{table(['name', 'type', 'default', 'meaning'], rows)}\n"


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is dataclasses.MISSING:
        return "" if field.default_factory is dataclasses.MISSING else "empty"
    value = field.default
    if callable(value):
        return "built in"
    if field.name in SIZES and isinstance(value, int):
        return f"{value // 2**20} MiB"
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if type(value) is int else f"`{value!r}`"


def errors_page() -> str:
    found = list(_errors(simsync.SimsyncError))
    rows = [
        [f"[`{one.__name__}`](#{one.__name__.lower()})", _retryable(one), first_sentence(parsed(one).paragraphs[0])]
        for one in found
    ]
    tree = inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1]
    parts = [ERRORS_HEAD, f"{table(['exception', 'retryable', 'meaning'], rows)}\n", "## The tree\n"]
    parts += [f"```text\n{inspect.cleandoc(tree)}\n```\n", *(part for one in found for part in _error(one))]
    parts.append("See also: [Mistakes](mistakes.md) · [Network](../guides/network.md) · [Options](options.md)\n")
    return "\n".join(parts)


def _errors(base: type[simsync.SimsyncError]) -> Iterator[type[simsync.SimsyncError]]:
    """The public exceptions, each before those that are derived from it."""
    public = {getattr(module, name) for module in (simsync, run, sweep) for name in getattr(module, "__all__", ())}
    if base in public:
        yield base
    for derived in base.__subclasses__():
        yield from _errors(derived)


def _retryable(error: type[simsync.SimsyncError]) -> str:
    """What the docstring says of ``retryable``; else the value of the class."""
    about = parsed(error)
    if error is simsync.SimsyncError:
        return ""
    said = next((part for part in about.paragraphs if "`retryable` is" in part and not part.startswith(DO)), "")
    if said or "retryable" in about.sections.get("Attributes", {}):
        return "no" if said.endswith("`retryable` is False.") else "it depends"
    return "yes" if error.retryable else "no"


def _article(name: str) -> str:
    """``an`` before a vowel and before HTTP, whose first letter sounds like one."""
    return "an" if name.startswith((*"AEIO", "Http")) else "a"


def _error(error: type[simsync.SimsyncError]) -> Iterator[str]:
    about = parsed(error)
    advice = beginning(about.paragraphs, DO)
    if not advice:
        raise Undocumented(f"{error.__name__}: add a paragraph '{DO}...' to its docstring")
    yield f"## {error.__name__}\n"
    bases = [base.__name__ for base in error.__bases__ if base is not Exception]
    if bases:
        line = " and ".join(f"{_article(base)} `{base}`" for base in bases)
        yield f"{line[0].upper()}{line[1:]}.\n"
    yield from (f"{wrapped(part)}\n" for part in without(about.paragraphs, DO))
    yield f"{wrapped(f'**What to do:** {advice.removeprefix(DO)}')}\n"
    attributes = about.sections.get("Attributes", {})
    if attributes:
        rows = [[f"`{name}`", meaning] for name, meaning in attributes.items()]
        yield f"{table(['attribute', 'meaning'], rows)}\n"
