"""When a recording takes the place of an older one, and when it does not."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.run import Recorder, read_records
from simsync.run.existing_file import Existing, existing
from simsync.run.output_file import OutputBusy, beside
from simsync.run.record_file import Record
from simsync.run.recorder import unfinished_path

from .files import compressed

METADATA = '{"type":"metadata","data":{"start_slot":1}}\n'
TX = '{"type":"tx","data":{"slot":1}}\n'
SUMMARY = '{"type":"summary","data":{}}\n'
OBJECT = json.dumps({"metadata": {}, "transactions": [], "summary": {}}, indent=1)
CONTENTS = {
    "nothing": None,
    "empty": "",
    "blank": "\n\n",
    "mark": "\ufeff",
    "mark and blank": "\ufeff\r\n",
    "begun": METADATA,
    "cut": METADATA + TX + '{"type":"tx","da',
    "complete": METADATA + TX + SUMMARY,
    "object": OBJECT,
    "joined": METADATA + TX + SUMMARY + METADATA + TX,
    "joined with a cut one": "\ufeff" + METADATA + TX + SUMMARY + METADATA + '{"type":"tx","da',
    "keys the other way": METADATA + '{"data": {}, "type": "summary"}\n' + TX,
    "headless": TX,
    "other": "#!/bin/sh\n",
    "json": '{"a": 1}\n',
    "package": '{"type":"module"}\n',
    "geography": '{"type":"Feature","geometry":null}\n' * 2,
    "carriage returns": (METADATA + TX + SUMMARY).replace("\n", "\r"),
    "journal": '{"type":"sweep","data":{}}\n{"type":"range","data":{}}\n',
    "first line cut": METADATA[:-9],
}
JOINED = ("joined", "joined with a cut one", "keys the other way")
NOT_RECORDINGS = ("other", "json", "package", "geography", "journal", "carriage returns")
PROGRESS = {"session_id": "backtest_a", "slot": 7}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.ndjson"


def put(path: Path, name: str) -> str | None:
    content = CONTENTS[name]
    if content is not None:
        path.write_bytes(content.encode())
    return content


def content_of(path: Path) -> str | None:
    return path.read_bytes().decode("utf-8") if path.exists() else None


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("nothing", Existing.NOTHING),
        ("empty", Existing.NOTHING),
        ("blank", Existing.NOTHING),
        ("mark", Existing.NOTHING),
        ("mark and blank", Existing.NOTHING),
        ("begun", Existing.INCOMPLETE),
        ("cut", Existing.INCOMPLETE),
        ("complete", Existing.COMPLETE),
        ("object", Existing.COMPLETE),
        *((name, Existing.COMPLETE) for name in JOINED),
        ("headless", Existing.HEADLESS),
        ("first line cut", Existing.HEADLESS),
        *((name, Existing.OTHER) for name in NOT_RECORDINGS),
    ],
)
def test_what_is_there(path: Path, name: str, state: Existing) -> None:
    put(path, name)
    assert existing(path) is state


@pytest.mark.parametrize("name", ["complete", "object", *JOINED, *NOT_RECORDINGS])
def test_some_files_are_replaced_only_with_force(path: Path, name: str) -> None:
    before = put(path, name)
    with pytest.raises(simsync.InvalidParams, match=r"replace it with --force|--force replaces it"), Recorder(path):
        pass
    assert content_of(path) == before
    with Recorder(path, force=True) as recorder:
        recorder.write("metadata", {})
        recorder.write("tx", {"slot": 1})
        recorder.write("summary", {})
    assert [record.kind for record in read_records(path)] == ["metadata", "tx", "summary"]
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_recording_can_be_repaired(path: Path) -> None:
    path.write_text(METADATA + "{damage\n" + TX + SUMMARY, encoding="utf-8")
    with pytest.raises(simsync.InvalidParams, match=r"not complete \(line 2 .*\); --resume repairs it"), Recorder(path):
        pass
    with Recorder(path, append=True):
        pass


@pytest.mark.parametrize("name", NOT_RECORDINGS)
def test_what_is_not_a_recording_is_not_resumed(path: Path, name: str) -> None:
    before = put(path, name)
    with pytest.raises(simsync.InvalidParams, match="nothing to resume"), Recorder(path, append=True):
        pass
    assert content_of(path) == before


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_file_without_content_is_nothing(path: Path, ending: str) -> None:
    for text, state in (("", Existing.NOTHING), ("\ufeff\n", Existing.NOTHING), ('{"type":"met', Existing.HEADLESS)):
        path.write_bytes(compressed(text.encode(), ending))
        assert existing(path) is state
        with Recorder(path, append=True):
            pass


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("place", [15, None])
def test_a_damaged_compressed_file_is_not_taken_for_nothing(path: Path, ending: str, place: int | None) -> None:
    records = METADATA + "".join(f'{{"type":"tx","data":{{"slot":{slot}}}}}\n' for slot in range(20_000)) + SUMMARY
    content = bytearray(compressed(records.encode(), ending))
    content[len(content) // 2 if place is None else place] ^= 0xFF
    path.write_bytes(content)
    assert existing(path) in ((Existing.OTHER, Existing.INCOMPLETE) if place else (Existing.INCOMPLETE,))
    with contextlib.suppress(simsync.InvalidParams), Recorder(path) as recorder:
        recorder.write("metadata", {})
        recorder.stop({"reasons": ["no luck"]})
    assert path.read_bytes() == content


# feature: (not the vendor's) files that only better ones replace, one writer, proof of completeness
@pytest.mark.parametrize("name", CONTENTS)
def test_a_run_that_could_not_start_leaves_a_recording_as_it_is(path: Path, name: str) -> None:
    before = put(path, name)
    with Recorder(path, force=True) as recorder:
        recorder.write("metadata", {})
        recorder.write("session_started", {"session_id": "backtest_a"})
        recorder.progress({"session_id": "backtest_a", "slot": None})
        recorder.stop({"reasons": ["no luck"]})
    assert list(path.parent.iterdir()) == [path]
    if name in ("nothing", "empty", "blank", "mark", "mark and blank"):
        assert list(read_records(path))[-1].kind == "stopped"
    else:
        assert content_of(path) == before


@pytest.mark.parametrize("kind", ["tx", "diff", "note", "progress"])
def test_it_takes_the_place_as_soon_as_something_was_executed(path: Path, kind: str) -> None:
    before = put(path, "begun")
    with Recorder(path) as recorder:
        recorder.write("metadata", {"new": True})
        recorder.flush()
        assert content_of(path) == before
        recorder.write(kind, PROGRESS)
        recorder.flush()
        assert [record.kind for record in read_records(path)] == ["metadata", kind]
        recorder.progress(PROGRESS)
        assert [record.kind for record in read_records(path)] == ["metadata", kind, "progress"]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["complete", *NOT_RECORDINGS])
def test_what_needs_force_stays_until_the_new_recording_is_complete(path: Path, name: str) -> None:
    before = put(path, name)
    aside = unfinished_path(path)
    assert aside.name == "run.new.ndjson"
    with Recorder(path, force=True) as recorder:
        recorder.write("metadata", {"new": True})
        recorder.progress(PROGRESS)
        assert (content_of(path), content_of(aside) is not None) == (before, True)
        recorder.stop({"reasons": ["killed"]})
    assert recorder.kept_aside == aside
    assert content_of(path) == before
    assert list(read_records(aside))[-1].kind == "stopped"
    with Recorder(path, force=True) as recorder:
        recorder.write("metadata", {"new": True})
        recorder.progress(PROGRESS)
        recorder.write("summary", {})
    assert recorder.kept_aside is None
    assert next(iter(read_records(path))).data == {"new": True}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", [f"{'n' * 247}.ndjson", f"{'ö' * 124}.json", f"n.{'x' * 253}", "n" * 255])
def test_the_longest_names_are_replaced_with_force_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    before = put(path, "complete")
    with Recorder(path, force=True) as recorder:
        recorder.progress(PROGRESS)
        assert content_of(path) == before
        aside = recorder.kept_aside
        assert aside is not None
        assert ".new" in aside.name
        recorder.write("summary", {})
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_named_as_standard_output_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Recorder("./-") as recorder:
        recorder.progress(PROGRESS)
    assert [record.kind for record in read_records(tmp_path / "-")] == ["progress"]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("better", ["tx", "session_completed", "summary"])
def test_a_resumed_run_takes_the_place_when_it_is_the_better_one(tmp_path: Path, ending: str, better: str) -> None:
    path = tmp_path / f"run.ndjson{ending}"
    progress = '{"type":"progress","data":{"slot":7}}\n'
    path.write_bytes(compressed((METADATA + 3 * TX + progress + TX).encode(), ending))
    before = path.read_bytes()
    with Recorder(path, append=True) as recorder:
        recorder.keep(Record("metadata", {"start_slot": 1}))
        recorder.keep(Record("tx", {"slot": 1}))
        recorder.write("tx", {"slot": 2})
        recorder.progress(PROGRESS)
        assert recorder.kept_aside == unfinished_path(path)
        recorder.stop({"reasons": ["no luck"]})
    assert path.read_bytes() == before
    assert [record.kind for record in read_records(unfinished_path(path))][-2:] == ["progress", "stopped"]
    with Recorder(path, append=True) as recorder:
        recorder.keep(Record("metadata", {"start_slot": 1}))
        recorder.keep(Record("tx", {"slot": 1}))
        recorder.write("tx", {"slot": 2})
        recorder.progress(PROGRESS)
        assert path.read_bytes() == before
        recorder.write(better, {})
        recorder.progress(PROGRESS)
        assert recorder.kept_aside is None
    assert [record.kind for record in read_records(path)][-3:] == ["progress", better, "progress"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("written", [False, True])
def test_an_interrupt_at_the_summary_replaces_a_complete_file_only_if_it_was_written(path: Path, written: bool) -> None:
    before = put(path, "complete")
    with Recorder(path, force=True) as recorder:
        recorder.write("metadata", {"new": True})
        recorder.progress(PROGRESS)
        recorder.write("summary", {})
        if written:
            recorder.flush()
        recorder.stop({"reasons": ["KeyboardInterrupt"]})
    assert (recorder.kept_aside is None) is written
    assert (content_of(path) == before) is not written
    assert list(read_records(path))[-1].kind == "summary"
    if not written:
        assert list(read_records(unfinished_path(path)))[-1].kind == "stopped"


@pytest.mark.parametrize("name", ["complete", "other"])
def test_what_is_where_force_would_record_is_not_replaced(path: Path, name: str) -> None:
    before = put(path, "complete"), put(unfinished_path(path), name)
    with pytest.raises(simsync.InvalidParams, match=r"run\.new\.ndjson.* holds .*: move it away first"):
        with Recorder(path, force=True):
            pass
    assert (content_of(path), content_of(unfinished_path(path))) == before


def test_the_file_and_not_the_link_decides_whether_it_is_compressed(tmp_path: Path) -> None:
    for link, target in (("a.ndjson", "a.ndjson.gz"), ("b.ndjson.gz", "b.ndjson")):
        (tmp_path / link).symlink_to(target)
        with Recorder(tmp_path / link) as recorder:
            recorder.progress(PROGRESS)
        assert (tmp_path / target).read_bytes().startswith(b"\x1f\x8b") is target.endswith(".gz")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("removed", [False, True])
def test_a_recording_whose_name_was_taken_is_saved(path: Path, force: bool, removed: bool) -> None:
    if force:
        put(path, "complete")
    place = unfinished_path(path) if force else path
    saved = place if removed else unfinished_path(place)
    with contextlib.ExitStack() as stack:
        if not removed:
            words = rf"{place} was removed or replaced .*; the recording is in {saved}"
            stack.enter_context(pytest.raises(simsync.SimsyncError, match=words))
        recorder = stack.enter_context(Recorder(path, force=force))
        recorder.write("metadata", {})
        recorder.progress(PROGRESS)
        if not removed:
            (path.parent / "page").write_text("<html>", encoding="utf-8")
            (path.parent / "page").replace(place)
        else:
            place.unlink()
        recorder.write("tx", {"slot": 8})
        recorder.write("summary", {})
        recorder.flush()
    holder = path if removed else saved
    assert [record.kind for record in read_records(holder)] == ["metadata", "progress", "tx", "summary"]
    assert removed or content_of(place) == "<html>"
    assert not force or removed or content_of(path) == CONTENTS["complete"]


def test_a_file_that_is_mounted_by_itself_is_recorded_in_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, "begun")
    number = path.stat().st_ino
    monkeypatch.setattr(Path, "replace", lambda self, other: (_ for _ in ()).throw(OSError(errno.EBUSY, "busy")))
    with Recorder(path) as recorder:
        recorder.write("metadata", {})
        recorder.progress(PROGRESS)
        recorder.write("summary", {})
    assert path.stat().st_ino == number
    assert [record.kind for record in read_records(path)] == ["metadata", "progress", "summary"]
    assert list(path.parent.iterdir()) == [path]


def test_one_recorder_at_a_time(path: Path) -> None:
    with Recorder(path) as recorder:
        with pytest.raises(OutputBusy), Recorder(path):
            pass
        recorder.write("metadata", {})
    with Recorder(path):
        pass


@pytest.mark.parametrize("name", ["b.ndjson", "y" * 240, "я" * 120])
def test_leftovers_of_killed_runs_are_removed_and_not_those_of_other_names(tmp_path: Path, name: str) -> None:
    left = beside(tmp_path / name, "run")
    with Recorder(tmp_path / f"x-{name[:60]}") as other:
        with Recorder(tmp_path / name) as recorder:
            assert not left.exists()
            recorder.progress(PROGRESS)
        other.progress(PROGRESS)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([name, f"x-{name[:60]}"])


def test_leftovers_of_other_commands_stay(path: Path) -> None:
    (path.parent / ".run-0123456789ab-run.ndjson").write_text(METADATA, encoding="utf-8")
    (path.parent / ".part-0123456789ab-run.ndjson").write_text("of another command", encoding="utf-8")
    with Recorder(path) as recorder:
        recorder.write("metadata", {})
    assert sorted(one.name for one in path.parent.iterdir()) == [".part-0123456789ab-run.ndjson", "run.ndjson"]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_each_block_of_a_compressed_file_can_be_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"run.ndjson{ending}"
    with Recorder(path) as recorder:
        for number in range(5):
            recorder.write("tx", {"slot": number})
            recorder.progress({"slot": number})
            assert len(list(read_records(path))) == 2 * number + 2
        recorder.write("summary", {})
    assert list(read_records(path))[-1].kind == "summary"


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_damaged_compressed_file_is_read_up_to_the_damage(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"run.ndjson{ending}"
    with Recorder(path) as recorder:
        for number in range(100):
            recorder.progress({"slot": number, "text": secrets.token_hex(100)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2 + 100 : len(content) // 2 + 400] = bytes(300)
    path.write_bytes(content)
    slots = [record.data["slot"] for record in read_records(path, skip_damaged=True)]
    assert len(slots) >= 49
    assert slots[:49] == list(range(49))


SKIPPED = b"\x50\x2a\x4d\x18" + (600).to_bytes(4, "little") + b"x" * 600


@pytest.mark.parametrize(
    ("ending", "before", "behind"),
    [
        (".gz", b"", bytes(512)),
        (".gz", b"", b"garbage"),
        (".zst", b"", bytes(512)),
        (".zst", b"", b"garbage"),
        (".zst", SKIPPED, b""),
        (".zst", b"", bytes(2_000) + SKIPPED),
    ],
)
def test_what_is_around_compressed_data_takes_nothing_away(
    path: Path, ending: str, before: bytes, behind: bytes
) -> None:
    records = METADATA + "".join(f'{{"type":"tx","data":{{"slot":{slot}}}}}\n' for slot in range(200)) + SUMMARY
    content = before + compressed(records.encode(), ending) + behind
    path.write_bytes(content)
    assert len(list(read_records(path))) == 202
    with pytest.raises(simsync.InvalidParams, match="--force"), Recorder(path):
        pass
    assert path.read_bytes() == content


class FullDisk:
    """A write that stops in the middle, and then fails."""

    def __init__(self, room: int) -> None:
        self.room, self._write = room, os.write

    def __call__(self, descriptor: int, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_after_a_failed_write_the_file_ends_with_a_whole_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"run.ndjson{ending}"
    with pytest.raises(OSError, match=r"No space left on device: '.*/run\.ndjson"), Recorder(path) as recorder:
        recorder.write("metadata", {})
        recorder.progress(PROGRESS)
        with monkeypatch.context() as patch:
            patch.setattr("os.write", FullDisk(10))
            recorder.write("tx", {"slot": 8})
            with pytest.raises(OSError, match="No space left"):
                recorder.flush()
        # There is room again, but what was lost must not be followed by more.
        with pytest.raises(OSError, match="No space left"):
            recorder.progress({"session_id": "backtest_a", "slot": 9})
        recorder.stop({"reasons": ["no space"]})
    kinds = [record.kind for record in read_records(path)]
    assert kinds == ["metadata", "progress", *([] if ending else ["stopped"])]


def test_a_failed_write_takes_nothing_away_from_a_file_that_is_appended_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.write_text("what was there before\n", encoding="utf-8")
    with path.open("ab") as file:
        with pytest.raises(OSError, match="No space left"), Recorder(f"/dev/fd/{file.fileno()}") as recorder:
            recorder.write("metadata", {})
            with monkeypatch.context() as patch:
                patch.setattr("os.write", FullDisk(10))
                recorder.flush()
    assert path.read_text(encoding="utf-8") == 'what was there before\n{"type":"m'


def test_what_cannot_be_replaced_cannot_be_resumed() -> None:
    with pytest.raises(simsync.InvalidParams, match="is not a file that can be resumed"):
        with Recorder("/dev/null", append=True):
            pass
    with Recorder("/dev/null") as recorder:
        recorder.write("metadata", {})
        recorder.write("summary", {})
    assert Path("/dev/null").is_char_device()
