"""JSON libraries for the tests of the wire format: simsync has to behave the same with each of them."""

from __future__ import annotations

import pytest

from simsync.wire import json_codec, quick_events

STANDARD_LIBRARY = "standard library"


@pytest.fixture(params=[STANDARD_LIBRARY, "orjson", "msgspec"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs the test once with each JSON library; the name of the one in use."""
    name: str = request.param
    if name == "msgspec":
        pytest.importorskip("msgspec")
    else:
        monkeypatch.setattr(quick_events, "read", quick_events.read_dictionaries)
    if name == STANDARD_LIBRARY:
        monkeypatch.setattr(json_codec, "loads", json_codec.loads_with_standard_library)
        monkeypatch.setattr(json_codec, "dumps", json_codec.dumps_with_standard_library)
    else:
        orjson = pytest.importorskip("orjson")
        monkeypatch.setattr(json_codec, "loads", orjson.loads)
        monkeypatch.setattr(json_codec, "dumps", orjson.dumps)
    return name
