"""The command line: what every `hil ...` does, says, and exits with.

The only module that knows both the engine and the views. Results go to stdout, everything else to
stderr; with --json stdout is exactly one JSON object, whatever happens. Heavy modules are imported
by the command that needs them. No traceback reaches a user: it is saved, and named.
"""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import contextlib
import enum
import io
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TextIO

import typer

from hil import __version__, cli_discover, cli_orbit
from hil.cli_board import board_app
from hil.cli_output import Json, Output
from hil.control.protocol import COMMANDS
from hil.control.words import arguments_of, listing
from hil.errors import ConfigError, HilError, SetupError, UsageError
from hil.exits import Exit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hil.control.inbox import Inbox
    from hil.record.reader import Reader
    from hil.scenario import Scenario
    from hil.views.progress import Progress
    from hil.views.style import Glyphs

__all__ = ["main"]

RUN_KEYS: Final = (
    "outcome", "run_dir", "run_digest", "reproducible", "seed", "frames", "verdicts", "upsets",
    "recoveries", "availability", "slips", "unexplained", "held_back", "accel", "expectations",
    "not_reproducible", "skipped", "plant", "commands", "aborted_by",
)  # fmt: skip
"""Keys that the JSON of `hil run` always has; null where nothing is known."""

_ALL_FRAMES: Final = (0, 2**62)

# typer brings click along, bundled or as a package; what typer exports leads to its base class.
_CommandLineError: Final[type[Exception]] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="hil",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hardware-in-the-loop flight computer emulator: redundant nodes, upsets, votes, recovery.",
)


@dataclass(slots=True)
class _Session:
    """What the command under way has found out, for the answer when it fails."""

    command: str = ""
    words: list[str] = field(default_factory=list)
    json: bool = False
    run_dir: Path | None = None
    known: dict[str, Any] = field(default_factory=dict)

    def begin(self, words: Sequence[str]) -> None:
        """A new command line."""
        self.command, self.words, self.json = "", list(words), "--json" in words
        self.run_dir, self.known = None, {}


_session = _Session()


# --- output ---------------------------------------------------------------------------------------


def _write(stream: TextIO | None, text: str) -> None:
    """Text to stdout or stderr. That nobody reads it is no failure; a full disk behind it is."""
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _to_nowhere(stream)
    except OSError as error:
        _to_nowhere(stream)
        raise SetupError(
            f"cannot write to {stream.name.strip('<>')}: {error.strerror}",
            remedy="free disk space there",
        ) from error


def _to_nowhere(stream: TextIO) -> None:
    """From now on nobody reads `stream`; also keeps the interpreter from complaining at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _out(text: str) -> None:
    _write(sys.stdout, text + "\n")


def _say(text: str) -> None:
    with contextlib.suppress(SetupError, ValueError):
        _write(sys.stderr, text + "\n")


def _show(make: Callable[[Glyphs], RenderableType], *, width: int | None = None) -> None:
    """Print a view on stdout: coloured on a terminal, plain text anywhere else."""
    from hil.views.style import console_for, glyphs_for

    text = io.StringIO()
    console = console_for(sys.stdout, text)
    if width is not None and not console.is_terminal:
        console.width = width
    console.print(make(glyphs_for(sys.stdout)), crop=False)
    lines = [line.rstrip(" ") for line in text.getvalue().rstrip("\n").split("\n")]
    _out("\n".join(lines))


def _answer(content: Mapping[str, Any]) -> None:
    """The one JSON object."""
    _out(json.dumps(content, allow_nan=False))


# --- from exceptions to exit codes ----------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line `argv` (None: of this process), and exit."""
    words = list(sys.argv[1:] if argv is None else argv)
    _session.begin(words)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w")))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    code = _guarded(words)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(SetupError, ValueError):
            _write(stream, "")
    sys.exit(int(code))


def _guarded(words: list[str]) -> int:
    try:
        result = app(args=words, prog_name="hil", standalone_mode=False)
        return int(result) if isinstance(result, int) else Exit.PASS
    except typer.Exit as done:
        return int(done.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _failed("interrupted", Exit.INTERRUPTED, None)
    except Exception as error:  # noqa: BLE001  (the last resort: a line instead of a traceback)
        text, code = _explained(error)
        return _failed(text, code, error)


def _explained(error: Exception) -> tuple[str, Exit]:
    """What to say of an exception, and what to exit with."""
    if isinstance(error, HilError):
        return str(error), error.exit_code
    if isinstance(error, _CommandLineError):
        return _usage_text(error), Exit.USAGE
    if isinstance(error, ImportError) and (error.name or "").startswith("hil."):
        remedy = "install it again with pip, which compiles the C kernel"
        return f"this installation lacks {error.name}\n  try: {remedy}", Exit.ENVIRONMENT
    return _internal_text(error), Exit.ENVIRONMENT


def _usage_text(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if context is None:
        return message
    return f"{message}\n  try: {context.command_path} --help"


def _failed(text: str, code: Exit, error: Exception | None) -> int:
    """Say what failed, on stderr and, if asked for, as JSON; returns the exit code."""
    _say(f"hil: {text}")
    recorded = _recorded(_session.run_dir)
    if recorded and _session.run_dir is not None:
        _say(f"  what was recorded: hil replay {_quoted(_session.run_dir)} --summary")
    if not _session.json:
        return code
    content: dict[str, Any] = {}
    if _session.command == "run":
        content = dict.fromkeys(RUN_KEYS) | _session.known | recorded
    interrupted = code is Exit.INTERRUPTED
    content["outcome"] = "aborted" if interrupted else "error"
    content["error"] = text
    content["error_kind"] = "Interrupted" if error is None else type(error).__name__
    if isinstance(error, ConfigError):
        content["problems"] = [_problem_json(p) for p in error.problems]
    with contextlib.suppress(SetupError):
        _answer(content)
    return code


def _problem_json(problem: Any) -> dict[str, Any]:
    return {
        name: getattr(problem, name)
        for name in ("file", "line", "column", "path", "message", "remedy")
    }


def _recorded(run_dir: Path | None) -> dict[str, Any]:
    """What the record of a run that failed tells; nothing if there is none that can be read."""
    if run_dir is None or not (run_dir / "run.db").is_file():
        return {}
    from hil.record.reader import Reader
    from hil.replay import result_of

    try:
        reader = Reader(run_dir)
        try:
            found = result_of(reader)
        finally:
            reader.close()
    except HilError:
        return {}
    return {key: value for key, value in found.items() if key in RUN_KEYS}


def _internal_text(error: Exception) -> str:
    """An unexpected exception in a line; its traceback goes to a file."""
    what = f"internal error: {type(error).__name__}: {error}".rstrip(": ")
    text = f"hil {__version__}, Python {sys.version}\ncommand: {sys.argv}\n\n" + "".join(
        traceback.format_exception(error)
    )
    saved = None
    folders = [_session.run_dir, Path(tempfile.gettempdir())]
    for folder in [f for f in folders if f is not None and f.is_dir()]:
        with contextlib.suppress(OSError):
            number, path = tempfile.mkstemp(".txt", "hil-internal-error-", folder)
            with os.fdopen(number, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
            saved = path
            break
    if saved is None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{what}; please report it ({Path(last.filename).name}:{last.lineno})"
    return f"{what}; please report it with the file {saved}"


# --- options that several commands have -----------------------------------------------------------

Ascii = Annotated[bool, typer.Option("--ascii", help="The screen in ASCII.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        _out(f"hil {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise UsageError("which command?", remedy="hil run quickstart, or hil --help")
    _session.command = context.invoked_subcommand


# --- hil run --------------------------------------------------------------------------------------

_RUN_HELP: Final = (
    "Run a scenario: compute, hit, vote, heal, record.\n\n"
    "Exit codes: 0 everything it expects was measured, 1 something was not, 2 wrong command line "
    "or file, 3 boards or environment missing or lost, 130 interrupted (Ctrl-C ends after the "
    "frame, a second one at once)."
)


@app.command(help=_RUN_HELP)
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
        str | None, typer.Option(metavar="S", help="simplex, dmr, tmr, 5mr or 7mr.")
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
        scheme=scheme, board=boards, bench=bench, seed=seed, frames=frames, duration=duration,
        pace=pace, accel=accel,
    )  # fmt: skip
    if not (no_tui or as_json or quiet) and _has_screen():
        return _run_on_screen(scenario, overrides, out, resume, ascii_only=ascii_only)
    with _signals() as stop:
        prepared = (
            _resumed(resume, scenario, overrides, out)
            if resume is not None
            else _fresh(scenario, overrides, out, quiet=quiet)
        )
        return _run(prepared, stop, control=control, as_json=as_json, quiet=quiet, capture=capture)


def _has_screen() -> bool:
    """Whether there is a terminal that a screen can be shown on."""
    from hil.views.style import is_live

    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams) and is_live(sys.stdout)


def _ascii(asked: bool) -> bool:
    """Whether the screen keeps to ASCII: asked for, or all that the terminal takes."""
    from hil.views.style import glyphs_for

    return asked or glyphs_for(sys.stdout).ok == "+"


def _run_on_screen(
    source: str | None, overrides: Any, out: Path | None, resume: Path | None, *, ascii_only: bool
) -> int:
    """The run in a process of its own, which nothing that happens to this terminal can end; and
    the screen before it."""
    from hil.background import BackgroundRun
    from hil.views.screen.sending import Socket
    from hil.views.screen.show import show

    if resume is not None:
        prepared = _resumed(resume, source, overrides, out)
        words = [*_session.words, "--no-tui", "--quiet"]
    else:
        prepared = _fresh(source, overrides, out, quiet=False)
        words = [*_session.words, "--no-tui", "--quiet", "--out", str(prepared.run_dir)]
    run_dir = prepared.run_dir
    _say(_what_will_run(prepared.scenario, run_dir, resume=prepared.resume))
    background = BackgroundRun(words)
    try:
        left = show([run_dir], ascii_only=_ascii(ascii_only), end_run=background.interrupt,
                    over=lambda: not background.running, control=Socket())  # fmt: skip
    except Exception:
        if background.running:
            _say(_goes_on(run_dir))
            background.let_go()
        raise
    if left == "detached" and background.running:
        _say(_goes_on(run_dir))
        background.let_go()
        return Exit.INTERRUPTED
    code, said = background.finish()
    if said:
        _say(said)
    recorded = _recorded(run_dir)
    if recorded and code in (Exit.PASS, Exit.FAIL, Exit.INTERRUPTED):
        _print_summary(run_dir, recorded, quiet=False)
    elif prepared.made:
        with contextlib.suppress(OSError):  # nothing was recorded: leave no empty folder
            run_dir.rmdir()
    return code


def _goes_on(run_dir: Path) -> str:
    return f"the run goes on in the background; attach again with: hil watch {_quoted(run_dir)}"


@dataclass(frozen=True, slots=True)
class _Prepared:
    scenario: Scenario
    run_dir: Path
    resume: bool
    made: bool


def _fresh(source: str | None, overrides: Any, out: Path | None, *, quiet: bool) -> _Prepared:
    """A new run of a scenario, with its folder."""
    from hil import run_folder
    from hil.scenario import load
    from hil.scenario.load import placing

    if source is None:
        raise UsageError("which scenario?", remedy="hil run quickstart")
    loaded = load(source, overrides)
    if loaded.scenario.plant is not None:
        from hil.plant.build import build_plant

        with placing(loaded.file):
            build_plant(loaded.scenario)
    _session.known.update(seed=loaded.scenario.seed, accel=loaded.scenario.upsets.accel, frames=0)
    existed = out is not None and out.exists()
    run_dir = run_folder.create(loaded.scenario, out)
    _session.run_dir = run_dir
    _session.known["run_dir"] = str(run_dir)
    if not quiet:
        for notice in loaded.notices:
            _say(_wrapped(f"note: {notice}"))
    return _Prepared(loaded.scenario, run_dir, resume=False, made=not existed)


def _resumed(run_dir: Path, source: str | None, overrides: Any, out: Path | None) -> _Prepared:
    """A run that was interrupted; it says itself what it runs."""
    if source is not None or out is not None or overrides != type(overrides)():
        raise UsageError(
            "--resume takes everything from the run: no scenario and no other option goes with it",
            remedy=f"hil run --resume {run_dir}",
        )
    from hil.resume import open_run

    _must_be_run(run_dir)
    scenario, folder = open_run(run_dir)
    _session.run_dir = folder
    _session.known.update(seed=scenario.seed, accel=scenario.upsets.accel, run_dir=str(folder))
    return _Prepared(scenario, folder, resume=True, made=False)


def _run(
    prepared: _Prepared, stop: _Stop, *, control: bool, as_json: bool, quiet: bool, capture: bool
) -> int:
    from hil.loop import Loop

    scenario, run_dir = prepared.scenario, prepared.run_dir
    if not quiet:
        _say(_what_will_run(scenario, run_dir, resume=prepared.resume))
    display = None if quiet else _display(scenario)
    more: dict[str, Any] = {"resume_run": True} if prepared.resume else {}
    if capture:
        more["capture"] = True
    with (
        _tidied(prepared),
        display or contextlib.nullcontext(),
        _commands(run_dir, wanted=control) as inbox,
    ):
        stop.say = display.say if display else _say
        if inbox is not None:
            more["inbox"] = inbox
        loop = Loop(
            scenario, run_dir, on_progress=display.update if display else None, stop=stop.asked,
            **more,
        )  # fmt: skip
        result = loop.run()
    stop.running = False
    content = result.as_json()
    if as_json:
        _answer(dict.fromkeys(RUN_KEYS) | content)
    else:
        _print_summary(run_dir, content, quiet=quiet)
    return {"pass": Exit.PASS, "fail": Exit.FAIL, "aborted": Exit.INTERRUPTED}[result.outcome]


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


@contextlib.contextmanager
def _tidied(prepared: _Prepared) -> Iterator[None]:
    """Leave no empty folder behind if the run cannot even begin."""
    try:
        yield
    except (HilError, KeyboardInterrupt):
        if prepared.made:
            with contextlib.suppress(OSError):
                prepared.run_dir.rmdir()
                _session.run_dir = None
                _session.known["run_dir"] = None
        raise


def _print_summary(run_dir: Path, result: Mapping[str, Any], *, quiet: bool) -> None:
    from hil.record.reader import Reader

    if quiet:
        digest = result.get("run_digest") or ""
        _out(f"{str(result['outcome']).upper()} {run_dir} {digest}")
        return
    reader = Reader(run_dir)
    try:
        _show_summary(reader, result)
    finally:
        reader.close()


def _show_summary(reader: Reader, result: Mapping[str, Any]) -> None:
    from hil.views import summary

    steps = _steps(reader.path.parent, result)
    _show(lambda glyphs: summary.render(reader, result, glyphs, steps=steps))


def _steps(run_dir: Path, result: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What to try after a run."""
    where = _quoted(run_dir)
    steps = [
        (f"hil replay {where}", "frame by frame"),
        (f"hil replay {where} --verify", "vote again"),
    ]
    if result["outcome"] == "aborted":
        steps.insert(0, (f"hil run --resume {where}", "go on with it"))
    elif result["outcome"] == "fail":
        steps.append(("hil doctor", "check the computer"))
    else:
        steps.append(("hil run seu-storm", "a harder scenario"))
    return tuple(steps[:3])


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _what_will_run(scenario: Scenario, run_dir: Path, *, resume: bool) -> str:
    """The run in a few lines, before it begins."""
    from hil.views.style import duration

    count, upsets = scenario.frame_count, scenario.upsets
    flight = duration(count * scenario.frame_us)
    pace = {"free": "as fast as the boards can", "realtime": "in real time"}.get(
        scenario.pace, f"{scenario.pace} real time"
    )
    verb = "resuming" if resume else "running"
    lines = [
        f"{verb} {scenario.name}",
        *([f"  {scenario.summary}"] if scenario.summary else []),
        f"  workload  {scenario.workload_name}, seed {scenario.seed}",
        f"  length    {count:,} frames of {scenario.frame_ms:g} ms = {flight} of flight, {pace}",
        f"  rig       {scenario.rig.scheme}: {_boards_text(scenario)}",
        f"  upsets    {len(upsets.events)} single, {len(upsets.rates)} random rates",
        f"  record    {run_dir}",
    ]
    if scenario.plant is not None:
        lines[-1:-1] = _plant_text(scenario)
    if upsets.accel != 1:
        lines[4 + bool(scenario.summary)] += (
            f"; ACCELERATED {upsets.accel:g}x (all rates are multiplied)"
        )
    return "\n".join(_wrapped(line) for line in lines)


def _plant_text(scenario: Scenario) -> list[str]:
    """The plant in a line or two."""
    plant = scenario.plant
    assert plant is not None
    orbit = plant.orbit
    parts = []
    if orbit is not None and orbit.tle is None:
        height = f"{orbit.altitude_km or orbit.perigee_km:g} km"
        plane = orbit.inclination_deg
        parts.append(f"orbit {height}, {plane}{'°' if isinstance(plane, float) else ''}")
    elif orbit is not None:
        parts.append("orbit of a TLE")
    if plant.profile is not None:
        parts.append(f"profile {Path(plant.profile).name}")
    profiles = {node.profile or scenario.rig.profile for node in scenario.rig.nodes}
    parts.append(f"boards as {', '.join(sorted(Path(p).stem for p in profiles))}")
    lines = [f"  plant     {'; '.join(parts)}"]
    if plant.skip_quiet and scenario.pace_factor is None:
        lines.append("  time      quiet frames are skipped: nothing can happen in them")
    return lines


def _wrapped(line: str) -> str:
    """A line of at most 80 columns, gone on under its second word; paths stay whole."""
    import textwrap

    return textwrap.fill(
        line, 80, subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False
    )


def _boards_text(scenario: Scenario) -> str:
    kinds: dict[str, list[str]] = {}
    for node in scenario.rig.nodes:
        place = node.adapter or node.port
        where = f"{node.name} ({place})" if place else node.name
        kinds.setdefault(str(node.board), []).append(where)
    words = {
        "inproc": "on SOFTWARE boards inside this process, no hardware",
        "process": "on SOFTWARE boards (hil-agent processes), no hardware",
        "emulated": "on EMULATED boards (Raspberry Pis in QEMU), no hardware",
        "serial": "on real boards",
    }
    return "; ".join(f"{', '.join(names)} {words[kind]}" for kind, names in kinds.items())


# --- hil watch ------------------------------------------------------------------------------------


@app.command()
def watch(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN]...", help="Folders of runs; default: the newest in runs/."),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="In a browser on this computer, to look only.")
    ] = False,
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="For --web.")] = 8000,
    ascii_only: Ascii = False,
) -> int:
    """Watch runs on a screen, while they go on or afterwards. It never slows or ends them.

    Where stdout is no terminal, it prints the first page once.
    """
    from hil.views.screen.source import newest_run

    newest = [] if runs else [newest_run()]
    wanted = list(runs or []) or [run for run in newest if run is not None]
    if not wanted:
        raise UsageError("there is no run in runs/", remedy="hil run quickstart, or name a folder")
    for run in wanted:
        if not run.exists():
            _must_be_run(run)
    if web:
        from hil.views.screen.web import serve

        serve(wanted, port, _say, *(["--ascii"] if ascii_only else []))
        return Exit.PASS
    return _watch(wanted, replay=False, ascii_only=ascii_only)


def _watch(runs: Sequence[Path], *, replay: bool, ascii_only: bool) -> int:
    from hil.views.screen.sending import Socket
    from hil.views.screen.show import once, show
    from hil.views.screen.web import is_served

    if not (_has_screen() or is_served()):
        _show(lambda glyphs: once(runs, 100, 30, ascii_only=ascii_only or glyphs.ok == "+"),
              width=100)  # fmt: skip
        return Exit.PASS
    control = None if is_served() else Socket()
    show(runs, replay=replay, ascii_only=_ascii(ascii_only), control=control)
    return Exit.PASS


# --- hil replay -----------------------------------------------------------------------------------

_REPLAY_HELP: Final = (
    "Look at a recorded run: play it on the screen, list the frames that were more than agreement, "
    "or verify it.\n\n"
    "With --verify every frame is voted again from the recorded ballots, and everything in the "
    "record is compared with it: exit 0 if nothing differs, 1 if something does."
)


@app.command(help=_REPLAY_HELP)
def replay(  # noqa: PLR0917  (every option is one)
    run_folder: RunFolder,
    verify: Annotated[
        bool, typer.Option("--verify", help="Vote every frame again, and compare everything.")
    ] = False,
    frames: Annotated[
        str | None, typer.Option(metavar="A:B", help="Only these frames, both ends included.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="The page that was shown at its end.")
    ] = False,
    no_tui: Annotated[bool, typer.Option("--no-tui", help="A list instead of the player.")] = False,
    ascii_only: Ascii = False,
    as_json: Json = False,
) -> int:
    if verify + summary + (frames is not None) > 1:
        raise UsageError("--verify, --summary and --frames exclude each other")
    span = _span(frames)
    if not (verify or summary or no_tui or as_json or frames is not None) and _has_screen():
        _must_be_run(run_folder)
        return _watch([run_folder], replay=True, ascii_only=ascii_only)
    with _opened(run_folder) as reader:
        if summary:
            return _again(reader, as_json=as_json)
        if verify:
            return _verify(reader, as_json=as_json)
        return _list(reader, span, as_json=as_json)


def _span(text: str | None) -> tuple[int, int]:
    """`100:200`, `100:`, `:200` or `100` as first and last frame."""
    if text is None:
        return _ALL_FRAMES
    first, colon, last = text.partition(":")
    try:
        low = int(first) if first else 0
        high = int(last) if last else _ALL_FRAMES[1] if colon else low
    except ValueError:
        low, high = 1, 0
    if not 0 <= low <= high <= _ALL_FRAMES[1]:
        raise UsageError(f"`{text}` is no range of frames", remedy="--frames 100:200")
    return low, high


def _must_be_run(run: Path) -> None:
    if not (run / "run.db" if run.is_dir() else run).is_file():
        raise UsageError(
            f"there is no run at {run}",
            remedy="name the folder of a run, as `hil run` printed it (it holds run.db)",
        )


@contextlib.contextmanager
def _opened(run: Path) -> Iterator[Reader]:
    """The record of a run, as it was at this moment."""
    from hil.record.reader import Reader

    _must_be_run(run)
    reader = Reader(run)
    try:
        reader.rows("BEGIN")
        yield reader
    finally:
        reader.close()


def _again(reader: Reader, *, as_json: bool) -> int:
    from hil.replay import result_of

    result = result_of(reader)
    if as_json:
        _answer(dict.fromkeys(RUN_KEYS) | result)
    else:
        _show_summary(reader, result)
    return Exit.PASS


def _list(reader: Reader, span: tuple[int, int], *, as_json: bool) -> int:
    from hil.views import listing
    from hil.views.style import plural

    found = list(listing.moments(reader, *span))
    if as_json:
        _answer(
            {
                "run_dir": str(reader.path.parent),
                "outcome": reader.meta.get("outcome"),
                "frames": [moment.as_json() for moment in found],
            }
        )
        return Exit.PASS
    if found:
        _show(lambda glyphs: listing.table(found, glyphs), width=200)
    total = reader.rows("SELECT coalesce(sum(count), 0) FROM blocks")[0][0]
    where = "in these" if span != _ALL_FRAMES else f"of {total:,}"
    _say(f"{plural(len(found), 'notable frame')} {where}; in all others all nodes agreed")
    return Exit.PASS


def _verify(reader: Reader, *, as_json: bool) -> int:
    from hil.replay import verify
    from hil.views import tables

    verification = verify(reader)
    if as_json:
        _answer({"run_dir": str(reader.path.parent), **verification.as_json()})
    else:
        name = str(reader.path.parent)
        _show(lambda glyphs: tables.verification(verification, name, glyphs))
    return Exit.PASS if verification.ok else Exit.FAIL


# --- hil check, schema, doctor, perf --------------------------------------------------------------


@app.command()
def check(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Scenario or bench files, or names.")
    ],
    as_json: Json = False,
) -> int:
    """Check scenario and bench files without running them: all problems of all files."""
    from hil.check import check_all
    from hil.views import tables

    found = check_all(files)
    bad = [file for file in found if not file.ok]
    if as_json:
        _answer({"ok": not bad, "files": [file.as_json() for file in found]})
    elif len(bad) < len(found):
        good = [file for file in found if file.ok]
        _show(lambda glyphs: tables.check_lines(good, glyphs), width=200)
    for file in bad:
        for problem in file.problems:
            _say(str(problem))
    if bad:
        count = sum(len(file.problems) for file in bad)
        _say(f"hil: {count} problem{'s'[: count > 1]} in {len(bad)} of {len(found)} files")
    return Exit.USAGE if bad else Exit.PASS


_CONTROL_HELP: Final = (
    "Command a run that was started with --control.\n\n"
    "Each is carried out between two frames, and recorded with who sent it. Arguments are "
    "key=value; the first may go without its key. On a terminal, what disturbs the run is asked "
    "for again.\n\n"
    "Exit codes: 0 done, 1 the run refused, 2 wrong command line, or the run takes no commands, "
    "3 it cannot be reached.\n\n\b\n" + listing()
)


@app.command(help=_CONTROL_HELP)
def control(
    run_folder: RunFolder,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="One of those above.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Its arguments.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> int:
    from hil.control.client import Client

    command = command.replace("-", "_")
    arguments = arguments_of(command, words or ())
    with Client(run_folder) as client:
        if COMMANDS[command].destructive and not yes and sys.stdin is not None:
            if sys.stdin.isatty():
                typer.confirm(f"{command} {' '.join(words or ())}: sure?", abort=True, err=True)
        answer = client.send(command, arguments)
    if as_json:
        _answer(answer.as_json())
    elif answer.ok:
        _out(answer.text)
    else:
        _say(f"hil: {answer.text}")
    return Exit.PASS if answer.ok else Exit.FAIL


class _SchemaOf(str, enum.Enum):
    scenario = "scenario"
    bench = "bench"


@app.command()
def schema(
    kind: Annotated[_SchemaOf, typer.Argument(help="Of which file.")] = _SchemaOf.scenario,
) -> int:
    """Print the JSON Schema of scenario or bench files, for completion in editors."""
    from hil.scenario import bench_schema, scenario_schema

    content = bench_schema() if kind is _SchemaOf.bench else scenario_schema()
    _out(json.dumps(content, indent=2))
    return Exit.PASS


@app.command()
def doctor(as_json: Json = False) -> int:
    """Find out whether this computer can run scenarios: make known faults, and look for them."""
    from hil.doctor import Check, examine, possible
    from hil.views import tables

    checks: list[Check] = []
    for found in examine():
        checks.append(found)
        if not as_json:
            _show(partial(tables.doctor_line, found))
    able = possible(checks)
    if as_json:
        _answer({"ok": able, "checks": [c.as_json() for c in checks]})
    else:
        _show(lambda glyphs: tables.doctor_verdict(checks, able, glyphs))
    return Exit.PASS if able else Exit.ENVIRONMENT


@app.command()
def perf(
    quick: Annotated[bool, typer.Option("--quick", help="Shorter, and less exact.")] = False,
    rows: Annotated[
        list[str] | None, typer.Option("--row", metavar="NAME", help="Only these; repeat it.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Measure what this computer does, beside what it is compared with, and the targets.

    Exit 0 if every target is met, 1 if one is missed.
    """
    from hil.perf import PerfRow, run_perf
    from hil.views import tables

    def show(row: PerfRow) -> None:
        if not as_json:
            _show(partial(tables.perf_row, row))

    found = run_perf(quick, rows or None, show)
    missed = any(row.ok is False for row in found)
    if as_json:
        _answer({"ok": not missed, "rows": [asdict(row) for row in found]})
    else:
        _show(partial(tables.perf_verdict, found))
    return Exit.FAIL if missed else Exit.PASS


_io = Output(_out, _say, _answer, _show)
cli_discover.mount(app, _io)
cli_orbit.mount(app, _io)
app.add_typer(board_app(_io), name="board")


# --- signals --------------------------------------------------------------------------------------


class _Stop:
    """The user's wish to end: the first signal lets the frame finish, the second does not.

    Before frames run there is nothing to finish, and the first one ends at once, too.
    """

    def __init__(self) -> None:
        self.wished = False
        self.running = False
        self.say: Callable[[str], None] = _say

    def asked(self) -> bool:
        """Whether to stop; asked by the loop between frames."""
        self.running = True
        return self.wished

    def take(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of a signal."""
        if self.wished or not self.running:
            raise KeyboardInterrupt
        self.wished = True
        self.say("stopping after this frame; once more stops at once")


@contextlib.contextmanager
def _signals() -> Iterator[_Stop]:
    """Ctrl-C, SIGTERM and a terminal that hangs up are wishes to end, while this is entered."""
    stop = _Stop()
    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        old = signal.getsignal(number)
        if old is not signal.SIG_IGN:  # nohup
            before[number] = old
            signal.signal(number, stop.take)
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)
