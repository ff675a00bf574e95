"""`hil orbit --sweep KEY=VALUES`: one scenario in many orbits, and which scheme is enough where."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli.output import answer, say, show
from hil.cli.workload_sizes import workload_sizes
from hil.errors import SetupError, UsageError

if TYPE_CHECKING:
    from hil.analysis.failure_rates import FailureRates
    from hil.analysis.scheme_reliability import Criterion, SchemePoint
    from hil.json_values import JsonObject, JsonValue
    from hil.plant.bit_rates import BitRates, Spread
    from hil.plant.survey_figures import SurveyFigures
    from hil.plant.sweep import Axis
    from hil.record.campaign_file import CampaignFile
    from hil.scenario import Scenario
    from hil.scenario.load import Loaded
    from hil.views.orbit_sweep import SweepView

__all__ = ["SweepOrder", "sweep_orbits"]

_DAY: Final = "24h"
_WIDTH: Final = 150


@dataclass(frozen=True, slots=True)
class SweepOrder:
    """A sweep as the command line states it: axes, files to write, the question of schemes."""

    axes: tuple[str, ...]
    output: Path | None
    plot: Path | None
    campaign: Path | None
    mission: str
    reliability: float
    scrub: str
    as_json: bool


def sweep_orbits(loaded: Loaded, order: SweepOrder) -> None:
    """Fly the sweep; print, write and draw it. Raises: UsageError, ConfigError, SetupError."""
    from hil.plant.sweep import flown_points, parse_axis
    from hil.scenario.load import placing
    from hil.views.orbit import require_plotting
    from hil.views.orbit_sweep import SweepView

    if order.output is not None and order.output.suffix.lower() != ".csv":
        raise UsageError(f"{order.output} does not end in .csv", remedy="a sweep is written as CSV")
    if order.plot is not None:
        require_plotting(order.plot)
    axes = [parse_axis(text) for text in order.axes]
    criterion = _criterion(order)
    if loaded.scenario.plant is not None and loaded.scenario.plant.step_s < 10.0:
        say("note: a sweep samples every 10 s")
    with placing(loaded.file):
        workload = workload_sizes(loaded.scenario)
        points = flown_points(loaded.scenario, axes, workload=workload)
        schemes = (
            () if order.campaign is None else _schemes(loaded.scenario, axes, order, criterion)
        )
    view = SweepView(loaded.scenario.name, axes, points, schemes, criterion)
    if order.output is not None:
        _write(order.output, view)
    if order.plot is not None:
        view.draw(order.plot)
    if order.as_json:
        answer(_json(view, order))
        return
    show(view.report, width=_WIDTH)
    for path in (order.output, order.plot):
        if path is not None:
            say(f"written: {path}")


def _criterion(order: SweepOrder) -> Criterion:
    from hil.analysis.scheme_reliability import Criterion
    from hil.scenario.durations import parse_duration_us

    days = []
    for name, text in (("--mission", order.mission), ("--scrub", order.scrub)):
        try:
            days.append(parse_duration_us(text) / 86_400e6)
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None
    if not 0.0 < order.reliability < 1.0:
        raise UsageError(
            f"--reliability {order.reliability:g} is not a probability below 1",
            remedy="for example 0.99",
        )
    return Criterion(days[0], order.reliability, days[1])


def _schemes(
    scenario: Scenario, axes: list[Axis], order: SweepOrder, criterion: Criterion
) -> list[SchemePoint]:
    """Return what each scheme comes to in each orbit, by the failures of the campaign."""
    from hil.analysis.scheme_reliability import scheme_point
    from hil.plant.bit_rates import bit_rates
    from hil.plant.survey import fly
    from hil.plant.sweep import variants
    from hil.record.campaign_file import CampaignFile

    assert order.campaign is not None
    out = []
    with CampaignFile(order.campaign) as file:
        rates_at = _failure_rates_of(file)
        for _, variant in variants(scenario, axes):
            rates = rates_at(bit_rates(variant))
            stops = _stops(fly(variant).figures)
            out.append(scheme_point(rates.failures.plus(stops), criterion))
    return out


def _failure_rates_of(file: CampaignFile) -> Callable[[BitRates], FailureRates]:
    """Return what gives the failures of a campaign at the rates of an orbit. Raises: UsageError if
    the file is a part of a campaign; RecordError."""
    from hil.analysis.failure_rates import failure_rates, sampled_failure_rates
    from hil.analysis.fault_sums import fault_sums
    from hil.analysis.sample_summary import sample_summary
    from hil.analysis.whole_campaign import require_whole
    from hil.record.campaign_summary import campaign_summary

    require_whole(file)
    if file.meta.sampling is not None:
        return partial(sampled_failure_rates, file, sample_summary(file))
    return partial(failure_rates, campaign_summary(file), fault_sums(file))


def _stops(figures: SurveyFigures) -> Spread:
    """Return the events per day that stop the first node's board: SEFI, latch-up and the like."""
    from hil.board_types.channels import Effect
    from hil.plant.board_rates import STOPS

    return next(iter(figures.boards.values())).rates.of(*STOPS, Effect.SEL)


def _json(view: SweepView, order: SweepOrder) -> JsonObject:
    from hil.analysis.scheme_reliability import SCHEMES

    points: list[JsonValue] = []
    for number, point in enumerate(view.points):
        more: dict[str, JsonValue] = {}
        if view.schemes:
            scheme = view.schemes[number]
            more = {
                "node_failures_per_day": scheme.node_per_day.best,
                "reliability": dict(zip(SCHEMES, scheme.best, strict=True)),
                "reliability_pessimistic": dict(zip(SCHEMES, scheme.pessimistic, strict=True)),
            }
        points.append({**point.as_json(view.axes), **more})
    criterion = view.criterion
    return {
        "scenario": view.name,
        "sweep": {axis.key: list(axis.values) for axis in view.axes},
        "criterion": None
        if criterion is None or not view.schemes
        else {
            "mission_days": criterion.mission_days,
            "reliability": criterion.reliability,
            "scrub_days": criterion.scrub_days,
            "campaign": str(order.campaign),
        },
        "points": points,
    }


def _write(path: Path, view: SweepView) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(",".join(row) + "\n" for row in view.csv_rows())
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror}") from error
