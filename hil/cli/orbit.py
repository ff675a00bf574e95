"""`hil orbit`: the flight of a scenario, without boards."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import answer, say, show
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.plant.survey import RowSink

__all__ = ["orbit"]


def orbit(  # noqa: PLR0917  (every option is one)
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or a shipped one.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write a profile: .csv or .npz."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it: .png, .svg or .pdf.")
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Time between rows; default: the step."),
    ] = None,
    duration: Annotated[str | None, typer.Option(help="As 90s, 2h, 7d.")] = None,
    accel: Annotated[float | None, typer.Option(metavar="X", help="Multiply upset rates.")] = None,
    as_json: Json = False,
) -> int:
    """Compute a flight without boards: sun, radiation, power, heat, rates; write or draw it.

    The profile that -o writes can be replayed: `plant: {profile: FILE}`.
    """
    from hil.plant.course import CourseOf
    from hil.plant.profile_writer import ProfileWriter
    from hil.plant.survey import fly, row_count
    from hil.scenario import Overrides, load
    from hil.scenario.load import placing
    from hil.views import orbit as view

    if output is not None and output.suffix.lower() not in (".csv", ".npz"):
        raise UsageError(f"{output} ends in neither .csv nor .npz", remedy="name it .csv or .npz")
    if plot is not None:
        view.require_plotting(plot)
    loaded = load(scenario, Overrides(duration=duration, accel=accel))
    course_of = CourseOf(row_count(loaded.scenario, every))
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(placing(loaded.file))
            sinks: list[RowSink] = [course_of]
            if output is not None:
                sinks.append(stack.enter_context(ProfileWriter(output)))
            flown = fly(loaded.scenario, every, sinks)
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
