"""`hil campaign SCENARIO --checksum-hits 300`: what the checksums of a workload find."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.cli.output import answer, show
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.scenario import Scenario

__all__ = ["hit_checksums"]


def hit_checksums(scenario: Scenario, hits: int, steps: int, *, as_json: bool) -> int:
    """Carry out the experiments and print their table; return the exit code, that of a failure if
    a wrong output was not prevented or an alarm was false. Raises: UsageError for a workload
    without checksums."""
    from hil.campaign.checksum_hits import checksum_hits, clean_steps, with_checksums
    from hil.views.checksum_table import checksum_table

    workload, seed = with_checksums(scenario.workload_name), scenario.seed
    rows, clean = checksum_hits(workload, seed, hits), clean_steps(workload, seed, steps)
    if as_json:
        answer(
            {
                "workload": workload,
                "seed": seed,
                "rows": [row.as_json() for row in rows],
                "without_upsets": clean.as_json(),
            }
        )
    else:
        show(lambda _glyphs: checksum_table(workload, rows, clean, seed))
    failed = clean.alarms or clean.wrong or any(row.wrong for row in rows)
    return Exit.FAIL if failed else Exit.PASS
