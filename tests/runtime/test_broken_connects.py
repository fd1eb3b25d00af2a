"""A connection that breaks while HTTP makes it is a failed attempt, under simsync's own error."""

from __future__ import annotations

import errno
import socket

import pytest

import simsync
from simsync.runtime import dial


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE])
def test_a_connection_that_breaks_while_it_is_made(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 takes a reset for a failure to send, which a server may cause by an early answer, and reads on."""

    def broken(*_arguments: object) -> socket.socket:
        raise OSError(number, "the connection broke")

    monkeypatch.setattr(dial, "open_connection", broken)
    with pytest.raises(simsync.ConnectError, match="the connection broke") as caught:
        simsync.Rpc("http://127.0.0.1:1").get_slot()
    assert caught.value.retryable
