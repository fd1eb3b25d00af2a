"""The exit codes of all commands."""

from __future__ import annotations

import errno
import signal

import click

import simsync
from simsync.run.output_file import OutputBusy

SUCCESS = 0
FAILED = 1
USAGE = 2
NOT_REACHABLE = 3
BUSY = 4
NOT_COMPARABLE = 5
HANGUP = 128 + signal.SIGHUP
INTERRUPTED = 128 + signal.SIGINT
PIPE_CLOSED = 128 + signal.SIGPIPE
TERMINATED = 128 + signal.SIGTERM

MEANINGS = {
    SUCCESS: "success; a run is complete, to the last slot",
    FAILED: "failed; a run is incomplete; `compare --fail-on` found a difference",
    USAGE: "wrong usage, invalid input, a path that does not open, a missing package, a file that must not be replaced",
    NOT_REACHABLE: "the simulator is not reachable, or it rejected the API key",
    BUSY: "another process writes the file",
    NOT_COMPARABLE: "`compare --fail-on`: a recording is incomplete, or the two have too little in common",
    HANGUP: "ended by SIGHUP",
    INTERRUPTED: "interrupted by Ctrl-C",
    PIPE_CLOSED: "the reader of the output went away",
    TERMINATED: "ended by SIGTERM",
}
"""What each code means, in every command."""

_WRONG_PATH = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EROFS}
)
"""What an operating system says about a path that was given; a full disk may be free the next time."""


def exit_code(error: BaseException) -> int:
    """The exit code for an exception that ended a command."""
    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, OutputBusy):
        return BUSY
    if isinstance(error, (simsync.InvalidParams, simsync.MissingExtra)):
        return USAGE
    if isinstance(error, simsync.HttpStatusError) and not isinstance(error, simsync.AuthenticationError):
        return FAILED
    if isinstance(error, OSError) and error.filename is not None and error.errno in _WRONG_PATH:
        return USAGE
    return NOT_REACHABLE if isinstance(error, simsync.ConnectError) else FAILED


def table() -> str:
    """The codes as a table in Markdown."""
    rows = [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(["| exit code | meaning |", "| --- | --- |", *rows])
