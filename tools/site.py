"""Build the documentation site with Sphinx, offline, and check that it asks no other host for anything.

    python -m tools.site [--output FOLDER]

The site is in ``build/site``. Every warning of Sphinx is an error, broken links and references among them. Needs the
extra ``[docs]`` and Python 3.11 or newer.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SITE = ROOT / "build" / "site"
NEEDS = ("sphinx", "furo", "myst_parser")
_SPHINX = "import gc, sys; gc.disable(); from sphinx.cmd.build import main; sys.exit(main(sys.argv[1:]))"
"""Sphinx without the garbage collector, which would look at all documents again and again. It takes 0.5 GB more."""
_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Attributes that make a browser load something."""
_FAR = re.compile(r"url\(\s*['\"]?(?:https?:)?//|@import\s+['\"](?:https?:)?//")
_LINKS_OF_A_PAGE = frozenset({"canonical", "index", "search", "next", "prev", "author", "genindex"})


class NotInstalled(Exception):
    """The packages that build the site are missing."""


class _Page(HTMLParser):
    """Collects what a page loads, what it links to, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag in _LOADS and _LOADS[tag] in found and not _LINKS_OF_A_PAGE & set(found.get("rel", "").split()):
            self.loads.append(found[_LOADS[tag]])


def is_installed() -> bool:
    """Whether the packages that build the site are there."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDS)


def build(output: Path) -> None:
    """Build the site.

    Args:
        output: The folder of the site; what is there is replaced.

    Raises:
        NotInstalled: The extra ``[docs]`` is not installed.
        subprocess.CalledProcessError: Sphinx has reported a warning or an error.
    """
    if not is_installed():
        raise NotInstalled("the site needs Sphinx, furo and myst-parser: pip install -e '.[docs]'")
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-c", _SPHINX, "-q", "-W", "-n", "--keep-going", "-b", "html", "-d", f"{output}.cache"]
    subprocess.run([*command, str(DOCS), str(output)], cwd=ROOT, check=True)


def problems(site: Path) -> Iterator[str]:
    """What a browser would ask another host for, and links inside of the site that lead nowhere."""
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        yield from (f"{name} loads {address}" for address in page.loads if urlsplit(address).netloc)
        for link in page.links:
            address, anchor = urldefrag(link)
            if urlsplit(link).scheme or urlsplit(link).netloc:
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            if not target.exists():
                yield f"{name} links to {link}, which does not exist"
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                yield f"{name} links to {link}, which has no such place"
    for path in sorted(site.rglob("*.css")):
        if _FAR.search(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)} loads something from another host"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=SITE, help="folder of the site")
    output = parser.parse_args().output
    try:
        build(output)
    except NotInstalled as error:
        print(error)
        return 1
    except subprocess.CalledProcessError:
        return 1
    found = list(problems(output))
    print("\n".join(found) or f"the site is in {output}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
