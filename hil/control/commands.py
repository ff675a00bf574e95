"""The commands: their arguments, their answers, and the properties that clients use. Pure.

A new command is one dataclass here, and one handler in `hil.engine.operator`. The dataclass gives
the kind of argument of each field; `hil.control.protocol` reads and writes them as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, ClassVar, Final, TypeVar

from hil.control.answers import AnswerData, RunStatus, UpsetOrdered
from hil.control.arguments import (
    KEYS_MAX,
    Argument,
    Count,
    MoreKeys,
    Text,
    arguments_in,
    key_of,
    shown,
)
from hil.json_values import JsonKey, JsonObject

__all__ = [
    "COMMANDS",
    "AcknowledgeAlarm",
    "Command",
    "CutPower",
    "EndRun",
    "InjectUpset",
    "IsolateNode",
    "OperatorCommand",
    "PauseRun",
    "ReintegrateNode",
    "ReportStatus",
    "ResetBoard",
    "RestartWorker",
    "ResumeRun",
    "SetPace",
    "SwitchPowerOn",
    "WriteNote",
    "WrongArgument",
    "unknown_command",
]


class WrongArgument(ValueError):
    """An argument that a command does not have, lacks, or cannot have with this value."""


@dataclass(frozen=True, slots=True)
class Command:
    """The properties of a command. `examples` are what follows `hil control RUN`;
    `kind` is the dataclass of its arguments, `answer` that of the data in its answer.

    `destructive`: clients ask for confirmation; `recorded`: it is written to the record; `steers`:
    the run no longer follows from its seed; `more`: the field that takes keys which only the run
    can check (those of a scenario's event), empty for none."""

    name: str
    help: str
    examples: tuple[str, ...]
    kind: type[OperatorCommand]
    arguments: tuple[Argument, ...]
    more: str = ""
    answer: type[AnswerData] | None = None
    destructive: bool = False
    recorded: bool = True
    steers: bool = True

    def parse(self, document: JsonObject) -> OperatorCommand:
        """Return the command with the arguments in a JSON object, of which no value is trusted.

        Raises: WrongArgument if they are not valid in any run."""
        known = {argument.name for argument in self.arguments}
        problem = self._problem(document, known)
        if problem:
            raise WrongArgument(problem)
        values: dict[str, object] = {name: document[name] for name in known & document.keys()}
        if self.more:
            values[self.more] = tuple(
                key_of(name, value) for name, value in document.items() if name not in known
            )
        return self.kind(**values)

    def _problem(self, document: JsonObject, known: set[str]) -> str:
        """Return what is wrong with the arguments; empty if they are valid."""
        if len(document) > KEYS_MAX:
            return f"{len(document)} arguments; at most {KEYS_MAX} are allowed"
        kinds = {argument.name: argument.kind for argument in self.arguments}
        for name, value in document.items():
            if name in known:
                why = kinds[name].problem(name, value)
            elif self.more:
                why = MoreKeys().problem(name, value)
            else:
                expected = ", ".join(kinds) or "none"
                why = f"`{self.name}` has no argument {shown(name)}; expected {expected}"
            if why:
                return why
        for argument in self.arguments:
            if argument.required and argument.name not in document:
                return f"`{self.name}` needs `{argument.name}` ({argument.help})"
        return ""


class OperatorCommand:
    """A command with its arguments. `command` has the properties of this kind of command."""

    __slots__ = ()
    command: ClassVar[Command]

    @property
    def further_keys(self) -> tuple[JsonKey, ...]:
        """Return the arguments that only the run knows."""
        return ()

    def as_json(self) -> JsonObject:
        """Return the arguments that are not None, as the JSON object that is sent and recorded."""
        values = {a.name: getattr(self, a.name) for a in self.command.arguments}
        present = {name: value for name, value in values.items() if value is not None}
        return present | {key.name: key.document for key in self.further_keys}


COMMANDS: Final[dict[str, Command]] = {}
"""All commands by their names, in the order of the help."""

_T = TypeVar("_T", bound=OperatorCommand)


def _command(
    name: str,
    help_text: str,
    *examples: str,
    answer: type[AnswerData] | None = None,
    destructive: bool = False,
    recorded: bool = True,
    steers: bool = True,
) -> Callable[[type[_T]], type[_T]]:
    """Enter the dataclass below into COMMANDS."""

    def enter(kind: type[_T]) -> type[_T]:
        arguments, more = arguments_in(kind)
        kind.command = COMMANDS[name] = Command(
            name,
            help_text,
            examples,
            kind,
            arguments,
            more,
            answer,
            destructive=destructive,
            recorded=recorded,
            steers=steers,
        )
        return kind

    return enter


_NodeName = Annotated[str, Text("name of the node")]


@_command(
    "inject",
    "inject an upset into a node in the next frame; keys as in a scenario's event",
    "inject node=b target=state bit=7",
    "inject node=b target=output pattern=adjacent tick=3",
    "inject node=a target=cpu sefi=hang",
    answer=UpsetOrdered,
    destructive=True,
)
@dataclass(frozen=True, slots=True)
class InjectUpset(OperatorCommand):
    """Inject an upset into a node in the next frame. `event_keys` are the other keys of an event in
    a scenario, which the run checks as it checks a scenario."""

    node: _NodeName
    target: Annotated[str, Text("target of the upset")]
    event_keys: Annotated[tuple[JsonKey, ...], MoreKeys()] = ()

    @property
    def further_keys(self) -> tuple[JsonKey, ...]:
        """Return the other keys of the event."""
        return self.event_keys


@_command(
    "cut_power",
    "switch a board's power off, until `returns_after_frames` or `power_on`",
    "cut_power b",
    "cut_power node=b returns_after_frames=200",
    answer=UpsetOrdered,
    destructive=True,
)
@dataclass(frozen=True, slots=True)
class CutPower(OperatorCommand):
    """Switch a board's power off. It returns after `returns_after_frames` frames; if that is None,
    only `power_on` switches it on again."""

    node: _NodeName
    returns_after_frames: Annotated[int | None, Count("frames")] = None


@_command("power_on", "switch a board's power on again", "power_on b")
@dataclass(frozen=True, slots=True)
class SwitchPowerOn(OperatorCommand):
    """Switch a board's power on again."""

    node: _NodeName


@_command("reset", "reset a board's agent, then reintegrate the node", "reset b", destructive=True)
@dataclass(frozen=True, slots=True)
class ResetBoard(OperatorCommand):
    """Reset a board's agent, then reintegrate the node."""

    node: _NodeName


@_command(
    "restart", "restart a node's worker, then reintegrate the node", "restart b", destructive=True
)
@dataclass(frozen=True, slots=True)
class RestartWorker(OperatorCommand):
    """Restart a node's worker, then reintegrate the node."""

    node: _NodeName


@_command(
    "isolate", "exclude a node from the vote until `reintegrate`", "isolate b", destructive=True
)
@dataclass(frozen=True, slots=True)
class IsolateNode(OperatorCommand):
    """Exclude a node from the vote until an operator has it reintegrated."""

    node: _NodeName


@_command("reintegrate", "repair an isolated node, then let it vote", "reintegrate b")
@dataclass(frozen=True, slots=True)
class ReintegrateNode(OperatorCommand):
    """Repair an isolated node, then let it vote."""

    node: _NodeName


@_command("pause", "run no more frames until `resume`", "pause")
@dataclass(frozen=True, slots=True)
class PauseRun(OperatorCommand):
    """Run no more frames until the run is resumed."""


@_command("resume", "continue after `pause`", "resume")
@dataclass(frozen=True, slots=True)
class ResumeRun(OperatorCommand):
    """Continue after a pause."""


@_command("pace", "set the pace of the frames", "pace 10x", "pace free")
@dataclass(frozen=True, slots=True)
class SetPace(OperatorCommand):
    """Set the pace of the frames: simulated time per real time, as a scenario writes it."""

    pace: Annotated[str, Text("realtime, free, or a factor such as 60x")]


@_command("end", "end the run now, as Ctrl-C does", "end", destructive=True)
@dataclass(frozen=True, slots=True)
class EndRun(OperatorCommand):
    """End the run before its next frame."""


@_command(
    "acknowledge",
    "acknowledge an alarm; this is only recorded",
    "acknowledge battery.low",
    steers=False,
)
@dataclass(frozen=True, slots=True)
class AcknowledgeAlarm(OperatorCommand):
    """Record that an operator has seen an alarm."""

    alarm: Annotated[str, Text("name of the alarm")]


@_command("note", "write a remark to the record", 'note "fan replaced"', steers=False)
@dataclass(frozen=True, slots=True)
class WriteNote(OperatorCommand):
    """Write a remark to the record."""

    text: Annotated[str, Text("the remark")]


@_command(
    "status",
    "report the state of the run; not recorded",
    "status",
    answer=RunStatus,
    recorded=False,
    steers=False,
)
@dataclass(frozen=True, slots=True)
class ReportStatus(OperatorCommand):
    """Report the state of the run."""


def unknown_command(name: str) -> str:
    """Return the message for an unknown command."""
    near = get_close_matches(name[:80].lower().replace("-", "_"), COMMANDS, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"expected one of {', '.join(COMMANDS)}"
    return f"there is no command {shown(name)}; {hint}"
