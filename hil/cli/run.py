"""`hil run`."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hil.cli.announce import what_will_run
from hil.cli.options import Ascii, Json
from hil.cli.output import answer, has_screen, quoted, say, wants_ascii
from hil.cli.prepare import Prepared, fresh, resumed, tidied
from hil.cli.record import print_summary
from hil.cli.session import RUN_KEYS, recorded, session
from hil.cli.signals import Stop, signals
from hil.exits import Exit

if TYPE_CHECKING:
    from hil.control.inbox import Inbox
    from hil.scenario import Scenario
    from hil.views.progress import Progress

__all__ = ["HELP", "run"]

HELP: Final = (
    "Run a scenario: compute, hit, vote, heal, record.\n\n"
    "Exit codes: 0 all expectations met (or untested: `expect: none`), 1 an expectation failed or "
    "a planned upset was not injected, 2 wrong command line or file, 3 boards or environment "
    "missing or lost, 130 interrupted (Ctrl-C ends after the frame, a second one at once)."
)


def run(  # noqa: PLR0913, PLR0917  (every option is one)
    scenario: Annotated[
        str | None,
        typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of a shipped one."),
    ] = None,
    boards: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Put every node on this kind of board: inproc, process, emulated."
        ),
    ] = None,
    bench: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Put the nodes on the boards of this bench; with --boards, the rest on those.",
        ),
    ] = None,
    scheme: Annotated[
        str | None, typer.Option(metavar="S", help="simplex, dmr, tmr, or 4mr to 7mr.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Everything random is drawn from it.")
    ] = None,
    frames: Annotated[int | None, typer.Option(metavar="N", help="Length in frames.")] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="Length in simulated time: 90s, 2h, 7d.")
    ] = None,
    pace: Annotated[str | None, typer.Option(metavar="P", help="realtime, 60x or free.")] = None,
    accel: Annotated[
        float | None, typer.Option(metavar="X", help="Multiply all upset rates by this.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the run; default: runs/TIME-NAME.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a run that was interrupted.")
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Take commands from `hil control` and screens.")
    ] = False,
    capture: Annotated[
        bool,
        typer.Option("--capture", help="Write all bytes of all links to RUN/capture.pcapng."),
    ] = False,
    no_tui: Annotated[
        bool, typer.Option("--no-tui", help="No screen, only a progress display.")
    ] = False,
    ascii_only: Ascii = False,
    as_json: Json = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no notices; the outcome in a line.")
    ] = False,
) -> int:
    from hil.scenario import Overrides

    overrides = Overrides(
        scheme=scheme,
        board=boards,
        bench=bench,
        seed=seed,
        frames=frames,
        duration=duration,
        pace=pace,
        accel=accel,
    )
    if not (no_tui or as_json or quiet) and has_screen():
        return _run_on_screen(scenario, overrides, out, resume, ascii_only=ascii_only)
    with signals() as stop:
        prepared = (
            resumed(resume, scenario, overrides, out)
            if resume is not None
            else fresh(scenario, overrides, out, quiet=quiet)
        )
        return _run(prepared, stop, control=control, as_json=as_json, quiet=quiet, capture=capture)


def _run_on_screen(
    source: str | None, overrides: Any, out: Path | None, resume: Path | None, *, ascii_only: bool
) -> int:
    """The run in a process of its own, which nothing that happens to this terminal can end; and
    the screen before it."""
    from hil.cli.background import BackgroundRun
    from hil.engine.run_reports import JUNIT, MANIFEST, may_be_replaced
    from hil.views.screen.open import show
    from hil.views.screen.run_commands import Socket

    if resume is not None:
        prepared = resumed(resume, source, overrides, out)
        words = [*session.words, "--no-tui", "--quiet"]
    else:
        prepared = fresh(source, overrides, out, quiet=False)
        words = [*session.words, "--no-tui", "--quiet", "--out", str(prepared.run_dir)]
    run_dir = prepared.run_dir
    say(what_will_run(prepared.scenario, run_dir, resume=prepared.resume))
    session.reports = None  # they are the background run's
    background = BackgroundRun(words)
    try:
        left = show(
            [run_dir],
            ascii_only=wants_ascii(ascii_only),
            end_run=background.interrupt,
            over=lambda: not background.running,
            control=Socket(),
        )
    except Exception:
        if background.running:
            say(_goes_on(run_dir))
            background.detach()
        raise
    if left == "detached" and background.running:
        say(_goes_on(run_dir))
        background.detach()
        return Exit.INTERRUPTED
    code, said = background.finish()
    if said:
        say(said)
    found = recorded(run_dir)
    ended = code in (Exit.PASS, Exit.FAIL, Exit.INTERRUPTED)
    if found and (ended or found.get("lost_boards")):
        print_summary(run_dir, found, quiet=False)
    elif prepared.made and may_be_replaced(run_dir):
        with contextlib.suppress(OSError):  # nothing was recorded: leave no folder for that
            for name in (MANIFEST, JUNIT):
                (run_dir / name).unlink(missing_ok=True)
            run_dir.rmdir()
    return code


def _goes_on(run_dir: Path) -> str:
    return f"the run goes on in the background; attach again with: hil watch {quoted(run_dir)}"


def _run(
    prepared: Prepared, stop: Stop, *, control: bool, as_json: bool, quiet: bool, capture: bool
) -> int:
    from hil.engine.loop import Loop, RunSetup
    from hil.engine.observers import ProgressObserver
    from hil.engine.run_reports import may_be_replaced
    from hil.record.run_lock import RunLock
    from hil.scenario.load import placing

    scenario, run_dir = prepared.scenario, prepared.run_dir
    if not quiet:
        say(what_will_run(scenario, run_dir, resume=prepared.resume))
    display = None if quiet else _display(scenario)
    with (
        tidied(prepared),
        placing(prepared.file) if prepared.file else contextlib.nullcontext(),
        display or contextlib.nullcontext(),
        RunLock(run_dir) as lock,
        _commands(run_dir, wanted=control) as inbox,
    ):
        stop.say = display.say if display else say
        loop = Loop(
            scenario,
            run_dir,
            resume_run=prepared.resume,
            stop=stop.asked,
            inbox=inbox,
            observers=[ProgressObserver(display.update)] if display else (),
            setup=RunSetup(
                capture=capture, lock=lock, plant=prepared.plant, left_out=prepared.left_out
            ),
        )
        try:
            result = loop.run()
        except BaseException:
            if loop.recording or (not prepared.resume and may_be_replaced(run_dir)):
                session.reports = run_dir  # a resumed run that cannot even begin changes nothing
            raise
    stop.running = False
    session.reports = None
    content = {**result.as_json(), "wall_s": result.wall_s}
    if result.error:
        say(f"hil: {result.error}\n  try: {result.remedy}")
    if as_json:
        answer(dict.fromkeys(RUN_KEYS) | content)
    else:
        print_summary(run_dir, content, quiet=quiet)
    return result.exit_code


@contextlib.contextmanager
def _commands(run_dir: Path, *, wanted: bool) -> Iterator[Inbox | None]:
    """What an operator sends while the run goes on; None if nobody may."""
    if not wanted:
        yield None
        return
    from hil.control.server import Server

    with Server(run_dir) as server:
        yield server.inbox


def _display(scenario: Scenario) -> Progress:
    from hil.views.progress import Progress

    return Progress(scenario.name, sys.stderr)
