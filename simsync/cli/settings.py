"""The simulator that the commands talk to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

import click

import simsync


@dataclass(frozen=True)
class Settings:
    """The global options. The API key never shows in a repr."""

    url: Optional[str]
    api_key: Optional[str] = field(repr=False)
    ca_bundle: Optional[Path] = None

    def client(self, options: Optional[simsync.Options] = None) -> simsync.Client:
        """A client for the simulator. Without an address it raises a usage error that says how to give one."""
        if not self.url:
            raise click.UsageError(
                "no simulator address: give --url before the command, or set SIMULATOR_URL"
                " ('simsync local' starts an embedded simulator)"
            )
        if self.ca_bundle is not None:
            options = replace(options or simsync.Options(), ca_bundle=self.ca_bundle)
        return simsync.Client(self.url, self.api_key or "", options=options)


pass_settings = click.make_pass_decorator(Settings)
