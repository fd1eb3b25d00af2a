"""``CITATION.cff``, made from ``setup.cfg`` and the version of the package."""

from __future__ import annotations

import configparser

import simsync
from tools.markers import ROOT


def page() -> str:
    """The whole file, in version 1.2.0 of the Citation File Format."""
    config = configparser.RawConfigParser()
    config.read_string((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    metadata = config["metadata"]
    lines = [
        "# Made by python -m tools.pages, from setup.cfg and simsync/_version.py.",
        "cff-version: 1.2.0",
        "message: If you use this software, please cite it as below.",
        "type: software",
        f"title: {metadata['name']}",
        f"abstract: {metadata['description']}",
        f"version: {simsync.__version__}",
        f"license: {metadata['license']}",
        "authors:",
        f"  - name: {metadata['author']}",
        "keywords:",
        *(f"  - {word.strip()}" for word in metadata["keywords"].split(",")),
    ]
    return "\n".join(lines) + "\n"
