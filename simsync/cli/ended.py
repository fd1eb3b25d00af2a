"""What an interrupted command raises."""

from __future__ import annotations

import click

from simsync.cli.signals import exit_code_of, line_of


class Ended(click.Abort):
    """What an interrupted command raises in place of the interrupt.

    Args:
        interrupt: A :class:`~simsync.cli.signals.Terminated`, or what Ctrl-C raises.
        advice: What the user can do now.

    Attributes:
        exit_code: 128 and the number of the signal.
        line: What is said on standard error.
    """

    def __init__(self, interrupt: KeyboardInterrupt, advice: str = "") -> None:
        self.exit_code = exit_code_of(interrupt)
        self.line = line_of(interrupt) + (f"; {advice}" if advice else "")
        super().__init__(self.line)
