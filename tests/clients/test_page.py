"""The table of ``docs/guides/clients.md`` lists every method, and says of each whether the hosted simulator has it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("solders")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "clients.md"


def test_the_table_is_complete() -> None:
    from simsync.local.pubsub.kinds import SUBSCRIBE
    from simsync.local.rpc.calls import CALLS
    from simsync.local.surface import HOSTED

    rows = dict(re.findall(r"^\| `(\w+)` \| (hosted|local only) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {name: "hosted" if name in HOSTED else "local only" for name in [*CALLS, *SUBSCRIBE]}
    assert set(rows) >= HOSTED
