"""Waiting, as simsync does it, for something that its threads bring about."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable

from simsync.runtime.waiting import InterruptSafeCondition


def until(changed: InterruptSafeCondition, happens: Callable[[], bool]) -> None:
    assert changed.wait_for(happens, time.monotonic() + 20)


class Logged(logging.Handler):
    """While it is entered: waits for a line of simsync's log that contains ``text``."""

    def __init__(self, text: str) -> None:
        super().__init__(logging.DEBUG)
        self._text = text
        self._seen = threading.Event()

    def __enter__(self) -> Logged:
        self._logger = logging.getLogger("simsync")
        self._level = self._logger.level
        self._logger.setLevel(logging.DEBUG)
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self._seen.set()

    def wait(self) -> None:
        assert self._seen.wait(20), f"no line of the log contains {self._text!r}"
