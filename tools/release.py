"""Build what is uploaded for a release, and check it.

    python -m tools.release [--folder dist]

Needs ``pip install -e '.[release]'``. Refuses a checkout with changes, or a version without a section in CHANGELOG.md.
Builds the source distribution and the wheel twice and compares them, checks both with ``twine`` and
``check-wheel-contents``, and writes the man pages of the command line. Nothing is uploaded.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import simsync
from tools.markers import ROOT


class NotReady(Exception):
    """Something is missing for a release."""


def release(folder: Path) -> None:
    """Fill ``folder`` with the files of the release. Raises NotReady, or what a command says that failed."""
    version = simsync.__version__
    if _output("git", "status", "--porcelain"):
        raise NotReady("the checkout has changes: commit them first")
    date = date_of(version, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    made = _output("git", "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        built = [build(Path(one), int(made)) for one in (first, second)]
        for one, other in zip(*built):
            if one.read_bytes() != other.read_bytes():
                raise NotReady(f"{one.name} is not the same when it is built again")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        files = [Path(shutil.copy(one, folder)) for one in built[0]]
    _run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    _run(sys.executable, "-m", "check_wheel_contents", *[str(file) for file in files if file.suffix == ".whl"])
    man_pages(folder / "man", version)
    print(f"{folder}: {', '.join(file.name for file in files)} and the man pages")
    if date is None:
        print(f"Before you upload, write the date into CHANGELOG.md: ## [{version}] - YYYY-MM-DD")


def date_of(version: str, changelog: str) -> str | None:
    """The date of a version in a changelog; None if it says Unreleased.

    Raises:
        NotReady: The changelog has no section for this version.
    """
    heading = rf"^## \[{re.escape(version)}\] - (?:(\d{{4}}-\d\d-\d\d)|Unreleased)$"
    found = re.search(heading, changelog, re.MULTILINE)
    if found is None:
        raise NotReady(f"CHANGELOG.md needs the line '## [{version}] - YYYY-MM-DD' (or Unreleased)")
    date: str | None = found[1]
    return date


def build(folder: Path, made: int) -> list[Path]:
    """Source distribution and wheel, from the files of the last commit. ``made``: its time, in Unix seconds."""
    source = folder / "source"
    _run("git", "clone", "--quiet", str(ROOT), str(source))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(made)}
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    for archive in folder.glob("*.tar.gz"):
        same_each_time(archive, made)
    return sorted(file for file in folder.iterdir() if file.is_file())


def same_each_time(archive: Path, made: int) -> None:
    """Give every file of a source distribution the same time and owner, in a fixed order."""
    content = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            file = old.extractfile(member) if member.isfile() else None
            member.mtime, member.uid, member.gid, member.uname, member.gname = made, 0, 0, "", ""
            member.pax_headers = {}
            new.addfile(member, file)
    with archive.open("wb") as target, gzip.GzipFile("", "wb", fileobj=target, mtime=made) as packed:
        packed.write(content.getvalue())


def man_pages(folder: Path, version: str) -> None:
    """One page for each command."""
    from click_man.core import write_man_pages

    from simsync.cli.app import cli

    folder.mkdir(parents=True)
    write_man_pages("simsync", cli, version=version, target_dir=str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "dist", help="it is emptied first; default dist")
    try:
        release(parser.parse_args().folder)
    except (NotReady, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
