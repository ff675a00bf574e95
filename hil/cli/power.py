"""`hil power ...`: the supplies of a bench, without a run."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the rig)

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli import completion
from hil.cli.help_texts import App
from hil.cli.options import Json
from hil.cli.output import answer, say, show
from hil.cli.signals import Interrupts, deferred_interrupts, ended_by_signals
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.rig.power import Power
    from hil.scenario.supply_state import SupplyState

__all__ = ["power_app"]

power_app = App(
    no_args_is_help=True,
    help="The supplies of a bench: read, switch and cycle the power of a board.",
)

_SLICE_S = 0.1

Bench = Annotated[Path, typer.Option(metavar="FILE", help="The bench file.")]
Force = Annotated[
    bool, typer.Option("--force", help="Also while a run or a test has reserved the supply.")
]
OneBoard = Annotated[
    str,
    typer.Argument(
        metavar="BOARD", help="A board of the bench.", autocompletion=completion.bench_boards
    ),
]


@power_app.command()
def read(
    bench: Bench,
    boards: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BOARD]...",
            help="These boards; default: all with a supply.",
            autocompletion=completion.bench_boards,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Measure the supplies of a bench; switch nothing.

    Exit codes: 0 all were read, 2 wrong file or board, 3 a supply failed.
    """
    from hil.rig.power.bench_supplies import BenchSupplies
    from hil.scenario import load_bench

    with BenchSupplies(load_bench(bench)) as supplies:
        powers = [supplies.power(name) for name in boards or supplies.names]
        if not powers:
            raise UsageError(
                f"no board of {bench} has a supply",
                remedy="add `power:` to a board in the bench file (boards/README.md)",
            )
        with ended_by_signals():
            return _report(_measured_at_once(powers), as_json=as_json)


@power_app.command()
def on(board: OneBoard, bench: Bench, force: Force = False, as_json: Json = False) -> int:
    """Switch the power of a board on, and measure it."""
    with ended_by_signals(), _reserved(board, bench, force=force):
        return _switch(board, bench, lambda power: power.on(), as_json=as_json, stays=True)


@power_app.command()
def off(board: OneBoard, bench: Bench, force: Force = False, as_json: Json = False) -> int:
    """Switch the power of a board off, and measure it."""
    with ended_by_signals(), _reserved(board, bench, force=force):
        return _switch(board, bench, lambda power: power.off(), as_json=as_json, stays=True)


@power_app.command()
def cycle(board: OneBoard, bench: Bench, force: Force = False, as_json: Json = False) -> int:
    """Switch the power of a board off, wait for `off_s` of its supply, and switch it on.

    Ctrl-C and SIGTERM end the wait: the power is switched on first. `kill -9` leaves it off.
    """
    with deferred_interrupts() as interrupts, _reserved(board, bench, force=force):
        return _switch(
            board,
            bench,
            lambda power: _cycled(power, interrupts),
            as_json=as_json,
            endable=interrupts.allowed,
        )


def _cycled(power: Power, interrupts: Interrupts) -> None:
    """Cycle the power of a board. A request to end shortens the time for which it is off.

    Raises: SetupError."""
    from hil.rig.background_call import BackgroundCall
    from hil.scenario.supply import SupplyKind

    if power.supply.kind is SupplyKind.MANUAL:  # a person switches it, who is asked here
        with interrupts.allowed():
            power.cycle()
        return
    call, is_short = BackgroundCall(power.cycle, f"cycles {power.node}"), False
    while not call.wait(_SLICE_S):
        if interrupts.requested and not is_short:
            is_short = True
            say(f"{power.node}: its power is switched on before this command ends")
            power.cut_short()
    call.result  # noqa: B018 (raises what the cycle has raised)


@contextlib.contextmanager
def _reserved(name: str, bench: Path, *, force: bool) -> Iterator[None]:
    """Reserve the supply of a board for the body, unless `force` is set.

    Raises: SetupError if a run has reserved it."""
    from hil.rig.reservation import BenchInUse, BenchReservation, uses_of_power
    from hil.scenario import load_bench

    boards = [board for board in load_bench(bench).boards if board.name == name]
    uses = [] if force else [use for board in boards for use in uses_of_power(board)]
    with BenchReservation(uses) as reservation:
        try:
            reservation.acquire()
        except BenchInUse as error:
            raise SetupError(
                error.message, remedy="wait for the end of that run, or add --force"
            ) from None
        yield


def _switch(
    board: str,
    bench: Path,
    do: Callable[[Power], None],
    *,
    as_json: bool,
    stays: bool = False,
    endable: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> int:
    """Switch one board's power and report it; with `stays` the state is to remain when this command
    has ended. A request to end may end what is done within `endable`.

    Raises: SetupError, UsageError."""
    from hil.rig.power.bench_supplies import BenchSupplies
    from hil.scenario import load_bench

    with BenchSupplies(load_bench(bench)) as supplies:
        power = supplies.power(board)
        if stays and not power.keeps_its_state:
            raise UsageError(
                f"board {board}: {power.title} falls back when this command ends, so that it "
                "cannot stay switched",
                remedy=f"hil power cycle {board}, or hold the line with gpioset yourself",
            )
        with endable():
            power.check()
        do(power)
        with endable():
            return _report([_measured(power)], as_json=as_json)


def _measured_at_once(powers: list[Power]) -> list[SupplyState]:
    """Measure these supplies; instruments that hang are waited for at the same time."""
    from hil.rig.background_call import BackgroundCall

    calls = [BackgroundCall(partial(_measured, power), f"reads {power.node}") for power in powers]
    states: list[SupplyState] = []
    for call in calls:
        while not call.wait(_SLICE_S):
            pass
        assert call.result is not None
        states.append(call.result)
    return states


def _measured(power: Power) -> SupplyState:
    """Measure one supply; a failure is part of the result."""
    from hil.scenario.supply_state import SupplyState

    try:
        reading, is_on = power.read(), power.gives_power()
    except SetupError as error:
        return SupplyState(power.node, power.title, error=error.message, remedy=error.remedy or "")
    return SupplyState(power.node, power.title, is_on, reading.volts, reading.amps)


def _report(states: list[SupplyState], *, as_json: bool) -> int:
    from hil.views.supplies import supply_table

    failed = any(state.error for state in states)
    if as_json:
        answer({"ok": not failed, "boards": [state.as_json() for state in states]})
    else:
        show(lambda glyphs: supply_table(states, glyphs), width=110)
    return Exit.ENVIRONMENT if failed else Exit.PASS
