"""How a server takes the requests of the control connection: creates, continues, attaches and closes."""

from __future__ import annotations

from typing import Any, NamedTuple

from simsync.doctor.candidates import LAMPORTS, PROBE_ACCOUNT
from simsync.doctor.conversation import Capture, Message, error_name
from simsync.doctor.fields import entries, field, fold, number, spelling, spellings, text
from simsync.doctor.observation import Look, Seen

_TAGS = ("type", "kind", "method", "tag")
_ABOUT_CONTENT = ("invalidtransaction", "invalidaccount", "invalidblockhash")
_STOPS = ("readyforcontinue", "paused", "completed", "error")


# Creating.


def create_keys(capture: Capture) -> Seen:
    for create in capture.requests("createBacktestSession"):
        if create.control.created is not None:
            yield "snake_case" if "snake_case" in spellings(create.params) else "camelCase"
        yield from _refusal(create)


def _refusal(request: Message) -> Seen:
    """The first error after a request."""
    yield from [("refused", error) for error in _error(request)]


def _error(request: Message) -> list[str]:
    """The name of the first error after a request, if there is one."""
    return [error_name(one.params) for one in request.replies("error")[:1]]


def parallel(capture: Capture) -> Seen:
    answers = ("sessionsCreatedV2", "sessionsCreated", "readyForContinue")
    return [one for one in answers if any(reply.control.is_parallel for reply in capture.replies(one))]


def other_options(capture: Capture) -> Seen:
    yield from ["actions" for _result in action_results(capture)]
    for create in capture.requests("createBacktestSession"):
        if create.control.created is not None and field(create.params, "capacityWaitTimeoutSecs") is not None:
            yield "created"


def last_slot(capture: Capture) -> Seen:
    for create in capture.requests("createBacktestSession"):
        control, end = create.control, number(create.params, "endSlot")
        if control.is_single and control.completed and end is not None and max(control.slots, default=-1) >= end:
            yield "included" if max(control.slots) == end else "passed"


def discovery(capture: Capture) -> Seen:
    for create, filters in capture.creates_with("discoveries"):
        if any(event.method == "discoverybatch" for event in create.events):
            yield _form(filters[0])
        yield from ["silent"] if create.control.created is not None else _refusal(create)


def anchor(variant: str) -> Look:
    """Whether an action at such an anchor ran, and how the anchor was written."""

    def look(capture: Capture) -> Seen:
        anchors = [field(action, "anchor") for action, _result in action_results(capture)]
        yield from [_form(one) for one in anchors if _variant(one) == fold(variant)]
        creates = capture.creates_with("actions")
        accepted = [_Actions.of(some) for create, some in creates if create.control.created is not None]
        for create, some in creates:
            asked = _Actions.of(some)
            if not accepted:
                yield from [("nothing", error) for error in _error(create)]
            elif fold(variant) in asked.anchors:
                accepts = create.control.created is not None
                yield from ["silent"] if accepts else _refusal(create) if asked.fails_by(variant, accepted) else []

    return look


class _Actions(NamedTuple):
    """The folded anchors of the actions of a create, and which transactions they hold: ``list``, ``one``, ``none``."""

    anchors: frozenset[str]
    contents: frozenset[str]

    @classmethod
    def of(cls, actions: list[object]) -> _Actions:
        return cls(
            frozenset(_variant(field(action, "anchor")) for action in actions),
            frozenset(_content(action) for action in actions),
        )

    def fails_by(self, variant: str, accepted: list[_Actions]) -> bool:
        """Whether the server refused these because of the anchor: it accepted the same content at the other anchors."""
        similar = [one.anchors for one in accepted if self.contents <= one.contents]
        return bool(similar) and self.anchors - frozenset().union(*similar) == {fold(variant)}


def _content(action: object) -> str:
    if isinstance(field(action, "transactions"), list):
        return "list"
    return "none" if field(action, "transaction") is None else "one"


def action_transactions(capture: Capture) -> Seen:
    yield from [_content(action) for action, _result in action_results(capture)]
    for create, some in capture.creates_with("actions"):
        if create.control.created is None and "list" in map(_content, some):
            yield from _refusal(create)


def action_keys(capture: Capture) -> Seen:
    results = action_results(capture)
    labelled = any(field(result, "label") == field(action, "label") for action, result in results)
    accounts = any(field(result, "accounts") for _action, result in results)
    missing = [name for name, found in (("label", labelled), ("returnAccounts", accounts)) if not found]
    if results:
        yield ("missing", ", ".join(missing)) if missing else "taken"


def overrides(capture: Capture) -> Seen:
    overridden = set()
    for create, some in capture.creates_with("actions"):
        if any(field(action, "accountOverrides", PROBE_ACCOUNT) is not None for action in some):
            created = create.control.created
            overridden.add(created and text(created.params, "sessionId"))
            yield from _refusal(create) if created is None else ()
    for call in capture.calls("getBalance"):
        session = call.path.rsplit("/", 1)[-1]
        if session in overridden and entries(call.request, "params")[:1] == [PROBE_ACCOUNT] and call.status == 200:
            yield "taken" if field(call.reply, "result", "value") == LAMPORTS else "ignored"


def early_events(capture: Capture) -> Seen:
    for create in capture.requests("createBacktestSession"):
        announced: set[object] = set()
        for message in create.control.received if create.control.is_parallel else ():
            if message.method == "sessioncreated":
                announced.add(text(message.params, "sessionId"))
            elif message.method == "sessionscreatedv2":
                yield "after all"
                break
            elif message.method.startswith("sessionevent"):
                yield "between" if text(message.params, "sessionId") in announced else "before"


def action_results(capture: Capture) -> list[tuple[object, Any]]:
    """Each action result with the action that it belongs to."""
    creates = {text(one.params, "sessionId"): one.control.create for one in capture.replies("sessionCreated")}
    found = []
    for subscribe in capture.subscribed("actionSubscribe"):
        create = creates.get(subscribe.session)
        actions = entries(create.params, "actions") if create is not None else []
        found += [(_action_of(result, actions), result) for _method, result in subscribe.results]
    return [(action, result) for action, result in found if action is not None]


def _action_of(result: object, actions: list[object]) -> object:
    label, index = text(result, "label"), number(result, "actionIndex")
    named = [action for action in actions if label is not None and field(action, "label") == label]
    numbered = actions[index : index + 1] if index is not None and index >= 0 else []
    return next(iter(named + numbered), None)


def _form(value: object) -> str | tuple[str, str]:
    """How a variant of an enum was written: ``external``, or ``other`` with its text."""
    is_external = isinstance(value, str) or (isinstance(value, dict) and not any(tag in value for tag in _TAGS))
    return "external" if is_external else ("other", repr(value).replace("'", '"'))


def _variant(value: object) -> str:
    names = [value] if isinstance(value, str) else []
    if isinstance(value, dict):
        names = [value.get(tag) for tag in _TAGS] + list(value)
    return fold(next((name for name in names if isinstance(name, str)), ""))


# Continuing.


def _continues(capture: Capture) -> list[tuple[str, str]]:
    """Layout and spelling of each continue of a sub-session; ``refused`` for one that was not executed."""
    found = []
    for request in capture.requests("continueSessionV1", "continueToSessionV1"):
        if request.control.is_parallel and isinstance(request.params, dict):
            names = [key for key in request.params if fold(key) == "sessionid"]
            case = "both" if len(names) > 1 else spelling("".join(names)) or "neither"
            layout = "flat" if field(request.params, "request") is None else "nested"
            executed = any(event.method in ("slotnotification", "completed") for event in request.events)
            found.append((layout, case) if executed else ("refused", "refused"))
    return found


def continue_layout(capture: Capture) -> Seen:
    return [layout for layout, _case in _continues(capture)]


def id_spelling(capture: Capture) -> Seen:
    return [case for _layout, case in _continues(capture)]


def too_many_blocks(capture: Capture) -> Seen:
    for request in capture.requests("continue"):
        create = request.control.create and request.control.create.params
        start, end = number(create, "startSlot"), number(create, "endSlot")
        count = number(request.params, "advanceCount")
        if count is not None and start is not None and end is not None and count > end - start:
            # The readiness after an earlier pause may come only now, so the last stop counts.
            stops = [event.method for event in request.own_events if event.method in _STOPS]
            yield from ["completed"] if "completed" in stops else [("other", one) for one in stops[-1:]]


def continue_to(capture: Capture) -> Seen:
    for request in capture.requests("continueTo"):
        slot, batch = field(request.params, "slot"), field(request.params, "batchIndex")
        for stop in [event for event in request.events if event.method in _STOPS][:1]:
            if stop.method != "paused":
                yield ("refused", error_name(stop.params)) if stop.method == "error" else ("other", stop.method)
            elif field(stop.params, "slot") == slot:
                paused_at = "slot" if capture.shows_block(slot) else "no block"
                yield ("batch" if field(stop.params, "batchIndex") == batch else paused_at), str(slot)


def paused_then_ready(capture: Capture) -> Seen:
    for pause in capture.events("paused"):
        yield from ["ready" if one.method == "readyforcontinue" else "alone" for one in pause.events[:1]]


def refused_continue(capture: Capture) -> Seen:
    for request in capture.requests("continue"):
        if field(request.params, "transactions"):
            answers = request.own_events or request.events[:1]
            for error in [event for event in answers if event.method == "error"][:1]:
                name = error_name(error.params)
                ready = any(event.method == "readyforcontinue" for event in error.events)
                about_content = fold(name).startswith(_ABOUT_CONTENT)
                shown = f"{name}, {'then' if ready else 'without'} `readyForContinue`"
                yield "content" if about_content else "other", shown
            yield from [("taken", event.method) for event in answers[:1]]
            yield "silent"


# Attaching.


def attach_keys(capture: Capture) -> Seen:
    for request in capture.requests("attachBacktestSession", "attachParallelControlSessionV2"):
        if request.replies("sessionAttached", "parallelSessionAttachedV2"):
            yield from spellings(request.params)
        elif request.answer is not None and request.answer.method == "error":
            name = error_name(request.answer.params)
            yield from [("refused", name)] if fold(name) != "sessionnotfound" else []


def unknown_session(capture: Capture) -> Seen:
    """The last attach is to a session that does not exist; its error has to be final."""
    answers = [request.answer for request in capture.requests("attachBacktestSession")]
    names = [error_name(one.params) for one in answers if one is not None and one.method == "error"]
    for name in names[-1:]:
        final = fold(name) in ("sessionnotfound", "sessionownermismatch", "invalidrequest")
        yield "final" if final else "other", name


def _attached(capture: Capture) -> list[tuple[Message, Message]]:
    """The attaches to single sessions that succeeded, with their replies."""
    asked = [(one, one.replies("sessionAttached")) for one in capture.requests("attachBacktestSession")]
    return [(request, replies[0]) for request, replies in asked if replies]


def missed_events(capture: Capture) -> Seen:
    for request, reply in _attached(capture):
        yield from ["before" if one.place < reply.place else "after" for one in request.events[:1]] or ["none"]


def attach_single(capture: Capture) -> Seen:
    for request, _reply in _attached(capture):
        answers = [one.answer for one in request.control.requests("resumeAttachedSession")]
        yield "success" if any(one is not None and one.method == "success" for one in answers) else "unanswered"


def numbered_replies(capture: Capture) -> Seen:
    for request in capture.requests("attachBacktestSession"):
        replies = request.replies("sessionAttached", "success")
        yield from ["unnumbered" if one.sequence is None else "numbered" for one in replies]


def attached_endpoint(capture: Capture) -> Seen:
    replies = capture.replies("sessionAttached")
    return ["named" if field(one.params, "rpcEndpoint") else "missing" for one in replies]


def endpoint_form(capture: Capture) -> Seen:
    addresses = [text(message.params, "rpcEndpoint") for message in capture.replies("sessionCreated")]
    return ["address" if "://" in one else "path" for one in addresses if one is not None]


# Closing.


def close_one(capture: Capture) -> Seen:
    for request in capture.requests("closeSessionV1"):
        control = request.control
        if control.is_parallel:
            inner = [event for event in request.events if event.form != "plain" and event.method == "success"]
            # closeBacktestSession follows at once if this was the only sub-session, and has an answer of its own.
            spare = len(request.replies("success")) > len(control.requests("closeBacktestSession"))
            yield from ["success"] if inner or spare else _refusal(request)
            yield "silent"


def close_all(capture: Capture) -> Seen:
    for request in capture.requests("closeBacktestSession"):
        answers = [method for method in ("success", "completed", "error") if request.replies(method)]
        yield from answers[:1] or ["closed"] * request.control.closed
