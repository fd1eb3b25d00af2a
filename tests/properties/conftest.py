"""Thousands of lost connections need no log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(level)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A long search takes its time."""
    if config.getoption("--thorough"):
        for item in items:
            if item.path.parent.name == "properties":
                item.add_marker(pytest.mark.timeout(0))
