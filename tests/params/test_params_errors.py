"""Exceptions: one tree, as its docstring draws it, whose members survive pickling and copying."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import threading
from typing import Any

import pytest

import simsync
from simsync import errors
from simsync.errors import (
    AuthenticationError,
    Cancelled,
    CapacityError,
    ConnectError,
    ContinueSendError,
    ControlClosed,
    ControlFailed,
    CreateError,
    EventTimeout,
    HttpStatusError,
    InvalidParams,
    MissingExtra,
    ProtocolError,
    RemoteError,
    RpcError,
    SimsyncError,
    SubscriptionFailed,
)
from simsync.events import BacktestError
from simsync.run import OutputBusy, StrategyFailed
from simsync.run.sweep import SweepFailed

ERROR = BacktestError("AdvanceSlotFailed", {"slot": 5}, {"advanceSlotFailed": {"slot": 5}}, terminal=True)

EXAMPLES: list[SimsyncError] = [
    InvalidParams("slot", [-1], "must be from 0"),
    MissingExtra("the simulator", "local"),
    ConnectError("could not connect"),
    HttpStatusError("https://sim.example/x", 503, "draining", "try later"),
    AuthenticationError("https://sim.example/x", 401, "who?", "check the key"),
    CreateError("no such range", ERROR),
    CapacityError("no capacity", ERROR),
    ControlClosed("over"),
    ControlFailed("lost"),
    SubscriptionFailed("incomplete"),
    ContinueSendError("refused"),
    Cancelled("closed"),
    EventTimeout("nothing came"),
    RemoteError(ERROR, "session s failed"),
    RpcError("getThing", -32602, "bad", {"logs": []}),
    ProtocolError("nonsense", {"raw": [1]}),
]


def classes() -> dict[str, type[SimsyncError]]:
    return {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, SimsyncError) and kind.__module__ == errors.__name__
    }


def documented_parents() -> dict[str, str]:
    """Name → name of the parent, from the drawing."""
    parents, path = {}, ["SimsyncError"]
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([│ ]*)[├└]── (\w+)", line)
        if found:
            depth = len(found.group(1)) // 4 + 1
            path[depth:] = [found.group(2)]
            parents[found.group(2)] = path[depth - 1]
    return parents


# feature: errors with their causes
def test_the_tree_is_the_documented_one() -> None:
    kinds = [*classes().values(), OutputBusy, StrategyFailed, SweepFailed]
    actual = {kind.__name__: kind.__bases__[0].__name__ for kind in kinds if kind is not SimsyncError}
    assert documented_parents() == actual


def test_the_documented_attributes_are_there() -> None:
    examples = {type(example).__name__: example for example in EXAMPLES}
    lines = [line for line in (errors.__doc__ or "").splitlines() if "── " in line]
    documented = [(line.split("── ")[1].split()[0], re.findall(r" \.(\w+)", line)) for line in lines]
    assert sum(len(attributes) for _name, attributes in documented) >= 8
    for name, attributes in documented:
        for attribute in attributes:
            assert getattr(examples[name], attribute) is not None, (name, attribute)


def test_the_examples_are_all_there_is_and_all_are_public() -> None:
    names = {type(example).__name__ for example in EXAMPLES} | {"SimsyncError"}
    assert names == set(classes())
    assert names <= set(simsync.__all__)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [(InvalidParams, ValueError), (EventTimeout, TimeoutError), (MissingExtra, ImportError)],
)
def test_errors_that_python_has_a_name_for(kind: type[SimsyncError], builtin: type[Exception]) -> None:
    assert issubclass(kind, builtin)
    assert issubclass(kind, SimsyncError)
    others = [other for other in classes().values() if issubclass(other, builtin)]
    assert others == [kind]


def state(error: BaseException) -> tuple[Any, ...]:
    return type(error), str(error), error.args, error.__dict__


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_pickling_and_copying_keep_everything(error: SimsyncError) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert state(pickle.loads(pickle.dumps(error, protocol))) == state(error)
    assert state(copy.copy(error)) == state(error)
    assert state(copy.deepcopy(error)) == state(error)


def test_messages() -> None:
    assert [str(error) for error in EXAMPLES] == [
        "slot=[-1]: must be from 0",
        "the simulator needs optional packages: pip install 'simsync[local]'",
        "could not connect",
        "https://sim.example/x answered HTTP 503: draining (try later)",
        "https://sim.example/x answered HTTP 401: who? (check the key)",
        "no such range",
        "no capacity",
        "over",
        "lost",
        "incomplete",
        "refused",
        "closed",
        "nothing came",
        "session s failed: AdvanceSlotFailed(slot=5)",
        "getThing: bad (code -32602)",
        "nonsense",
    ]
    assert str(RemoteError(ERROR)) == "AdvanceSlotFailed(slot=5)"
    assert str(HttpStatusError("https://sim.example/x", 404, " \n")) == "https://sim.example/x answered HTTP 404"
    assert len(str(HttpStatusError("https://sim.example/x", 500, "x" * 10_000))) < 500


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [10**5_000, "x" * 100_000, nested(100_000)], ids=["int", "text", "list"])
def test_any_value_can_be_shown(value: Any) -> None:
    error = InvalidParams("slot", value, "is wrong")
    assert len(str(error)) < 200
    assert str(error).startswith("slot=")


@pytest.mark.parametrize(
    "key", ["hunter2\nX-Evil: 1", "hunter2 ", " hunter2", "hunter2\x00", "hünter2hunter2", 2, b"hunter2"]
)
def test_a_refused_api_key_is_not_shown(key: Any) -> None:
    with pytest.raises(InvalidParams) as caught:
        simsync.Client("ws://localhost:1", api_key=key)
    error = caught.value
    assert error.argument == "api_key"
    assert "hunter2" not in f"{error} {error!r} {error.__dict__}"


def test_a_refused_api_key_of_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATOR_URL", "ws://localhost:1")
    monkeypatch.setenv("SIMULATOR_API_KEY", "hunter2\n")
    with pytest.raises(InvalidParams, match="api_key") as caught:
        simsync.Client()
    assert "hunter2" not in f"{caught.value!r} {caught.value.__dict__}"


def test_the_key_is_not_part_of_how_a_client_is_shown() -> None:
    assert "hunter2" not in repr(simsync.Client("ws://localhost:1", api_key="hunter2"))


def test_a_value_that_cannot_be_pickled_is_replaced_by_its_repr() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    values: list[tuple[Any, str]] = [(lambda: 1, "<lambda>"), (threading.Lock(), "lock"), (Odd(), "<Odd>")]
    for value, shown in values:
        for error in (errors.InvalidParams("argument", value, "must be text"), errors.ProtocolError("odd", value)):
            copied = pickle.loads(pickle.dumps(error))
            assert type(copied) is type(error)
            assert str(copied) == str(error)
            assert shown in str(copied.value if isinstance(copied, errors.InvalidParams) else copied.raw)


def test_notes_and_attributes_are_pickled_too() -> None:
    made: list[errors.SimsyncError] = [
        errors.InvalidParams("a", 1, "must be 2"),
        errors.HttpStatusError("http://x", 503, "busy"),
        errors.RpcError("m", -1, "no"),
        errors.ControlFailed("lost"),
        errors.EventTimeout("late"),
    ]
    for error in made:
        vars(error).update(__notes__=["said later"], retryable="set")
        copied = pickle.loads(pickle.dumps(error))
        assert (vars(copied), str(copied)) == (vars(error), str(error))
