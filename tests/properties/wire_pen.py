"""Messages of a server as JSON text, in every spelling and form that a client has to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .engine_model import Entry


class Pen:
    """Writes each message in another way than the one before it, as ``seed`` says."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._written = 0

    def _choose(self, ways: int) -> int:
        self._written += 1
        return (self._seed * 7919 + self._written * (self._seed + 1)) % 1009 % ways

    def _key(self, name: str) -> str:
        """``session_id`` in one of its spellings."""
        words = name.split("_")
        camel = words[0] + "".join(word.title() for word in words[1:])
        return (name, camel, camel[0].upper() + camel[1:])[self._choose(3)]

    def _keys(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {self._key(name): value for name, value in fields.items() if value is not None or self._choose(2)}

    def message(self, method: str, params: Any = None, number: int | None = None) -> bytes:
        message: dict[str, Any] = {"method": method}
        if params is not None or self._choose(2):
            message["params"] = params
        if number is not None:
            message[self._key("seq_id")] = number
        return json.dumps(message).encode()

    def session_event(self, session_id: str, entry: Entry) -> bytes:
        """An event among those of many sessions."""
        inner: Any = {"method": entry.kind, "params": entry.params}
        way = self._choose(4)
        if way == 0 and entry.params is None:
            inner = entry.kind
        elif way == 1 and entry.params is not None:
            inner = {entry.kind: entry.params}
        if self._choose(2):
            params: dict[str, Any] = {"session_id": session_id, "event": inner, "seq_id": entry.number}
        else:
            params = self._keys({"session_id": session_id, "seq_id": entry.number, "event": inner})
        return json.dumps({"method": "sessionEventV2", "params": params}).encode()

    def own_event(self, entry: Entry) -> bytes:
        """An event of the one session that owns the connection."""
        return self.message(entry.kind, entry.params, entry.number)

    def session_created(self, session_id: str, number: int | None = None) -> bytes:
        fields = {"session_id": session_id, "rpc_endpoint": f"/backtest/{session_id}", "task_id": None}
        return self.message("sessionCreated", self._keys(fields), number)

    def sessions_created(self, control_id: str, ids: Sequence[str], ranges: Sequence[tuple[int, int]]) -> bytes:
        fields = {
            "control_session_id": control_id,
            "session_ids": list(ids),
            "task_ids": [None for _ in ids],
            "start_slots": [start for start, _ in ranges],
            "end_slots": [end for _, end in ranges],
        }
        return self.message("sessionsCreatedV2", self._keys(fields))

    def attached(self, session_id: str, number: int | None = None) -> bytes:
        return self.message("sessionAttached", self._keys({"session_id": session_id}), number)

    def parallel_attached(self, control_id: str, ids: Sequence[str]) -> bytes:
        fields = {"control_session_id": control_id, "session_ids": list(ids)}
        return self.message("parallelSessionAttachedV2", self._keys(fields))
