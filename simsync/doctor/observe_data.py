"""How a server takes subscriptions, and what it sends for them until they end."""

from __future__ import annotations

from simsync.doctor.candidates import PROBE_ACCOUNT, STREAM_FORMS, UNKNOWN_METHOD
from simsync.doctor.conversation import Capture, Subscribe
from simsync.doctor.fields import entries, field, fold, text
from simsync.doctor.observation import Look, Seen
from simsync.doctor.observe_requests import action_results

_END_KEYS = frozenset(("completed", "done", "eof", "endofstream"))
_KNOWN = frozenset(forms.method for forms in STREAM_FORMS.values())


# Subscribing.


def stream_filter(name: str) -> Look:
    """Which form of the filter of a kind of subscription was accepted."""
    wanted = STREAM_FORMS[name]

    def look(capture: Capture) -> Seen:
        for form in wanted.forms:
            for one in capture.subscribed(wanted.method):
                if one.filter == wanted.filter(form) and one.accepted:
                    yield "first" if form is wanted.forms[0] else "other", form
                elif one.filter == wanted.filter(form) and one.refusal is not None:
                    yield "refused", one.refusal
        yield from ["silent" for _one in capture.subscribed(wanted.method)]

    return look


def no_filter(capture: Capture) -> Seen:
    for one in capture.subscribed("slotSubscribe"):
        yield "null" if one.accepted else "silent" if one.refusal is None else "refused", one.refusal or ""


def config(capture: Capture) -> Seen:
    return ["taken" for _one in capture.accepted]


def compressed(capture: Capture) -> Seen:
    asked = [one for one in capture.accepted if field(one.config, "compression") == "zstd"]
    answers = {one.answer_kind for one in asked if one.answer_kind}
    kinds = {record.kind for one in asked for _place, record in one.notifications}
    shown = f"answers in {' and '.join(sorted(answers))}, notifications in {' and '.join(sorted(kinds))} frames"
    if not kinds:
        yield "no notification" if asked else "not installed"
    elif kinds == {"text"}:
        yield "never"
    else:
        yield "usual" if answers <= {"text"} else "other", shown


def acknowledgement(capture: Capture) -> Seen:
    names = {int: "number", str: "text"}
    return [names.get(type(one.number), "other") for one in capture.accepted]


def refusal(capture: Capture) -> Seen:
    for one in capture.subscribed(UNKNOWN_METHOD):
        if one.refusal is not None:
            yield "error"
        else:
            yield "accepted" if one.accepted else "closed" if one.closed else "silent"


# Receiving.


def names(capture: Capture) -> Seen:
    found = {method for one in capture.accepted for method, _result in _events(one)}
    others = found - {one.method.replace("Subscribe", "Notification") for one in capture.accepted}
    if found:
        yield "others" if others else "usual", ", ".join(sorted(others))


def early_notifications(capture: Capture) -> Seen:
    places = [(one.notifications[0][0], one.answer_place) for one in capture.accepted if one.notifications]
    return ["before" if first < answer else "after" for first, answer in places]


def diff_shape(capture: Capture) -> Seen:
    diffs = _diffs(capture)
    keys = ("account", "pre", "post", "signature")
    missing = [key for key in keys if all(field(one, key) is None for one in diffs)]
    if len({"pre", "post"} & set(missing)) == 1:  # an account was only created, or only deleted
        missing = [key for key in missing if key not in ("pre", "post")]
    if diffs:
        yield "missing" if missing else "these", ", ".join(missing)


def diff_of_override(capture: Capture) -> Seen:
    mine = [one for one in _diffs(capture) if field(one, "account") == PROBE_ACCOUNT]
    yield from ["unsigned" if field(one, "signature") is None else "signed" for one in mine] or ["none"]


def action_shape(capture: Capture) -> Seen:
    for _action, result in action_results(capture):
        if isinstance(field(result, "transactionOutcomes"), list):
            yield "list"
        yield "single" if any(name in result for name in ("logs", "unitsConsumed", "err")) else "neither"


def account_data(capture: Capture) -> Seen:
    states = [field(one, side) for one in _diffs(capture) for side in ("pre", "post")]
    states += [one for _action, result in action_results(capture) for one in entries(result, "accounts")]
    forms = {_data_form(field(one, "data")) for one in states if field(one, "data") is not None}
    if forms:
        known = forms <= {'[string, "base64"]', '{"data", "encoding"}'}
        yield "known" if known else "other", " and ".join(sorted(forms))


def _data_form(data: object) -> str:
    if isinstance(data, list) and len(data) == 2:
        return f'[string, "{data[1]}"]'
    return '{"data", "encoding"}' if isinstance(data, dict) else "something else"


def slot(capture: Capture) -> Seen:
    results = [result for one in capture.accepted if one.method in _KNOWN for _method, result in _events(one)]
    slots = [(field(one, "slot"), field(one, "context", "slot")) for one in results]
    return ["missing" if one == (None, None) else "named" for one in slots]


def two_programs(capture: Capture) -> Seen:
    by_session: dict[str, list[set[str]]] = {}
    for one in capture.subscribed("transactionSubscribe"):
        signatures = [entries(result, "transaction", "signatures")[:1] for _method, result in _events(one)]
        by_session.setdefault(one.session, []).append({str(one) for some in signatures for one in some})
    both = [len(some) > 1 and bool(set.intersection(*some)) for some in by_session.values()]
    yield "each" if any(both) else "none"


def _diffs(capture: Capture) -> list[object]:
    return [result for one in capture.subscribed("accountDiffSubscribe") for _method, result in _events(one)]


def _events(subscribe: Subscribe) -> list[tuple[str, object]]:
    """The notifications that do not end the stream."""
    return [(method, result) for method, result in subscribe.results if not _end(method, result)]


# Ending.


def _end(method: str, result: object) -> str:
    """``result`` or ``name`` if simsync would take a notification for the end of its stream, else empty."""
    if method.endswith(("Completed", "Complete", "End")):
        return "name"
    flags = result.items() if isinstance(result, dict) and len(result) <= 4 else ()
    return "result" if any(fold(key) in _END_KEYS and value for key, value in flags) else ""


def _endings(capture: Capture) -> set[str]:
    """How the streams of completed single sessions ended: ``result``, ``name``, ``close`` or ``none``."""
    created = [one.created for one in capture.controls if one.is_single and one.completed]
    sessions = {text(one.params, "sessionId") for one in created if one is not None}
    return {_ending(one) for one in capture.accepted if one.session in sessions}


def _ending(subscribe: Subscribe) -> str:
    ends = [end for method, result in subscribe.results if (end := _end(method, result))]
    return ends[0] if ends else "close" if subscribe.closed_with == 1000 else "none"


def ends_by(form: str) -> Look:
    """Whether a stream ended in this way."""
    return lambda capture: [
        "this" if one == form else "none" if one == "none" else "another" for one in _endings(capture)
    ]


def no_end(capture: Capture) -> Seen:
    endings = _endings(capture)
    if endings:
        yield "each" if "none" not in endings else "some" if len(endings) > 1 else "none"
