"""The table of extras in ``docs/guides/install.md``, made from ``setup.cfg``."""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping

from tools.docstrings import Undocumented, table
from tools.markers import ROOT

PURPOSES: Mapping[str, str] = {
    "local": "the [embedded simulator](local.md)",
    "speed": "faster JSON, and files that end in `.zst`; nothing else changes",
    "cli": "the [command line](../reference/cli.md)",
    "report": "comparing, queries, pages and exports of [recordings](compare.md)",
    "arrow": "`to_arrow()` and [Parquet files](tables.md)",
    "pandas": "`to_pandas()`",
    "polars": "`to_polars()`",
    "dask": "[sweeps](sweep.md) on a cluster",
    "socks": "SOCKS [proxies](network.md)",
    "test": "running the suite of simsync itself; your own tests need `[local]` and pytest, see [Testing](testing.md)",
    "bench": "the [benchmarks](../internals/benchmarks.md)",
    "docs": "building this site, on Python 3.11 or newer",
    "dev": "working on simsync: [Contributing](../internals/contributing.md)",
    "release": "building and checking a release",
}
_OTHER_EXTRA = re.compile(r"%\((\w+)\)s")


def extras(source: str | None = None) -> str:
    """Each extra with its purpose and what it installs.

    Args:
        source: The text of a ``setup.cfg``; by default that of simsync.

    Returns:
        The table.

    Raises:
        Undocumented: An extra has no purpose here.
    """
    config = configparser.RawConfigParser()
    config.read_string(source if source is not None else (ROOT / "setup.cfg").read_text(encoding="utf-8"))
    rows = []
    for name, requirements in config["options.extras_require"].items():
        if name not in PURPOSES:
            raise Undocumented(f"setup.cfg: describe the extra '{name}' in tools/install_page.py")
        parts = [_shown(line) for line in requirements.split("\n") if line.strip()]
        rows.append([f"`[{name}]`", PURPOSES[name], ", ".join(dict.fromkeys(parts))])
    return table(["extra", "for", "installs"], rows)


def _shown(requirement: str) -> str:
    """A requirement without its versions, or the name of the extra that it repeats."""
    other = _OTHER_EXTRA.fullmatch(requirement.strip())
    return f"`[{other[1]}]`" if other else re.split(r"[ ;<>=]", requirement.strip(), maxsplit=1)[0]
