"""`hil board install`: the agent on a board, or on all boards of a bench, over ssh."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli import completion
from hil.cli.options import AnyCompiler, AnyTarget, Json, Workloads
from hil.cli.output import answer, out, say, show
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hil.board_types.agent_install import Plan
    from hil.board_types.compilers import BuildTarget
    from hil.scenario.c_workload import CSource

__all__ = ["install", "target_for"]

Host = Annotated[
    str | None, typer.Argument(metavar="[USER@HOST]", help="The board, as for ssh; or --bench.")
]
BenchFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="All boards of this bench file that have `ssh:`, in turn."),
]
Use = Annotated[
    str | None,
    typer.Option(
        metavar="BOARD,...",
        help="With --bench: these only; default: all present ones.",
        autocompletion=completion.board_lists,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        metavar="PROFILE", help="What kind of board it is.", autocompletion=completion.profiles
    ),
]
Device = Annotated[
    str | None, typer.Option(metavar="DEV", help="Serial device on it; default: PROFILE's.")
]
Rate = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Line rate; default: PROFILE's safe one.", autocompletion=completion.bauds
    ),
]
Programs = Annotated[
    list[str] | None,
    typer.Option(
        "--exec",
        metavar="NAME=PATH[,ARG...]",
        help="Allow this program as workload exec:NAME; repeat it. PATH is copied from this "
        "computer; board:/PATH is on the board. Default with --bench: those allowed now.",
    ),
]
Uninstall = Annotated[bool, typer.Option("--uninstall", help="Remove the agent instead.")]
Files = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write everything there for a copy; no ssh.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")]


@dataclass(frozen=True, slots=True)
class _Request:
    """What was asked for; `programs` is None without `--exec`."""

    profile: str | None
    device: str | None
    baud: int | None
    programs: list[str] | None
    target: str | None
    compiler: str | None
    workloads: tuple[CSource, ...]
    files: Path | None
    dry_run: bool


def install(  # noqa: PLR0913, PLR0917  (every option is one)
    host: Host = None,
    bench: BenchFile = None,
    use: Use = None,
    profile: ProfileOption = None,
    device: Device = None,
    baud: Rate = None,
    programs: Programs = None,
    target: AnyTarget = None,
    compiler: AnyCompiler = None,
    workload: Workloads = None,
    files: Files = None,
    uninstall: Uninstall = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Put hil-agent on a board over ssh: service, watchdog, port freed of the console.

    With --bench, on all boards of a bench, one after the other; those that have exactly this agent
    are skipped. sudo on a board may ask for its password. Exit codes: 0 all boards are as wanted, 2
    wrong command line or file, 3 a board failed.
    """
    own = c_sources(workload)
    request = _Request(
        profile, device, baud, programs or None, target, compiler, own, files, dry_run
    )
    if (host is None) == (bench is None):
        raise UsageError(
            "on which board?" if host is None else "USER@HOST and --bench exclude each other",
            remedy="hil board install pi@192.168.1.20 --profile raspberry-pi-4b, or --bench FILE",
        )
    if uninstall and (programs or own):
        raise UsageError(
            "--uninstall removes programs and workloads, too",
            remedy="leave --exec and --workload out",
        )
    if bench is not None:
        _refuse_single(request)
        return _install_on_bench(bench, use, request, uninstall=uninstall, as_json=as_json)
    assert host is not None
    if use is not None or as_json:
        raise UsageError("--use and --json are for --bench FILE", remedy="leave them out")
    if uninstall:
        return _uninstall(host, request)
    return _install(host, request)


# --- a bench --------------------------------------------------------------------------------------


def _refuse_single(request: _Request) -> None:
    """Refuse what one value cannot be for all boards. Raises: UsageError."""
    given = {
        "--profile": request.profile,
        "--device": request.device,
        "--baud": request.baud,
        "--target": request.target,
        "--files": request.files,
    }
    for option, value in given.items():
        if value is not None:
            raise UsageError(
                f"{option} is for a single board",
                remedy="the bench file has `profile:`, `agent_port:` and `baud:` of each board",
            )


def _install_on_bench(
    file: Path, use: str | None, request: _Request, *, uninstall: bool, as_json: bool
) -> int:
    from hil.board_types.bench_install import BenchInstallation, BenchInstaller, check_reachable
    from hil.board_types.board_programs import board_programs
    from hil.rig.bench_test.bench_tester import boards_to_test
    from hil.scenario import load_bench
    from hil.scenario.bench_choice import words_of
    from hil.views.boards import installation_lines

    boards = boards_to_test(load_bench(file), words_of(use))
    check_reachable(boards)
    programs = None if request.programs is None else board_programs(request.programs)
    agents: dict[str, Path] = {}

    def agent_for(target: BuildTarget) -> Path:
        if target.name not in agents:
            agents[target.name] = _agent(target, request)
        return agents[target.name]

    installer = BenchInstaller(agent_for, say, programs=programs, dry_run=request.dry_run)
    one = installer.remove if uninstall else installer.install
    done = BenchInstallation(str(file), tuple(map(one, boards)))
    if as_json:
        answer(done.as_json())
    else:
        show(lambda glyphs: installation_lines(done, glyphs), width=120)
    return Exit.PASS if done.ok else Exit.ENVIRONMENT


# --- one board ------------------------------------------------------------------------------------


def _install(host: str, request: _Request) -> int:
    from hil.board_types.agent_install import carry_out, make_plan
    from hil.board_types.board_programs import board_programs, check_machine
    from hil.board_types.catalogue import load_board_profile
    from hil.board_types.compilers import target_named

    device, baud = request.device, request.baud
    loaded = load_board_profile(request.profile) if request.profile else None
    if loaded is not None and loaded.serial is not None:
        device = device or loaded.serial.device
        baud = baud or int(loaded.serial.fallback_baud.value)
    if device is None:
        raise UsageError(
            "on which serial device of the board?",
            remedy="--profile raspberry-pi-4b, or --device /dev/ttyAMA0",
        )
    _check_rate(baud)
    programs = board_programs(request.programs or ())
    family, name = (loaded.family, loaded.name) if loaded else ("", "")
    plan = make_plan(host, device, baud or 115200, family, name, programs)
    asked = request.target is not None
    expected = target_named(request.target) if request.target else None
    if expected is None and loaded is not None:
        expected = target_for(request.profile, None)
    if request.dry_run:
        _print_plan(host, plan)
        return Exit.PASS
    if request.files is None:
        chosen = _target_on(host, expected, asked=asked)
    else:
        chosen = expected or target_named("aarch64")
    check_machine(programs, chosen)
    agent = _agent(chosen, request)
    if request.files is None:
        carry_out(plan, agent, say)
        out(f"hil-agent runs on {host}, port {device} at {plan.baud} baud")
    else:
        _write_copy(plan, agent, request.files)
    return Exit.PASS


def _uninstall(host: str, request: _Request) -> int:
    from hil.board_types.agent_install import carry_out, make_removal, write_folder

    plan = make_removal(host)
    if request.dry_run:
        _print_plan(host, plan)
    elif request.files is not None:
        for path in write_folder(plan, None, request.files):
            out(str(path))
        say("copy this folder to the board, and run there: sudo sh uninstall.sh")
    else:
        carry_out(plan, None, say)
        out(f"hil-agent is removed from {host}")
    return Exit.PASS


def _check_rate(baud: int | None) -> None:
    from hil.scenario.words import BAUD_RATES

    if baud is not None and baud not in BAUD_RATES:
        raise UsageError(
            f"the agent does not support the line rate {baud}",
            remedy=f"one of {', '.join(map(str, BAUD_RATES))}",
        )


def _print_plan(host: str, plan: Plan) -> None:
    for name, text in plan.files.items():
        out(f"--- {name}\n{text}")
    if not plan.removes:
        out(f"--- asked first\nssh {host} uname -m")
    for program in plan.programs:
        if program.file is not None:
            out(f"--- program-{program.name}\nthe file {program.file}")
    beside = "" if plan.removes else " and hil-agent"
    out(f"--- commands, in a folder with these files{beside}")
    for command in plan.commands:
        out(shlex.join(command))


def _write_copy(plan: Plan, agent: Path, folder: Path) -> None:
    """Write everything that the board needs into a folder that is copied there by hand."""
    from hil.board_types.agent_install import write_folder

    for path in write_folder(plan, agent, folder):
        out(str(path))
    say("copy this folder to the board, and run there: sudo sh install.sh")


# --- the agent ------------------------------------------------------------------------------------


def target_for(profile: str | None, target: str | None) -> BuildTarget:
    """Return the processor to compile for. Raises: UsageError if it is not known."""
    from hil.board_types.catalogue import load_board_profile
    from hil.board_types.compilers import native, target_named
    from hil.board_types.profile_summary import AGENT_TARGETS

    if target is not None:
        return target_named(target)
    if profile is None:
        this_computer = native()
        if this_computer is None:
            raise UsageError("for which board?", remedy="hil board build raspberry-pi-4b")
        return this_computer
    loaded = load_board_profile(profile)
    name = AGENT_TARGETS.get(loaded.family)
    if name is None:
        raise UsageError(
            f"hil-agent does not run on a {loaded.title} ({loaded.soc}): its profile is only for "
            "comparison",
            remedy="hil board list",
        )
    return target_named(name)


def _target_on(host: str, expected: BuildTarget | None, *, asked: bool) -> BuildTarget:
    """Return the processor that the board's system reports: a Raspberry Pi may have a 32-bit
    system, on which a 64-bit agent cannot be started. `asked`: `expected` is from the command line.

    Raises: SetupError if no agent exists for it; UsageError if it is not the one asked for."""
    from hil.board_types.agent_install import machine_of
    from hil.board_types.compilers import target_named

    machine = machine_of(host)
    try:
        reported = target_named(machine)
    except UsageError:
        raise SetupError(
            f"{host} says that its processor is `{machine[:60]}`, for which there is no agent",
            remedy="name it with --target, and copy the agent by hand: --files DIR",
        ) from None
    if asked and expected is not None and reported != expected:
        raise UsageError(
            f"{host} is {reported.name} (`uname -m` says {machine}), not {expected.name}",
            remedy="leave --target out",
        )
    if expected is not None and reported != expected:
        say(f"{host} runs a system for {reported.name}, and gets the agent for that")
    return reported


def c_sources(files: Sequence[Path] | None) -> tuple[CSource, ...]:
    """Return the texts of the workloads that are to be compiled into an agent.

    Raises: UsageError for a name that is not a workload's, or twice; ConfigError if a file cannot
    be used."""
    from hil.scenario.c_workload import c_workload_name, read_c_source

    try:
        names = [c_workload_name(str(file)) for file in files or ()]
    except ValueError as error:
        raise UsageError(f"--workload: {error}") from None
    if len(set(names)) < len(names):
        raise UsageError("--workload: two files have one name", remedy="rename one of them")
    return tuple(read_c_source(file) for file in files or ())


def _agent(target: BuildTarget, request: _Request) -> Path:
    """Return an agent for `target`, built at most once, or by the given compiler."""
    from hil.board_types.agent_build import build_agent, cached_agent
    from hil.board_types.compilers import cache_dir, find_compiler

    if request.compiler is None:
        return cached_agent(target, say, request.workloads)
    file = cache_dir() / "agents" / f"hil-agent-{target.name}-asked"
    compiler = find_compiler(target, request.compiler)
    return build_agent(target, file, compiler, say, request.workloads).path
