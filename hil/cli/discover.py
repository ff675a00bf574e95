"""`hil discover`: finds boards and writes the bench file."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli import completion
from hil.cli.options import Json
from hil.cli.output import answer, say, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.rig.discovery.probe import ProbeResult

__all__ = ["HELP", "discover"]

HELP = (
    "Find the boards on the serial ports of this computer, and write them to a bench file.\n\n"
    "Ports are probed in parallel; devices, /dev/serial/by-id names, ptys and pyserial URLs "
    "(socket://, rfc2217://) can be given, default: all ports, and those of the bench file. A "
    "bench file that exists is merged: your edits are kept, boards that do not answer are "
    "marked absent, none is deleted. Exit codes: 0 a board answered, 2 wrong file, 3 none answered."
)


def discover(
    ports: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PORT]...", help="Look at these only.", autocompletion=completion.ports
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Bench file to write or merge."),
    ] = None,
    baud: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            help="Rates to try; repeat it. Default: the usual ones.",
            autocompletion=completion.bauds,
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="S", help="Seconds to wait for an answer at each rate.")
    ] = 0.6,
    as_json: Json = False,
) -> int:
    """Find the boards on the serial ports, and write or merge the bench file."""
    from hil.rig.discovery.bench_file import discover as find
    from hil.rig.discovery.probe import USUAL_BAUDS
    from hil.scenario.ports import port_problem
    from hil.scenario.words import BAUD_RATES
    from hil.views.discovery import discovery_lines

    for rate in baud or ():
        if rate not in BAUD_RATES:
            raise UsageError(
                f"--baud {rate}: agents do not support this rate",
                remedy=f"one of {', '.join(map(str, BAUD_RATES))}",
            )
    for port in ports or ():
        problem = port_problem(port)
        if problem is not None:
            raise UsageError(problem[0], remedy=problem[1] or None)
    if not 0.01 <= wait <= 60:
        raise UsageError(f"--wait {wait:g}: expected seconds from 0.01 to 60")

    def report_silent(done: ProbeResult) -> None:
        if not as_json and done.hello is None:
            with contextlib.suppress(OSError):
                say(f"{done.port}: {done.why}")

    rates = tuple(baud or USUAL_BAUDS)
    report = find(tuple(ports or ()), rates, out, wait, report_silent).report()
    if as_json:
        answer(report.as_json())
    else:
        show(lambda glyphs: discovery_lines(report, glyphs), width=120)
    return Exit.PASS if report.boards else Exit.ENVIRONMENT
