"""`hil board ...`: board profiles, the agent for a board, and emulated boards."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.cli.options import Json
from hil.cli.output import answer, out, say, show
from hil.cli.signals import ended_by_signals
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.board_types.agent_build import BuildTarget
    from hil.board_types.agent_install import Plan

__all__ = ["board_app"]

board_app = typer.Typer(
    no_args_is_help=True, help="Boards: profiles, the agent on them, emulation."
)

Profile = Annotated[
    str, typer.Argument(metavar="PROFILE", help="A board profile: a name, or a file.")
]
AnyCompiler = Annotated[
    str | None, typer.Option("--compiler", metavar="CC", help="Use this compiler, no other.")
]
AnyTarget = Annotated[
    str | None,
    typer.Option(metavar="TRIPLE", help="aarch64, armv7, riscv64 or x86-64, or a triple of one."),
]


# --- profiles -------------------------------------------------------------------------------------


@board_app.command("list")
def list_(as_json: Json = False) -> int:
    """List the shipped board profiles."""
    from hil.board_types.catalogue import list_board_profiles, load_board_profile
    from hil.board_types.profile_summary import summary_of
    from hil.views import boards

    profiles = [summary_of(load_board_profile(name)) for name in list_board_profiles()]
    if as_json:
        answer({"boards": [profile.as_json() for profile in profiles]})
    else:
        show(lambda glyphs: boards.table(profiles, glyphs), width=110)
    return Exit.PASS


@board_app.command("show")
def show_(profile: Profile, as_json: Json = False) -> int:
    """Show a profile: every number with its source, or marked as an assumption."""
    from hil.board_types.catalogue import load_board_profile
    from hil.board_types.profile_summary import facts_of, summary_of
    from hil.views import boards

    loaded = load_board_profile(profile)
    if as_json:
        answer(loaded.model_dump(mode="json", by_alias=True, exclude_none=True))
        return Exit.PASS
    facts = list(facts_of(loaded))
    show(lambda glyphs: boards.sheet(summary_of(loaded), facts, glyphs), width=110)
    return Exit.PASS


# --- the agent ------------------------------------------------------------------------------------


def _target_for(profile: str | None, target: str | None) -> BuildTarget:
    """Return the processor to compile for. Raises: UsageError if it is not known."""
    from hil.board_types.agent_build import native, target_named
    from hil.board_types.catalogue import load_board_profile
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


@board_app.command()
def build(
    profile: Annotated[
        str | None, typer.Argument(metavar="[PROFILE]", help="For this board.")
    ] = None,
    target: AnyTarget = None,
    file: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write it there.")
    ] = None,
    compiler: AnyCompiler = None,
    as_json: Json = False,
) -> int:
    """Compile hil-agent for a board: one static file without dependencies."""
    from hil.board_types.agent_build import build_agent, find_compiler

    if profile is not None and target is not None:
        raise UsageError("PROFILE and --target exclude each other", remedy="give only one")
    wanted = _target_for(profile, target)
    chosen = find_compiler(wanted, compiler)
    built = build_agent(wanted, file or Path(f"hil-agent-{wanted.name}"), chosen, say)
    if as_json:
        answer(
            {
                "file": str(built.path),
                "target": wanted.name,
                "bytes": built.size,
                "static": True,
                "compiler": built.compiler.version,
                "why": built.compiler.why,
            }
        )
    else:
        out(f"{built.path}: hil-agent for {wanted.name}, static, {built.size // 1024} KiB")
    return Exit.PASS


@board_app.command()
def install(  # noqa: PLR0917  (every option is one)
    host: Annotated[str, typer.Argument(metavar="USER@HOST", help="The board, as for ssh.")],
    profile: Annotated[
        str | None, typer.Option(metavar="PROFILE", help="What kind of board it is.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEV", help="Serial device on it; default: PROFILE's.")
    ] = None,
    baud: Annotated[
        int | None, typer.Option(metavar="N", help="Line rate; default: PROFILE's safe one.")
    ] = None,
    target: AnyTarget = None,
    compiler: AnyCompiler = None,
    files: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write everything there for a copy; no ssh."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be done.")
    ] = False,
) -> int:
    """Put hil-agent on a board over ssh: service, watchdog, port freed of the console.

    sudo on the board may ask for its password.
    """
    from hil.board_types.agent_build import cached_agent, target_named
    from hil.board_types.agent_install import carry_out, make_plan
    from hil.board_types.catalogue import load_board_profile

    loaded = load_board_profile(profile) if profile else None
    if loaded is not None and loaded.serial is not None:
        device = device or loaded.serial.device
        baud = baud or int(loaded.serial.fallback_baud.value)
    if device is None:
        raise UsageError(
            "on which serial device of the board?",
            remedy="--profile raspberry-pi-4b, or --device /dev/ttyAMA0",
        )
    _check_rate(baud)
    family, name = (loaded.family, loaded.name) if loaded else ("", "")
    plan = make_plan(host, device, baud or 115200, family, name)
    expected = target_named(target) if target else _target_for(profile, None) if loaded else None
    if dry_run:
        _print_plan(host, plan)
        return Exit.PASS
    if files is None:
        chosen = _target_on(host, expected, asked=target is not None)
    else:
        chosen = expected or target_named("aarch64")
    agent = _agent(chosen, compiler) if compiler else cached_agent(chosen, say)
    if files is None:
        carry_out(plan, agent, say)
        out(f"hil-agent runs on {host}, port {device} at {plan.baud} baud")
    else:
        _write_copy(plan, agent, files)
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
    out(f"--- asked first\nssh {host} uname -m")
    out("--- commands, in a folder with these files and hil-agent")
    for command in plan.commands:
        out(_quoted(command))


def _write_copy(plan: Plan, agent: Path, folder: Path) -> None:
    """Write everything that the board needs into a folder that is copied there by hand."""
    from hil.board_types.agent_install import write_files

    written = write_files(plan, folder)
    copy = folder / "hil-agent"
    copy.write_bytes(agent.read_bytes())
    copy.chmod(0o755)
    for path in [*written, copy]:
        out(str(path))
    say("copy this folder to the board, and run there: sudo sh install.sh")


def _target_on(host: str, expected: BuildTarget | None, *, asked: bool) -> BuildTarget:
    """Return the processor that the board's system reports: a Raspberry Pi may have a 32-bit
    system, on which a 64-bit agent cannot be started. `asked`: `expected` is from the command line.

    Raises: SetupError if no agent exists for it; UsageError if it is not the one asked for."""
    from hil.board_types.agent_build import target_named
    from hil.board_types.agent_install import machine_of

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


def _agent(target: BuildTarget, compiler: str) -> Path:
    from hil.board_types.agent_build import build_agent, cache_dir, find_compiler

    file = cache_dir() / "agents" / f"hil-agent-{target.name}-asked"
    return build_agent(target, file, find_compiler(target, compiler), say).path


def _quoted(command: tuple[str, ...]) -> str:
    import shlex

    return shlex.join(command)


# --- emulation ------------------------------------------------------------------------------------


@board_app.command()
def emulate(
    profile: Annotated[
        str, typer.Argument(metavar="[PROFILE]", help="Which board.")
    ] = "raspberry-pi-3b",
    as_json: Json = False,
) -> int:
    """Run an emulated Raspberry Pi until Ctrl-C, and print its port.

    Needs QEMU. The first time, Debian's arm64 kernel is fetched with apt.
    """
    from hil.board_types.profile_summary import EMULATED_PROFILES
    from hil.rig.emulated.board import EmulatedBoard
    from hil.rig.emulated.outlet import serve

    if profile not in EMULATED_PROFILES:
        raise UsageError(
            f"`{profile[:60]}` cannot be emulated", remedy="hil board emulate raspberry-pi-3b"
        )

    def up(path: str, seconds: float) -> None:
        if as_json:
            answer({"port": path, "boot_s": round(seconds, 2), "pid": board.pid})
        else:
            out(f"port {path}")
            say(f"booted in {seconds:.1f} s; a bench file or `port:` takes it; Ctrl-C ends")

    with ended_by_signals():
        board = EmulatedBoard(profile, say)
        say("booting a Raspberry Pi 3 in QEMU")
        try:
            why = serve(board, up)
        except KeyboardInterrupt:
            say("switched off")
            return Exit.PASS
    raise SetupError(f"the emulated board ended: {why}")
