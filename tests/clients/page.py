"""The table of methods in ``docs/guides/clients.md``."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "clients.md"
ROW = re.compile(r"^\| `(\w+)` \| (hosted|local only) \| ([^|]*) \|$", re.MULTILINE)


def rows() -> dict[str, tuple[str, list[str]]]:
    """Return the methods of the page, each with who serves it and the clients that it names."""
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {name: (served, clients.split(", ")) for name, served, clients in found}


def methods_of(client: str) -> set[str]:
    """Return the methods for which the page names this client."""
    return {name for name, (_, clients) in rows().items() if client in clients}
