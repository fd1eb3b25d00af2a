"""The site builds without a warning, its links lead somewhere, and it asks no other host for anything."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from simsync.sessions.base import INTERNAL
from tools import site

if not site.DOCS.is_dir():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)
if not site.is_installed():
    pytest.skip("Sphinx, furo and myst-parser are not installed (extra [docs])", allow_module_level=True)

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
OFFLINE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=3000"),
    *("--enable-logging=stderr", "--dump-dom"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("docs") / "site"
    site.build(output)
    return output


@pytest.mark.timeout(300)
def test_the_site_builds_and_is_whole(built: Path) -> None:
    assert list(site.problems(built)) == []
    assert (built / "searchindex.js").is_file()


def test_the_site_shows_commands_as_they_are_typed_and_only_what_is_public(built: Path) -> None:
    assert not re.search("[“”‘’]", (built / "tutorial.html").read_text(encoding="utf-8"))
    names = set(re.findall(r'id="simsync\.(\w+\.\w+)"', (built / "reference/api/sessions.html").read_text("utf-8")))
    assert "SubSession.advance" in names
    assert not {f"SubSession.{name}" for name in INTERNAL} & names
    assert "add_note" not in (built / "reference" / "api" / "errors.html").read_text(encoding="utf-8")


class _Files(http.server.SimpleHTTPRequestHandler):
    """Serves the site, and keeps what it was asked for in vain. The browser complains about any other host."""

    missing: list[str]

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline' data:")
        super().end_headers()

    def log_message(self, *_arguments: object) -> None: ...

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.missing.append(self.path)
        super().send_error(code, message, explain)


@pytest.fixture
def served(built: Path) -> Iterator[tuple[str, list[str]]]:
    """Address of the site, and the paths that were missing."""
    missing: list[str] = []
    handler = type("Files", (_Files,), {"missing": missing})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(built))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", missing
        server.shutdown()
        thread.join()


def complaints(address: str, folder: Path) -> tuple[list[str], str]:
    """What the console of a browser says of a page, and the page as it is shown."""
    assert BROWSER is not None
    shown = subprocess.run(
        [BROWSER, *OFFLINE, f"--user-data-dir={folder}", address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [line for line in shown.stderr.splitlines() if "CONSOLE" in line], shown.stdout


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", ["index.html", "explanation/threads.html", "search.html?q=continue"])
def test_a_browser_shows_a_page_without_a_complaint(page: str, served: tuple[str, list[str]], tmp_path: Path) -> None:
    address, missing = served
    found, shown = complaints(f"{address}/{page}", tmp_path)
    assert found == []
    assert [path for path in missing if path != "/favicon.ico"] == []
    if "search" in page:
        assert re.search(r"Search finished, found \d{2,} pages", shown)


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
@pytest.mark.timeout(300)
def test_a_browser_complains_about_another_host(built: Path, served: tuple[str, list[str]], tmp_path: Path) -> None:
    (built / "far.html").write_text('<img src="http://far.example/picture.png">', encoding="utf-8")
    try:
        assert "far.example" in "".join(complaints(f"{served[0]}/far.html", tmp_path)[0])
    finally:
        (built / "far.html").unlink()


def test_what_is_wrong_with_a_site_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<script src="https://far.example/x.js"></script><a href="b.html#there">b</a><a href="b.html#gone">b</a>'
        '<a href="c.html">c</a><a href="https://far.example/">a link that only a click follows</a>',
        encoding="utf-8",
    )
    (tmp_path / "b.html").write_text('<p id="there">', encoding="utf-8")
    (tmp_path / "c.css").write_text("@import '//far.example/font.css';", encoding="utf-8")
    assert list(site.problems(tmp_path)) == [
        "a.html loads https://far.example/x.js",
        "a.html links to b.html#gone, which has no such place",
        "a.html links to c.html, which does not exist",
        "c.css loads something from another host",
    ]
