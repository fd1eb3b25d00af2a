"""The table of ``docs/guides/clients.md`` lists every method, and says of each whether the hosted simulator has it."""

from __future__ import annotations

import pytest

from .page import rows

pytest.importorskip("aiohttp")
pytest.importorskip("solders")

CLIENTS = {"web3.js", "kit", "solana-py", "plain requests"}


def test_the_table_is_complete() -> None:
    from simsync.local.pubsub.kinds import SUBSCRIBE
    from simsync.local.rpc.calls import CALLS
    from simsync.local.surface import HOSTED

    found = {name: served for name, (served, _) in rows().items()}
    assert found == {name: "hosted" if name in HOSTED else "local only" for name in [*CALLS, *SUBSCRIBE]}
    assert set(found) >= HOSTED


def test_the_table_names_clients_of_these_tests() -> None:
    for _, clients in rows().values():
        assert set(clients) <= CLIENTS
        assert len(clients) == 1 or "plain requests" not in clients
