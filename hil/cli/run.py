"""`hil run`: runs a scenario, on a screen or without."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli.announce import what_will_run
from hil.cli.evidence import keep_evidence
from hil.cli.options import Ascii, Json
from hil.cli.output import answer, has_screen, say, wants_ascii
from hil.cli.prepare import Prepared, fresh, resumed, tidied
from hil.cli.record import print_summary
from hil.cli.run_options import (
    Accel,
    Bench,
    Boards,
    CaptureLinks,
    Control,
    Duration,
    Frames,
    NoTui,
    Out,
    Pace,
    Quiet,
    Resume,
    SchemeName,
    Seed,
    Source,
    Use,
    WaitBench,
    WaitBoards,
)
from hil.cli.session import session
from hil.cli.signals import Stop, signals
from hil.errors import UsageError
from hil.exit_codes import Exit
from hil.printable import quoted
from hil.verification.run_end import recorded

if TYPE_CHECKING:
    from hil.control.inbox import Inbox
    from hil.record.run_result import RunResult
    from hil.scenario import Overrides, Scenario
    from hil.views.progress import Progress

__all__ = ["HELP", "Waits", "flown", "run"]

HELP: Final = (
    "Run a scenario: compute, inject upsets, vote, repair, record.\n\n"
    "Exit codes: 0 all expectations met (or untested: `expect: none`), 1 an expectation failed or "
    "a planned upset was not injected, 2 wrong command line or file, 3 boards or environment "
    "missing or lost, 130 interrupted (Ctrl-C ends after the frame, a second one at once)."
)


def run(  # noqa: PLR0913, PLR0917  (every option is one)
    scenario: Source = None,
    boards: Boards = None,
    bench: Bench = None,
    use: Use = None,
    wait_boards: WaitBoards = None,
    wait_bench: WaitBench = None,
    scheme: SchemeName = None,
    seed: Seed = None,
    frames: Frames = None,
    duration: Duration = None,
    pace: Pace = None,
    accel: Accel = None,
    out: Out = None,
    resume: Resume = None,
    control: Control = False,
    capture: CaptureLinks = False,
    no_tui: NoTui = False,
    ascii_only: Ascii = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Run a scenario, or resume a run; return the exit code."""
    from hil.scenario import Overrides
    from hil.scenario.bench_choice import words_of

    waits = Waits(
        boards_us=_wait_us("--wait-boards", wait_boards),
        bench_us=_wait_us("--wait-bench", wait_bench),
    )
    overrides = Overrides(
        scheme=scheme,
        board=boards,
        bench=bench,
        use=words_of(use),
        seed=seed,
        frames=frames,
        duration=duration,
        pace=pace,
        accel=accel,
    )
    if not (no_tui or as_json or quiet) and has_screen():
        return _run_on_screen(scenario, overrides, out, resume, waits=waits, ascii_only=ascii_only)
    with signals() as stop:
        prepared = (
            resumed(resume, scenario, overrides, out)
            if resume is not None
            else fresh(scenario, overrides, out, quiet=quiet)
        )
        return _run(
            prepared,
            stop,
            control=control,
            as_json=as_json,
            quiet=quiet,
            capture=capture,
            waits=waits,
        )


@dataclass(frozen=True, slots=True)
class Waits:
    """The times for which a run waits before it begins [us]: `boards_us` for boards that do not
    answer, `bench_us` for what others have reserved."""

    boards_us: int = 0
    bench_us: int = 0


def _wait_us(option: str, text: str | None) -> int:
    """Return the time of an option [us]. Raises: UsageError if it is not a time."""
    from hil.scenario.durations import parse_duration_us

    if text is None:
        return 0
    try:
        return parse_duration_us(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _run_on_screen(
    source: str | None,
    overrides: Overrides,
    out: Path | None,
    resume: Path | None,
    *,
    waits: Waits,
    ascii_only: bool,
) -> int:
    """Run in a background process, which this terminal cannot end, and show the screen."""
    from hil.cli.background import BackgroundRun
    from hil.engine.junit import JUNIT
    from hil.engine.run_reports import MANIFEST, may_be_replaced
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
    if waits.bench_us:
        _wait_for_bench(prepared, waits.bench_us)
    session.reports = None  # they are the background run's
    background = BackgroundRun(words)
    try:
        reason = show(
            [run_dir],
            ascii_only=wants_ascii(ascii_only),
            end_run=background.interrupt,
            over=lambda: not background.running,
            control=Socket(),
        )
    except Exception:
        if background.running:
            say(_continues(run_dir))
            background.detach()
        raise
    if reason == "detached" and background.running:
        say(_continues(run_dir))
        background.detach()
        return Exit.INTERRUPTED
    code, stderr = background.finish()
    if stderr:
        say(stderr)
    result = recorded(run_dir)
    ended = code in (Exit.PASS, Exit.FAIL, Exit.INTERRUPTED)
    if result is not None and (ended or result.lost):
        print_summary(run_dir, result, quiet=False)
    elif prepared.made and may_be_replaced(run_dir):
        with contextlib.suppress(OSError):  # nothing was recorded: leave no folder for that
            for name in (MANIFEST, JUNIT):
                (run_dir / name).unlink(missing_ok=True)
            run_dir.rmdir()
    return code


def _wait_for_bench(prepared: Prepared, wait_us: int) -> None:
    """Wait until nobody has reserved the boards of a run: a screen does not show for whom a run
    waits before it begins. Raises: BenchInUse."""
    from hil.rig.reservation import BenchReservation, uses_of_run

    uses = uses_of_run(prepared.scenario)
    with tidied(prepared), BenchReservation(uses, prepared.run_dir) as bench:
        bench.acquire(wait_us, say)


def _continues(run_dir: Path) -> str:
    return f"the run continues in the background; attach again with: hil watch {quoted(run_dir)}"


def _run(
    prepared: Prepared,
    stop: Stop,
    *,
    control: bool,
    as_json: bool,
    quiet: bool,
    capture: bool,
    waits: Waits,
) -> int:
    result = flown(prepared, stop, control=control, quiet=quiet, capture=capture, waits=waits)
    if result.error:
        say(f"hil: {result.error}\n  try: {result.remedy}")
    if as_json:
        answer(result.as_answer())
    else:
        print_summary(prepared.run_dir, result, quiet=quiet)
    return result.exit_code


def flown(
    prepared: Prepared,
    stop: Stop,
    *,
    control: bool = False,
    quiet: bool = False,
    capture: bool = False,
    waits: Waits = Waits(),  # noqa: B008  (frozen)
) -> RunResult:
    """Carry out a run in this process, with a progress display unless `quiet`; return its
    result."""
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
            stop=stop.requested,
            inbox=inbox,
            observers=[ProgressObserver(display.update)] if display else (),
            setup=RunSetup(
                capture=capture,
                lock=lock,
                plant=prepared.plant,
                left_out=prepared.left_out,
                wait_boards_us=waits.boards_us,
                wait_bench_us=waits.bench_us,
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
    keep_evidence(run_dir)
    return result


@contextlib.contextmanager
def _commands(run_dir: Path, *, wanted: bool) -> Iterator[Inbox | None]:
    """Serve an operator's commands during a run and yield their inbox; None unless `wanted`."""
    if not wanted:
        yield None
        return
    from hil.control.server import Server

    with Server(run_dir) as server:
        yield server.inbox


def _display(scenario: Scenario) -> Progress:
    from hil.views.progress import Progress

    return Progress(scenario.name, sys.stderr)
