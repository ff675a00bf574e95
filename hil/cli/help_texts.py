"""The help of all commands: it shows no type where none is given, and ends with examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

__all__ = ["EXAMPLES", "App", "HelpedCommand", "HelpedGroup"]

_F = TypeVar("_F", bound=Callable[..., Any])

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "hil": ("hil demo", "hil run quickstart", "hil doctor"),
    "hil demo": ("hil demo", "hil demo --out demo"),
    "hil run": (
        "hil run quickstart",
        "hil run memory-storm --boards process --json --out results",
        "hil run nominal --bench bench.yaml --pace realtime --duration 7d",
    ),
    "hil watch": ("hil watch", "hil watch runs/FIRST runs/SECOND", "hil watch --web"),
    "hil replay": (
        "hil replay RUN",
        "hil replay RUN --frames 5000:6000",
        "hil replay RUN --verify",
    ),
    "hil console": ("hil console RUN a --follow", "hil console left --bench bench.yaml"),
    "hil check": ("hil check quickstart", "hil check bench.yaml mine.yaml"),
    "hil control": ("hil control RUN status", "hil control RUN inject node=b target=state bit=7"),
    "hil schema": ("hil schema", "hil schema bench", "hil schema scenario --markdown"),
    "hil doctor": ("hil doctor",),
    "hil perf": ("hil perf --quick", "hil perf --row vote"),
    "hil discover": ("hil discover -o bench.yaml", "hil discover /dev/ttyUSB0 --baud 115200"),
    "hil orbit": (
        "hil orbit leo-iss-day",
        "hil orbit leo-iss-day -o day.csv --plot day.svg",
        "hil orbit leo-iss-day --sweep altitude_km=400:2000:400",
    ),
    "hil campaign": (
        "hil campaign memory-storm --exact --boards process",
        "hil campaign memory-storm --sampled --precision 0.01 --out drawn.campaign",
        "hil campaign memory-storm.campaign --repeat 101.3",
    ),
    "hil compare": (
        "hil compare a.campaign b.campaign",
        "hil compare memory-storm --schemes simplex,dmr,tmr --boards inproc",
    ),
    "hil training": ("hil training train-upsets --boards inproc --upsets 1",),
    "hil cost": ("hil cost simplex tmr", "hil cost leo-offload", "hil cost --prices"),
    "hil theory": ("hil theory --list", "hil theory tmr --runs 10"),
    "hil report": ("hil report RUN -o report.html", "hil report drawn.campaign --pdf drawn.pdf"),
    "hil verify": ("hil verify RUN/evidence.json",),
    "hil export": (
        "hil export RUN -o run.mcap",
        "hil export RUN -o upsets.csv --table upsets",
        "hil export drawn.campaign -o experiments.csv",
    ),
    "hil feed": ("hil feed RUN --prometheus 9464 --ccsds 10015", "hil feed --files monitor"),
    "hil board": ("hil board list",),
    "hil board list": ("hil board list",),
    "hil board show": ("hil board show raspberry-pi-4b",),
    "hil board build": (
        "hil board build raspberry-pi-4b -o hil-agent",
        "hil board build --target aarch64",
    ),
    "hil board install": (
        "hil board install pi@192.168.1.20 --profile raspberry-pi-4b --dry-run",
        "hil board install --bench bench.yaml",
    ),
    "hil board emulate": ("hil board emulate raspberry-pi-3b",),
    "hil bench": ("hil bench test bench.yaml",),
    "hil bench test": ("hil bench test bench.yaml --use left --write",),
    "hil power": ("hil power read --bench bench.yaml",),
    "hil power read": ("hil power read --bench bench.yaml",),
    "hil power on": ("hil power on left --bench bench.yaml",),
    "hil power off": ("hil power off left --bench bench.yaml",),
    "hil power cycle": ("hil power cycle left --bench bench.yaml",),
    "hil scenario": ("hil scenario list",),
    "hil scenario list": ("hil scenario list",),
    "hil scenario show": ("hil scenario show quickstart",),
    "hil scenario copy": ("hil scenario copy quickstart mine.yaml",),
}
"""The examples of each command, by the words that call it."""


def _without_types(parameters: list[Any]) -> list[Any]:
    """Hide the type of flags and arguments: a flag has none, an argument's name says it."""
    for parameter in parameters:
        if isinstance(parameter, TyperOption) and parameter.is_flag:
            parameter.metavar = ""
        elif isinstance(parameter, TyperArgument):
            parameter.__dict__["display_type_rich"] = _nothing  # of newer typers only
    return parameters


def _nothing(**_context: object) -> None:
    """Return no type."""


def _epilog(path: str) -> str | None:
    examples = EXAMPLES.get(path)
    return None if examples is None else "\n\n".join(["Examples:", *examples])


def _is_named(parameter: Any) -> bool:
    return parameter.param_type_name == "argument" and parameter.metavar is not None


class HelpedCommand(TyperCommand):
    """A command whose help ends with examples."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, flags and arguments without a type."""
        return _without_types(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line: arguments as their metavars are written."""
        pieces = [] if self.options_metavar is None else [self.options_metavar]
        for parameter in self.get_params(ctx):
            pieces += (
                [parameter.metavar] if _is_named(parameter) else parameter.get_usage_pieces(ctx)
            )
        return pieces

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the examples of this command."""
        self.epilog = _epilog(ctx.command_path)
        super().format_help(ctx, formatter)


class HelpedGroup(TyperGroup):
    """A group of commands whose help ends with examples."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, flags and arguments without a type."""
        return _without_types(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, with the examples of this command."""
        self.epilog = _epilog(ctx.command_path)
        super().format_help(ctx, formatter)


class App(typer.Typer):
    """An application, or a part of one, whose commands and groups are those of this module."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"cls": HelpedGroup, **options})

    def command(self, name: str | None = None, **options: Any) -> Callable[[_F], _F]:
        """Register a command as `typer.Typer.command` does."""
        register: Callable[[_F], _F] = super().command(name, **{"cls": HelpedCommand, **options})
        return register
