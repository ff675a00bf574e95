"""`hil board ...`: board profiles, the agent for a board, and emulated boards."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli import completion
from hil.cli.board_install import c_sources, install, target_for
from hil.cli.help_texts import App
from hil.cli.options import AnyCompiler, AnyTarget, Json, Workloads
from hil.cli.output import answer, out, say, show
from hil.cli.signals import ended_by_signals
from hil.errors import SetupError, UsageError
from hil.exit_codes import Exit

__all__ = ["board_app"]

board_app = App(no_args_is_help=True, help="Boards: profiles, the agent on them, emulation.")

Profile = Annotated[
    str,
    typer.Argument(
        metavar="PROFILE",
        help="A board profile: a name, or a file.",
        autocompletion=completion.profiles,
    ),
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
    from hil.board_types.profile_summary import data_sets_of, facts_of, summary_of
    from hil.views import boards

    loaded = load_board_profile(profile)
    if as_json:
        answer(loaded.model_dump(mode="json", by_alias=True, exclude_none=True))
        return Exit.PASS
    facts = list(facts_of(loaded))
    data, search = data_sets_of(loaded), loaded.radiation.search
    searched = "" if search is None else search.text
    show(
        lambda glyphs: boards.pages(
            boards.sheet(summary_of(loaded), facts, glyphs), boards.radiation(data, searched)
        ),
        width=110,
    )
    return Exit.PASS


# --- the agent ------------------------------------------------------------------------------------


@board_app.command()
def build(
    profile: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROFILE]", help="For this board.", autocompletion=completion.profiles
        ),
    ] = None,
    target: AnyTarget = None,
    file: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write it there.")
    ] = None,
    compiler: AnyCompiler = None,
    workload: Workloads = None,
    as_json: Json = False,
) -> int:
    """Compile hil-agent for a board: one static file without dependencies."""
    from hil.board_types.agent_build import build_agent
    from hil.board_types.compilers import find_compiler

    if profile is not None and target is not None:
        raise UsageError("PROFILE and --target exclude each other", remedy="give only one")
    wanted = target_for(profile, target)
    own = c_sources(workload)
    chosen = find_compiler(wanted, compiler)
    built = build_agent(wanted, file or Path(f"hil-agent-{wanted.name}"), chosen, say, own)
    for warning in built.warnings:
        say(f"warning: {warning}")
    if as_json:
        answer(
            {
                "file": str(built.path),
                "target": wanted.name,
                "bytes": built.size,
                "static": True,
                "compiler": built.compiler.version,
                "why": built.compiler.why,
                "workloads": {source.name: source.sha256 for source in own},
            }
        )
    else:
        beside = "".join(f", with workload {source.name}" for source in own)
        out(f"{built.path}: hil-agent for {wanted.name}, static, {built.size // 1024} KiB{beside}")
    return Exit.PASS


board_app.command("install")(install)


# --- emulation ------------------------------------------------------------------------------------


@board_app.command()
def emulate(
    profile: Annotated[
        str,
        typer.Argument(
            metavar="[PROFILE]", help="Which board.", autocompletion=completion.profiles
        ),
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
