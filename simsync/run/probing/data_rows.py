"""Observations about subscriptions: filters, answers, notifications, compression, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simsync.run.probing.candidates import MADE_UP_ACCOUNT, STREAM_FORMS
from simsync.run.probing.conversation import Capture, Subscribe
from simsync.run.probing.create_rows import action_results
from simsync.run.probing.fields import entries, field, fold, text
from simsync.run.probing.observation import Look, Row, Seen, also
from simsync.run.probing.probe import UNKNOWN_METHOD

_END_KEYS = frozenset(("completed", "done", "eof", "endofstream"))
_END_NAMES = ("Completed", "Complete", "End")
_KNOWN = frozenset(forms.method for forms in STREAM_FORMS.values())


def _filter(name: str) -> Look:
    """Which form of the filter of a kind of subscription was taken?"""
    wanted = STREAM_FORMS[name]

    def look(capture: Capture) -> Seen | str | None:
        asked = capture.subscribed(wanted.method)
        refusal = None
        for place, form in enumerate(wanted.forms):
            same = [one for one in asked if one.filter == form.make(wanted.address)]
            if any(one.accepted for one in same):
                if place == 0:
                    return Seen(f"takes {form.shown}")
                return Seen(f"takes {form.shown} only", wanted.setting(form))
            refusal = refusal or next((one.refusal for one in same if one.refusal is not None), None)
        if refusal is None:
            return "the subscribe was not answered" if asked else None
        return Seen(f"refuses every form that was tried ({refusal})", "Dialect(streams=...)")

    return look


def no_filter(capture: Capture) -> Seen | str | None:
    asked = [one for one in capture.subscribed("slotSubscribe") if one.filter is None]
    if not asked:
        return None
    if any(one.accepted for one in asked):
        return Seen("takes null in its place")
    refusal = asked[0].refusal
    if refusal is None:
        return "slotSubscribe was not answered"
    return Seen(f"refused ({refusal})", "sub.subscribe(method, filter)")


def config(capture: Capture) -> Seen | None:
    answered = [one for one in capture.subscribes if one.accepted]
    return Seen("taken by every kind that was accepted") if answered else None


def compressed(capture: Capture) -> Seen | str | None:
    asked = [one for one in _streams(capture) if field(one.config, "compression") == "zstd"]
    if not asked:
        return "zstandard is not installed, so nothing was compressed"
    answers = {one.answer_kind for one in asked if one.answer_kind}
    notes = {record.kind for one in asked for _place, record in one.notifications}
    if not notes:
        return "no notification came"
    if notes == {"text"}:
        return also("never compresses")
    words = f"answers in {' and '.join(sorted(answers))}, notifications in {' and '.join(sorted(notes))} frames"
    return Seen(words) if answers <= {"text"} else also(words)


def acknowledgement(capture: Capture) -> Seen | str | None:
    answers = [one.number for one in capture.subscribes if one.accepted]
    odd = [one for one in answers if isinstance(one, bool) or not isinstance(one, (int, str))]
    if odd:
        return Seen("neither a number nor a text", "edit wire/pubsub.py:decode_pubsub")
    if not answers:
        return None
    return Seen("a text" if any(isinstance(one, str) for one in answers) else "a number")


def refusal(capture: Capture) -> Seen | str | None:
    for one in capture.subscribed(UNKNOWN_METHOD):
        if one.refusal is not None:
            return Seen("an error that names the request")
        if one.accepted:
            return "the server takes a method that does not exist"
        if one.closed_at is not None:
            return Seen("closes the connection", "edit protocol/subscription.py:_refused")
        return "not answered"
    return None


def names(capture: Capture) -> Seen | None:
    found = [method for one in _streams(capture) for method, _result in _events(one)]
    if not found:
        return None
    usual = {one.method.replace("Subscribe", "Notification") for one in _streams(capture)}
    odd = sorted(set(found) - usual)
    return also(f"others: {', '.join(odd)}") if odd else Seen("`transactionNotification` and so on")


def early_notifications(capture: Capture) -> Seen | None:
    known = [one for one in capture.subscribes if one.accepted and one.notifications]
    if not known:
        return None
    early = any(one.answer_place is not None and one.notifications[0][0] < one.answer_place for one in known)
    return also("some come before it") if early else Seen("behind it")


def diff_shape(capture: Capture) -> Seen | None:
    diffs = list(_diffs(capture))
    if not diffs:
        return None
    missing = [name for name in ("account",) if all(field(one, name) is None for one in diffs)]
    if all(field(one, "pre") is None and field(one, "post") is None for one in diffs):
        missing += ["pre", "post"]
    if all(field(one, "signature") is None for one in diffs):
        missing.append("signature")
    if missing:
        return Seen(f"without {', '.join(missing)}", "read AccountDiff.raw, or give your own decode")
    return Seen("these names")


def diff_of_override(capture: Capture) -> Seen | str | None:
    mine = [one for one in _diffs(capture) if field(one, "account") == MADE_UP_ACCOUNT]
    if not mine:
        return "no diff of the account that was overridden came"
    if any(field(one, "signature") is None for one in mine):
        return Seen("the override is a diff without a signature")
    return also("the override is a diff with a signature")


def action_shape(capture: Capture) -> Seen | None:
    results = [result for _action, result in action_results(capture)]
    if not results:
        return None
    if any(isinstance(field(one, "transactionOutcomes"), list) for one in results):
        return Seen("`transactionOutcomes`")
    if any(name in one for one in results for name in ("logs", "unitsConsumed", "err")):
        return also("one outcome at the top level")
    return Seen("neither", "read ActionResult.raw, or give your own decode")


def account_data(capture: Capture) -> Seen | None:
    states = [field(one, side) for one in _diffs(capture) for side in ("pre", "post")]
    states += [one for _action, result in action_results(capture) for one in entries(result, "accounts")]
    data = [field(one, "data") for one in states if field(one, "data") is not None]
    if not data:
        return None
    forms = {_data_form(one) for one in data}
    words = " and ".join(sorted(forms))
    known = forms <= {'[text, "base64"]', '{"data", "encoding"}'}
    return Seen(words) if known else Seen(words, "read the event's raw")


def _data_form(data: Any) -> str:
    if isinstance(data, list) and len(data) == 2:
        return f'[text, "{data[1]}"]'
    return '{"data", "encoding"}' if isinstance(data, dict) else "something else"


def slot(capture: Capture) -> Seen | None:
    results = [result for one in _streams(capture) if one.method in _KNOWN for _method, result in _events(one)]
    if not results:
        return None
    without = [one for one in results if field(one, "slot") is None and field(one, "context", "slot") is None]
    if without:
        return Seen("some notifications name none", "edit wire/pubsub.py:slot_of")
    return Seen("`slot` or `context.slot`")


def two_programs(capture: Capture) -> Seen | str | None:
    by_session: dict[str, list[set[str]]] = {}
    for one in capture.subscribed("transactionSubscribe"):
        found = {_signature(result) for _method, result in _events(one)} - {""}
        by_session.setdefault(one.session, []).append(found)
    for some in by_session.values():
        if len(some) > 1 and set.intersection(*some):
            return Seen("comes once per subscribe")
    return "no transaction came that mentions both"


def _signature(result: Any) -> str:
    signatures = field(result, "transaction", "signatures")
    return str(signatures[0]) if isinstance(signatures, list) and signatures else ""


def _diffs(capture: Capture) -> Iterator[Any]:
    for one in capture.subscribed("accountDiffSubscribe"):
        yield from (result for _method, result in _events(one))


def _streams(capture: Capture) -> list[Subscribe]:
    return [one for one in capture.subscribes if one.accepted]


def _events(subscribe: Subscribe) -> list[tuple[str, Any]]:
    """What is no end of the stream."""
    return [(method, result) for method, result in subscribe.results if not _ends(method, result)]


# How streams end.


def _ends(method: str, result: Any) -> str:
    """``result`` or ``name`` where simsync would take a notification for the end, else empty."""
    if method.endswith(_END_NAMES):
        return "name"
    if (
        isinstance(result, dict)
        and len(result) <= 4
        and any(fold(key) in _END_KEYS and one for key, one in result.items())
    ):
        return "result"
    return ""


def _endings(capture: Capture) -> set[str] | None:
    """How the streams of completed single sessions have ended; None without one."""
    done = {
        text(control.created.params, "sessionId")
        for control in capture.singles
        if control.created is not None and any(event.kind == "completed" for event in control.events)
    }
    streams = [one for one in _streams(capture) if one.session in done]
    return {_ending(one) for one in streams} if streams else None


def _ending(subscribe: Subscribe) -> str:
    for method, result in subscribe.results:
        if _ends(method, result):
            return _ends(method, result)
    return "close" if subscribe.closed_with == 1000 else "none"


def _ends_by(form: str) -> Look:
    def look(capture: Capture) -> Seen | str | None:
        endings = _endings(capture)
        if endings is None:
            return None
        if form in endings:
            return Seen("this way") if form == "result" else also("this way")
        return "not this way" if endings - {"none"} else "no stream has ended, see below"

    return look


def no_end(capture: Capture) -> Seen | None:
    endings = _endings(capture)
    if endings is None:
        return None
    if "none" not in endings:
        return Seen("each stream has ended")
    words = "some streams have not ended" if len(endings) > 1 else "no stream has ended in a way that simsync knows"
    return Seen(words, "Dialect(ends_stream=...)")


ROWS = (
    Row("filter for transactions of programs", '{"mentions": [id]}', _filter("transactions"), "subscriptions"),
    Row("filter for all transactions", '"all"', _filter("all_transactions"), "subscriptions"),
    Row(
        "filter for diffs of the accounts of a program",
        '{"address": id, "address_type": "program"}',
        _filter("program_diffs"),
        "subscriptions",
    ),
    Row(
        "filter for diffs of one account",
        '{"address": id, "address_type": "account"}',
        _filter("account_diffs"),
        "subscriptions",
    ),
    Row("filter for action results", "null", _filter("actions"), "subscriptions"),
    Row("a subscription without a filter", "null in its place", no_filter, "subscriptions"),
    Row("config", "an object with more keys than a kind may know", config, "subscriptions"),
    Row(
        "Text and Binary frames of a compressed connection",
        "Text plain, Binary compressed",
        compressed,
        "subscriptions",
    ),
    Row("acknowledgement", "a number or a text", acknowledgement, "subscriptions"),
    Row("refusal", "an error that names the request", refusal, "subscriptions"),
    Row("names of notifications", "not used", names, "subscriptions"),
    Row("notifications before their acknowledgement", "kept until it comes", early_notifications, "subscriptions"),
    Row("shape of an account diff", "`account`, `signature`, `pre`, `post`", diff_shape, "run"),
    Row("a diff without a signature", "the effect of an override", diff_of_override, "run"),
    Row("shape of an action result, older and newer", "either", action_shape, "run"),
    Row("account data", '[text, "base64"] or {"data", "encoding"}', account_data, "run"),
    Row("slot of a notification", "`slot` or `context.slot`", slot, "subscriptions"),
    Row("a transaction that mentions two of the programs", "comes once per subscribe", two_programs, "run"),
    Row("a result that says so", "`completed`, `done`, `eof` or `endOfStream`", _ends_by("result"), "run"),
    Row("a name that says so", "ends in `Completed`, `Complete` or `End`", _ends_by("name"), "run"),
    Row("a clean close (1000) of the data connection", "ends all its streams", _ends_by("close"), "run"),
    Row("no end at all", "a failure", no_end, "run"),
)
