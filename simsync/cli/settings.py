"""Which simulator the commands talk to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import click

import simsync


@dataclass(frozen=True)
class Settings:
    """What the options before the command say."""

    url: Optional[str]
    api_key: Optional[str] = field(repr=False)

    def client(self, options: Optional[simsync.Options] = None) -> simsync.Client:
        """Raises a usage error that names the option when there is no address."""
        if not self.url:
            raise click.UsageError(
                "which simulator? Give --url before the command, or set SIMULATOR_URL"
                " ('simsync local' starts an embedded one)"
            )
        return simsync.Client(self.url, self.api_key or "", options=options)


pass_settings = click.make_pass_decorator(Settings)
