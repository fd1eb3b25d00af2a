"""The site builds without a warning, its links lead somewhere, and it asks no other host for anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import site

if not site.DOCS.is_dir():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)
if not site.is_installed():
    pytest.skip("Sphinx, furo and myst-parser are not installed (extra [docs])", allow_module_level=True)


@pytest.mark.timeout(300)
def test_the_site_builds_and_is_whole(tmp_path: Path) -> None:
    site.build(tmp_path / "site")
    assert list(site.problems(tmp_path / "site")) == []
    assert (tmp_path / "site" / "searchindex.js").is_file()


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
