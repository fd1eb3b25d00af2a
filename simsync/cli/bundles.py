"""``simsync bundle``: build, list and delete bundles."""

from __future__ import annotations

import click

import simsync
from simsync.cli import options
from simsync.cli.output import show_json, show_table, time_of_ms
from simsync.cli.settings import Settings, pass_settings
from simsync.reports import BLOCKS


@click.group()
def bundle() -> None:
    """Build, list and delete the bundles of the API key."""


@bundle.command("build")
@options.start_slot
@options.end_slot
@click.option("--bundle-size", type=click.IntRange(1), help="Slots per bundle; by default the server decides.")
@click.option("--kind", help="Kind of bundle; by default blocks.")
@click.option("--idempotency-key", metavar="TEXT", help="Any text; repeating it is not charged twice.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the build has finished.")
@click.option("--timeout", type=click.FloatRange(0), help="Seconds to wait at most; the build continues.")
@options.as_json
@pass_settings
def build(
    settings: Settings,
    start_slot: int,
    end_slot: int,
    bundle_size: int | None,
    kind: str | None,
    idempotency_key: str | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Request bundles for a range of slots; this may cost money. Exit code 1 if the build failed."""
    client = settings.client()
    found = client.build_bundle(
        start_slot, end_slot, bundle_size=bundle_size, kind=kind, idempotency_key=idempotency_key
    )
    if wait:
        found = client.wait_for_bundle(found, timeout=timeout)
    if as_json:
        show_json(found.to_dict())
    else:
        _show_builds([found])
    return int(found.finished and not found.succeeded)


@bundle.command("status")
@click.argument("request_id")
@options.as_json
@pass_settings
def status(settings: Settings, request_id: str, as_json: bool) -> None:
    """Show the status of a build."""
    found = settings.client().bundle_build(request_id)
    if as_json:
        show_json(found.to_dict())
    else:
        _show_builds([found])


@bundle.command("list")
@options.as_json
@pass_settings
def list_bundles(settings: Settings, as_json: bool) -> None:
    """List the builds that the API key requested, and its bundles."""
    listing = settings.client().bundle_builds()
    if as_json:
        show_json(listing.to_dict())
        return
    if listing.builds:
        _show_builds(listing.builds)
    else:
        click.echo("no builds")
    if listing.bundles:
        click.echo()
        show_table(
            ("start slot", "end slot", "kind", "completed (UTC)", "bytes"),
            [
                (one.start_slot, one.end_slot, one.kind, time_of_ms(one.completed_at), one.size_bytes)
                for one in listing.bundles
            ],
        )
    else:
        click.echo("no bundles" if listing.bundles is not None else "this server does not list bundles")


@bundle.command("delete")
@options.start_slot
@options.end_slot
@click.option("--kind", default=BLOCKS, show_default=True, help="Kind of bundle.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@options.as_json
@pass_settings
def delete(settings: Settings, start_slot: int, end_slot: int, kind: str, yes: bool, as_json: bool) -> None:
    """Delete the bundle with exactly this range and kind."""
    if not yes:
        click.confirm(f"Delete the {kind} bundle of slots {start_slot} to {end_slot}?", abort=True, err=as_json)
    settings.client().delete_bundle(start_slot, end_slot, kind)
    if as_json:
        show_json({"deleted": {"kind": kind, "start_slot": start_slot, "end_slot": end_slot}})
    else:
        click.echo(f"deleted: {kind}, slots {start_slot} to {end_slot}")


def _show_builds(builds: list[simsync.BundleBuild] | tuple[simsync.BundleBuild, ...]) -> None:
    show_table(
        ("request", "status", "start slot", "end slot", "bundle size", "created (UTC)"),
        [
            (one.request_id, one.status, one.start_slot, one.end_slot, one.bundle_size, time_of_ms(one.created_at))
            for one in builds
        ],
    )
