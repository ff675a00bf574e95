"""`hil orbit`: the flight of a scenario, without boards."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import answer, say, show
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit

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
    from hil.plant.profile import write_profile
    from hil.plant.survey import survey
    from hil.scenario import Overrides, load
    from hil.scenario.load import placing
    from hil.views import orbit as view

    if output is not None and output.suffix.lower() not in (".csv", ".npz"):
        raise UsageError(f"{output} ends in neither .csv nor .npz", remedy="name it .csv or .npz")
    if plot is not None:
        view.require_plotting(plot)
    loaded = load(scenario, Overrides(duration=duration, accel=accel))
    with placing(loaded.file):
        flight = survey(loaded.scenario, every)
    for note in flight.notes:
        say(f"note: {note}")
    columns = {name: column.tolist() for name, column in flight.columns.items()}
    if output is not None:
        try:
            write_profile(output, flight.columns)
        except OSError as error:
            raise SetupError(f"cannot write {output}: {error.strerror}") from error
    if plot is not None:
        view.draw(plot, loaded.scenario.name, flight.figures, columns)
    if as_json:
        answer(flight.figures.as_json())
    else:
        show(lambda glyphs: view.summary(loaded.scenario.name, flight.figures, columns, glyphs))
        for path in (output, plot):
            if path is not None:
                say(f"written: {path}")
    return Exit.PASS
