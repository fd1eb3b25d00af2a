"""Observations about creating sessions: options, discovery filters, scheduled actions, overrides."""

from __future__ import annotations

from typing import Any

from simsync.run.probing.candidates import LAMPORTS, MADE_UP_ACCOUNT
from simsync.run.probing.conversation import Capture, Control, error_name
from simsync.run.probing.fields import entries, field, fold, number, text
from simsync.run.probing.observation import Row, Seen, also

_TAGS = ("type", "kind", "method", "tag")


def parallel(capture: Capture) -> Seen | str | None:
    answers = [control for control in capture.parallels if control.replies("sessionsCreatedV2")]
    if answers:
        return Seen("understood")
    if not capture.parallels:
        return None
    old = [control for control in capture.parallels if control.replies("sessionsCreated")]
    if old:
        return Seen("answers with sessionsCreated, which has no ranges", "this server is too old for simsync")
    ignored = any(control.replies("readyForContinue") for control in capture.parallels)
    return Seen("not understood: a single session", "CreateSession(extra=...)") if ignored else None


def other_options(capture: Capture) -> Seen | None:
    if action_results(capture):
        return Seen("`actions` take effect, the capacity wait is not refused")
    created = any(
        control.created is not None and field(control.create.params, "capacityWaitTimeoutSecs") is not None
        for control in capture.controls
        if control.create is not None
    )
    return Seen("the capacity wait is not refused; no actions seen") if created else None


def last_slot(capture: Capture) -> Seen | None:
    for control in capture.singles:
        slots = control.notified
        if any(event.kind == "completed" for event in control.events) and slots and control.create is not None:
            end = number(control.create.params, "endSlot")
            if end is None:
                continue
            if max(slots) == end:
                return Seen("the end slot is the last one")
            if max(slots) > end:
                return Seen("goes on behind the end slot", "CreateSession(end_slot=...)")
    return None


def discovery(capture: Capture) -> Seen | str | None:
    asked = _creates_with(capture, "discoveries")
    errors = []
    for control, filters in asked:
        form = filters[0]
        if any(event.kind == "discoverybatch" for event in control.events):
            if _is_external(form):
                return Seen("takes one key, the address under it")
            return Seen(f"takes {_text(form)} only", f"CreateSession(discoveries=[{_text(form)}])")
        errors += [error_name(message.params)[0] for message in control.replies("error")]
    if errors and len(errors) == len(asked):
        setting = "a plain mapping in CreateSession(discoveries=[...])"
        return Seen(f"refuses every form that was tried ({errors[0]})", setting)
    return "taken, but nothing was announced" if asked else None


def anchors(capture: Capture) -> Seen | str | None:
    return _anchored(capture, "afterSlot", tagging=True)


def match_anchors(capture: Capture) -> Seen | str | None:
    return _anchored(capture, "beforeMatch", tagging=False)


def every_anchors(capture: Capture) -> Seen | str | None:
    return _anchored(capture, "beforeEverySlot", tagging=False)


def _anchored(capture: Capture, variant: str, *, tagging: bool) -> Seen | str | None:
    """Did an action at such an anchor run, and how was the anchor written?"""
    for action, _result in action_results(capture):
        anchor = field(action, "anchor")
        if _variant(anchor) == fold(variant):
            if _is_external(anchor) or not tagging:
                return Seen("taken, and the action ran")
            setting = f'CreateSession(actions=[{{"anchor": {_text(anchor)}, ...}}])'
            return Seen(f"takes {_text(anchor)} only", setting)
    tried, taken, errors = 0, 0, []
    for control, actions in _creates_with(capture, "actions"):
        if any(_variant(field(action, "anchor")) == fold(variant) for action in actions):
            tried += 1
            taken += control.created is not None
            errors += [error_name(message.params)[0] for message in control.replies("error")]
    if tried and not taken and errors:
        setting = "a plain mapping in CreateSession(actions=[...])"
        return Seen(f"refuses every form that was tried ({errors[0]})", setting)
    return "taken, but no result of the action came" if taken else None


def action_transactions(capture: Capture) -> Seen | None:
    if any(isinstance(field(action, "transactions"), list) for action, _result in action_results(capture)):
        return Seen("a list of base64 texts is taken")
    return None


def action_keys(capture: Capture) -> Seen | None:
    results = action_results(capture)
    if not results:
        return None
    missing = []
    if not any(field(result, "label") == field(action, "label") for action, result in results):
        missing.append("label")
    if not any(field(result, "accounts") for _action, result in results):
        missing.append("returnAccounts")
    if missing:
        return Seen(f"without effect: {', '.join(missing)}", "a plain mapping in CreateSession(actions=[...])")
    return Seen("`kind`, `returnAccounts` and `label` take effect")


def overrides(capture: Capture) -> Seen | None:
    asked = False
    for control, actions in _creates_with(capture, "actions"):
        mine = any(field(action, "accountOverrides", MADE_UP_ACCOUNT) is not None for action in actions)
        asked = asked or (mine and control.created is not None)
    for call in capture.calls("getBalance"):
        if asked and entries(call.request, "params")[:1] == [MADE_UP_ACCOUNT] and call.status == 200:
            value = field(call.reply, "result", "value")
            if value == LAMPORTS:
                return Seen("in effect from its slot on")
            return Seen("without effect", "actions in CreateSession(actions=[...]) in place of overrides")
    return None


def early_events(capture: Capture) -> Seen | None:
    order = ""
    for control in (one for one in capture.parallels if one.create is not None):
        announced: set[Any] = set()
        done = False
        for message in control.received:
            if message.method == "sessioncreated":
                announced.add(text(message.params, "sessionId"))
            done = done or message.method == "sessionscreatedv2"
            if message.method.startswith("sessionevent") and not done:
                early = text(message.params, "sessionId") not in announced
                order = order or ("before it" if early else "behind it, while others are announced")
        order = order or ("when all are announced" if done else "")
    if not order:
        return None
    return Seen(order) if order == "when all are announced" else also(order)


def action_results(capture: Capture) -> list[tuple[Any, Any]]:
    """Each result with the action that it belongs to."""
    found = []
    for subscribe in capture.subscribed("actionSubscribe"):
        control = capture.control_of(subscribe.session)
        create = control.create if control is not None else None
        actions = entries(create.params, "actions") if create is not None else []
        for _method, result in subscribe.results:
            action = _action_of(result, actions)
            if action is not None:
                found.append((action, result))
    return found


def _action_of(result: Any, actions: list[Any]) -> Any:
    label, index = text(result, "label"), number(result, "actionIndex")
    named = [action for action in actions if label is not None and field(action, "label") == label]
    if named:
        return named[0]
    return actions[index] if index is not None and 0 <= index < len(actions) else None


def _creates_with(capture: Capture, key: str) -> list[tuple[Control, list[Any]]]:
    found = []
    for control in capture.singles:
        values = entries(control.create.params, key) if control.create is not None else []
        if values:
            found.append((control, values))
    return found


def _is_external(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, dict) and not any(tag in value for tag in _TAGS))


def _variant(value: Any) -> str:
    if isinstance(value, str):
        return fold(value)
    for tag in _TAGS:
        if isinstance(value, dict) and isinstance(value.get(tag), str):
            return fold(value[tag])
    return fold(next(iter(value))) if isinstance(value, dict) and value else ""


def _text(value: Any) -> str:
    return repr(value).replace("'", '"')


ROWS = (
    Row("`parallel` flat beside the other keys", "`true`", parallel, "parallel"),
    Row(
        "`capacityWaitTimeoutSecs`, `extraComputeUnits`, `actions`, `agents`, `replayAccountState`, `reroute`,"
        " `diagnosticProbes`",
        "these names",
        other_options,
        "run",
    ),
    Row("a number of slots in place of the end", "both ends are included", last_slot, "run"),
    Row("tagging of discovery filters", '{"programExecuted": <address>}', discovery, "discovery"),
    Row("tagging of anchors", '"afterSlot", or one key', anchors, "run"),
    Row("match anchors", "`beforeMatch` with `filter`", match_anchors, "run"),
    Row("anchors at every n slots, and their key", "`beforeEverySlot` with `everyNSlots`", every_anchors, "run"),
    Row("transactions of an action", "a list of base64 texts", action_transactions, "run"),
    Row(
        "other keys of an action: `kind`, `accountOverrides`, `feedsReroute`, `returnAccounts`, `label`",
        "these names",
        action_keys,
        "run",
    ),
    Row("overrides per slot", "an action before the slot", overrides, "run"),
    Row("events of a sub-session before its announcement", "kept until then", early_events, "parallel"),
)
