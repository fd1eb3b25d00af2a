"""What a replay proves: whole, a gap, or nothing."""

from __future__ import annotations

import pytest

from simsync.protocol.replay_evidence import ReplayEvidence, Span, Verdict

DEPTH = 100


def lost(reached: int | None, silence: int | None = 1, *, flowing: bool = True, begins: int = 1_000) -> ReplayEvidence:
    evidence = ReplayEvidence()
    evidence.begins = begins
    evidence.lost(reached, silence, flowing=flowing)
    return evidence


def test_the_slot_of_the_cursor_comes_again_so_nothing_is_missing() -> None:
    evidence = lost(1_050)
    assert evidence.resumed(1_100, DEPTH) == Verdict()
    assert evidence.awaits_replay
    assert evidence.came(1_050) == Verdict()
    assert not evidence.awaits_replay


def test_a_replay_proves_it_although_control_is_far_ahead() -> None:
    evidence = lost(1_050)
    assert evidence.resumed(5_000, DEPTH) == Verdict()
    assert evidence.came(1_050) == Verdict()


def test_a_busy_stream_whose_slot_does_not_come_again_has_a_gap() -> None:
    evidence = lost(1_036, silence=1)
    evidence.resumed(1_154, DEPTH)
    assert evidence.came(1_055) == Verdict(missing=Span(1_037, 1_054))


def test_an_idle_socket_proves_nothing_if_the_data_plane_lags() -> None:
    """Everything that had come was read, and control was 64 slots ahead."""
    evidence = lost(1_036, silence=2, flowing=True)
    evidence.resumed(1_150, DEPTH)
    assert evidence.came(1_051).missing == Span(1_037, 1_050)


def test_a_stream_that_is_often_silent_for_so_long_is_not_proven_either_way() -> None:
    evidence = lost(1_036, silence=90)
    evidence.resumed(1_154, DEPTH)
    assert evidence.came(1_200) == Verdict(unproven=Span(1_037, 1_054))


def test_one_notification_tells_nothing_of_how_long_a_stream_is_silent() -> None:
    evidence = lost(1_036, silence=None)
    evidence.resumed(1_154, DEPTH)
    assert evidence.came(1_200) == Verdict(unproven=Span(1_037, 1_054))


@pytest.mark.parametrize("reached", [1_036, None])
def test_what_was_left_unread_was_not_silence(reached: int | None) -> None:
    evidence = lost(reached, silence=None, flowing=False)
    verdict = evidence.resumed(1_154, DEPTH)
    if reached is not None:
        verdict = evidence.came(1_200)
    assert verdict.missing == Span(1_000 if reached is None else 1_037, 1_054)


def test_a_stream_that_was_quiet_from_the_beginning_is_not_proven() -> None:
    evidence = lost(None, None)
    assert evidence.resumed(1_099, DEPTH) == Verdict()  # nothing has left the buffer
    evidence.lost(None, None, flowing=True)
    assert evidence.resumed(1_150, DEPTH) == Verdict(unproven=Span(1_000, 1_050))
    evidence.lost(None, None, flowing=True)
    assert evidence.resumed(1_160, DEPTH) == Verdict(unproven=Span(1_051, 1_060))  # each slot once


@pytest.mark.parametrize("early", [False, True])
def test_a_stream_that_ends_without_a_replay(early: bool) -> None:
    evidence = lost(1_036, silence=1)
    if early:
        assert evidence.ended(0) == Verdict()
        verdict = evidence.resumed(1_154, DEPTH)
    else:
        evidence.resumed(1_154, DEPTH)
        verdict = evidence.ended(1_154)
    assert verdict == Verdict(missing=Span(1_037, 1_054))


def test_a_server_that_keeps_less_than_it_is_said_to() -> None:
    evidence = lost(1_050, silence=1)
    evidence.resumed(1_060, DEPTH)
    assert evidence.came(1_056) == Verdict(missing=Span(1_050, 1_055))


def test_a_second_loss_before_anything_came_keeps_the_question() -> None:
    evidence = lost(1_036, silence=1)
    evidence.resumed(1_100, DEPTH)
    evidence.lost(1_036, 1, flowing=True)
    evidence.resumed(1_154, DEPTH)
    assert evidence.came(1_055).missing == Span(1_037, 1_054)
