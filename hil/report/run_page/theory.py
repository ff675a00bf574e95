"""Theory beside measurement: the upsets that the environment's rates let expect, and those that
were drawn; the frames without a right output, and the coverage, beside models of them."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import pairwise
from typing import Final

from hil.analysis.coverage import coverage_of
from hil.analysis.run_models import RunNumbers, run_model_rows
from hil.record.row_values import RecordedPlantNode
from hil.redundancy.recovery import NodeState
from hil.report.markup import table, text
from hil.report.run_page.facts import RunFacts
from hil.scenario.words import SchemeName
from hil.upsets.words import SystemOutcome, UpsetState

__all__ = ["expected_upsets", "poisson_range", "run_numbers", "theory_section"]

_MAJORITIES: Final = ("simplex", "tmr", "4mr", "5mr", "6mr", "7mr")
_NO_EFFECT: Final = ("", SystemOutcome.NO_EFFECT.value)
_DAY_US: Final = 86_400e6
_TAIL: Final = 0.025
_INJECTED: Final = frozenset({"seu", "mbu", "sefi", "hang", "reboot"})


def theory_section(facts: RunFacts) -> str:
    """Return models beside what the run measured, and expected and drawn upsets by node in an
    orbit; empty where nothing of both is known."""
    body = _models(facts) + _drawn(facts)
    return f"<h3>Theory and measurement</h3>{body}" if body else ""


def run_numbers(facts: RunFacts) -> RunNumbers:
    """Return the numbers of a run that models of it take."""
    result, scenario = facts.result, facts.meta.scenario
    upsets = [u for u in facts.upsets if u.state == UpsetState.INJECTED.value and u.verified]
    hits = {(u.detected_frame or u.frame, u.node) for u in upsets if u.outcome not in _NO_EFFECT}
    frames = Counter(frame for frame, _ in hits)
    ended = [o.last_frame - o.first_frame for o in facts.recovery.outages if o.last_frame]
    isolated = sum(state == NodeState.ISOLATED for state in facts.states.values())
    voting = {name.value: name.size for name in SchemeName}.get(scenario.scheme, 0)
    other = ""
    if scenario.scheme not in _MAJORITIES or scenario.votes_by_value or scenario.spares:
        other = "pairs, a primary, checkers, spares, time redundancy or a voter by value"
    return RunNumbers(
        nodes=voting or len(facts.nodes),
        frames=result.flown,
        failed=result.flown - round(result.availability * result.flown),
        hits=len(hits),
        coverage=coverage_of(result.upsets.by_system_outcome),
        outage_frames=sum(ended) / len(ended) if ended else 0.0,
        together=sum(count > 1 for count in frames.values()),
        isolated=isolated,
        scheduled=any(u.source.startswith("event") for u in upsets),
        other_rig=other,
    )


def _models(facts: RunFacts) -> str:
    numbers = run_numbers(facts)
    models = run_model_rows(numbers)
    rows = [
        [
            text(row.model),
            text(row.quantity),
            f"{row.predicted:.4g}",
            f"{row.measured.value:.4g}",
            f"{row.measured.interval.low:.4g} to {row.measured.interval.high:.4g}",
            text(row.verdict),
        ]
        for row in models
    ]
    if not rows:
        return ""
    head = ["model", "quantity", "predicted", "measured", "95 % interval", ""]
    given = "; ".join(dict.fromkeys(row.derived for row in models))
    note = f"The models were given only this of the run: {given}."
    if numbers.other_rig:
        note += f" There is no model of its frames here: the rig has {numbers.other_rig}."
    return f'{table(head, rows, name="plain")}<p class="note">{text(note)}</p>'


def _drawn(facts: RunFacts) -> str:
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
        f"{table(head, rows, name='plain')}"
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
