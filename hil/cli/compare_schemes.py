"""`hil compare SCENARIO --schemes A,B,...`: redundancy schemes at the same faults."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli.output import answer, say, show
from hil.errors import UsageError

if TYPE_CHECKING:
    from hil.analysis.scheme_figures import SchemeFigures
    from hil.campaign.scheme_sweep import SweptKey
    from hil.json_values import JsonValue
    from hil.scenario import Scenario
    from hil.views.scheme_figures import ComparedScheme

__all__ = ["SchemeOrder", "compare_schemes"]

_EVERY_S: Final = 5.0
_WIDTH: Final = 170
OWN: Final = "own"
"""The name of the scheme that the scenario states itself."""


@dataclass(frozen=True, slots=True)
class SchemeOrder:
    """A comparison of schemes as the command line states it."""

    schemes: str
    over: str | None = None
    runs: int | None = None
    boards: str | None = None
    frames: int | None = None
    output: Path | None = None

    @property
    def runs_of_each(self) -> int:
        """Return how many runs each scheme has."""
        return 1 if self.runs is None else self.runs


def compare_schemes(source: str, order: SchemeOrder, *, as_json: bool) -> None:
    """Run the scenario `source` with each scheme; print and draw what they achieved.

    Raises: UsageError, ConfigError, SetupError, and what a run raises."""
    from hil.campaign.scheme_sweep import parse_over
    from hil.views.orbit import require_plotting
    from hil.views.scheme_figures import draw_schemes, schemes_report

    if order.runs_of_each < 1:
        raise UsageError(f"--runs {order.runs} is not a number of runs", remedy="name 1 or more")
    if order.output is not None:
        require_plotting(order.output)
    names = _schemes(order.schemes)
    key = None if order.over is None else parse_over(order.over)
    scenarios, notes = _scenarios(source, names, order)
    rows = _rows(scenarios, key, order, notes)
    shown = None if key is None else key.name
    name = next(iter(scenarios.values())).name
    if order.output is not None:
        draw_schemes(name, shown, rows, order.output)
    if as_json:
        answer(_document(name, shown, rows, notes))
        return
    show(lambda glyphs: schemes_report(name, shown, rows, notes, glyphs), width=_WIDTH)
    if order.output is not None:
        say(f"written: {order.output}")


def _schemes(text: str) -> list[str]:
    """Return the schemes that are named. Raises: UsageError."""
    from hil.scenario import SchemeName
    from hil.scenario.problems import did_you_mean

    known = [*(scheme.value for scheme in SchemeName), OWN]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"schemes: {', '.join(known)}"
            raise UsageError(f"--schemes {text}: there is no scheme `{name}`", remedy=hint)
    if len(set(names)) < len(names):
        raise UsageError(f"--schemes {text} names one twice", remedy="name each once")
    return names


def _scenarios(
    source: str, names: list[str], order: SchemeOrder
) -> tuple[dict[str, Scenario], list[str]]:
    """Return the scenario with each scheme, and notes of what the scheme leaves out of it."""
    from hil.scenario import Overrides
    from hil.scenario.load import load

    out: dict[str, Scenario] = {}
    notes: list[str] = []
    for name in names:
        scheme = None if name == OWN else name
        overrides = Overrides(scheme=scheme, board=order.boards, frames=order.frames, pace="free")
        loaded = load(source, overrides)
        out[name] = loaded.scenario
        notes += [f"{name}: {note}" for note in loaded.left_out]
    return out, notes


def _rows(
    scenarios: dict[str, Scenario], key: SweptKey | None, order: SchemeOrder, notes: list[str]
) -> list[ComparedScheme]:
    from hil.campaign.scheme_trials import run_scheme
    from hil.views.scheme_figures import ComparedScheme

    points = [point for s in scenarios.values() for point in _points(s, key)]
    if key is not None and all(value is None for value, _ in points):
        raise UsageError(
            f"--over {order.over}: no scheme of this comparison has `{key.name}`",
            remedy="add the scheme that has it: "
            + (
                "primary_monitors"
                if key.name.startswith("monitor")
                else f"{OWN}, of a scenario whose scheme follows its orbit"
            ),
        )
    predicted = _predicted(scenarios, key, notes)
    reporter = _Reporter(order.runs_of_each * len(points))
    rows = []
    for value, scenario in points:
        figures = run_scheme(scenario, order.runs_of_each, reporter.report)
        rows.append(ComparedScheme(figures, value, predicted.get((figures.scheme, value))))
    if predicted:
        notes += _best(rows)
    if any(s.rig.follows is not None for s in scenarios.values()):
        notes += _cheapest(rows, key)
    return rows


def _points(scenario: Scenario, key: SweptKey | None) -> list[tuple[float | None, Scenario]]:
    """Return the scenario at each value of the key; once if that changes nothing in it."""
    from hil.campaign.scheme_sweep import OF_MONITORS, OF_OWN_SCHEME

    if key is None or (key.name in OF_OWN_SCHEME and scenario.rig.follows is None):
        return [(None, scenario)]
    if key.name in OF_MONITORS and not scenario.rig.scheme.has_primary:
        return [(None, scenario)]
    return [(value, key.changed(scenario, value)) for value in key.values]


def _cheapest(rows: list[ComparedScheme], key: SweptKey | None) -> list[str]:
    """Return which rows no other one beats in both escapes and energy, and the best of them."""
    from hil.analysis.scheme_figures import compromises

    by_figures = {id(row.figures): row for row in rows}

    def text(figures: SchemeFigures) -> str:
        value = by_figures[id(figures)].value
        at = "" if key is None or value is None else f" at {key.name}={value:g}"
        joules = figures.energy_per_right_frame_j or 0.0
        return f"{figures.scheme}{at} ({figures.wrong:,} wrong, {joules:.4g} J)"

    best = compromises([row.figures for row in rows])
    if not best:
        return []
    optimum = f"optimum: {text(best[0])}: the fewest wrong frames, and of those the least energy"
    others = [text(figures) for figures in best[1:]]
    return [
        optimum,
        *([f"less energy for more wrong frames: {', '.join(others)}"] if others else []),
    ]


def _predicted(
    scenarios: dict[str, Scenario], key: SweptKey | None, notes: list[str]
) -> dict[tuple[str, float | None], float]:
    """Return the reliability that the model of persistence predicts, before anything is run; empty
    if another key is swept, or the model does not fit."""
    from hil.campaign.theory.persistence_of import persistence_model

    out: dict[tuple[str, float | None], float] = {}
    if key is None or key.name != "persistence":
        return out
    for name, scenario in scenarios.items():
        model = persistence_model(scenario)
        if isinstance(model, str):
            notes.append(f"{name}: no model of persistence, whose assumption is that {model}")
            continue
        for value in key.values:
            key.changed(scenario, value)  # which refuses what is no count
            out[name, value] = model.reliability(int(value))
    return out


def _best(rows: list[ComparedScheme]) -> list[str]:
    """Return where each modelled scheme has its optimum, predicted and measured."""
    notes = []
    for scheme in dict.fromkeys(row.figures.scheme for row in rows):
        own = [r for r in rows if r.figures.scheme == scheme and r.predicted is not None]
        if own:
            model = max(own, key=lambda row: row.predicted or 0.0)
            best = max(own, key=lambda row: row.figures.lossless)
            steps = abs(own.index(model) - own.index(best))
            notes.append(
                f"{scheme}: predicted best {model.value:g}, measured best {best.value:g}: "
                f"{steps} grid steps apart"
            )
    return notes


class _Reporter:
    """Prints the progress every few seconds."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._done = 0
        self._next = time.monotonic() + _EVERY_S

    def report(self) -> None:
        """Take that a run has ended; print the progress if that is due."""
        self._done += 1
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY_S
            say(f"{self._done} of {self._runs} runs")


def _document(
    name: str, key: str | None, rows: list[ComparedScheme], notes: list[str]
) -> dict[str, JsonValue]:
    return {
        "scenario": name,
        "over": key,
        "schemes": [
            {**row.figures.as_json(), "value": row.value, "predicted_reliability": row.predicted}
            for row in rows
        ],
        "notes": list(notes),
    }
