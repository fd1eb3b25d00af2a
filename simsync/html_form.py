"""The form in which notebooks show objects: a small table of two columns."""

from __future__ import annotations

from collections.abc import Mapping


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """A table with a line for each name and value that is not None. Everything is escaped."""
    from html import escape  # takes long to import, and only notebooks need it

    lines = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(_shown(value))}</td></tr>"
        for name, value in rows.items()
        if value is not None
    )
    return f"<table><caption style='text-align:left'>{escape(title)}</caption><tbody>{lines}</tbody></table>"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value))
    return str(value)
