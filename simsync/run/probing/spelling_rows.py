"""Observations about the spelling of keys and the frames of the control connection."""

from __future__ import annotations

from typing import Any

from simsync.run.probing.candidates import ID_SETTINGS
from simsync.run.probing.conversation import Capture, Message, error_name
from simsync.run.probing.fields import field, fold, spelling, spellings
from simsync.run.probing.observation import Row, Seen, also

_ATTACHES = {
    "attachBacktestSession": "sessionAttached",
    "attachParallelControlSessionV2": "parallelSessionAttachedV2",
}
_INLINE = (
    "sessioncreated",
    "sessionattached",
    "sessionscreatedv2",
    "parallelsessionattachedv2",
    "sessioneventv2",
)


def attach_keys(capture: Capture) -> Seen | str | None:
    taken: set[str | None] = set()
    refused: list[str] = []
    for control in capture.controls:
        for method, reply in _ATTACHES.items():
            for request in control.requests(method):
                case = next(iter(spellings(request.params)), None)
                answer = control.answer(request.place)
                if control.replies(reply, request.place):
                    taken.add(case)
                elif answer is not None and answer.method == "error" and not _unknown_session(answer):
                    refused.append(error_name(answer.params)[0])
    if "snake_case" in taken:
        return Seen("takes snake_case")
    if "camelCase" in taken:
        return Seen("takes camelCase only", 'Dialect(inline_case="camel")')
    return f"every attach was refused: {refused[0]}" if refused else None


def _unknown_session(answer: Message) -> bool:
    return fold(error_name(answer.params)[0]) == "sessionnotfound"


def continue_forms(capture: Capture) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Layout and spelling of the continues of sub-sessions that were answered, and of those that were not."""
    taken: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    for control in capture.parallels:
        events = control.events
        for method in ("continueSessionV1", "continueToSessionV1"):
            for request in control.requests(method):
                layout = "nested" if field(request.params, "request") is not None else "flat"
                if not isinstance(request.params, dict):
                    continue
                names = {key for key in request.params if fold(key) == "sessionid"}
                case = "both spellings" if len(names) > 1 else spelling(next(iter(names), "")) or "neither spelling"
                answered = any(
                    event.place > request.place and event.kind in ("slotnotification", "completed") for event in events
                )
                (taken if answered else refused).append((layout, case))
    return taken, refused


def id_spelling(capture: Capture) -> Seen | str | None:
    taken, refused = continue_forms(capture)
    if not taken:
        return "no continue of a sub-session was taken, in whatever spelling" if refused else None
    case = taken[0][1]
    if case == "both spellings":
        return Seen("takes both at once")
    if case not in ID_SETTINGS:
        return "the continue that was taken named no session"
    return Seen(f"takes {case} only, refuses both at once", ID_SETTINGS[case])


def create_keys(capture: Capture) -> Seen | str | None:
    errors = []
    for control in capture.controls:
        if control.create is None:
            continue
        if control.created is not None:
            if "snake_case" in spellings(control.create.params):
                extra = '{"start_slot": ..., "end_slot": ..., "disconnect_timeout_secs": 900}'
                return Seen("creates take snake_case only", f"CreateSession(extra={extra}), else edit")
            return Seen("creates take camelCase")
        errors += control.replies("error", control.create.place)
    return f"every create was refused: {error_name(errors[0].params)[0]}" if errors else None


def keys_on_receipt(capture: Capture) -> Seen | None:
    found: set[str] = set()
    for control in capture.controls:
        for message in control.received:
            if message.method in _INLINE:
                found |= spellings(message.params)
    if not found:
        return None
    return Seen("snake_case") if found == {"snake_case"} else also(" and ".join(sorted(found)))


def absent_params(capture: Capture) -> Seen | None:
    found: set[bool] = set()
    for control in capture.controls:
        for message in control.received:
            found |= {_has_null(one) for one in _payloads(message) if field(one, "method") is not None}
    if not found:
        return None
    return also("params: null") if True in found else Seen("left out")


def _payloads(message: Message) -> list[Any]:
    event = field(message.params, "event")
    inner = [event] if isinstance(event, dict) and "method" in event else []
    return [message.raw, *inner]


def _has_null(value: Any) -> bool:
    return isinstance(value, dict) and "params" in value and value["params"] is None


def frames(capture: Capture) -> Seen | None:
    kinds = {message.kind for control in capture.controls for message in control.received}
    odd = sum(
        1
        for one in capture.records
        if one.plane == "control" and one.direction == "received" and one.kind in ("text", "binary") and not one.message
    )
    if not kinds:
        return None
    words = " and ".join(f"{kind.capitalize()} frames" for kind in sorted(kinds)) + (
        ", some are no JSON" if odd else ""
    )
    return Seen(words) if kinds == {"text"} and not odd else also(words)


ROWS = (
    Row(
        "keys of attach requests: `session_id`, `last_sequence`, `control_session_id`, `last_sequences`",
        "snake_case",
        attach_keys,
        "subscriptions",
    ),
    Row("the session id in continues and closes of one sub-session", "both spellings at once", id_spelling, "parallel"),
    Row("keys of all other requests", "camelCase", create_keys, "subscriptions"),
    Row("keys and method names on receipt", "any spelling", keys_on_receipt, "subscriptions"),
    Row("`params` of messages without content", "left out, or null", absent_params, "subscriptions"),
    Row("frames", "Text or Binary, JSON", frames, "subscriptions"),
)
