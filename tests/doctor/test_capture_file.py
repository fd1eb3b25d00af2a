"""The file of a capture: what its lines hold, what is left out, and that it can always be read."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.doctor import CaptureFile, Redaction, read_capture

URL = "wss://sim.example.com/backtest"
KEY = "secret-key-of-mine"
SIGNATURE = "5" * 88


def frame(message: Any, plane: str = "control", kind: str = "text", **more: Any) -> simsync.Frame:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    values = {"connection": 7, "direction": "received", "url": URL, **more}
    return simsync.Frame(plane=plane, kind=kind, payload=payload, **values)


def notification(slot: int, filling: int) -> dict[str, Any]:
    result = {"slot": slot, "transaction": {"signatures": [SIGNATURE, SIGNATURE]}, "logs": ["block " * 40] * filling}
    return {"method": "transactionNotification", "params": {"subscription": 1, "result": result}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.ndjson"


def written(path: Path, *frames: simsync.Frame) -> list[dict[str, Any]]:
    with CaptureFile(path, Redaction.of(KEY, URL)) as capture:
        for one in frames:
            capture(one)
        assert read_capture(path) == capture.records
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line(path: Path) -> None:
    (line,) = written(path, frame({"method": "success", "echo": KEY}))
    assert line.pop("at") >= 0
    assert line == {
        "plane": "control",
        "connection": 1,
        "direction": "received",
        "kind": "text",
        "url": "wss://<host>/backtest",
        "message": {"method": "success", "echo": "<api-key>"},
        "size": len(json.dumps({"method": "success", "echo": KEY})),
    }


def test_ids_keep_their_names_in_the_whole_file(path: Path) -> None:
    lines = written(
        path,
        frame({"session_ids": ["one", "two"], "control_session_id": "three"}),
        frame({"error": "two is unknown"}),
        frame({"id": 1}, plane="data", url="wss://sim.example.com/backtest/two"),
        frame({"id": 1}, plane="data", url="wss://sim.example.com/backtest/four"),
    )
    assert lines[0]["message"] == {
        "session_ids": ["<session-1>", "<session-2>"],
        "control_session_id": "<control-1>",
    }
    assert lines[1]["message"] == {"error": "<session-2> is unknown"}
    assert [line["url"] for line in lines[2:]] == [
        "wss://<host>/backtest/<session-2>",
        "wss://<host>/backtest/<session-3>",
    ]


def test_text_that_is_no_json_and_bytes_that_are_no_text(path: Path) -> None:
    lines = written(path, frame(f"no JSON, but {KEY}".encode()), frame(b"\xff\xfe", kind="binary"))
    assert lines[0]["text"] == "no JSON, but <api-key>"
    assert "text" not in lines[1] and "message" not in lines[1]
    assert lines[1]["size"] == 2


def test_connections_are_numbered_from_one_and_closes_have_their_code(path: Path) -> None:
    lines = written(path, frame(b"bye", kind="close", status=1000), frame({}, connection=99))
    assert [line["connection"] for line in lines] == [1, 2]
    assert (lines[0]["status"], lines[0]["text"]) == (1000, "bye")


def test_many_large_notifications_are_shortened_then_only_placed(path: Path) -> None:
    lines = written(path, *(frame(notification(slot, 30), plane="data") for slot in range(30)))
    results = [line["message"]["params"]["result"] for line in lines]
    assert all(len(result["logs"]) == 30 for result in results[:3])
    assert all(len(result["logs"]) == 10 and result["logs"][0].endswith("…") for result in results[3:20])
    assert results[25] == {"slot": 25, "transaction": {"signatures": [SIGNATURE]}}
    assert [bool(line.get("shortened")) for line in lines] == [False] * 3 + [True] * 27
    assert all(line["size"] > 5_000 for line in lines)


def test_control_messages_are_shortened_but_never_only_placed(path: Path) -> None:
    message = {"method": "discoveryBatch", "params": {"slot": 1, "transactions": ["eHh4" * 1_000] * 30}}
    lines = written(path, *(frame(message) for _ in range(30)))
    assert lines[29]["message"]["params"] == {"slot": 1, "transactions": ["<bytes>"] * 10}


def test_a_secret_is_removed_before_a_text_is_cut(path: Path) -> None:
    message = {"method": "status", "params": {"message": "block " * 15 + KEY + " block" * 400}}
    text = "block " * 43_689 + "no " + KEY  # its first word ends just where the text is cut
    lines = written(path, *(frame(message) for _ in range(5)), frame(text.encode()))
    assert "shortened" in lines[4]
    assert not any(KEY[:4] in json.dumps(line) for line in lines)


def test_small_notifications_are_always_whole(path: Path) -> None:
    lines = written(path, *(frame(notification(slot, 1), plane="data") for slot in range(30)))
    assert not any(line.get("shortened") for line in lines)


def test_what_a_key_has_used_is_not_kept(path: Path) -> None:
    usage = {
        "api_key_name": "mine",
        "since": "2026-01-01T00:00:00Z",
        "compute": {"cost": 12, "daily": [{"slots": 1}, {"slots": 2}]},
    }
    (line,) = written(
        path, frame(usage, plane="http", kind="reply", status=200, url="https://sim.example.com/usage?since=x")
    )
    assert line["message"] == {
        "api_key_name": "<private>",
        "since": "2026-01-01T00:00:00Z",
        "compute": {"cost": 0, "daily": [{"slots": 0}]},
    }


def test_an_unfinished_last_line_is_left_out(path: Path) -> None:
    written(path, frame({"method": "success"}))
    with path.open("a") as file:
        file.write('{"at":1.5,"plane":"con')
    assert len(read_capture(path)) == 1


def test_an_invalid_line_is_named(path: Path) -> None:
    path.write_text('{"at":1,"plane":"control"}\n[1]\n')
    with pytest.raises(ValueError, match="line 2: not a line of a capture"):
        read_capture(path)


def test_keys_of_later_versions_are_ignored(path: Path) -> None:
    path.write_text('{"at":1,"plane":"control","colour":"red"}\n')
    assert read_capture(path)[0].plane == "control"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_check_raises_for_a_full_disk_and_frames_do_not() -> None:
    with CaptureFile(Path("/dev/full"), Redaction()) as capture:
        capture(frame({"method": "success"}))
        capture(frame({"method": "success"}))
        with pytest.raises(OSError, match="No space left"):
            capture.check()
        assert len(capture.records) == 2


def test_waiting_for_records(path: Path) -> None:
    with CaptureFile(path, Redaction()) as capture:
        capture.note("step", "one")
        assert not capture.wait(lambda record: record.text == "two", 0.01)
        other = threading.Thread(target=lambda: capture.note("step", "two"))
        other.start()
        assert capture.wait(lambda record: record.text == "two", 10)
        other.join()
        assert not capture.wait(lambda record: record.text == "two", 0, since=capture.place)
        assert not capture.wait(lambda record: record.kind == "step", 0, count=3)
        assert capture.wait(lambda record: record.kind == "step", 0, count=2)


def test_the_former_name_of_the_package_warns() -> None:
    from simsync.run import probing

    with pytest.warns(DeprecationWarning, match=r"from simsync\.doctor"):
        assert probing.CaptureFile is CaptureFile  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"simsync\.doctor"):
        _ = probing.Nothing  # type: ignore[attr-defined]
