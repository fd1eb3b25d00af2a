"""``python -m simsync`` and the command ``simsync``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line of this process.

    Returns:
        The exit code.
    """
    try:
        from simsync.cli.app import run
    except ImportError as error:
        from simsync.errors import MissingExtra

        # An error inside simsync is a bug; only a package from elsewhere can be missing.
        if (error.name or "").split(".")[0] == "simsync":
            raise
        sys.stderr.write(f"simsync: {MissingExtra('the command line', 'cli')}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
