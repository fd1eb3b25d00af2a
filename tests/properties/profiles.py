"""How long hypothesis looks: the same few examples in each default run, and many others with ``--thorough``."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

TIMES_AS_MANY = 20


def effort(thorough: bool, examples: int, steps: int = 50) -> settings:
    """``examples`` of ``steps`` each in the default run."""
    return settings(
        max_examples=examples * TIMES_AS_MANY if thorough else examples,
        stateful_step_count=steps,
        derandomize=not thorough,
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
