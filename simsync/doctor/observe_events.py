"""How a server writes what it sends on the control connection: keys, frames, events and errors."""

from __future__ import annotations

from simsync.doctor.conversation import Capture, error_name, read_error
from simsync.doctor.fields import field, fold, folded, number, spellings
from simsync.doctor.observation import Look, Seen

_KNOWN_METHODS = folded(
    "sessionCreated sessionAttached sessionsCreatedV2 parallelSessionAttachedV2 readyForContinue slotNotification"
    " paused discoveryBatch status completed success error sessionEventV2 sessionsCreated sessionEventV1"
)
_SUMMARY = folded(
    "correctSimulation incorrectSimulation executionErrors balanceDiff logDiff unsanitizable rerouteStats"
)
_ERRORS = folded(
    "sessionNotFound sessionOwnerMismatch noMoreBlocks bundleNotFound noProducedBlocksInRange sessionNameTaken"
    " advanceSlotFailed finalizeSlotFailed initializingSysvarsFailed invalidRequest sessionOwnershipBusy internal"
    " clerkError simulationError invalidTransactionEncoding invalidTransactionFormat invalidAccountEncoding"
    " invalidAccountOwner invalidAccountPubkey invalidBlockhashFormat"
)
_STARTING = folded("startingRuntime programAccountsLoaded preparingBundle bundleReady")
_WITH_FIELDS = ("sessionCreated", "sessionAttached", "sessionsCreatedV2", "parallelSessionAttachedV2", "sessionEventV2")
_FORMS = {"tagged": "`method` and `params`", "external": "a string, or one key", "other": "something else"}


def keys_on_receipt(capture: Capture) -> Seen:
    found = {case for message in capture.replies(*_WITH_FIELDS) for case in spellings(message.params)}
    if found:
        yield "usual" if found == {"snake_case"} else "other", " and ".join(sorted(found))


def absent_params(capture: Capture) -> Seen:
    for message in capture.received:
        for value in (message.raw, field(message.params, "event")):
            if field(value, "method") is not None:
                yield "null" if value.get("params", "") is None else "left out"


def frames(capture: Capture) -> Seen:
    kinds = sorted({message.frame for message in capture.received})
    received = [one for one in capture.records if one.plane == "control" and one.direction == "received"]
    not_json = any(one.kind in ("text", "binary") and not one.message for one in received)
    name = "not JSON" if not_json else "usual" if kinds == ["text"] else "other"
    if kinds:
        yield name, " and ".join(f"{kind.capitalize()} frames" for kind in kinds)


def event_form(capture: Capture) -> Seen:
    forms = {event.form for control in capture.controls if control.is_parallel for event in control.events} - {"plain"}
    shown = " and ".join(_FORMS[form] for form in sorted(forms))
    return [(form, shown) for form in forms]


def field_names(kind: str, *names: str) -> Look:
    """Whether the events of a kind have fields of these names. A field that every event leaves out is missing."""

    def look(capture: Capture) -> Seen:
        events = capture.events(kind)
        present = {fold(key) for event in events if isinstance(event.params, dict) for key in event.params}
        missing = [name for name in names if fold(name) not in present]
        others = ", ".join(sorted(present - set(map(fold, names)))) or "no others"
        if events:
            yield ("missing", f"{', '.join(missing)}; there are {others}") if missing else "these"

    return look


def summary(capture: Capture) -> Seen:
    for event in capture.events("completed"):
        found = field(event.params, "summary")
        if isinstance(found, dict):
            more = sorted(key for key in found if fold(key) not in _SUMMARY)
            yield "others" if len(more) == len(found) else "more" if more else "these", ", ".join(more)
        yield "none"


def unknown_kinds(capture: Capture) -> Seen:
    methods = {str(field(one.raw, "method")) for one in capture.received if one.method not in _KNOWN_METHODS}
    statuses = {str(field(event.params, "status") or event.params) for event in capture.events("status")}
    running = sorted(status for status in statuses if fold(status) not in _STARTING)
    shown = [f"unknown methods: {', '.join(sorted(methods))}"] if methods else []
    shown.append(f"statuses during continues: {', '.join(running)}" if running else "no statuses during continues")
    if capture.received:
        yield "some" if methods or running else "none", "; ".join(shown)


def notified_slots(capture: Capture) -> Seen:
    """From single sessions that ran to the end: discoveries, which may move the start slot, do not run that far."""
    for control in capture.controls:
        start = number(control.create and control.create.params, "startSlot")
        if control.is_single and control.completed and start is not None:
            slots = range(start, max(control.slots, default=start))
            without_block = {slot for slot in slots if not capture.shows_block(slot)}
            silent = without_block - set(control.slots)
            count = control.slots.count(start)
            shown = f"start slot {'not notified' if not count else 'notified' if count == 1 else 'notified twice'}"
            if silent:
                shown += ", slots without a block not" if count == 1 else ", nor slots without a block"
            elif without_block:
                shown += ", slots without a block too"
            yield "usual" if count == 1 and (silent or not without_block) else "other", shown


def single_numbers(capture: Capture) -> Seen:
    """From the connections that created their session."""
    created = [control for control in capture.controls if control.is_single and control.created is not None]
    numbers = [[one.sequence for one in control.events if one.sequence is not None] for control in created]
    if any(control.events for control in created):
        steps = {after - before for some in numbers for before, after in zip(some, some[1:])}
        yield "none" if not any(numbers) else "rising" if steps <= {1} else "gaps"


def error_forms(capture: Capture) -> Seen:
    return [read_error(event.params)[1] for event in capture.events("error")]


def error_names(capture: Capture) -> Seen:
    names = {error_name(event.params) for event in capture.events("error")} - {""}
    odd = sorted(name for name in names if fold(name) not in _ERRORS)
    if names:
        yield "unknown" if odd else "known", ", ".join(odd)
