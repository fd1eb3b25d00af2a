"""The tree of cancel tokens."""

from __future__ import annotations

import gc
import weakref

from simsync.cancel import CancelToken


def test_a_token_fires_its_callbacks_once() -> None:
    calls: list[int] = []
    token = CancelToken()
    token.on_cancel(lambda: calls.append(1))
    assert not token.cancelled
    token.cancel()
    token.cancel()
    assert token.cancelled
    assert calls == [1]


def test_a_callback_that_comes_late_is_called_at_once() -> None:
    calls: list[int] = []
    token = CancelToken()
    token.cancel()
    token.on_cancel(lambda: calls.append(1))
    assert calls == [1]


def test_a_callback_can_be_taken_back() -> None:
    calls: list[int] = []
    token = CancelToken()
    forget = token.on_cancel(lambda: calls.append(1))
    forget()
    forget()
    token.cancel()
    assert calls == []


def test_children_are_fired_with_their_parent_and_not_the_reverse() -> None:
    parent = CancelToken()
    child = parent.child()
    grandchild = child.child()
    sibling = parent.child()
    child.cancel()
    assert (parent.cancelled, child.cancelled, grandchild.cancelled, sibling.cancelled) == (False, True, True, False)
    parent.cancel()
    assert sibling.cancelled
    assert parent.child().cancelled


def test_a_parent_does_not_keep_its_children() -> None:
    parent = CancelToken()
    child = weakref.ref(parent.child())
    gc.collect()
    assert child() is None
