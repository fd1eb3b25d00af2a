"""Names of files and folders: messages say the one that was given, and any name that the system has is accepted."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import simsync
from simsync.cli.app import run
from simsync.run import summarize
from simsync.run.database import RecordingDatabase
from simsync.run.export import export_run
from simsync.run.report import write_report

from .files import tx, write_lines

ODD = os.fsdecode(b"o\xff%s[1]*.ndjson")
"""A name that is not UTF-8, and that neither SQL nor a pattern may take apart."""


@pytest.mark.parametrize(
    "content",
    [
        b"not a recording\n",
        b'{"a": 1}\n',
        b'{"transactions": 5}\n',
        b'{"type": "tx", "data": {}}\n{"type"\n{}\n',
        b"[]\n",
    ],
)
@pytest.mark.parametrize("form", ["plain", "gzip", "pipe"])
def test_a_file_that_is_no_recording_is_named_as_it_was_given(tmp_path: Path, content: bytes, form: str) -> None:
    path = tmp_path / "no.ndjson"
    path.write_bytes(gzip.compress(content) if form == "gzip" else content)
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    name = f"/dev/fd/{reading}" if form == "pipe" else str(path)
    with pytest.raises(simsync.InvalidParams) as caught:
        summarize(name)
    os.close(reading)
    assert (caught.value.argument, caught.value.value) == ("path", name)


def test_warnings_name_the_file_as_it_was_given(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = write_lines(tmp_path / "plain", [tx(10, f"s{n}") for n in range(9)]).read_bytes()
    for name, cut in (
        ("cut.ndjson", content[:-9]),
        ("cut.gz", gzip.compress(content)[:-60]),
        ("odd", content + b"5\n"),
    ):
        caplog.clear()
        (tmp_path / name).write_bytes(cut)
        summarize(tmp_path / name)
        assert caplog.messages
        assert all(message.startswith(str(tmp_path / name)) for message in caplog.messages)


def test_a_pipe_is_named_as_it_was_given(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "simsync", "summarize", "-"]
    done = subprocess.run(command, input="no recording\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr[:20]) == (2, "simsync: path='-': i")


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run", [tx(10, "s1")])
    with RecordingDatabase(path) as database:
        file = database.link_to("/dev/full", "tables/x.csv")
        with pytest.raises(simsync.SimsyncError, match=r"could not write to tables/x\.csv: "):
            database.query(f"COPY (SELECT repeat('x', 1000) FROM range(10000)) TO '{file}' (USE_TMP_FILE false)")


def test_one_of_many_files_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "run", [tx(10, "s1")])
    with RecordingDatabase(path) as database:
        files = {f"file-{number}": database.link_to(path, f"file-{number}") for number in range(12)}
        for name, file in files.items():
            with pytest.raises(simsync.SimsyncError, match=rf"{name}\.missing"):
                database.query(f"SELECT * FROM read_csv('{file}.missing')")


@pytest.mark.parametrize(
    "action",
    [
        lambda path, folder: write_report(path, folder / os.fsdecode(b"p\xff.html")),
        lambda path, folder: export_run(path, folder / os.fsdecode(b"t\xff"), "csv"),
        lambda path, folder: summarize(path).to_json(),
    ],
)
def test_a_name_that_is_not_utf_8(tmp_path: Path, action: Callable[[Path, Path], object]) -> None:
    action(write_lines(tmp_path / ODD, [tx(10, "s1")]), tmp_path)
    assert not list(tmp_path.rglob("*part-*"))


@pytest.mark.parametrize(
    "words",
    [
        ["summarize", "FILE"],
        ["report", "FILE"],
        ["report", "FILE", "--json"],
        ["report", "--history", "."],
        ["compare", "FILE", "FILE", "--html", ODD + ".html"],
        ["show", "FILE"],
        ["sql", "FILE", "select file from transactions"],
        ["sql", "FILE", "select file from transactions", "--json"],
        ["export", "FILE", ODD + ".tables"],
    ],
)
def test_every_command_takes_a_name_that_is_not_utf_8(tmp_path: Path, words: list[str]) -> None:
    write_lines(tmp_path / ODD, [tx(10, "s1")])
    done = subprocess.run(
        [sys.executable, "-m", "simsync", *(ODD if word == "FILE" else word for word in words)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    if "sql" in words or "report" in words:
        assert "o\ufffd%s[1]*.ndjson" in done.stdout.decode() or "--history" in words


@pytest.mark.parametrize("words", [["show", "FILE", "--error", "\udcff"], ["sql", "FILE", "select '\udcff'"]])
def test_a_query_that_is_not_utf_8_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    path = str(write_lines(tmp_path / "run", [tx(10, "s1")]))
    assert run([path if word == "FILE" else word for word in words]) == 2
    assert "is not valid Unicode" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["t%s%d%(tx)s", "t{a,b}", "it's", "tü #;$HOME"])
def test_a_temporary_folder_of_any_plain_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    assert summarize(write_lines(tmp_path / "run", [tx(10, "s1")])).transactions == 1


@pytest.mark.parametrize("name", ["t[ab]*", "t?", "t\\x", os.fsdecode(b"t\xff")])
def test_a_temporary_folder_that_the_analysis_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    with pytest.raises(simsync.InvalidParams, match=r"TMPDIR=.*choose another folder"):
        summarize(write_lines(tmp_path / "run", [tx(10, "s1")]))
