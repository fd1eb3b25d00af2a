"""The samples of README and ``docs/`` run, and the commands in them are ones that the command line takes."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("click")
pytest.importorskip("pandas")
pytest.importorskip("duckdb")
from click.testing import CliRunner

from simsync.cli.app import cli
from simsync.local import Ledger, Simulator
from tools.markers import ROOT
from tools.pages import DOCS

if not DOCS.is_dir():
    pytest.skip("an installed simsync comes without its documents", allow_module_level=True)

PAGES = {page.relative_to(ROOT).as_posix(): page for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]}
RUN_COMMANDS = ("docs/tutorial.md",)
"""Pages whose commands are run too; those of the others are only looked up."""
ADDRESS, KEY = "ws://localhost:8900", "local-dev-key"
_COMMAND = re.compile(r"^(?:\S+/|\$ |.*&& )?simsync (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```(\S*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Fence(NamedTuple):
    """A block of code: its language, the word behind it, and its text."""

    language: str
    mark: str
    text: str


def fences(page: str) -> list[Fence]:
    return [Fence(*found) for found in _FENCE.findall(PAGES[page].read_text(encoding="utf-8"))]


def commands(page: str) -> list[list[str]]:
    """The arguments of each ``simsync`` command in the blocks of a page."""
    blocks = "".join(fence.text for fence in fences(page) if fence.language in ("", "sh"))
    return [shlex.split(found, comments=True) for found in _COMMAND.findall(blocks)]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """The first slots of what ``simsync local`` serves."""
    with Simulator(Ledger.generate(slots=100), api_key=KEY) as running:
        yield running


@pytest.fixture
def at_home(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    monkeypatch.setenv("SIMULATOR_URL", simulator.url)
    monkeypatch.setenv("SIMULATOR_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    return simulator


@pytest.mark.parametrize("page", [page for page in PAGES if any(one.language == "python" for one in fences(page))])
def test_the_samples_of_a_page_run(page: str, at_home: Simulator) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    try:
        output: str | None = None
        for fence in fences(page):
            if fence.language == "text" and output is not None:
                assert output == fence.text
            output = None
            if fence.language == "python":
                code = compile(fence.text.replace(ADDRESS, at_home.url), page, "exec")
                if fence.mark != "norun":
                    output = output_of(code, names)
    finally:
        for value in names.values():
            close = getattr(value, "close", None)
            if callable(close) and not isinstance(value, type):
                close()


def output_of(code: object, names: dict[str, object]) -> str:
    """Run a sample; what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, names)  # type: ignore[arg-type]
    return printed.getvalue()


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_of_a_page_exist(page: str) -> None:
    for arguments in commands(page):
        found = CliRunner().invoke(cli, [*arguments, "--help"])
        assert found.exit_code == 0, f"{shlex.join(arguments)}\n{found.output}"


@pytest.mark.parametrize("page", RUN_COMMANDS)
def test_the_commands_of_a_page_run(page: str, at_home: Simulator) -> None:
    run = [arguments for arguments in commands(page) if arguments != ["local"]]
    assert len(run) > 2
    for arguments in run:
        found = CliRunner().invoke(cli, arguments)
        assert found.exit_code == 0, f"{shlex.join(arguments)}\n{found.output}"


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].read_text(encoding="utf-8").split()) <= 750
