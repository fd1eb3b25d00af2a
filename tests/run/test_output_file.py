"""Files are replaced as a whole or not at all, through links, with their mode, by one writer at a time."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import simsync
from simsync.run.output_file import OutputBusy, is_written_through, only_writer, refuse_same_file, replaced

from .files import compressed, tx, write_lines, write_object


def write(target: Path, text: str = "new") -> None:
    with replaced(target) as part:
        part.write_text(text, encoding="utf-8")


def test_a_new_file_has_the_mode_that_any_file_would_have(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write(tmp_path / "page.html")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "plain"]


def test_links_mode_and_owner_stay(tmp_path: Path) -> None:
    target = tmp_path / "published" / "page.html"
    target.parent.mkdir()
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(target, 12_345, 12_345)
    before = target.stat()
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to("published/page.html")
    second.symlink_to(first)
    write(second)
    after = target.stat()
    assert first.is_symlink()
    assert second.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_link_to_nothing_creates_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("name", ["page.html", "p" * 255, "п" * 127, ".hidden", "-", "[x]*?.csv"])
def test_after_a_failure_the_old_file_is_all_there_is(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match="no luck"), replaced(target) as part:
        part.write_text("half", encoding="utf-8")
        raise ValueError("no luck")
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text(encoding="utf-8") == "old"
    write(target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text(encoding="utf-8") == "new"


def test_the_temporary_file_has_the_ending_of_the_target(tmp_path: Path) -> None:
    with replaced(tmp_path / "ledger.jsonl.zst") as one:
        assert one.name.endswith("ledger.jsonl.zst")
    with replaced("/dev/null") as part:
        part.touch()


def test_a_file_that_cannot_be_renamed_over_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is mounted by itself in a container."""
    target = tmp_path / "run.ndjson"
    target.write_text("old and longer", encoding="utf-8")
    monkeypatch.setattr(Path, "replace", lambda self, other: (_ for _ in ()).throw(OSError(16, "busy")))
    write(target)
    assert target.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_pipes_and_descriptors_are_written_through(tmp_path: Path) -> None:
    pipe, read_end = tmp_path / "pipe", None
    os.mkfifo(pipe)
    read_end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe)
        assert os.read(read_end, 10) == b"new"
    finally:
        os.close(read_end)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    program = (
        "import os, sys; from simsync.run.output_file import replaced\n"
        "print('before')\n"
        "with replaced(sys.argv[1]) as part: part.write_text('through\\n')\n"
        "print('after')"
    )
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    for name in ("-", "/dev/stdout", "/dev/fd/1", str(tmp_path / "link")):
        shown = tmp_path / "shown"
        with shown.open("wb") as file:  # a regular file, whose name must not be replaced under the shell
            subprocess.run([sys.executable, "-c", program, name], stdout=file, check=True)
        assert shown.read_text(encoding="utf-8") == "before\nthrough\nafter\n"
    assert (tmp_path / "link").is_symlink()
    assert not is_written_through(tmp_path / "new")
    assert not is_written_through(tmp_path)
    assert is_written_through("/dev/null")


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("write_run", [write_lines, write_object])
@pytest.mark.parametrize("end", [True, False])
def test_only_a_run_replaces_a_recording(tmp_path: Path, ending: str, write_run: Any, end: bool) -> None:
    target = write_run(tmp_path / "run", [tx(10, "s1")]) if end else write_lines(tmp_path / "run", [], end=False)
    before = compressed(target.read_bytes(), ending)
    target.write_bytes(before)
    with pytest.raises(simsync.InvalidParams, match="recording, which this command does not replace"):
        write(target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]
    for content in ("", "<html>", '{"a": 1}\n', '{\n"a": 1}\n', '{"type":"module"}\n', "[1]", "\ufeff{"):
        target.write_text(content, encoding="utf-8")
        write(target)


def test_a_file_that_is_being_written_is_not_replaced(tmp_path: Path) -> None:
    with only_writer(tmp_path / "page.html"), pytest.raises(OutputBusy), replaced(tmp_path / "page.html", wait=0):
        pass
    with replaced(tmp_path / "page.html") as part:
        part.touch()
        with pytest.raises(OutputBusy), only_writer(tmp_path / "page.html"):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_what_is_read_is_not_written(tmp_path: Path) -> None:
    run, link, hard = (tmp_path / name for name in ("run", "link", "hard"))
    run.write_text("records", encoding="utf-8")
    link.symlink_to(run)
    hard.hardlink_to(run) if sys.version_info >= (3, 10) else os.link(run, hard)
    for target in (run, link, hard, tmp_path / "." / "run"):
        with pytest.raises(simsync.InvalidParams, match=r"output=.*is the file that is read"):
            refuse_same_file("output", target, ["other", run])
    refuse_same_file("output", tmp_path / "page", [run])
    refuse_same_file("output", "/dev/null", ["/dev/null"])


def test_standard_input_is_the_file_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.write_text("records", encoding="utf-8")
    with run.open("a+") as file:
        monkeypatch.setattr("sys.stdin", file)
        with pytest.raises(simsync.InvalidParams, match=r"is the file that is read \(-\)"):
            refuse_same_file("output", run, ["-"])
        refuse_same_file("output", tmp_path / "page", ["-"])
        monkeypatch.setattr("sys.stdout", file)
        for target in ("-", f"/dev/fd/{file.fileno()}"):
            with pytest.raises(simsync.InvalidParams, match="is the file that is read"):
                refuse_same_file("output", target, [run])


HOLD = """
import sys
from simsync.run.output_file import only_writer
with only_writer(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes tmp_path/run until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_one_writer(tmp_path: Path, other_writer: subprocess.Popen[str]) -> None:
    (tmp_path / "link").symlink_to("run")
    for name in ("run", "link"):
        with pytest.raises(OutputBusy, match=r"/run is being written by another process; choose another"):
            with only_writer(tmp_path / name):
                pass
    assert other_writer.stdin is not None
    timer = threading.Timer(0.3, other_writer.stdin.close)
    timer.start()
    with only_writer(tmp_path / "run", wait=30) as locked:
        assert locked
    timer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_writer_that_is_killed_releases_the_file(tmp_path: Path, other_writer: subprocess.Popen[str]) -> None:
    other_writer.kill()
    other_writer.wait(30)
    assert (tmp_path / ".run.lock").exists()
    with only_writer(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    lock = tmp_path / ".run.lock"
    lock.mkdir()
    with pytest.raises(IsADirectoryError) as caught, only_writer(tmp_path / "run"):
        pass
    assert caught.value.filename == str(lock)
    with pytest.raises(FileNotFoundError) as missing, only_writer(tmp_path / "nowhere" / "run"):
        pass
    assert missing.value.filename == str(tmp_path / "nowhere" / "run")


def test_threads_exclude_each_other_too(tmp_path: Path) -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with only_writer(tmp_path / "run", wait=60):
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(_descriptor: int, _how: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with only_writer(tmp_path / "run") as locked:
        assert not locked
    assert "cannot be locked" in caplog.text
    assert list(tmp_path.iterdir()) == []
    with only_writer("/dev/null") as locked:
        assert not locked
