"""A process that receives one stream in one way and prints what that took, as one line of JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict
from typing import Callable

from benchmarks.readers.run import Run
from benchmarks.stream import Stream
from benchmarks.without import SPEED, forbid


def reader(name: str) -> Callable[[Stream], Run]:
    """``module.function`` of this package, imported now: no reader pays for what another one needs."""
    module, _, function = name.partition(".")
    found: Callable[[Stream], Run] = getattr(importlib.import_module(f"benchmarks.readers.{module}"), function)
    return found


def keep_to(core: str, stream: Stream) -> None:
    """``server``: the processor of the server; ``other``: all but that one; else any."""
    if not core or stream.core < 0 or sys.platform != "linux":
        return
    os.sched_setaffinity(0, {stream.core} if core == "server" else os.sched_getaffinity(0) - {stream.core})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", help="module.function of this package")
    parser.add_argument("stream", help="a benchmarks.stream.Stream as JSON")
    parser.add_argument("--without-speed", action="store_true")
    parser.add_argument("--core", default="", choices=["", "server", "other"])
    options = parser.parse_args()
    if options.without_speed:
        forbid(SPEED)
    stream = Stream(**json.loads(options.stream))
    keep_to(options.core, stream)
    print(json.dumps(asdict(reader(options.reader)(stream))))


if __name__ == "__main__":
    main()
