"""A client that is made by its first request keeps the promises of one that was made before."""

from __future__ import annotations

import pytest

import simsync
from simsync.runtime.late_http import LateHttpClient

NOBODY = "http://127.0.0.1:9/"


def test_a_client_that_was_aborted_before_it_was_made_sends_nothing() -> None:
    client = LateHttpClient(simsync.Options(), {})
    client.abort()
    with pytest.raises(simsync.Cancelled):
        client.post_json(NOBODY, b"{}")


def test_a_client_that_was_made_is_aborted_and_one_that_was_closed_connects_again() -> None:
    client = LateHttpClient(simsync.Options(), {})
    client.close()
    for _each in range(2):
        with pytest.raises(simsync.ConnectError):
            client.post_json(NOBODY, b"{}")
        client.close()
    client.abort()
    with pytest.raises(simsync.Cancelled):
        client.post_json(NOBODY, b"{}")
