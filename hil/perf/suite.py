"""The list of all measurements, and a function that carries them out in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from hil.errors import UsageError
from hil.perf import (
    campaign_screen_cost,
    computing,
    exact_cost,
    feed_cost,
    lm_cost,
    orbit_cost,
    plant_cost,
    run_rate,
    sampled_rate,
    screen_cost,
    wire_cost,
)
from hil.perf.row import PerfRow

GROUPS: Final[Mapping[str, Callable[[bool], Iterator[PerfRow]]]] = {
    "vote": computing.vote,
    "digest": computing.digest,
    "codec": computing.codec,
    "overhead": wire_cost.overhead,
    "bulk": wire_cost.bulk,
    "frames": run_rate.frames,
    "latency": wire_cost.latency,
    "resync": wire_cost.resync,
    "lm": lm_cost.lm,
    "campaign": run_rate.campaign,
    "sampled": sampled_rate.sampled,
    "exact": exact_cost.exact,
    "slow-line": exact_cost.slow_line,
    "campaign-screen": campaign_screen_cost.campaign_screen,
    "soak": run_rate.soak,
    "feeds": feed_cost.feeds,
    "plant": plant_cost.plant,
    "orbit": orbit_cost.orbit,
    "screen": screen_cost.screen,
}
"""The measurements by name. Each takes whether to be quick, and yields its rows."""


def run_perf(
    quick: bool = False,
    rows: Sequence[str] | None = None,
    on_row: Callable[[PerfRow], None] | None = None,
) -> list[PerfRow]:
    """Carry out the measurements of the groups `rows` (None: all groups) and return their rows.

    `quick` takes seconds instead of minutes and is less exact. `on_row` is called with each row as
    soon as it has been measured.

    Raises: UsageError for a group that does not exist; SetupError if hil-agent is missing.
    """
    wanted = list(GROUPS) if rows is None else list(rows)
    for name in wanted:
        if name not in GROUPS:
            raise UsageError(
                f"there is no measurement `{name}`", remedy=f"choose from {', '.join(GROUPS)}"
            )
    out: list[PerfRow] = []
    for name in wanted:
        for row in GROUPS[name](quick):
            out.append(row)
            if on_row is not None:
                on_row(row)
    return out
