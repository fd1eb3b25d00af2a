"""The process of :mod:`benchmarks.misbehaving_server`, from the side of its client."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def resident(process: int | str) -> float:
    """The resident memory of a process in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Server:
    """Its side of the client. Faults are planned from :meth:`misbehave` to :meth:`behave`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        address = self._read()
        self.url, self.api_key = address["url"], address["api_key"]

    @property
    def memory(self) -> float:
        """Its resident memory in MB."""
        return resident(self._process.pid)

    def misbehave(self) -> None:
        self._say("misbehave")

    def behave(self) -> Counter[str]:
        """The faults since it misbehaved."""
        return Counter(self._say("behave"))

    def _say(self, word: str) -> Any:
        assert self._process.stdin is not None
        print(word, file=self._process.stdin, flush=True)
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def serving(sub_sessions: int, seed: int, python: str = sys.executable) -> Iterator[Server]:
    """``python``: the interpreter of the server, which needs the extra ``[local]``."""
    command = [python, "-m", "benchmarks.misbehaving_server", "--sub-sessions", str(sub_sessions)]
    folder = Path(__file__).resolve().parent.parent
    with subprocess.Popen(
        [*command, "--seed", str(seed)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Server(process)
        finally:
            process.terminate()
