"""``simsync demo``: the complete workflow on an embedded simulator, as the commands that a user would run."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from importlib.util import find_spec
from pathlib import Path

import click

from simsync.cli import options
from simsync.cli.output import show_json

_FIRST_SLOT, _SLOTS, _BUNDLE_SIZE = 1_000, 100, 25
_MARK = ".simsync-demo"
"""An empty file that says: the demo may replace the files of this folder that have its names."""
_QUERY = (
    "select file, error, count(*) as transactions, median(compute_units) as units"
    " from transactions group by all order by file"
)


@click.command()
@click.option(
    "--folder",
    type=options.FOLDER,
    default=Path("simsync-demo"),
    show_default=True,
    help="Folder for the files that it writes.",
)
@options.as_json
@click.pass_context
def demo(context: click.Context, folder: Path, as_json: bool) -> int:
    """Show the workflow on an embedded simulator: run a range, run it with a changed program, compare, look.

    It needs no API key and no network (extras [local] and, from the comparison on, [report]). Each command is printed
    before it runs; with --json their results are printed as one document. Files that the demo did not make are not
    replaced.
    """
    from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program

    base, experiment, binary = _files(folder)
    binary.write_bytes(tiny_program(result=7))
    click.echo(f"generating a ledger of {_SLOTS} slots, in which some transactions call a tiny program ...", err=True)
    ledger = Ledger.generate(
        start_slot=_FIRST_SLOT, slots=_SLOTS, transactions_per_slot=20, bundle_size=_BUNDLE_SIZE, tiny_program=True
    )
    recording = [
        "run",
        "--start-slot",
        str(_FIRST_SLOT),
        "--end-slot",
        str(_FIRST_SLOT + _SLOTS - 1),
        "--parallel",
        "--force",
    ]
    recording += ["--program-id", str(TINY_PROGRAM)]
    commands = [
        ["ranges", "--after", str(_FIRST_SLOT + _SLOTS // 2)],
        [*recording, "--output-file", str(base)],
        [*recording, "--program-so", str(binary), "--output-file", str(experiment)],
    ]
    analysis = [
        ["compare", str(base), str(experiment), "regressions", "--limit", "3", "--fail-on", "regressions>0"],
        ["show", str(experiment), "--failed", "--limit", "1", "--logs"],
        ["sql", str(base), str(experiment), _QUERY],
        ["report", str(experiment)],
    ]
    if find_spec("duckdb") is not None and find_spec("plotly") is not None:
        commands += analysis
    else:
        click.echo("(comparing and the HTML page are skipped; they need: pip install 'simsync[report]')", err=True)
    root = context.find_root()
    done: list[dict[str, object]] = []
    with Simulator(ledger) as simulator:
        where = ["--url", simulator.url, "--api-key", simulator.api_key]
        for command in commands:
            shown = f"simsync {shlex.join(command)}"
            if as_json:
                output = io.StringIO()
                with contextlib.redirect_stdout(output):
                    code = _run(root, [*where, *command, "--json"])
                result = json.loads(output.getvalue()) if output.getvalue() else None
                done.append({"command": shown, "exit_code": code, "result": result})
            else:
                click.echo(f"\n$ {shown}")
                code = _run(root, [*where, *command])
            if code and "--fail-on" in command:
                click.echo(f"(exit code {code}: the changed program is meant to fail the gate)", err=True)
            elif code:
                break
            code = 0
    if as_json:
        show_json({"folder": str(folder), "commands": done})
    return code


def _run(root: click.Context, arguments: list[str]) -> int:
    """Run a command from the root, as a user would. Errors end the demo, as those of any command."""
    return int(root.command.main(arguments, prog_name=root.info_name, standalone_mode=False) or 0)


def _files(folder: Path) -> tuple[Path, Path, Path]:
    """The two recordings and the binary, in a folder with nothing of these names but what an earlier demo has made."""
    files = (folder / "base.ndjson", folder / "v2.ndjson", folder / "v2.so")
    mark = folder / _MARK
    if not mark.exists():
        foreign = [path for path in (*files, folder / "v2.ndjson.html") if path.exists() or path.is_symlink()]
        if foreign:
            raise click.UsageError(f"{foreign[0]} was not made by the demo; choose another --folder")
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return files
