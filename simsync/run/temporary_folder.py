"""The temporary folder, and what is said when it is full."""

from __future__ import annotations

import contextlib
import errno
import tempfile
from collections.abc import Iterator

from simsync.errors import SimsyncError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says when nothing more can be written."""


def temporary_folder() -> str:
    """The temporary folder, as it is named in messages."""
    return f"the temporary folder {tempfile.gettempdir()} (TMPDIR chooses another)"


@contextlib.contextmanager
def into_temporary_folder() -> Iterator[None]:
    """Say in the message that it is the temporary folder that is full.

    Raises:
        SimsyncError: It is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise SimsyncError(f"could not write to {temporary_folder()}: {error.strerror}") from error
