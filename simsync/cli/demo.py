"""``simsync demo``: the whole job on an embedded simulator, as the commands that do it."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

import click

_SLOTS, _BUNDLE = 100, 25
_FIRST = 1_000


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("simsync-demo"),
    show_default=True,
    help="Where the files go that it makes.",
)
def demo(folder: Path) -> int:
    """Show the whole job on an embedded simulator: run a range, run it with another program, compare, report.

    Needs no key and no network (extras [local] and, for the pages, [report]). Each command is printed before it is run.
    """
    from simsync.cli.app import run
    from simsync.local import TINY_PROGRAM, Ledger, Simulator, tiny_program

    folder.mkdir(parents=True, exist_ok=True)
    base, experiment, binary = (folder / name for name in ("base.ndjson", "v2.ndjson", "v2.so"))
    binary.write_bytes(tiny_program(result=7))
    click.echo(f"making a ledger of {_SLOTS} slots, in which a tiny program is called now and then ...", err=True)
    ledger = Ledger.generate(
        start_slot=_FIRST, slots=_SLOTS, transactions_per_slot=20, bundle_size=_BUNDLE, tiny_program=True
    )
    recording = ["run", "--start-slot", str(_FIRST), "--end-slot", str(_FIRST + _SLOTS - 1), "--parallel"]
    recording += ["--program-id", str(TINY_PROGRAM)]
    commands = [
        ["ranges", "--after", str(_FIRST + _SLOTS // 2)],
        [*recording, "--output-file", str(base)],
        [*recording, "--program-so", str(binary), "--output-file", str(experiment)],
        ["compare", str(base), str(experiment), "regressions", "--limit", "3"],
        ["summarize", str(experiment)],
    ]
    if find_spec("plotly") is not None:
        commands.append(["report", str(experiment)])
    else:
        click.echo("(a page about a run is left out: pip install 'simsync[report]')", err=True)
    with Simulator(ledger) as simulator:
        where = ["--url", simulator.url, "--api-key", simulator.api_key]
        for command in commands:
            click.echo(f"\n$ simsync {shlex.join(command)}")
            code = run([*where, *command])
            if code:
                return code
    return 0
