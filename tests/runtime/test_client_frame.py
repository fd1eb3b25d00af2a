"""Frames that the client writes, as another implementation reads them."""

from __future__ import annotations

import io
import os

import pytest
import websocket

from simsync.runtime.client_frame import client_frames

SIZES = [0, 1, 3, 4, 5, 125, 126, 127, 65_535, 65_536, 100_001]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_PONG])
def test_a_frame_is_read_as_it_was_written(size: int, opcode: int) -> None:
    payload = os.urandom(size)
    (frame,) = client_frames([(payload, opcode)])
    written = io.BytesIO(frame)
    read = websocket.frame_buffer(written.read, True).recv_frame()
    assert (read.fin, read.rsv1, read.opcode, read.mask_value, read.data) == (1, 0, opcode, 1, payload)
    assert written.read() == b""


def test_each_frame_has_a_key_of_its_own() -> None:
    frames = client_frames([(b"the same", websocket.ABNF.OPCODE_TEXT)] * 10)
    assert len(set(frames)) == 10
