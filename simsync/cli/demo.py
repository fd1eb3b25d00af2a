"""``simsync demo``: the complete workflow on an embedded simulator, as the commands that a user would run."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

import click

from simsync.cli import options

_FIRST_SLOT, _SLOTS, _BUNDLE_SIZE = 1_000, 100, 25
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
@click.pass_context
def demo(context: click.Context, folder: Path) -> int:
    """Show the workflow on an embedded simulator: run a range, run it with a changed program, compare, look.

    It needs no API key and no network (extras [local] and, from the comparison on, [report]). Each command is printed
    before it runs.
    """
    from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program

    folder.mkdir(parents=True, exist_ok=True)
    base, experiment, binary = (folder / name for name in ("base.ndjson", "v2.ndjson", "v2.so"))
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
    with Simulator(ledger) as simulator:
        where = ["--url", simulator.url, "--api-key", simulator.api_key]
        for command in commands:
            click.echo(f"\n$ simsync {shlex.join(command)}")
            # From the root command, as a user would run it. Errors end the demo, as those of any command.
            code = root.command.main([*where, *command], prog_name=root.info_name, standalone_mode=False)
            if code and "--fail-on" in command:
                click.echo(f"(exit code {code}: the changed program is meant to fail the gate)", err=True)
            elif code:
                return int(code)
    return 0
