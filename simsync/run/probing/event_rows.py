"""Observations about the events of sessions, and about errors."""

from __future__ import annotations

from typing import Any

from simsync.run.probing.continue_rows import ERROR_ROWS
from simsync.run.probing.conversation import Capture, Control, error_name
from simsync.run.probing.fields import field, fold, number
from simsync.run.probing.observation import Row, Seen, also

_METHODS = frozenset(
    [
        "sessioncreated",
        "sessionattached",
        "sessionscreatedv2",
        "parallelsessionattachedv2",
        "readyforcontinue",
        "slotnotification",
        "paused",
        "discoverybatch",
        "status",
        "completed",
        "success",
        "error",
        "sessioneventv2",
        "sessionscreated",
        "sessioneventv1",
    ]
)
_SUMMARY = frozenset(
    [
        "correctsimulation",
        "incorrectsimulation",
        "executionerrors",
        "balancediff",
        "logdiff",
        "unsanitizable",
        "reroutestats",
    ]
)
_ERRORS = frozenset(
    [
        "sessionnotfound",
        "sessionownermismatch",
        "nomoreblocks",
        "bundlenotfound",
        "noproducedblocksinrange",
        "sessionnametaken",
        "advanceslotfailed",
        "finalizeslotfailed",
        "initializingsysvarsfailed",
        "invalidrequest",
        "sessionownershipbusy",
        "internal",
        "clerkerror",
        "simulationerror",
        "invalidtransactionencoding",
        "invalidtransactionformat",
        "invalidaccountencoding",
        "invalidaccountowner",
        "invalidaccountpubkey",
        "invalidblockhashformat",
    ]
)
_FORMS = {"tagged": "`method` and `params`", "external": "a text, or one key", "other": "something else"}
_STARTING = ("startingruntime", "programaccountsloaded", "preparingbundle", "bundleready")


def event_form(capture: Capture) -> Seen | None:
    forms = {event.form for control in capture.parallels for event in control.events} - {"plain"}
    if not forms:
        return None
    words = " and ".join(_FORMS[form] for form in sorted(forms))
    if "other" in forms:
        return Seen(words, "edit wire/control.py:_tagged")
    return Seen(words) if forms == {"tagged"} else also(words)


def paused(capture: Capture) -> Seen | None:
    return _named(capture, "paused", ("slot", "batchIndex"), "Paused.raw")


def discovery_batch(capture: Capture) -> Seen | None:
    return _named(capture, "discoveryBatch", ("slot", "batchIndex", "matched", "transactions"), "DiscoveryBatch.raw")


def _named(capture: Capture, kind: str, names: tuple[str, ...], raw: str) -> Seen | None:
    """Are these the names of the fields? One that is null or missing everywhere is not seen."""
    events = capture.events(kind)
    if not events:
        return None
    present = {fold(key) for event in events if isinstance(event.payload, dict) for key in event.payload}
    missing = [name for name in names if fold(name) not in present]
    if missing:
        others = sorted(present - {fold(name) for name in names})
        return Seen(f"without {', '.join(missing)}; there are {', '.join(others) or 'no others'}", f"read {raw}")
    return Seen("these names")


def summary(capture: Capture) -> Seen | str | None:
    asked = False
    for event in capture.events("completed"):
        asked = True
        found = field(event.payload, "summary")
        if isinstance(found, dict):
            known = {fold(key) for key in found} & _SUMMARY
            more = sorted(key for key in found if fold(key) not in _SUMMARY)
            if not known:
                return Seen(f"other names: {', '.join(more)}", "read SessionSummary.raw")
            return also(f"these names, and {', '.join(more)}") if more else Seen("these names")
    return "`completed` came without a summary" if asked else None


def unknown_kinds(capture: Capture) -> Seen | None:
    if not any(control.received for control in capture.controls):
        return None
    odd = {
        str(field(m.raw, "method"))
        for control in capture.controls
        for m in control.received
        if m.method not in _METHODS
    }
    while_running = {
        str(field(event.payload, "status") or event.payload)
        for event in capture.events("status")
        if fold(str(field(event.payload, "status") or event.payload)) not in _STARTING
    }
    words = []
    if odd:
        words.append(f"methods that are not known: {', '.join(sorted(odd))}")
    words.append(
        f"statuses with continues: {', '.join(sorted(while_running))}"
        if while_running
        else "no statuses with continues"
    )
    return also("; ".join(words)) if odd or while_running else Seen("; ".join(words))


def notified_slots(capture: Capture) -> Seen | None:
    """Of single sessions that were run to the end without discoveries, which may change where a session starts."""
    for control in capture.singles:
        events = control.events
        if control.create is None or not any(event.kind == "completed" for event in events):
            continue
        slots = control.notified
        start = number(control.create.params, "startSlot")
        if start is None:
            continue
        count = slots.count(start)
        words = {0: "start slot not notified", 1: "start slot notified"}.get(count, "start slot notified twice")
        blockless = {slot for slot in range(start, max(slots, default=start)) if not capture.shows_block(slot)}
        silent = blockless - set(slots)
        if silent:
            return (
                Seen(words + ", slots without a block not")
                if count == 1
                else also(words + ", nor slots without a block")
            )
        if blockless and not silent:
            return also(words + ", slots without a block too")
        return Seen(words) if count == 1 else also(words)
    return None


def single_numbers(capture: Capture) -> Seen | None:
    found = [_numbers(control) for control in capture.singles if _numbers(control)]
    if not found:
        return None
    if all(one is None for numbers in found for one in numbers):
        return Seen("no numbers", "lost connections cannot be made good; edit wire/control.py:_decode_tolerantly")
    rising = all(_rises([one for one in numbers if one is not None]) for numbers in found)
    return Seen("rising by one") if rising else also("rising, with gaps")


def _numbers(control: Control) -> list[Any]:
    """Of the events of a connection that created its session."""
    return [event.sequence for event in control.events] if control.created is not None else []


def _rises(numbers: list[int]) -> bool:
    return all(after - before == 1 for before, after in zip(numbers, numbers[1:]))


def _errors(capture: Capture) -> list[Any]:
    return [event.payload for event in capture.events("error")]


def error_form(capture: Capture) -> Seen | None:
    forms = {error_name(raw)[1] for raw in _errors(capture)}
    if not forms:
        return None
    if "other" in forms:
        return Seen("something else", "read BacktestError.raw, or edit wire/server_errors.py:decode_error")
    return also("a tag and its content") if "tagged" in forms else Seen("a text, or one key")


def error_names(capture: Capture) -> Seen | None:
    names = {error_name(raw)[0] for raw in _errors(capture)} - {""}
    if not names:
        return None
    odd = sorted(name for name in names if fold(name) not in _ERRORS)
    if odd:
        return Seen(f"not known: {', '.join(odd)}", "Dialect(is_terminal=...)")
    return Seen("known names")


def attach_error(capture: Capture) -> Seen | str | None:
    """The probe attaches to a session that nobody has, which has to be final."""
    for control in reversed(capture.controls):
        for request in control.requests("attachBacktestSession"):
            answer = control.answer(request.place)
            if answer is not None and answer.method == "error":
                name = error_name(answer.params)[0]
                if fold(name) in ("sessionnotfound", "sessionownermismatch", "invalidrequest"):
                    return Seen("final for a session that is not there")
                return Seen(f"{name} for a session that is not there", "Dialect(is_terminal=...)")
    return None


ROWS = (
    Row(
        "form of the event inside `sessionEventV2`",
        "`method` and `params`; a text; one key",
        event_form,
        "parallel",
    ),
    Row("unknown methods, event kinds, statuses", "skipped, or passed on", unknown_kinds, "run"),
    Row("`paused`", "`slot` and `batchIndex`", paused, "run"),
    Row("`discoveryBatch`", "`slot`, `batchIndex`, `matched`, `transactions`", discovery_batch, "discovery"),
    Row("names of the summary's numbers", "six counters and `rerouteStats`", summary, "run"),
    Row(
        "start slot notified or not, once or twice; slots without a block notified or not",
        "any of it",
        notified_slots,
        "run",
    ),
    Row("numbers of a single session (`seqId` beside `method`)", "rising by one", single_numbers, "subscriptions"),
    Row("form", "a text; one key; a tag and its content", error_form, "errors"),
    Row("names and fields", "those of the vendor's source", error_names, "errors"),
    *ERROR_ROWS,
    Row("an error while attaching", "a terminal one is final", attach_error, "errors"),
)
