"""Observations about continuing, attaching and closing."""

from __future__ import annotations

import math

from simsync.run.probing.conversation import Capture, Control, Event, Message, error_name
from simsync.run.probing.fields import field, fold, number
from simsync.run.probing.observation import Row, Seen, also
from simsync.run.probing.spelling_rows import continue_forms

_STOPS = ("readyforcontinue", "paused", "completed", "error")


def layout(capture: Capture) -> Seen | str | None:
    taken, refused = continue_forms(capture)
    if not taken:
        return "no continue of a sub-session was taken, in whatever layout" if refused else None
    if taken[0][0] == "nested":
        return Seen("takes the fields under `request`")
    return Seen("takes the fields beside the id only", "Dialect(nested_continue=False)")


def too_many_blocks(capture: Capture) -> Seen | None:
    for control in capture.singles:
        create = control.create and control.create.params
        start, end = number(create, "startSlot"), number(create, "endSlot")
        for request in control.requests("continue"):
            count = number(request.params, "advanceCount")
            if count is not None and start is not None and end is not None and count > end - start:
                # The readiness behind an earlier pause may come only now, so what comes last counts.
                stops = [event.kind for event in _while_awaited(control, request) if event.kind in _STOPS]
                if "completed" in stops:
                    return Seen("ends in `completed`")
                if stops:
                    return Seen(f"ends in `{stops[-1]}`", "ask for no more blocks than are left")
    return None


def continue_to(capture: Capture) -> Seen | str | None:
    for control in capture.singles:
        for request in control.requests("continueTo"):
            stop = _next_stop(control.events, request.place)
            if stop is None:
                continue
            slot, batch = field(stop.payload, "slot"), field(stop.payload, "batchIndex")
            wanted = field(request.params, "slot"), field(request.params, "batchIndex")
            if stop.kind == "error":
                return Seen(f"refused ({error_name(stop.payload)[0]})", "edit wire/requests.py:_continue_to_fields")
            if stop.kind == "paused" and (slot, batch) == wanted:
                return Seen("pauses before the batch")
            if stop.kind == "paused" and slot == wanted[0]:
                if not capture.shows_block(slot):
                    return f"slot {slot} may have no block, and then no batch to pause before"
                return Seen("pauses at the slot, not at the batch", "edit wire/requests.py:_continue_to_fields")
            if stop.kind != "paused":
                return Seen(f"ends in `{stop.kind}`, not in a pause", "edit wire/requests.py:_continue_to_fields")
    return None


def close_one(capture: Capture) -> Seen | str | None:
    asked = False
    for control in capture.parallels:
        for request in control.requests("closeSessionV1"):
            asked = True
            for message in control.received:
                if message.place < request.place:
                    continue
                inner = field(message.params, "event")
                if inner is not None and _kind_of(inner) == "success":
                    return Seen("answered with `success`")
                if message.method == "error":
                    name = error_name(message.params)[0]
                    return Seen(f"refused ({name})", "Dialect(both_id_spellings=False), or edit")
            # closeBacktestSession follows at once where it was the only sub-session, and has an answer of its own.
            if len(control.replies("success", request.place)) > len(control.requests("closeBacktestSession")):
                return Seen("answered with `success`")
    return "not answered" if asked else None


def close_all(capture: Capture) -> Seen | None:
    answers = _answers_to_close(capture)
    if not answers:
        return None
    refused = [one for one in answers if one == "error"]
    return Seen("refused", "edit wire/requests.py:close_all") if len(refused) == len(answers) else Seen("taken")


def answer_to_close(capture: Capture) -> Seen | None:
    answers = _answers_to_close(capture)
    if not answers:
        return None
    if "success" in answers:
        return Seen("answered with `success`")
    return also("answered with `completed`" if "completed" in answers else "closed without an answer")


def _answers_to_close(capture: Capture) -> list[str]:
    found: list[str] = []
    for control in capture.controls:
        for request in control.requests("closeBacktestSession"):
            later = [one.method for one in control.received if one.place > request.place]
            for method in ("success", "completed", "error"):
                if method in later:
                    found.append(method)
                    break
            else:
                if control.ended_at is not None:
                    found.append("closed")
    return found


def paused_then_ready(capture: Capture) -> Seen | None:
    for control in capture.singles:
        events = control.events
        for index, event in enumerate(events):
            if event.kind == "paused":
                following = events[index + 1 :]
                if not following:
                    return None
                ready = following[0].kind == "readyforcontinue"
                return also("`paused`, then `readyForContinue`") if ready else Seen("`paused` alone")
    return None


def refused_continue(capture: Capture) -> Seen | str | None:
    for control in capture.controls:
        for request in control.requests("continue"):
            if not field(request.params, "transactions"):
                continue
            later = [event for event in control.events if event.place > request.place]
            if not later:
                return "the continue with a transaction that is none was not answered"
            answers = _while_awaited(control, request) or later[:1]
            error = next((event for event in answers if event.kind == "error"), None)
            if error is not None:
                name = error_name(error.payload)[0]
                ready = any(event.kind == "readyforcontinue" and event.place > error.place for event in later)
                words = f"{name}, {'then `readyForContinue`' if ready else 'no ready behind it'}"
                if fold(name) in _ABOUT_CONTENT:
                    return Seen(words)
                return Seen(words, "Dialect(is_terminal=...), or edit wire/server_errors.py:refuses_continue")
            words = f"a transaction that is none is not refused: `{later[0].kind}`"
            return Seen(words, "edit wire/server_errors.py:refuses_continue")
    return None


_ABOUT_CONTENT = (
    "invalidtransactionencoding",
    "invalidtransactionformat",
    "invalidaccountencoding",
    "invalidaccountowner",
    "invalidaccountpubkey",
    "invalidblockhashformat",
)


def missed_events(capture: Capture) -> Seen | str | None:
    for control in capture.controls:
        for request in control.requests("attachBacktestSession"):
            replies = control.replies("sessionAttached", request.place)
            events = [event for event in control.events if event.place > request.place]
            if not replies:
                continue
            if not events:
                return "nothing was sent again"
            before = events[0].place < replies[0].place
            return also("before the answer") if before else Seen("behind the answer")
    return None


def attach_single(capture: Capture) -> Seen | None:
    for control in capture.controls:
        for request in control.requests("attachBacktestSession"):
            if not control.replies("sessionAttached", request.place):
                continue
            resumes = control.requests("resumeAttachedSession")
            answer = control.answer(resumes[0].place) if resumes else None
            if answer is None or answer.method != "success":
                return also("`sessionAttached`; nothing answers the resume")
            return Seen("`sessionAttached`, then `success`")
    return None


def numbered_replies(capture: Capture) -> Seen | None:
    replies = [
        message
        for control in capture.controls
        for request in control.requests("attachBacktestSession")
        for message in control.received
        if message.place > request.place and message.method in ("sessionattached", "success")
    ]
    if not replies:
        return None
    return also("numbered among the events") if any(one.sequence is not None for one in replies) else Seen("no numbers")


def attached_endpoint(capture: Capture) -> Seen | None:
    replies = [message for control in capture.controls for message in control.replies("sessionAttached")]
    if not replies:
        return None
    return Seen("named") if all(field(one.params, "rpcEndpoint") for one in replies) else also("not named")


def endpoint_form(capture: Capture) -> Seen | None:
    found = [
        field(message.params, "rpcEndpoint")
        for control in capture.controls
        for message in control.replies("sessionCreated")
    ]
    texts = [one for one in found if isinstance(one, str)]
    if not texts:
        return None
    return also("an absolute address") if any("://" in one for one in texts) else Seen("a path")


def _while_awaited(control: Control, request: Message) -> list[Event]:
    """The events behind a request, as far as the next request."""
    following = next((one.place for one in control.sent if one.place > request.place), math.inf)
    return [event for event in control.events if request.place < event.place < following]


def _next_stop(events: list[Event], place: int) -> Event | None:
    return next((event for event in events if event.place > place and event.kind in _STOPS), None)


def _kind_of(event: object) -> str:
    if isinstance(event, str):
        return fold(event)
    method = field(event, "method")
    if isinstance(method, str):
        return fold(method)
    return fold(next(iter(event), "")) if isinstance(event, dict) else ""


ROWS = (
    Row("`rpc_endpoint` that is no absolute address", "a path, or an address", endpoint_form, "subscriptions"),
    Row(
        "layout of `continueSessionV1` and `continueToSessionV1`",
        "the fields stand under `request`",
        layout,
        "parallel",
    ),
    Row("a continue by more blocks than are left", "ends in `completed`", too_many_blocks, "run"),
    Row("fields of `continueTo`", "`slot` and `batchIndex`", continue_to, "run"),
    Row("fields of `closeSessionV1`", "the session id", close_one, "parallel"),
    Row("closing, a parallel session too", "`closeBacktestSession`", close_all, "subscriptions"),
    Row("waiting for the answer to a close", "`success`, or `completed`, or nothing", answer_to_close, "subscriptions"),
    Row(
        "`readyForContinue` after `paused`, and after an error about a continue's content",
        "both count as an answer",
        paused_then_ready,
        "run",
    ),
    Row(
        "place of the missed events, before or after the answer to the attach", "either", missed_events, "subscriptions"
    ),
    Row(
        "attaching to a single session: `attachBacktestSession`, then `resumeAttachedSession` once it is answered",
        "`success`, or nothing",
        attach_single,
        "subscriptions",
    ),
    Row("numbers of replies among the events of a single session", "either", numbered_replies, "subscriptions"),
    Row("endpoint when `sessionAttached` names none", "`/backtest/<session id>`", attached_endpoint, "subscriptions"),
)
ERROR_ROWS = (
    Row(
        "which errors answer a continue",
        "those about its content; nothing was executed",
        refused_continue,
        "subscriptions",
    ),
)
