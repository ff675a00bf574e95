"""The scenario: what a run does, as frozen values that cannot be inconsistent.

Knows keys, ranges and how they depend on each other; not files, not overrides, not how a run is
executed. Every field is final after construction: names that a file may leave out are filled in
(`Rig.nodes`, `Node.board`, `Event.tick`, ...). Dumping a scenario by alias and validating the
dump gives an equal scenario.

Times have their unit in the name; simulated time is integer microseconds.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hil.scenario.alarms import Alarms
from hil.scenario.durations import parse_duration_us, parse_pace
from hil.scenario.expect import Expectation, UnknownMetricError, parse_expectation
from hil.scenario.fields import Float, FrozenModel, Int, Positive
from hil.scenario.plant.flight import Plant
from hil.scenario.plant.radiation import Duration
from hil.scenario.positions import KeyPath, describe
from hil.scenario.problems import Findings, did_you_mean, one_of, wrong, wrong_at
from hil.scenario.supply import Supply

__all__ = [
    "BOARD_ALIASES",
    "MEMORY_TARGETS",
    "PORTABLE_TARGETS",
    "PROCESS_TARGETS",
    "SCHEMA_VERSION",
    "WORKLOADS",
    "BoardAction",
    "BoardKind",
    "Direction",
    "Event",
    "Node",
    "Noise",
    "OrbitUpsets",
    "Pattern",
    "PatternKind",
    "RamPart",
    "Rate",
    "Recovery",
    "Rig",
    "Scenario",
    "Scheme",
    "Sefi",
    "Target",
    "Timeouts",
    "Upsets",
]

SCHEMA_VERSION = 1
"""The newest `schema:` that is understood. It grows when an old file would change its meaning."""

WORKLOADS: tuple[str, ...] = ("infer", "matmul", "sha256", "attitude", "archive")
"""The workloads compiled into every agent (csrc/kernel/workload.c)."""

EXEC = "exec"
"""The workload that is a program of the boards (csrc/port/linux/EXEC.md)."""

_U32_MAX = 2**32 - 1
_I63_MAX = 2**63 - 1
_FRAMES_MAX = 10**10


# Words --------------------------------------------------------------------------------------------


class _Word(str, enum.Enum):
    """A word of the scenario language: equal to, hashed and printed as the plain text."""

    __str__ = str.__str__

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)


class Scheme(_Word):
    """How many nodes compute, and so what they can do against faults."""

    SIMPLEX = "simplex"
    DMR = "dmr"
    TMR = "tmr"
    FIVE = "5mr"
    SEVEN = "7mr"

    @property
    def size(self) -> int:
        """Number of nodes."""
        return {"simplex": 1, "dmr": 2, "tmr": 3, "5mr": 5, "7mr": 7}[self.value]


class BoardKind(_Word):
    """What a node runs on."""

    INPROC = "inproc"  # the agent inside this process, with a virtual clock
    PROCESS = "process"  # the hil-agent executable on a pty
    EMULATED = "emulated"  # a Raspberry Pi 3 in QEMU, the agent as its /init
    SERIAL = "serial"  # a real board on a port


class Target(_Word):
    """What an upset hits."""

    STATE = "state"
    INPUT = "input"
    OUTPUT = "output"
    LINK = "link"
    CHECKPOINT = "checkpoint"
    CPU = "cpu"
    STACK = "stack"
    HEAP = "heap"
    TEXT = "text"
    GPR = "gpr"
    VECTOR = "vector"
    BOARD = "board"
    BOARD_RAM = "board-ram"


PORTABLE_TARGETS = frozenset({Target.STATE, Target.INPUT, Target.OUTPUT, Target.LINK})
"""The same bits are hit on every kind of board."""

PROCESS_TARGETS = frozenset({Target.STACK, Target.HEAP, Target.TEXT, Target.GPR, Target.VECTOR})
"""Need a worker process of their own: all boards but inproc."""

MEMORY_TARGETS = frozenset(Target) - {Target.LINK, Target.CPU, Target.BOARD}
"""Hit by bit patterns."""

AGENT_TARGETS = MEMORY_TARGETS - {Target.BOARD_RAM}
"""Hit by the agent on the board, at a progress tick; board-ram is hit from outside."""

REGISTER_TARGETS = frozenset({Target.GPR, Target.VECTOR})
"""Written all the time, so a stuck bit has no meaning; agents refuse it."""

NEVER_STUCK = REGISTER_TARGETS | {Target.BOARD_RAM}
"""Targets whose bits are flipped, but not held."""


class PatternKind(_Word):
    """What one upset does to bits."""

    BIT = "bit"  # flip one bit
    ADJACENT = "adjacent"  # flip `width` neighbouring bits
    STUCK = "stuck"  # one bit keeps the value `value`
    ZERO_WORD = "zero_word"  # `width` bits, naturally aligned, become zero
    RANDOM_WORD = "random_word"  # `width` bits, naturally aligned, become `value`


class Sefi(_Word):
    """A single event functional interrupt: what the processor does."""

    HANG = "hang"
    CRASH = "crash"
    RESET = "reset"


class Noise(_Word):
    """What happens to one message on the link."""

    CORRUPT = "corrupt"
    DROP = "drop"
    DUPLICATE = "duplicate"
    TRUNCATE = "truncate"


class Direction(_Word):
    """Which way the message goes that the noise hits."""

    TO_BOARD = "to_board"
    TO_HOST = "to_host"


class RamPart(_Word):
    """Which part of an emulated board's memory is hit."""

    ALL = "all"  # all that its system has
    KERNEL = "kernel"  # the image of its operating system: code and data


class BoardAction(_Word):
    """What happens to the whole board."""

    POWER_LOSS = "power_loss"
    LATCH_UP = "latch_up"  # over-current until its power is cut; needs a plant


# Field types --------------------------------------------------------------------------------------

W = TypeVar("W", bound=_Word)

BOARD_ALIASES = {"emulated-rpi3": BoardKind.EMULATED}
"""Other words for a kind of board; there may be several emulated ones some day."""

_SOUND_ALIKE = {"register": "gpr", "registers": "gpr", "memory": "state", "code": "text"}


def _word(kind: type[W], what: str) -> Callable[[object], object]:
    words = [str(word) for word in kind]

    def check(value: object) -> object:
        if kind is BoardKind and isinstance(value, str) and value in BOARD_ALIASES:
            return BOARD_ALIASES[value]
        if isinstance(value, str) and value in words:
            return kind(value)
        if value is None or not isinstance(value, str):
            raise wrong(f"{describe(value)}; expected {one_of(words)}")
        hint = did_you_mean(_SOUND_ALIKE.get(value, value), words)
        raise wrong(f"{describe(value)} is no {what}; expected {one_of(words)}", hint)

    return check


def _name(pattern: str, what: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise wrong(f"{describe(value)} is no name of a {what}; expected {_NAME_RULES[what]}")
        return value

    return check


_NAME_RULES = {
    "scenario": "1 to 64 of a-z, 0-9 and -",
    "node": "1 to 16 of a-z, 0-9, _ and -",
    "program": "1 to 10 of a-z, 0-9, _ and -",
}
NODE_NAME_PATTERN = r"[a-z0-9_-]{1,16}"
SCENARIO_NAME_PATTERN = r"[a-z0-9-]{1,64}"


def _workload(value: str) -> str:
    known = (*WORKLOADS, EXEC)
    if value not in known:
        raise wrong(
            f"there is no workload `{value[:40]}`; expected {one_of(known)}",
            did_you_mean(value, known),
        )
    return value


def _port(value: str) -> str:
    if not value.strip() or any(ord(char) < 32 for char in value):
        raise wrong(f"{describe(value)} is no port; expected {PORT_EXAMPLES}")
    return value


def _adapter(value: str) -> str:
    if not re.fullmatch(r"usb-(serial:\S+|path:[0-9]+-[0-9.]+(:[0-9]+\.[0-9]+)?)", value):
        raise wrong(f"{describe(value)} names no adapter; expected {ADAPTER_EXAMPLES}")
    return value


def _weight(value: object) -> object:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= 1e12):  # type: ignore[operator]
        raise wrong(f"{describe(value)}; expected a weight from 0 up to 1e12")
    return value


ADAPTER_EXAMPLES = "usb-serial:A10K3XYZ (its serial number) or usb-path:1-1.2 (its USB socket)"
PORT_EXAMPLES = "a device such as /dev/ttyUSB0 or a URL such as socket://10.0.0.5:4000"

Attempts = Annotated[Int, Field(ge=0, le=1_000_000)]
U32 = Annotated[Int, Field(ge=0, le=_U32_MAX)]
NodeName = Annotated[str, AfterValidator(_name(NODE_NAME_PATTERN, "node"))]
ScenarioName = Annotated[str, AfterValidator(_name(SCENARIO_NAME_PATTERN, "scenario"))]
ProgramName = Annotated[str, AfterValidator(_name(r"[a-z0-9_-]{1,10}", "program"))]
WorkloadName = Annotated[str, AfterValidator(_workload)]
PortName = Annotated[str, AfterValidator(_port)]
AdapterName = Annotated[str, AfterValidator(_adapter)]
Baud = Annotated[Int, Field(ge=2400, le=4_000_000)]
SchemeWord = Annotated[Scheme, BeforeValidator(_word(Scheme, "scheme"))]
BoardWord = Annotated[BoardKind, BeforeValidator(_word(BoardKind, "kind of board"))]
TargetWord = Annotated[Target, BeforeValidator(_word(Target, "target of upsets"))]
KindWord = Annotated[PatternKind, BeforeValidator(_word(PatternKind, "pattern"))]
SefiWord = Annotated[Sefi, BeforeValidator(_word(Sefi, "functional interrupt"))]
NoiseWord = Annotated[Noise, BeforeValidator(_word(Noise, "link noise"))]
DirectionWord = Annotated[Direction, BeforeValidator(_word(Direction, "direction"))]
PartWord = Annotated[RamPart, BeforeValidator(_word(RamPart, "part of a board's memory"))]
ActionWord = Annotated[BoardAction, BeforeValidator(_word(BoardAction, "board action"))]
Weight = Annotated[Float, Field(ge=0), BeforeValidator(_weight)]


# The rig ------------------------------------------------------------------------------------------


class Node(FrozenModel):
    """One member of the redundancy group. In a file, a name alone is enough."""

    name: NodeName = Field(description="Unique name: 1 to 16 of a-z, 0-9, _ and -.")
    board: BoardWord = Field(
        default=BoardKind.PROCESS, description="What this node runs on; default: `rig.board`."
    )
    port: PortName | None = Field(
        default=None, description=f"Serial boards only, and required there: {PORT_EXAMPLES}."
    )
    baud: Baud = Field(
        default=115200, description="Baud rate of the port, with which the agent was started."
    )
    fast_baud: Baud | None = Field(
        default=None,
        description="Baud rate to raise the line to, if that works; default: `baud` stays.",
    )
    profile: str | None = Field(
        default=None,
        description="Board profile: what it draws, and what radiation does to it; "
        "default: `rig.profile`.",
    )
    priority: Annotated[Int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="0 is kept longest when power is short; default: the place in the list.",
    )
    adapter: AdapterName | None = Field(
        default=None,
        description=f"Serial boards only: the adapter they hang on, wherever it is now: "
        f"{ADAPTER_EXAMPLES}.",
    )
    serial: str | None = Field(
        default=None, description="Serial boards only: the board's own serial number."
    )
    power: Supply | None = Field(
        default=None, description="Serial boards only: what switches their power."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data


class Rig(FrozenModel):
    """All nodes, and how they are made redundant."""

    scheme: SchemeWord = Field(
        default=Scheme.TMR, description="Number of nodes: simplex 1, dmr 2, tmr 3, 5mr 5, 7mr 7."
    )
    board: BoardWord = Field(
        default=BoardKind.PROCESS, description="What all nodes run on that say nothing else."
    )
    profile: str = Field(
        default="raspberry-pi-4b",
        description="Board profile of all nodes that say nothing else: a shipped one, or a file.",
    )
    nodes: tuple[Node, ...] = Field(
        default=(), description="As many as the scheme needs; default: a, b, c, ..."
    )

    @property
    def size(self) -> int:
        """Number of nodes."""
        return self.scheme.size

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = dict(data)
        board = data.get("board", BoardKind.PROCESS.value)
        if "nodes" not in data and data.get("scheme", "tmr") in list(Scheme):
            data["nodes"] = default_names(Scheme(data.get("scheme", "tmr")).size)
        nodes = data.get("nodes")
        if isinstance(nodes, (list, tuple)) and board in [*BoardKind, *BOARD_ALIASES]:
            data["nodes"] = [
                {"board": board, **({"name": node} if isinstance(node, str) else node)}
                if isinstance(node, (str, dict))
                else node
                for node in nodes
            ]
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Rig:
        wrong_at("Rig", self._findings())
        return self

    def _findings(self) -> Findings:
        found = Findings()
        names: dict[str, int] = {}
        ports: dict[str, str] = {}
        for index, node in enumerate(self.nodes):
            path = ("nodes", index)
            if node.name in names:
                found.add(
                    (*path, "name"),
                    f"the name `{node.name}` is that of node {names[node.name] + 1}, too",
                    "give every node a name of its own",
                )
            names.setdefault(node.name, index)
            for key in ("adapter", "serial", "power"):
                if node.board is not BoardKind.SERIAL and getattr(node, key) is not None:
                    found.add(
                        (*path, key),
                        f"node {node.name} has `{key}`, but is a {node.board} board",
                        f"remove `{key}:`, or add `board: serial`",
                    )
            if node.board is BoardKind.SERIAL and node.port is None and node.adapter is None:
                found.add(
                    (*path, "port"),
                    f"node {node.name} is a serial board without a port; expected {PORT_EXAMPLES}",
                    "add `port:`, run with --bench FILE, or without boards: --boards process",
                )
            if node.board is not BoardKind.SERIAL and node.port is not None:
                found.add(
                    (*path, "port"),
                    f"node {node.name} has a port, but is a {node.board} board",
                    "remove `port:`, or add `board: serial`",
                )
            elif node.port is not None and ports.setdefault(node.port, node.name) != node.name:
                found.add(
                    (*path, "port"),
                    f"the port {node.port} is that of node {ports[node.port]}, too",
                    "give every node a port of its own",
                )
        if len(self.nodes) != self.size:
            fitting = [scheme for scheme in Scheme if scheme.size == len(self.nodes)]
            found.add(
                "nodes",
                f"{_count(len(self.nodes), 'node')}; "
                f"scheme {self.scheme} needs exactly {self.size}",
                f"write `scheme: {fitting[0]}`" if fitting else "add or remove nodes",
            )
        return found


def default_names(count: int, taken: Sequence[str] = ()) -> list[str]:
    """`count` node names a, b, c, ... that are not `taken`."""
    free = (name for name in "abcdefghijklmnopqrstuvwxyz" if name not in taken)
    return [name for name, _ in zip(free, range(count), strict=False)]


class Exec(FrozenModel):
    """A program that computes the steps."""

    program: ProgramName = Field(
        description="Its name in the lists of the boards' agents (--exec) and, for process boards "
        "and the reference, of this computer ($HIL_EXEC)."
    )


# Recovery and timeouts ----------------------------------------------------------------------------


class Recovery(FrozenModel):
    """How a faulty node is healed: rung by rung, the next when one was tried often enough."""

    resyncs: Attempts = Field(
        default=2,
        description="Attempts to send the voted state, within the window; 0 skips the rung.",
    )
    restarts: Attempts = Field(
        default=2, description="Attempts to restart the worker process, within the window; 0 skips."
    )
    resets: Attempts = Field(
        default=1, description="Attempts to reset the board, within the window; 0 skips the rung."
    )
    power_cycles: Attempts = Field(
        default=1,
        description="Attempts to switch the board off and on, within the window; 0 skips.",
    )
    window_frames: Annotated[Int, Field(ge=1, le=_FRAMES_MAX)] = Field(
        default=20, description="Attempts older than this many frames are forgotten."
    )
    reintegrate_frames: Annotated[Int, Field(ge=1, le=1_000_000)] = Field(
        default=3,
        description="Frames in a row that a healed node must agree before its vote counts.",
    )
    checkpoint_every: Attempts = Field(
        default=16,
        description="Frames between two checkpoints of the state on the boards; 0 = never.",
    )
    rollbacks: Attempts = Field(
        default=1, description="Attempts to go back to the checkpoint when there is no majority."
    )
    scrub_words: Attempts = Field(
        default=64,
        description="Words of the checkpoint that are checked and corrected in every frame.",
    )


class Timeouts(FrozenModel):
    """When a step is called hung and a node lost."""

    calibration_frames: Annotated[Int, Field(ge=4, le=10_000)] = Field(
        default=32, description="Frames before the run in which the CPU time of a step is measured."
    )
    cpu_factor: Annotated[Float, Field(gt=1, le=1e6)] = Field(
        default=50.0, description="A step may use this many times its calibrated CPU time."
    )
    cpu_floor_ms: Annotated[Positive, Field(le=600_000)] = Field(
        default=20.0, description="A step may use at least this much CPU time."
    )
    lost_after_ms: Annotated[Positive, Field(le=3_600_000)] = Field(
        default=3000.0, description="A node that is silent for so long is lost."
    )
    retry_ms: Annotated[Positive, Field(le=3_600_000)] = Field(
        default=250.0, description="A request without an answer is repeated after this time."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Timeouts:
        found = Findings()
        if self.retry_ms >= self.lost_after_ms:
            found.add(
                "retry_ms",
                f"{self.retry_ms:g} ms is not below lost_after_ms ({self.lost_after_ms:g} ms): "
                "a node would be lost before it is asked a second time",
                "lower it",
            )
        wrong_at("Timeouts", found)
        return self


# Upsets -------------------------------------------------------------------------------------------

_WORD_WIDTHS = (8, 16, 32, 64)
_DEFAULT_WIDTH = {
    PatternKind.BIT: 1,
    PatternKind.ADJACENT: 2,
    PatternKind.STUCK: 1,
    PatternKind.ZERO_WORD: 32,
    PatternKind.RANDOM_WORD: 32,
}


class Pattern(FrozenModel):
    """What an upset does to bits. In a file, the kind alone is enough."""

    kind: KindWord = Field(description="What happens to the bits.")
    width: Int = Field(
        default=1, description="adjacent: 2 to 64 bits (2); *_word: 8, 16, 32 or 64 bits (32)."
    )
    value: Annotated[Int, Field(ge=0, le=2**64 - 1)] | None = Field(
        default=None,
        description="stuck: 0 or 1 (1); random_word: the new value, drawn from the seed if absent.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"kind": data}
        if isinstance(data, dict) and data.get("kind") in list(PatternKind):
            kind = PatternKind(data["kind"])
            data = {"width": _DEFAULT_WIDTH[kind], **data}
            if kind is PatternKind.STUCK:
                data = {"value": 1, **data}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Pattern:
        found = Findings()
        if self.kind is PatternKind.ADJACENT:
            fits, expected = 2 <= self.width <= 64, "2 to 64 bits"
        elif self.kind in (PatternKind.ZERO_WORD, PatternKind.RANDOM_WORD):
            fits, expected = self.width in _WORD_WIDTHS, "8, 16, 32 or 64 bits"
        else:
            fits, expected = self.width == 1, "none, as it is always one bit"
        if not fits:
            found.add("width", f"width {self.width} for `{self.kind}`; expected {expected}")
        if self.kind is PatternKind.STUCK:
            if self.value not in (0, 1):
                found.add("value", f"a bit cannot be stuck at {self.value}", "use 0 or 1")
        elif self.kind is not PatternKind.RANDOM_WORD:
            if self.value is not None:
                found.add("value", f"`{self.kind}` takes no value", "remove it")
        elif self.value is not None and fits and self.value >= 1 << self.width:
            found.add("value", f"{self.value} does not fit {self.width} bits", "use a wider word")
        wrong_at("Pattern", found)
        return self


_BIT = Pattern(kind=PatternKind.BIT)


class Event(FrozenModel):
    """One upset at a known frame of one node."""

    frame: Annotated[Int, Field(ge=0, lt=_FRAMES_MAX)] | None = Field(
        default=None, description="Frame in which it happens, from 0; either this or `at`."
    )
    at: Duration | None = Field(
        default=None, description="Simulated time at which it happens, as 1h30m."
    )
    node: NodeName = Field(description="Name of the node that is hit.")
    target: TargetWord = Field(
        description="What is hit. stack, heap, text, gpr, vector: not on inproc boards; board-ram: "
        "only on emulated ones."
    )
    tick: U32 | None = Field(
        default=None, description="When in the step: at this progress tick (0: before it starts)."
    )
    us: U32 | None = Field(
        default=None,
        description="When in the step, instead of `tick`: so many microseconds after its begin.",
    )
    steps: U32 = Field(
        default=0,
        description="So many machine instructions after the tick; stack, heap, text, gpr, vector.",
    )
    pattern: Pattern = Field(default=_BIT, description="What happens to the bits.")
    bit: Annotated[Int, Field(ge=0, le=_I63_MAX)] | None = Field(
        default=None, description="Which bit of the target; drawn from the seed if absent."
    )
    hold_frames: U32 = Field(
        default=0, description="stuck: released after so many frames; 0 = when the board restarts."
    )
    permanent: bool = Field(
        default=False, description="stuck: a damaged cell, stuck again after every restart."
    )
    sefi: SefiWord | None = Field(
        default=None, description="cpu, required there: what the processor does."
    )
    noise: NoiseWord | None = Field(
        default=None, description="link: what happens to the message (corrupt)."
    )
    direction: DirectionWord | None = Field(
        default=None, description="link: which way the message goes (to_board)."
    )
    part: PartWord | None = Field(
        default=None, description="board-ram: which part of the memory, all or kernel (all)."
    )
    action: ActionWord | None = Field(
        default=None, description="board: what happens to it, power_loss or latch_up (power_loss)."
    )
    returns_after_frames: Annotated[Int, Field(ge=1, le=_FRAMES_MAX)] | None = Field(
        default=None, description="board: has power again after so many frames; never if absent."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        target = data.get("target")
        if target == "link":
            return {"noise": Noise.CORRUPT, "direction": Direction.TO_BOARD, **data}
        if target == "board":
            return {"action": BoardAction.POWER_LOSS, **data}
        if target == "board-ram":
            return {"part": RamPart.ALL, **data}
        if data.get("us") is None and data.get("tick") is None:
            return {**data, "tick": 0}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Event:
        wrong_at("Event", self._findings())
        return self

    def frame_at(self, frame_us: int) -> int:
        """The frame in which it happens, of frames that are `frame_us` long."""
        if self.frame is not None:
            return self.frame
        assert self.at is not None, "validation leaves one of them"
        return parse_duration_us(self.at) // frame_us

    def _when_findings(self) -> Findings:
        found = Findings()
        if (self.frame is None) == (self.at is None):
            what = "neither `frame` nor `at` is given" if self.at is None else "both are given"
            found.add("frame", f"{what}; expected one of them", "add `frame: 100` or `at: 90s`")
        if self.action is BoardAction.LATCH_UP and self.returns_after_frames is not None:
            found.add(
                "returns_after_frames",
                "a latch-up ends when the power is cut; when it returns, `plant.latch_up` says",
                "remove it",
            )
        return found

    def _findings(self) -> Findings:
        found = self._when_findings()

        def only(key: str, given: bool, *targets: Target) -> None:
            if given and self.target not in targets:
                found.add(
                    key,
                    f"`{key}` has no meaning for target {self.target}; "
                    f"it is for {', '.join(sorted(targets))}",
                    "remove it",
                )

        only("sefi", self.sefi is not None, Target.CPU)
        only("noise", self.noise is not None, Target.LINK)
        only("direction", self.direction is not None, Target.LINK)
        only("part", self.part is not None, Target.BOARD_RAM)
        only("action", self.action is not None, Target.BOARD)
        only("returns_after_frames", self.returns_after_frames is not None, Target.BOARD)
        only("tick", self.tick is not None, *AGENT_TARGETS, Target.CPU)
        only("us", self.us is not None, *MEMORY_TARGETS, Target.CPU)
        only("steps", self.steps > 0, *PROCESS_TARGETS)
        only("pattern", self.pattern != _BIT, *MEMORY_TARGETS)
        only("bit", self.bit is not None, *MEMORY_TARGETS, Target.LINK)
        if self.target is Target.CPU and self.sefi is None:
            found.add(
                "sefi",
                f"target cpu needs `sefi:`; expected {one_of(list(Sefi))}",
                "add for example `sefi: hang`",
            )
        if self.target is Target.LINK and self.bit is not None and self.noise is not Noise.CORRUPT:
            found.add("bit", f"`bit` has no meaning for noise {self.noise}", "remove it")
        if self.tick is not None and self.us is not None:
            found.add("us", "both `tick` and `us` are given; expected one", "remove one")
        elif self.us is not None and self.steps > 0:
            found.add("steps", "`steps` counts from a tick, but `us` is given", "use `tick`")
        if self.pattern.kind is not PatternKind.STUCK:
            for key, given in (
                ("hold_frames", self.hold_frames > 0),
                ("permanent", self.permanent),
            ):
                if given:
                    found.add(
                        key,
                        f"`{key}` is only for pattern stuck, not {self.pattern.kind}",
                        "add `pattern: stuck`, or remove it",
                    )
        elif self.target in NEVER_STUCK:
            found.add("pattern", f"target {self.target} cannot be stuck", "use a memory target")
        elif self.permanent and self.hold_frames > 0:
            found.add(
                "hold_frames",
                "a permanent fault is never released; expected no `hold_frames`",
                "remove one of the two",
            )
        return found


def _one_target(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _weights_of(words: type[W], what: str) -> Callable[[dict[W, float]], dict[W, float]]:
    def check(weights: dict[W, float]) -> dict[W, float]:
        if not weights or not sum(weights.values()) > 0:
            raise wrong(f"all weights are zero; expected at least one {what} above 0")
        return {word: weights[word] for word in words if word in weights}

    return check


class Rate(FrozenModel):
    """Upsets that happen at random, drawn from the seed."""

    ALSO_ACCEPTED: ClassVar[tuple[str, ...]] = ("target",)

    targets: Annotated[tuple[TargetWord, ...], BeforeValidator(_one_target)] = Field(
        description="What is hit; each upset takes one of them by chance."
    )
    nodes: tuple[NodeName, ...] | None = Field(
        default=None, description="Names of the nodes that are hit; default: all."
    )
    per_s: Annotated[Positive, Field(le=1e6)] = Field(
        description="Upsets per second of simulated time and node, before acceleration."
    )
    patterns: Annotated[
        dict[KindWord, Weight], AfterValidator(_weights_of(PatternKind, "pattern"))
    ] = Field(default={PatternKind.BIT: 1.0}, description="Weight of each pattern of flipped bits.")
    noises: Annotated[dict[NoiseWord, Weight], AfterValidator(_weights_of(Noise, "noise"))] = Field(
        default={Noise.CORRUPT: 1.0}, description="link: weight of each kind of noise."
    )
    sefis: Annotated[dict[SefiWord, Weight], AfterValidator(_weights_of(Sefi, "sefi"))] = Field(
        default={Sefi.HANG: 1.0, Sefi.CRASH: 1.0, Sefi.RESET: 1.0},
        description="cpu: weight of each functional interrupt.",
    )
    part: PartWord = Field(
        default=RamPart.ALL, description="board-ram: which part of the memory, all or kernel."
    )
    steps_max: U32 = Field(
        default=0,
        description="stack, heap, text, gpr, vector: 0 to so many instructions after the tick.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, data: Any) -> Any:
        if isinstance(data, dict) and "target" in data:
            if "targets" in data:
                found = Findings()
                found.add("target", "both `target` and `targets` are given", "remove one of them")
                wrong_at("Rate", found)
            data = dict(data)
            data["targets"] = data.pop("target")
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Rate:
        found = Findings()
        if not self.targets:
            found.add("targets", f"no target; expected {one_of(list(Target))}", "name at least one")
        for index, target in enumerate(self.targets):
            if target is Target.BOARD:
                found.add(
                    ("targets", index),
                    "boards lose power only in single events, not at a rate",
                    "move it to `upsets.events`",
                )
            elif target in self.targets[:index]:
                found.add(("targets", index), f"`{target}` is named twice", "remove one")
        registers = [target for target in self.targets if target in NEVER_STUCK]
        if registers and self.patterns.get(PatternKind.STUCK, 0) > 0:
            found.add(
                ("patterns", "stuck"),
                f"{' and '.join(registers)} cannot be stuck",
                "give them a rate of their own, without `stuck`",
            )
        if self.nodes is not None:
            if not self.nodes:
                found.add("nodes", "no node; expected names", "remove `nodes:` to hit all nodes")
            for index, node in enumerate(self.nodes):
                if node in self.nodes[:index]:
                    found.add(("nodes", index), f"`{node}` is named twice", "remove one")
        for key, needed in (
            ("patterns", MEMORY_TARGETS),
            ("noises", frozenset({Target.LINK})),
            ("sefis", frozenset({Target.CPU})),
            ("part", frozenset({Target.BOARD_RAM})),
            ("steps_max", PROCESS_TARGETS),
        ):
            default = type(self).model_fields[key].default
            if getattr(self, key) != default and not needed.intersection(self.targets):
                found.add(
                    key,
                    f"`{key}` has no meaning for {', '.join(self.targets)}; "
                    f"it is for {', '.join(sorted(needed))}",
                    "remove it",
                )
        wrong_at("Rate", found)
        return self


class OrbitUpsets(FrozenModel):
    """How what radiation does to a board is carried out; when and how often, the orbit says.

    An SEU flips one bit and an MBU 2 to 4 neighbours of one of `targets`; a SEFI is one of `sefis`;
    a latch-up (SEL) draws too much current until the power is cut."""

    targets: Annotated[tuple[TargetWord, ...], BeforeValidator(_one_target)] = Field(
        default=(Target.STATE, Target.INPUT, Target.OUTPUT),
        description="What SEUs and MBUs hit; each takes one of them by chance.",
    )
    sefis: Annotated[dict[SefiWord, Weight], AfterValidator(_weights_of(Sefi, "sefi"))] = Field(
        default={Sefi.HANG: 1.0, Sefi.CRASH: 1.0, Sefi.RESET: 1.0},
        description="Weight of each functional interrupt.",
    )
    steps_max: U32 = Field(
        default=0,
        description="stack, heap, text, gpr, vector: 0 to so many instructions after the tick.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> OrbitUpsets:
        found = Findings()
        if not self.targets:
            found.add("targets", "no target; expected at least one", "name one, or remove it")
        for index, target in enumerate(self.targets):
            if target not in MEMORY_TARGETS:
                found.add(
                    ("targets", index),
                    f"{target} has no bits that radiation could flip; "
                    f"expected {one_of(sorted(MEMORY_TARGETS))}",
                    "remove it",
                )
            elif target in self.targets[:index]:
                found.add(("targets", index), f"`{target}` is named twice", "remove one")
        wrong_at("OrbitUpsets", found)
        return self


class Upsets(FrozenModel):
    """What hits the rig."""

    one_at_a_time: bool = Field(
        default=False,
        description="Hold an upset back while the rig still recovers from one before.",
    )
    accel: Positive = Field(
        default=1.0, description="All rates are multiplied by this; real orbits are slow."
    )
    events: tuple[Event, ...] = Field(default=(), description="Single upsets at known frames.")
    rates: tuple[Rate, ...] = Field(default=(), description="Upsets that happen at random.")
    orbit: OrbitUpsets = Field(
        default_factory=OrbitUpsets,
        description="With a plant: what the radiation along the orbit does to the boards.",
    )


# The scenario -------------------------------------------------------------------------------------


class Scenario(FrozenModel):
    """A run of hil: what is computed, on what, how long, what hits it, what is expected."""

    schema_version: Annotated[Int, Field(ge=1, le=SCHEMA_VERSION)] = Field(
        default=SCHEMA_VERSION, alias="schema", description="Version of this format."
    )
    name: ScenarioName = Field(
        default="scenario", description="1 to 64 of a-z, 0-9 and -; default: the name of the file."
    )
    summary: str = Field(default="", description="What it shows, in a sentence.")
    workload: WorkloadName = Field(
        description="What every node computes.", json_schema_extra={"enum": [*WORKLOADS, EXEC]}
    )
    exec: Exec | None = Field(
        default=None, description="With `workload: exec`, and required there: which program."
    )
    seed: Annotated[Int, Field(ge=0, le=_I63_MAX)] = Field(
        default=1, description="Everything random is drawn from it; the same seed is the same run."
    )
    frames: Annotated[Int, Field(ge=1, le=_FRAMES_MAX)] | None = Field(
        default=None, description="Length of the run; either this or `duration`."
    )
    duration: str | None = Field(
        default=None, description="Length of the run in simulated time: 90s, 2h, 7d, 250ms, 1h30m."
    )
    frame_ms: Annotated[Float, Field(ge=0.01, le=60_000)] = Field(
        default=10.0, description="Simulated time from one frame to the next."
    )
    pace: str = Field(
        default="free", description="free (as fast as possible), realtime, or a factor such as 60x."
    )
    rig: Rig = Field(default_factory=Rig, description="Nodes and redundancy.")
    recovery: Recovery = Field(default=Recovery(), description="How faulty nodes are healed.")
    timeouts: Timeouts = Field(
        default=Timeouts(), description="When a step hangs and a node is lost."
    )
    upsets: Upsets = Field(default=Upsets(), description="What hits the rig.")
    plant: Plant | None = Field(
        default=None, description="Orbit, radiation, power and heat that act on the boards."
    )
    alarms: Alarms | None = Field(
        default=None, description="Limits beyond which a screen raises an alarm."
    )
    expect: dict[str, int | float | str] = Field(
        default={},
        description='What must be measured to pass: metric and number, ">= 0.999" or 1..5.',
    )

    @property
    def workload_name(self) -> str:
        """What the boards call the workload."""
        return self.workload if self.exec is None else f"exec:{self.exec.program}"

    @property
    def frame_us(self) -> int:
        """Simulated time from one frame to the next, in microseconds."""
        return frame_us_of(self.frame_ms)

    @property
    def frame_count(self) -> int:
        """Number of frames of the run, at least 1."""
        return frame_count_of(self.frames, self.duration, self.frame_ms)

    @property
    def pace_factor(self) -> float | None:
        """How many times faster than real time; None = as fast as possible."""
        return parse_pace(self.pace)

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """What must have been measured to pass, in the order of the file."""
        return tuple(parse_expectation(metric, wanted) for metric, wanted in self.expect.items())

    @field_validator("frame_ms")
    @classmethod
    def _whole_microseconds(cls, value: float) -> float:
        _as_wrong(frame_us_of, value)
        return value

    @field_validator("duration", "pace", mode="before")
    @classmethod
    def _has_unit(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            unit, example = ("s", "90s or 2h") if info.field_name == "duration" else ("x", "60x")
            raise wrong(
                f"{describe(value)} has no unit; expected text such as {example}",
                f"write {value}{unit}" if value > 0 else "",
            )
        return value

    @field_validator("duration")
    @classmethod
    def _is_duration(cls, value: str | None) -> str | None:
        if value is not None:
            _as_wrong(parse_duration_us, value)
        return value

    @field_validator("pace")
    @classmethod
    def _is_pace(cls, value: str) -> str:
        _as_wrong(parse_pace, value)
        return value

    @field_validator("expect", mode="before")
    @classmethod
    def _are_expectations(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            found = Findings()
            for metric, wanted in value.items():
                try:
                    parse_expectation(metric, wanted)
                except UnknownMetricError as error:
                    at_key = isinstance(metric, str) and error.metric == metric
                    found.add((metric, "[key]") if at_key else metric, str(error), error.hint)
                except ValueError as error:
                    found.add(metric, str(error))
            wrong_at("expect", found)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        found = length_findings(self.frames, self.duration, self.frame_ms)
        frame_count = None if found else self.frame_count
        boards: dict[str, BoardKind | None] = {node.name: node.board for node in self.rig.nodes}
        events = dict(enumerate(self.upsets.events))
        rates = dict(enumerate(self.upsets.rates))
        found += upset_findings(frame_count, self.frame_us, boards, events, rates)
        found += self._plant_findings()
        found += self._program_findings()
        wrong_at("Scenario", found)
        return self

    def _program_findings(self) -> Findings:
        """What does not fit between a program as workload and the rest."""
        found = Findings()
        if (self.exec is None) == (self.workload == EXEC):
            found.add(
                "exec",
                "the workload `exec` needs to know which program; expected {program: NAME}"
                if self.exec is None
                else f"workload {self.workload} is no program",
                "" if self.exec is None else "remove `exec:`, or write `workload: exec`",
            )
        if self.exec is None:
            return found
        for index, node in enumerate(self.rig.nodes):
            if node.board is BoardKind.INPROC:
                found.add(
                    ("rig", "nodes", index, "board"),
                    f"node {node.name} is an inproc board, which cannot run programs",
                    "use `process`",
                )
        for index, event in enumerate(self.upsets.events):
            if event.target in PROCESS_TARGETS:
                found.add(
                    ("upsets", "events", index, "target"),
                    f"target {event.target} is inside the program, where nobody can hit it",
                    "use state, input, output, cpu or link",
                )
        for index, rate in enumerate(self.upsets.rates):
            for position, target in enumerate(rate.targets):
                if target in PROCESS_TARGETS:
                    found.add(
                        ("upsets", "rates", index, "targets", position),
                        f"target {target} is inside the program, where nobody can hit it",
                        "use state, input, output or link",
                    )
        return found

    def _plant_findings(self) -> Findings:
        """What does not fit between the plant and the rest."""
        found = Findings()
        if self.plant is None:
            for index, event in enumerate(self.upsets.events):
                if event.action is BoardAction.LATCH_UP:
                    found.add(
                        ("upsets", "events", index, "action"),
                        "a latch-up draws current from a power system, but there is no plant",
                        "add `plant:`, or use `action: power_loss`",
                    )
            return found
        inproc = [n.name for n in self.rig.nodes if n.board is BoardKind.INPROC]
        for position, target in enumerate(self.upsets.orbit.targets):
            if inproc and target in PROCESS_TARGETS:
                found.add(
                    ("upsets", "orbit", "targets", position),
                    f"target {target} needs a worker process, but {', '.join(inproc)} "
                    "are inproc boards",
                    "run with --boards process, or remove it",
                )
        if self.plant.step_us % self.frame_us and self.frame_us % self.plant.step_us:
            found.add(
                ("plant", "step_s"),
                f"{self.plant.step_s:g} s and frames of {self.frame_ms:g} ms do not fit; expected "
                "one to be a whole multiple of the other",
                "change one of them",
            )
        return found


T = TypeVar("T")


def _as_wrong(parse: Callable[[T], object], value: T) -> None:
    try:
        parse(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def frame_us_of(frame_ms: float) -> int:
    """`frame_ms` in microseconds. Raises ValueError if that is no whole number."""
    exact = Decimal(repr(frame_ms)) * 1000
    if exact != int(exact):
        raise ValueError(
            f"{frame_ms!r} ms is no whole number of microseconds; expected 0.001 steps"
        )
    return int(exact)


def frame_count_of(frames: int | None, duration: str | None, frame_ms: float) -> int:
    """The length of a run in frames. Raises ValueError if a part is not valid."""
    if frames is not None:
        return frames
    if duration is None:
        raise ValueError("neither frames nor duration is given")
    return parse_duration_us(duration) // frame_us_of(frame_ms)


# Rules between parts: also applied by the loader to the valid parts of a scenario that is not.


def length_findings(frames: int | None, duration: str | None, frame_ms: float) -> Findings:
    """What is wrong with the length of a run, given valid parts."""
    found = Findings()
    if frames is not None and duration is not None:
        found.add("duration", "both `frames` and `duration` are given", "remove one of them")
    elif frames is None and duration is None:
        found.add(
            "frames",
            "the length of the run is missing; expected `frames` or `duration`",
            "add for example `frames: 1000` or `duration: 10s`",
        )
    else:
        count = frame_count_of(frames, duration, frame_ms)
        if count < 1:
            found.add("duration", f"{duration} is shorter than one frame ({frame_ms:g} ms)")
        elif count > _FRAMES_MAX:
            found.add("duration", f"{duration} is {count} frames; at most {_FRAMES_MAX} are run")
    return found


def upset_findings(
    frame_count: int | None,
    frame_us: int | None,
    boards: Mapping[str, BoardKind | None] | None,
    events: Mapping[int, Event],
    rates: Mapping[int, Rate],
) -> Findings:
    """What is wrong between upsets and the rest; None = not known, nothing to say.

    `boards` is the kind of board of each node; events and rates go by their position in the file.
    """
    found = _board_ram_findings(boards or {}, events, rates)

    def unknown(path: KeyPath, name: str, names: Mapping[str, object]) -> None:
        found.add(
            path,
            f"there is no node `{name}`; the rig has {', '.join(names)}",
            did_you_mean(name, names),
        )

    def unreachable(path: KeyPath, target: Target, nodes: Sequence[str]) -> None:
        many = len(nodes) > 1
        found.add(
            path,
            f"target {target} needs a worker process, but "
            f"{'nodes' if many else 'node'} {', '.join(nodes)} "
            f"{'are inproc boards' if many else 'is an inproc board'}",
            "run with --boards process, or remove it",
        )

    for index, event in events.items():
        at = ("upsets", "events", index)
        if frame_count is not None:
            found += _too_late(at, event, frame_count, frame_us)
        if boards is not None:
            if event.node not in boards:
                unknown((*at, "node"), event.node, boards)
            elif boards[event.node] is BoardKind.INPROC and event.target in PROCESS_TARGETS:
                unreachable((*at, "target"), event.target, [event.node])
    for index, rate in rates.items() if boards is not None else ():
        assert boards is not None
        at = ("upsets", "rates", index)
        for position, name in enumerate(rate.nodes or ()):
            if name not in boards:
                unknown((*at, "nodes", position), name, boards)
        inproc = [name for name in rate.nodes or boards if boards.get(name) is BoardKind.INPROC]
        for position, target in enumerate(rate.targets):
            if inproc and target in PROCESS_TARGETS:
                unreachable((*at, "targets", position), target, inproc)
    return found


def _board_ram_findings(
    boards: Mapping[str, BoardKind | None], events: Mapping[int, Event], rates: Mapping[int, Rate]
) -> Findings:
    """What is wrong with upsets of whole boards' memory: only emulated ones can be hit there."""
    found = Findings()
    hit: list[tuple[KeyPath, Sequence[str]]] = [
        (("upsets", "events", index, "target"), [event.node])
        for index, event in events.items()
        if event.target is Target.BOARD_RAM
    ]
    hit += [
        (("upsets", "rates", index, "targets", position), rate.nodes or list(boards))
        for index, rate in rates.items()
        for position, target in enumerate(rate.targets)
        if target is Target.BOARD_RAM
    ]
    for path, nodes in hit:
        others = [
            n for n in nodes if (boards.get(n) or BoardKind.EMULATED) is not BoardKind.EMULATED
        ]
        if others:
            many = len(others) > 1
            found.add(
                path,
                "target board-ram is the whole memory of an emulated board, but "
                f"{'nodes' if many else 'node'} {', '.join(others)} "
                f"{'are no such boards' if many else 'is no such board'}",
                "run with --boards emulated, or remove it",
            )
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _too_late(at: KeyPath, event: Event, frame_count: int, frame_us: int | None) -> Findings:
    """The event at `at` is behind the end of the run."""
    found = Findings()
    if event.frame is not None and event.frame >= frame_count:
        found.add(
            (*at, "frame"),
            f"frame {event.frame} is behind the end of the run; expected 0 to {frame_count - 1}",
        )
    elif event.frame is None and frame_us is not None and event.frame_at(frame_us) >= frame_count:
        found.add((*at, "at"), f"{event.at} is behind the end of the run")
    return found
