"""`hil orbit`: the flight of a scenario, without boards."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli import orbit_options as options
from hil.cli.options import Json
from hil.cli.orbit_sweep import SweepOrder, sweep_orbits
from hil.cli.output import answer, say, show
from hil.cli.workload_sizes import workload_sizes
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.plant.survey import RowSink
    from hil.scenario import Overrides
    from hil.scenario.load import Loaded

__all__ = ["orbit"]


def orbit(  # noqa: PLR0913, PLR0917  (every option is one)
    scenario: options.Source,
    output: options.Output = None,
    plot: options.Plot = None,
    every: options.Every = None,
    duration: options.Duration = None,
    accel: options.Accel = None,
    sweep: options.Sweep = None,
    campaign: options.Campaign = None,
    mission: options.Mission = "365d",
    reliability: options.Reliability = 0.99,
    scrub: options.Scrub = "1h",
    as_json: Json = False,
) -> int:
    """Compute a flight without boards: sun, radiation, power, heat, rates; write or draw it.

    The profile that -o writes can be replayed: `plant: {profile: FILE}`. SCENARIO may also be a
    file with a TLE, an OMM, an OPM or an OEM: a day of a Raspberry Pi 4 in that orbit.
    """
    from hil.plant.course import CourseOf
    from hil.plant.profile_writer import ProfileWriter
    from hil.plant.survey import fly, row_count
    from hil.scenario import load
    from hil.scenario.load import placing
    from hil.views import orbit as view

    if sweep:
        files, question = (output, plot, campaign), (mission, reliability, scrub)
        order = SweepOrder(tuple(sweep), *files, *question, as_json)
        sweep_orbits(load(scenario, _of_a_day(scenario, duration, accel)), order)
        return Exit.PASS
    if campaign is not None:
        raise UsageError(
            "--campaign belongs to a sweep", remedy="add --sweep altitude_km=400:2000:50"
        )
    _check_files(output, plot)
    loaded = _loaded(scenario, duration, accel)
    course_of = CourseOf(row_count(loaded.scenario, every))
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(placing(loaded.file))
            sinks: list[RowSink] = [course_of]
            if output is not None:
                sinks.append(stack.enter_context(ProfileWriter(output)))
            flown = fly(loaded.scenario, every, sinks, workload_sizes(loaded.scenario))
    except OSError as error:
        raise SetupError(f"cannot write {output}: {error.strerror}") from error
    for note in flown.notes:
        say(f"note: {note}")
    course = course_of.finish()
    if plot is not None:
        view.draw(plot, loaded.scenario.name, flown.figures, course)
    if as_json:
        answer(flown.figures.as_json())
    else:
        show(lambda glyphs: view.summary(loaded.scenario.name, flown.figures, course, glyphs))
        for path in (output, plot):
            if path is not None:
                say(f"written: {path}")
    return Exit.PASS


def _check_files(output: Path | None, plot: Path | None) -> None:
    """Check that the files can be written as their names say. Raises: UsageError, SetupError."""
    from hil.views.orbit import require_plotting

    if output is not None and output.suffix.lower() not in (".csv", ".npz"):
        raise UsageError(f"{output} ends in neither .csv nor .npz", remedy="name it .csv or .npz")
    if plot is not None:
        require_plotting(plot)


_BARE: Final = """schema: 1
workload: attitude
duration: 24h
frame_ms: 1000
rig: {scheme: simplex, board: inproc, profile: raspberry-pi-4b}
plant:
  orbit:
    file: %s
"""


def _loaded(source: str, duration: str | None, accel: float | None) -> Loaded:
    """Return the scenario `source`, or that of a file with an orbit alone."""
    from hil.scenario import Overrides, load
    from hil.scenario.load import Loaded, parse_scenario

    overrides = Overrides(duration=duration, accel=accel)
    path = Path(source)
    if path.suffix.lower() in (".yaml", ".yml") or not path.is_file():
        return load(source, overrides)
    text = _BARE % json.dumps(str(path.resolve()))
    return Loaded(parse_scenario(text, file=source, overrides=overrides), path)


def _of_a_day(source: str, duration: str | None, accel: float | None) -> Overrides:
    """Return options of at least a day, if none is given: the anomaly is not met in each orbit."""
    from hil.scenario import Overrides, load

    scenario = load(source).scenario
    if duration is None and scenario.frame_count * scenario.frame_us < 86_400_000_000:
        duration = "24h"
    return Overrides(duration=duration, accel=accel)
