"""The table of observations: how a capture settles each guess of ``docs/internals/compatibility.md``.

A row names the guess, what simsync assumes, the step of the probe that shows it, how its readings are told apart, and
for each reading what is printed. Guesses that no capture shows stand in ``NOT_OBSERVABLE`` with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simsync.doctor import observe_data as data
from simsync.doctor import observe_events as events
from simsync.doctor import observe_http as http
from simsync.doctor import observe_requests as requests
from simsync.doctor.capture import Record
from simsync.doctor.conversation import Capture
from simsync.doctor.observation import HIDDEN, Finding, Observation, Reading, also, differs, find, holds, unseen

_ACTIONS = "a plain mapping in CreateSession(actions=[...])"
_DISCOVERIES = "a plain mapping in CreateSession(discoveries=[...])"
_EDIT = "edit the code"
_OWN_DECODE = "or give your own decode"

_NO_BUILDS = unseen("this key has no builds")
_NO_SUCH_SERVICE = unseen("%s")
_NO_STREAM_ENDED = unseen("no stream has ended, see below")
_NOT_THIS_WAY = unseen("not this way")
_TEXT_ONLY = "from 0.14 on, servers take transactions as one compressed text, which is not documented"
_EVERY_FORM_REFUSED = "rejects every form that was tried (%s)"

_ANCHORED = holds("accepted, and the action ran")
_NO_ANCHOR = differs(_EVERY_FORM_REFUSED, _ACTIONS)


def _filter(row: str, written: str = "%s") -> Mapping[str, Reading]:
    setting = f'Dialect(streams={{**STREAMS, "{row}": replace(STREAMS["{row}"], filter=lambda id: {written})}})'
    return {
        "first": holds("accepts %s"),
        "other": differs("accepts %s only", setting),
        "refused": differs(_EVERY_FORM_REFUSED, "Dialect(streams=...)"),
        "silent": unseen("the subscribe was not answered"),
    }


def _rpc(setting: str) -> Mapping[str, Reading]:
    return {
        "taken": holds("accepted"),
        "refused": differs("rejected: %s", setting),
        "no method": unseen("this server has no %s"),
        "unreadable": unseen("no readable answer to %s"),
    }


def _anchor(other: Reading, refused: Reading) -> Mapping[str, Reading]:
    return {
        "external": _ANCHORED,
        "other": other,
        "silent": unseen("accepted, but no result of the action was received"),
        "refused": refused,
        "nothing": unseen(f"no create with actions was accepted (%s); {_TEXT_ONLY}"),
    }


def _names(setting: str) -> Mapping[str, Reading]:
    return {"these": holds("these names"), "missing": differs("without %s", setting)}


# fmt: off
OBSERVATIONS: tuple[Observation, ...] = (
    # Spelling
    Observation("keys of attach requests", "snake_case", "subscriptions", requests.attach_keys, {
        "snake_case": holds("accepts snake_case"),
        "camelCase": differs("accepts camelCase only", 'Dialect(inline_case="camel")'),
        "refused": unseen("every attach was rejected: %s")}),
    Observation("the session id in continues and closes of one sub-session",
                "both spellings at once", "parallel", requests.id_spelling, {
        "both": holds("accepts both at once"),
        "snake_case": differs("accepts snake_case only, rejects both at once", "Dialect(both_id_spellings=False)"),
        "camelCase": differs("accepts camelCase only, rejects both at once",
                             'Dialect(both_id_spellings=False, inline_case="camel")'),
        "neither": unseen("the continue that was accepted named no session"),
        "refused": unseen("no continue of a sub-session was accepted, in any spelling")}),
    Observation("keys of all other requests", "camelCase", "subscriptions", requests.create_keys, {
        "camelCase": holds("creates accept camelCase"),
        "snake_case": differs("creates accept snake_case only", 'CreateSession(extra={"start_slot": ...,'
                              ' "end_slot": ..., "disconnect_timeout_secs": 900}), else edit'),
        "refused": unseen("every create was rejected: %s")}),
    Observation("keys and method names on receipt", "any spelling", "subscriptions", events.keys_on_receipt, {
        "usual": holds("snake_case"), "other": also("%s")}),
    Observation("`params` of messages without content", "left out, or null", "subscriptions", events.absent_params, {
        "null": also("params: null"), "left out": holds("left out")}),
    Observation("Text and Binary frames", "Text or Binary, JSON", "subscriptions", events.frames, {
        "usual": holds("Text frames"), "other": also("%s"), "not JSON": also("%s, some are not JSON")}),
    # Creating a session
    Observation("`parallel` flat beside the other keys", "`true`", "parallel", requests.parallel, {
        "sessionsCreatedV2": holds("understood"),
        "sessionsCreated": differs("answers with sessionsCreated, which has no ranges",
                                   "this server is too old for simsync"),
        "readyForContinue": differs("not understood: a single session", "CreateSession(extra=...)")}),
    Observation("names of the other create options", "these names", "run", requests.other_options, {
        "actions": holds("`actions` take effect, the capacity wait is accepted"),
        "created": holds("the capacity wait is accepted; no actions seen")}),
    Observation("a number of slots instead of the end", "both ends are included", "run", requests.last_slot, {
        "passed": differs("continues after the end slot", "CreateSession(end_slot=...)"),
        "included": holds("the end slot is the last one")}),
    Observation("tagging of discovery filters", '{"programExecuted": <address>}', "discovery", requests.discovery, {
        "external": holds("accepts an object with one key"),
        "other": differs("accepts %s only", "CreateSession(discoveries=[%s])"),
        "silent": unseen("accepted, but no match was announced"),
        "refused": differs(_EVERY_FORM_REFUSED, _DISCOVERIES)}),
    Observation("tagging of anchors", '"afterSlot", or one key', "run", requests.anchor("afterSlot"),
                _anchor(differs("accepts %s only", 'CreateSession(actions=[{"anchor": %s, ...}])'), _NO_ANCHOR)),
    Observation("match anchors", "`beforeMatch` with `filter`", "run", requests.anchor("beforeMatch"),
                _anchor(_ANCHORED, _NO_ANCHOR)),
    Observation("anchors at every n slots, and their key", "`beforeEverySlot` with `everyNSlots`", "run",
                requests.anchor("beforeEverySlot"),
                _anchor(_ANCHORED, unseen("rejected (%s), as servers before 0.23 do"))),
    Observation("transactions of an action", "a list of base64 strings", "run", requests.action_transactions, {
        "list": holds("a list of base64 strings is accepted"),
        "one": also("one base64 string under `transaction`, as in 0.10"),
        "none": unseen(f"no list was accepted; {_TEXT_ONLY}"),
        "refused": unseen(f"a list was rejected (%s); {_TEXT_ONLY}")}),
    Observation("other keys of an action", "these names", "run", requests.action_keys, {
        "taken": holds("`kind`, `returnAccounts` and `label` take effect"),
        "missing": differs("without effect: %s", _ACTIONS)}),
    Observation("overrides per slot", "an action before the slot", "run", requests.overrides, {
        "taken": holds("in effect from its slot on"),
        "ignored": differs("without effect", "actions in CreateSession(actions=[...]) in place of overrides"),
        "refused": unseen("rejected (%s), as servers before 0.18 do")}),
    Observation("events of a sub-session before its announcement", "buffered until then", "parallel",
                requests.early_events, {
        "before": also("before it"),
        "between": also("after it, while other sub-sessions are announced"),
        "after all": holds("after all announcements")}),
    # Continuing, attaching, closing
    Observation("`rpc_endpoint` that is a path", "a path, or an address", "subscriptions",
                requests.endpoint_form, {"address": also("an absolute address"), "path": holds("a path")}),
    Observation("layout of `continueSessionV1` and `continueToSessionV1`", "the fields stand under `request`",
                "parallel", requests.continue_layout, {
        "nested": holds("accepts the fields under `request`"),
        "flat": differs("accepts the fields beside the id only", "Dialect(nested_continue=False)"),
        "refused": unseen("no continue of a sub-session was accepted, in any layout")}),
    Observation("a continue by more blocks than are left", "ends in `completed`", "run", requests.too_many_blocks, {
        "completed": holds("ends in `completed`"),
        "other": differs("ends in `%s`", "ask for no more blocks than are left")}),
    Observation("fields of `continueTo`", "`slot` and `batchIndex`", "run", requests.continue_to, {
        "batch": holds("pauses before the batch"),
        "slot": differs("pauses at the slot, not at the batch", _EDIT),
        "no block": unseen("slot %s may have no block, and then no batch to pause before"),
        "refused": differs("rejected (%s)", _EDIT),
        "other": differs("ends in `%s`, not in a pause", _EDIT)}),
    Observation("fields of `closeSessionV1`", "the session id", "parallel", requests.close_one, {
        "success": holds("answered with `success`"),
        "refused": differs("rejected (%s)", "Dialect(both_id_spellings=False), or edit"),
        "silent": unseen("not answered")}),
    Observation("closing a connection with all its sessions", "`closeBacktestSession`", "subscriptions",
                requests.close_all, {
        "success": holds("accepted"), "completed": holds("accepted"), "closed": holds("accepted"),
        "error": differs("rejected", _EDIT)}),
    Observation("waiting for the answer to a close", "`success`, or `completed`, or nothing", "subscriptions",
                requests.close_all, {
        "success": holds("answered with `success`"),
        "completed": also("answered with `completed`"),
        "closed": also("closed without an answer"),
        "error": also("answered with an error")}),
    Observation("`readyForContinue` after `paused`, and after an error about a continue's content",
                "both count as an answer", "run", requests.paused_then_ready, {
        "ready": also("`paused`, then `readyForContinue`"), "alone": holds("`paused` alone")}),
    Observation("place of the missed events, before or after the answer to the attach", "either", "subscriptions",
                requests.missed_events, {
        "before": also("before the answer"),
        "after": holds("after the answer"),
        "none": unseen("no events were repeated")}),
    Observation("attaching to a single session", "`success`, or nothing", "subscriptions", requests.attach_single, {
        "success": holds("`sessionAttached`, then `success`"),
        "unanswered": also("`sessionAttached`; the resume is not answered")}),
    Observation("numbers of replies among the events of a single session", "either", "subscriptions",
                requests.numbered_replies, {
        "numbered": also("numbered among the events"), "unnumbered": holds("no numbers")}),
    Observation("endpoint when `sessionAttached` does not name it", "`/backtest/<session id>`", "subscriptions",
                requests.attached_endpoint, {"missing": also("not named"), "named": holds("named")}),
    # Events
    Observation("form of the event inside `sessionEventV2`", "`method` and `params`; a string; one key", "parallel",
                events.event_form, {
        "other": differs("%s", _EDIT), "external": also("%s"), "tagged": holds("%s")}),
    Observation("unknown methods, event kinds, statuses", "skipped, or delivered", "run", events.unknown_kinds, {
        "none": holds("%s"), "some": also("%s")}),
    Observation("`paused`", "`slot` and `batchIndex`", "run", events.field_names("paused", "slot", "batchIndex"),
                _names("read Paused.raw")),
    Observation("`discoveryBatch`", "`slot`, `batchIndex`, `matched`, `transactions`", "discovery",
                events.field_names("discoveryBatch", "slot", "batchIndex", "matched", "transactions"),
                _names("read DiscoveryBatch.raw")),
    Observation("names of the summary's numbers", "six counters and `rerouteStats`", "run", events.summary, {
        "others": differs("other names: %s", "read SessionSummary.raw"),
        "more": also("these names, and %s"),
        "these": holds("these names"),
        "none": unseen("`completed` had no summary")}),
    Observation("start slot and slots without a block: notified or not, once or twice", "any of these",
                "run", events.notified_slots, {"other": also("%s"), "usual": holds("%s")}),
    Observation("numbers of a single session (`seqId` beside `method`)", "rising by one", "subscriptions",
                events.single_numbers, {
        "rising": holds("rising by one"),
        "gaps": also("rising, with gaps"),
        "none": differs("no numbers", "simsync cannot resume after a lost connection; edit the code")}),
    # Errors
    Observation("form of errors", "a string; one key; a tag and its content", "errors", events.error_forms, {
        "other": differs("something else", "read BacktestError.raw, or edit the code"),
        "tagged": also("a tag and its content"),
        "external": holds("a string, or one key")}),
    Observation("names and fields of errors", "those of the vendor's source", "errors", events.error_names, {
        "known": holds("known names"), "unknown": differs("unknown names: %s", "Dialect(is_terminal=...)")}),
    Observation("which errors answer a continue", "those about its content; nothing was executed", "subscriptions",
                requests.refused_continue, {
        "content": holds("%s"),
        "other": differs("%s", "Dialect(is_terminal=...), or edit the code"),
        "taken": differs("an invalid transaction is not rejected: `%s`", _EDIT),
        "silent": unseen("the continue with an invalid transaction was not answered")}),
    Observation("an error while attaching", "a terminal one is final", "errors", requests.unknown_session, {
        "final": holds("final for a session that does not exist"),
        "other": differs("%s for a session that does not exist", "Dialect(is_terminal=...)")}),
    # RPC and HTTP services
    Observation("params and result of `getAddressLookupTable`", "the address alone", "subscriptions",
                http.rpc("getAddressLookupTable"), _rpc('sub.rpc.call("getAddressLookupTable", [...])')),
    Observation("commitment", "`confirmed`", "subscriptions", http.rpc("getBalance"), _rpc("sub.rpc.call(...)")),
    Observation("`searchTransactionHistory` of `getSignatureStatuses`", "always true", "subscriptions",
                http.rpc("getSignatureStatuses"), _rpc("sub.rpc.call(...)")),
    Observation("bytes of a `memcmp` filter", "base64 with `encoding`", "subscriptions",
                http.rpc("getProgramAccounts"), _rpc("sub.rpc.call(...)")),
    Observation("accounts and signatures per request", "100 and 256", "subscriptions",
                http.rpc("getMultipleAccounts"), _rpc(_EDIT)),
    Observation("keys of HTTP replies", "any spelling", "services", http.keys_on_receipt, {"any": holds("%s")}),
    Observation("`/available-ranges`: size of a bundle", "`maxBundleSize`", "services", http.bundle_size, {
        "usual": holds("`maxBundleSize`"),
        "other": differs("named %s", "read AvailableRange.raw"),
        "none": also("not given; simsync counts the slots from start to end")}),
    Observation("names of the window of `/usage`", "`since` and `until`", "services", http.usage_window, {
        "taken": holds("accepted"),
        "ignored": differs("ignored", _EDIT),
        "untold": unseen("the report does not say which window it covers"),
        "status": _NO_SUCH_SERVICE}),
    Observation("`daily` and `pricing` of a usage report", "not read", "services", http.usage_extras, {
        "none": holds("not present"), "some": also("has %s"), "status": _NO_SUCH_SERVICE}),
    Observation("fields of bundle builds and bundles", "id and status; slots", "services", http.bundles, {
        **_names("read BundleListing.raw"), "nothing": _NO_BUILDS, "status": _NO_SUCH_SERVICE}),
    Observation("path of one build", "`/build-bundle/<id>`", "services", http.build_path, {
        "taken": holds("answers"),
        "refused": differs("%s", _EDIT),
        "nothing": _NO_BUILDS}),
    # Subscriptions
    Observation("filter for transactions of programs", '{"mentions": [id]}', "subscriptions",
                data.stream_filter("transactions"), _filter("transactions", '"all" if id is None else %s')),
    Observation("filter for all transactions", '"all"', "subscriptions", data.stream_filter("all_transactions"),
                _filter("transactions", '%s if id is None else {"mentions": [id]}')),
    Observation("filter for diffs of the accounts of a program", '{"address": id, "address_type": "program"}',
                "subscriptions", data.stream_filter("program_diffs"), _filter("program_diffs")),
    Observation("filter for diffs of one account", '{"address": id, "address_type": "account"}',
                "subscriptions", data.stream_filter("account_diffs"), _filter("account_diffs")),
    Observation("filter for action results", "null", "subscriptions", data.stream_filter("actions"),
                _filter("actions")),
    Observation("a subscription without a filter", "null in its place", "subscriptions", data.no_filter, {
        "null": holds("accepts null in its place"),
        "refused": differs("rejected (%s)", "sub.subscribe(method, filter)"),
        "silent": unseen("slotSubscribe was not answered")}),
    Observation("config of a subscription", "an object with more keys than a kind may know", "subscriptions",
                data.config, {
        "taken": holds("no accepted subscription rejects it")}),
    Observation("Text and Binary frames of a compressed connection", "Text plain, Binary compressed", "subscriptions",
                data.compressed, {
        "usual": holds("%s"),
        "other": also("%s"),
        "never": also("never compresses"),
        "no notification": unseen("no notification was received"),
        "not installed": unseen("zstandard is not installed, so nothing was compressed")}),
    Observation("acknowledgement of a subscription", "a number or a string", "subscriptions", data.acknowledgement, {
        "other": differs("neither a number nor a string", _EDIT),
        "text": holds("a string"),
        "number": holds("a number")}),
    Observation("a rejected subscription", "an error that names the request", "subscriptions", data.refusal, {
        "error": holds("an error that names the request"),
        "closed": differs("closes the connection", _EDIT),
        "accepted": unseen("the server accepts a method that does not exist"),
        "silent": unseen("not answered")}),
    Observation("names of notifications", "not used", "subscriptions", data.names, {
        "usual": holds("`transactionNotification` and so on"), "others": also("others: %s")}),
    Observation("notifications before their acknowledgement", "buffered until it arrives", "subscriptions",
                data.early_notifications, {"before": also("some arrive before it"), "after": holds("after it")}),
    Observation("shape of an account diff", "`account`, `signature`, `pre`, `post`", "run", data.diff_shape,
                _names(f"read AccountDiff.raw, {_OWN_DECODE}")),
    Observation("a diff without a signature", "the effect of an override", "run", data.diff_of_override, {
        "unsigned": holds("the override is a diff without a signature"),
        "signed": also("the override is a diff with a signature"),
        "none": unseen("no diff of the overridden account was received")}),
    Observation("shape of an action result, older and newer", "either", "run", data.action_shape, {
        "list": holds("`transactionOutcomes`"),
        "single": also("one outcome at the top level"),
        "neither": differs("neither", f"read ActionResult.raw, {_OWN_DECODE}")}),
    Observation("account data", '[string, "base64"] or {"data", "encoding"}', "run", data.account_data, {
        "known": holds("%s"), "other": differs("%s", "read the event's raw")}),
    Observation("slot of a notification", "`slot` or `context.slot`", "subscriptions", data.slot, {
        "missing": differs("some notifications name no slot", _EDIT),
        "named": holds("`slot` or `context.slot`")}),
    Observation("a transaction that mentions two of the programs", "arrives once per subscribe", "run",
                data.two_programs, {
        "each": holds("arrives once per subscribe"), "none": unseen("no transaction mentioned both programs")}),
    # The end of a stream
    Observation("a result that ends a stream", "`completed`, `done`, `eof` or `endOfStream`", "run",
                data.ends_by("result"), {
        "this": holds("this way"), "another": _NOT_THIS_WAY, "none": _NO_STREAM_ENDED}),
    Observation("a method name that ends a stream", "ends in `Completed`, `Complete` or `End`", "run",
                data.ends_by("name"), {
        "this": also("this way"), "another": _NOT_THIS_WAY, "none": _NO_STREAM_ENDED}),
    Observation("a clean close (1000) of the data connection", "ends all its streams", "run", data.ends_by("close"), {
        "this": also("this way"), "another": _NOT_THIS_WAY, "none": _NO_STREAM_ENDED}),
    Observation("a stream without an end", "a failure", "run", data.no_end, {
        "each": holds("each stream has ended"),
        "some": differs("some streams have not ended", "Dialect(ends_stream=...)"),
        "none": differs("no stream has ended in a way that simsync knows", "Dialect(ends_stream=...)")}),
)
# fmt: on

_NOT_SENT = "simsync does not send it"
_MAY_LACK = "an error could also mean that the server lacks the feature"
_NO_SUCH_SUBSCRIPTION = "no step of the capture subscribes to an account or a program"
_UNCHANGED = "passed on unchanged, so nothing can differ"

NOT_OBSERVABLE: Mapping[str, str] = {
    "names of the counters of reroutes": "the probe reroutes nothing, because that needs the router",
    "transactions of a discovery": "long messages are shortened; DiscoveryBatch.decoded() shows it",
    "create options that simsync does not have": _NOT_SENT,
    "oracle updates": _MAY_LACK,
    "overrides per slot when the range is split": "needs a range over several bundles",
    "keys of `reroute`": _MAY_LACK,
    "aggregators": _MAY_LACK,
    "mint pairs": _MAY_LACK,
    "direct fills": _MAY_LACK,
    "diagnostic probes": _MAY_LACK,
    "agents (legacy)": _MAY_LACK,
    "closing before the drains have ended": "simsync never does it",
    "the usual form of slots and readies": "a shortcut; the form of the event inside `sessionEventV2` decides",
    "agent statistics in `completed`": _UNCHANGED,
    "which errors end a session": "needs sessions that fail",
    "which errors are retried": "needs a busy server",
    "spelling of queries and bodies": "a build costs money, a deletion deletes; but see the window of `/usage`",
    "reroutes, replacements, diagnostics": _MAY_LACK,
    "`encoding` of accounts and programs": _NO_SUCH_SUBSCRIPTION,
    "spelling of `intraSlotUpdates`": _NO_SUCH_SUBSCRIPTION,
    "rejection for lack of capacity": "needs a server at capacity",
    "shapes of all other kinds": _UNCHANGED,
    "ending a subscription early": "closing a connection has no answer",
    "keys that identify a notification": "needs a data connection that is lost halfway",
    "slots that the server no longer keeps": "needs more than 100 slots",
    "keepalive": "pings are not captured",
    "dead peer": "needs a server that stops sending",
}


def findings(records: Sequence[Record]) -> list[Finding]:
    """Compare a capture with the guesses that simsync makes.

    Args:
        records: The records of a :class:`CaptureFile`, or those that :func:`read_capture` returns.

    Returns:
        One finding per guess; last come the guesses that no capture shows.
    """
    capture = Capture(records)
    seen = [find(row, capture) for row in OBSERVATIONS]
    return seen + [Finding(guess, "", reason, HIDDEN) for guess, reason in NOT_OBSERVABLE.items()]
