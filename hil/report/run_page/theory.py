"""Theory beside measurement: the upsets that the environment's rates let expect, and those that
were drawn."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Final

from hil.record.row_values import RecordedPlantNode
from hil.report.markup import table, text
from hil.report.run_page.facts import RunFacts

__all__ = ["expected_upsets", "poisson_range", "theory_section"]

_DAY_US: Final = 86_400e6
_TAIL: Final = 0.025
_INJECTED: Final = frozenset({"seu", "mbu", "sefi", "hang", "reboot"})


def theory_section(facts: RunFacts) -> str:
    """Return the table of expected and drawn upsets by node; empty for a run without an orbit."""
    expected = expected_upsets(facts)
    if not any(expected.values()):
        return ""
    rows = []
    for node, mean in expected.items():
        own = [u for u in facts.upsets if u.node == node and u.source.startswith("orbit")]
        drawn = len({(u.frame, u.source) for u in own})
        low, high = poisson_range(mean)
        judged = "as expected" if low <= drawn <= high else "outside of the range"
        rows.append([text(node), f"{mean:.3g}", f"{low:,} to {high:,}", f"{drawn:,}", judged])
    head = ["node", "expected", "95 % of all runs", "drawn", ""]
    return (
        f"<h3>Theory and measurement</h3>{table(head, rows, name='plain')}"
        '<p class="note">Expected: the rate of upsets of each board along its orbit, with the '
        "acceleration, added up over the time flown. Drawn: upsets with that source, in a Poisson "
        "process; a strike that flips several bits is one.</p>"
    )


def expected_upsets(facts: RunFacts) -> dict[str, float]:
    """Return the expected number of strikes by node: its rates, integrated over the flight by the
    trapezoidal rule."""
    out = dict.fromkeys(facts.node_names, 0.0)
    for node in out:
        rows = [row for row in facts.plant.nodes if row.node == node]
        for before, now in pairwise(rows):
            mean = (_per_day(before) + _per_day(now)) / 2
            out[node] += mean * (now.t_us - before.t_us) / _DAY_US
    return out


def _per_day(row: RecordedPlantNode) -> float:
    """Return the rate of what is injected [1/day]: not of what a board corrects itself."""
    try:
        rates = json.loads(row.upsets_per_day)
    except ValueError:
        return 0.0
    if not isinstance(rates, dict):
        return 0.0
    return float(sum(v for k, v in rates.items() if k in _INJECTED and isinstance(v, (int, float))))


def poisson_range(mean: float) -> tuple[int, int]:
    """Return the counts between which a Poisson process with this mean lies in 95 % of all cases:
    each side is missed with 2.5 % at most."""
    low = high = 0
    term = below = math.exp(-mean) if mean < 700 else 0.0
    if not term:  # far from 0 the normal distribution is close enough
        half = 1.96 * math.sqrt(mean)
        return math.floor(mean - half), math.ceil(mean + half)
    number = 0
    while below <= _TAIL:
        number += 1
        term *= mean / number
        below += term
    low = number
    while below < 1 - _TAIL:
        number += 1
        term *= mean / number
        below += term
    high = number
    return low, high
