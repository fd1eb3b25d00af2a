"""The JSON of the control socket: requests in, messages out.

This is the simulator's own reading of the protocol. It shares no code with the client, so that a misreading on one side
shows up instead of cancelling out.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from simsync.local.encoding import dump_json
from simsync.local.events import (
    Acknowledged,
    Completed,
    Discovered,
    Event,
    Paused,
    Ready,
    Refused,
    SlotExecuted,
    StatusChanged,
)

if TYPE_CHECKING:
    from simsync.local.behaviour import Behaviour
    from simsync.local.summary import Summary

_NOTHING = object()


class Encoder:
    """Writes server messages in the forms that a :class:`~simsync.local.Behaviour` asks for."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def message(self, method: str, params: Any = _NOTHING, sequence: int | None = None) -> bytes:
        """Return a top-level message; ``sequence`` is its number in a session that can be attached to."""
        message = self._named(method, params)
        if sequence is not None:
            message = {"seqId": sequence, **message}
        return dump_json(message)

    def session_created(self, session_id: str, endpoint: str, sequence: int | None = None) -> bytes:
        return self.message("sessionCreated", self._announcement(session_id, endpoint), sequence)

    def session_attached(self, session_id: str, endpoint: str) -> bytes:
        return self.message("sessionAttached", self._announcement(session_id, endpoint))

    def sessions_created(self, control_id: str, ranges: list[tuple[str, int, int]]) -> bytes:
        """Return the end of a parallel create; ``ranges`` are session id, first and last slot."""
        params = {
            "control_session_id": control_id,
            "session_ids": [session_id for session_id, _, _ in ranges],
            "task_ids": [None] * len(ranges),
            "start_slots": [start for _, start, _ in ranges],
            "end_slots": [end for _, _, end in ranges],
        }
        return self.message("sessionsCreatedV2", self._inline(params))

    def parallel_attached(self, control_id: str, session_ids: list[str]) -> bytes:
        params = {
            "control_session_id": control_id,
            "session_ids": session_ids,
            "task_ids": [None] * len(session_ids),
        }
        return self.message("parallelSessionAttachedV2", self._inline(params))

    def success(self) -> bytes:
        return self.message("success")

    def error(self, refused: Refused) -> bytes:
        return self.message("error", self._error(refused))

    def event(self, event: Event, sequence: int | None) -> bytes:
        """Return an event of the single session of a socket."""
        return self.message(*self._event(event), sequence=sequence)

    def session_event(self, session_id: str, event: Event, sequence: int) -> bytes:
        """Return an event of one of several sessions of a socket."""
        method, params = self._event(event)
        inner: Any
        if self._behaviour.event_form == "external":
            inner = method if params is _NOTHING else {method: params}
        else:
            inner = self._named(method, params)
        body = {"session_id": session_id, "seq_id": sequence, "event": inner}
        return self.message("sessionEventV2", self._inline(body))

    def _named(self, method: str, params: Any) -> dict[str, Any]:
        if params is not _NOTHING:
            return {"method": method, "params": params}
        return {"method": method, "params": None} if self._behaviour.null_params else {"method": method}

    def _announcement(self, session_id: str, endpoint: str) -> dict[str, Any]:
        return self._inline({"session_id": session_id, "rpc_endpoint": endpoint, "task_id": None})

    def _inline(self, params: dict[str, Any]) -> dict[str, Any]:
        if self._behaviour.inline_case == "camel":
            return {_camel(key): value for key, value in params.items()}
        return params

    def _event(self, event: Event) -> tuple[str, Any]:
        if isinstance(event, SlotExecuted):
            return "slotNotification", event.slot
        if isinstance(event, Ready):
            return "readyForContinue", _NOTHING
        if isinstance(event, Paused):
            return "paused", {"slot": event.slot, "batchIndex": event.batch_index}
        if isinstance(event, StatusChanged):
            return "status", {"status": event.status}
        if isinstance(event, Completed):
            return "completed", {"summary": None if event.summary is None else _summary(event.summary)}
        if isinstance(event, Discovered):
            return "discoveryBatch", _discovered(event)
        if isinstance(event, Acknowledged):
            return "success", _NOTHING
        return "error", self._error(event)

    def _error(self, refused: Refused) -> Any:
        if self._behaviour.error_form == "tagged":
            return {"type": refused.name, "data": refused.fields} if refused.fields else {"type": refused.name}
        return {refused.name: refused.fields} if refused.fields else refused.name


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "correctSimulation": summary.correct,
        "incorrectSimulation": summary.incorrect,
        "executionErrors": summary.execution_errors,
        "balanceDiff": summary.balance_diff,
        "logDiff": summary.log_diff,
        "unsanitizable": summary.unsanitizable,
        "rerouteStats": None,
    }


def _discovered(event: Discovered) -> dict[str, Any]:
    return {
        "slot": event.slot,
        "batchIndex": event.batch_index,
        "matched": [{"programExecuted": program} for program in event.programs],
        "transactions": [
            {"data": base64.b64encode(wire).decode(), "encoding": "base64"} for wire in event.transactions
        ],
        "transactionIndices": list(event.indices),
    }
