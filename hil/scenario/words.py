"""The words of the scenario language, and the field types made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
)

from hil.scenario.fields import Float, Int
from hil.scenario.ports import port_name
from hil.scenario.problems import did_you_mean, one_of, wrong
from hil.scenario.yaml.messages import describe
from hil.word_enum import Word

WORKLOADS: tuple[str, ...] = (
    *("infer", "matmul", "sha256", "attitude", "archive"),
    *("fft", "qsort", "aes128", "crc32", "mekf"),
    *("train", "train+recheck", "train+rollback"),
    *("lm", "lm+abft", "matmul+abft"),
    *("dense-int8", "dense-bf16", "dense-fp16", "dense-fp32"),
    *("dense-bf16+clip", "dense-fp16+clip", "dense-fp32+clip"),
    *("dense-bf16+parity", "dense-fp16+parity", "dense-int8+dup", "dense-bf16+dup"),
    *("dense-int8+secded", "dense-bf16+secded"),
)
"""The workloads compiled into every agent (csrc/kernel/workload.c). NAME+PROTECTION is the workload
NAME with a protection in software."""

EXEC = "exec"
"""The workload that is a program of the boards (csrc/port/linux/EXEC.md)."""

U32_MAX = 2**32 - 1
I63_MAX = 2**63 - 1
FRAMES_MAX = 10**10
STEPS_MAX = 1_000_000
"""The most instructions past a tick that agents count (AGENT_ADVANCE_MAX,
csrc/agent/agent_config.h)."""


class SchemeName(Word):
    """The redundancy scheme: the number of nodes, and how often each computes a step, which
    determine the faults that they can mask."""

    SIMPLEX = "simplex"
    DUAL_EXECUTION = "dual_execution"
    TRIPLE_EXECUTION = "triple_execution"
    DMR = "dmr"
    TMR = "tmr"
    FOUR = "4mr"
    FIVE = "5mr"
    SIX = "6mr"
    SEVEN = "7mr"
    TRIPLE_PAIRS = "triple_pairs"
    PRIORITY_PAIRS = "priority_pairs"
    ROTATING_TMR = "rotating_tmr"
    PRIMARY_MONITORS = "primary_monitors"
    PLAN_PAIR = "plan_pair"
    DOER_CHECKERS = "doer_checkers"

    @property
    def size(self) -> int:
        """Return the number of nodes; of a primary with its monitors, and of a doer with its
        checkers, the least."""
        sizes = {"dmr": 2, "tmr": 3, "4mr": 4, "5mr": 5, "6mr": 6, "7mr": 7}
        own = sizes | {"rotating_tmr": 3, "primary_monitors": 3, "plan_pair": 2, "doer_checkers": 2}
        return own.get(self.value, 2 * self.pairs or 1)

    @property
    def pairs(self) -> int:
        """Return the number of self-checking pairs; 0 for a scheme without pairs."""
        return {"triple_pairs": 3, "priority_pairs": 4}.get(self.value, 0)

    @property
    def has_primary(self) -> bool:
        """Return whether one node commands, and the others monitor it."""
        return self is SchemeName.PRIMARY_MONITORS

    @property
    def has_checkers(self) -> bool:
        """Return whether one node computes all, and the others check it by a reduced workload."""
        return self is SchemeName.DOER_CHECKERS

    @property
    def by_priority(self) -> bool:
        """Return whether the first pair that speaks commands, in place of a majority."""
        return self is SchemeName.PRIORITY_PAIRS

    @property
    def awake(self) -> int:
        """Return how many of the nodes execute each step; the others rest in turn, without power.
        It is the number of nodes where none rests."""
        return 2 if self is SchemeName.ROTATING_TMR else self.size

    @property
    def unvoted(self) -> Unvoted:
        """Return the rule for frames whose output was not voted on, unless the scenario states one.
        A scheme that compares two nodes, and has no third one that is always there, is silent."""
        if self is SchemeName.PLAN_PAIR:
            return Unvoted.HOLD
        silent = (
            self in (SchemeName.DMR, SchemeName.DOER_CHECKERS)
            or self.pairs > 0
            or self.awake < self.size
        )
        return Unvoted.NOTHING if silent else Unvoted.LAST_NODE

    @property
    def unvoted_frames(self) -> int:
        """Return for how many consecutive frames that rule holds, unless the scenario states it; 0:
        without a limit."""
        return 5 if self is SchemeName.PLAN_PAIR else 0

    @property
    def votes_plainly(self) -> bool:
        """Return whether all nodes vote, one by one, each of them once, and nothing is held."""
        if self.unvoted is Unvoted.HOLD or self.awake < self.size:
            return False
        return not (self.pairs or self.has_primary or self.has_checkers or self.executions > 1)

    @property
    def executions(self) -> int:
        """Return how often a node computes the same step from the same state; more than once only
        with time redundancy."""
        return {"dual_execution": 2, "triple_execution": 3}.get(self.value, 1)


class Unvoted(Word):
    """The rule for frames whose output was not voted on."""

    NOTHING = "nothing"  # the scheme is fail-silent
    HOLD = "hold"  # the last output that was voted on, marked as held
    LAST_NODE = "last_node"  # its own output, marked as not voted on, of the only node in service
    DELIVER = "deliver"  # the same, also where other nodes in service did not answer


class BoardKind(Word):
    """The kind of board that a node runs on. hil.rig.board_kinds makes the boards of each."""

    INPROC = "inproc"  # the agent inside this process, with a virtual clock
    PROCESS = "process"  # the hil-agent executable on a pty
    EMULATED = "emulated"  # a Raspberry Pi 3 in QEMU, the agent as its /init
    SERIAL = "serial"  # a real board on a port


class UpsetTarget(Word):
    """The target of an upset."""

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
    AGENT = "agent"
    CHECK_BITS = "check-bits"
    BOARD = "board"
    BOARD_RAM = "board-ram"
    TIMING = "timing"


PORTABLE_TARGETS = frozenset(
    {UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.LINK}
)
"""Targets whose bits are the same on every kind of board."""

PROCESS_TARGETS = frozenset(
    {UpsetTarget.STACK, UpsetTarget.HEAP, UpsetTarget.TEXT, UpsetTarget.GPR, UpsetTarget.VECTOR}
)
"""Targets that need a worker process: on all boards but inproc."""

CHECKPOINT_TARGETS = frozenset({UpsetTarget.CHECKPOINT, UpsetTarget.CHECK_BITS})
"""The copy of the state that a board keeps under SECDED: its bytes, and their check bits."""

MEMORY_TARGETS = frozenset(UpsetTarget) - {
    UpsetTarget.LINK,
    UpsetTarget.CPU,
    UpsetTarget.BOARD,
    UpsetTarget.TIMING,
}
"""Targets of bit patterns."""

AGENT_TARGETS = MEMORY_TARGETS - {UpsetTarget.BOARD_RAM}
"""Targets that the agent on the board hits, at a progress tick; board-ram is hit from outside."""

REGISTER_TARGETS = frozenset({UpsetTarget.GPR, UpsetTarget.VECTOR})
"""Targets that are written all the time: a stuck bit has no meaning there; agents refuse it."""

NEVER_STUCK = REGISTER_TARGETS | {UpsetTarget.BOARD_RAM, UpsetTarget.AGENT}
"""Targets whose bits are flipped, but not held."""


class PatternKind(Word):
    """The change of bits by one upset."""

    BIT = "bit"  # flip one bit
    ADJACENT = "adjacent"  # flip `width` neighbouring bits
    STUCK = "stuck"  # one bit keeps the value `value`
    ZERO_WORD = "zero_word"  # `width` bits, naturally aligned, become zero
    RANDOM_WORD = "random_word"  # `width` bits, naturally aligned, become `value`


class Sefi(Word):
    """A single event functional interrupt: the way in which the processor stops working."""

    HANG = "hang"
    CRASH = "crash"
    RESET = "reset"


class LinkNoiseKind(Word):
    """The disturbance of one message on the link."""

    CORRUPT = "corrupt"
    DROP = "drop"
    DUPLICATE = "duplicate"
    TRUNCATE = "truncate"
    ALTER = "alter"  # a valid message with another value: the sender is two-faced
    DELAY = "delay"  # it arrives with the message of the next frame


ASYMMETRIC_NOISES = frozenset({LinkNoiseKind.ALTER, LinkNoiseKind.DELAY})
"""Noises of single copies of a reply only, each for one receiver (`to:`)."""


class Direction(Word):
    """The direction of the message that the noise hits."""

    TO_BOARD = "to_board"
    TO_HOST = "to_host"


class RamPart(Word):
    """The part of an emulated board's memory that is hit."""

    ALL = "all"  # all that its system has
    KERNEL = "kernel"  # the image of its operating system: code and data


class BoardAction(Word):
    """An event of the whole board."""

    POWER_LOSS = "power_loss"
    LATCH_UP = "latch_up"  # over-current until its power is cut; needs a plant


class TimingFault(Word):
    """A fault of the timing of a whole node."""

    SKEWED = "skewed"  # its clock differs: it takes the input of another frame
    SLOW = "slow"  # its steps take longer
    LATE = "late"  # its answers come after the end of their frame


W = TypeVar("W", bound=Word)

BOARD_ALIASES = {"emulated-rpi3": BoardKind.EMULATED}
"""Other words for a kind of board."""

_SOUND_ALIKE = {
    "register": "gpr",
    "registers": "gpr",
    "memory": "state",
    "code": "text",
    "ecc": "check-bits",
}


def word_of(
    kind: type[W], what: str, former: Mapping[str, W] = MappingProxyType({})
) -> Callable[[object], object]:
    """Return a validator that turns a text into its member of `kind`; `what` is the noun of `kind`
    in its messages, which name the present word of a `former` one. The validator raises
    PydanticCustomError for other values."""
    words = [str(word) for word in kind]

    def check(value: object) -> object:
        if kind is BoardKind and isinstance(value, str) and value in BOARD_ALIASES:
            return BOARD_ALIASES[value]
        if isinstance(value, str) and value in words:
            return kind(value)
        if value is None or not isinstance(value, str):
            raise wrong(f"{describe(value)}; expected {one_of(words)}")
        if value in former:
            raise wrong(f"{describe(value)} has another name now", f"write `{former[value]}`")
        hint = did_you_mean(_SOUND_ALIKE.get(value, value), words)
        raise wrong(f"{describe(value)} is not a valid {what}; expected {one_of(words)}", hint)

    return check


def _name(pattern: str, what: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise wrong(
                f"{describe(value)} is not a valid {what} name; expected {_NAME_RULES[what]}"
            )
        return value

    return check


_NAME_RULES = {
    "scenario": "1 to 64 of a-z, 0-9 and -",
    "node": "1 to 16 of a-z, 0-9, _ and -",
    "tag": "1 to 16 of a-z, 0-9, _ and -",
    "place": "1 to 64 letters, digits and . _ : + -",
    "program": "1 to 10 of a-z, 0-9, _ and -",
    "region": "1 to 31 letters, digits and _ . : / -",
}
NODE_NAME_PATTERN = r"[a-z0-9_-]{1,16}"
SCENARIO_NAME_PATTERN = r"[a-z0-9-]{1,64}"


def _workload(value: str) -> str:
    known = (*WORKLOADS, EXEC)
    if value not in known:
        raise wrong(
            f"there is no workload `{value[:40]}`; expected {one_of(known)}, or a C file or an "
            "ONNX model of your own (NAME.c, NAME.onnx)",
            did_you_mean(value, known),
        )
    return value


def is_adapter_name(value: str) -> bool:
    """Return whether `value` can be the `adapter:` of a board."""
    return re.fullmatch(_ADAPTER_PATTERN, value) is not None


def _adapter(value: str) -> str:
    if not is_adapter_name(value):
        raise wrong(f"{describe(value)} is not a valid adapter; expected {ADAPTER_EXAMPLES}")
    return value


def _baud(value: int) -> int:
    if value not in BAUD_RATES:
        nearest = min(BAUD_RATES, key=lambda rate: abs(rate - value))
        raise wrong(
            f"{value} is not a rate that agents know; expected one of "
            f"{', '.join(map(str, BAUD_RATES))}",
            f"start the agent with, and write, one of these; the nearest is {nearest}",
        )
    return value


def _ssh_host(value: str) -> str:
    if not value or value.startswith("-") or not value.isprintable() or " " in value:
        raise wrong(
            f"{describe(value)} is not a host; expected USER@HOST or a name of the ssh "
            "configuration",
            "write `ssh: pi@192.168.1.20`",
        )
    return value


def _board_device(value: str) -> str:
    if not re.fullmatch(r"/dev/[A-Za-z0-9]+", value):
        raise wrong(
            f"{describe(value)} is not a serial device of a board; expected one such as "
            "/dev/ttyAMA0",
            "`hil board show PROFILE` has the usual one",
        )
    return value


def _sha256(value: str) -> str:
    if len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise wrong(f"{describe(value)} is not a SHA-256; expected 64 of 0-9 and a-f")
    return value


def _weight(value: object) -> object:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and 0 <= value <= 1e12):  # type: ignore[operator]
        raise wrong(f"{describe(value)}; expected a weight from 0 up to 1e12")
    return value


BAUD_RATES = (
    9600,
    19200,
    38400,
    57600,
    115200,
    230400,
    460800,
    500000,
    921600,
    1000000,
    1500000,
    2000000,
    2500000,
    3000000,
    4000000,
)
"""The rates that agents support (csrc/port/linux/link_tty.c)."""

_ADAPTER_PATTERN = r"usb-(serial:[^\s\x00-\x1f\x7f]+|path:[0-9]+-[0-9.]+(:[0-9]+\.[0-9]+)?)"
ADAPTER_EXAMPLES = "usb-serial:A10K3XYZ (its serial number) or usb-path:1-1.2 (its USB socket)"

Attempts = Annotated[Int, Field(ge=0, le=1_000_000)]
U32 = Annotated[Int, Field(ge=0, le=U32_MAX)]
Steps = Annotated[Int, Field(ge=0, le=STEPS_MAX)]
NodeName = Annotated[str, AfterValidator(_name(NODE_NAME_PATTERN, "node"))]
Tag = Annotated[str, AfterValidator(_name(NODE_NAME_PATTERN, "tag"))]
ScenarioName = Annotated[str, AfterValidator(_name(SCENARIO_NAME_PATTERN, "scenario"))]
ProgramName = Annotated[str, AfterValidator(_name(r"[a-z0-9_-]{1,10}", "program"))]
RegionName = Annotated[str, AfterValidator(_name(r"[A-Za-z0-9_.:/-]{1,31}", "region"))]
PlaceName = Annotated[str, AfterValidator(_name(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}", "place"))]
WorkloadName = Annotated[str, AfterValidator(_workload)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
PortName = Annotated[str, AfterValidator(port_name)]
AdapterName = Annotated[str, AfterValidator(_adapter)]
Baud = Annotated[Int, AfterValidator(_baud), Field(json_schema_extra={"enum": list(BAUD_RATES)})]
SshHost = Annotated[str, AfterValidator(_ssh_host)]
BoardDevice = Annotated[str, AfterValidator(_board_device)]
BootSeconds = Annotated[Float, Field(gt=0, le=3600)]
SchemeWord = Annotated[SchemeName, BeforeValidator(word_of(SchemeName, "scheme"))]
UnvotedWord = Annotated[
    Unvoted,
    BeforeValidator(word_of(Unvoted, "rule for unvoted outputs", {"degraded": Unvoted.LAST_NODE})),
]
BoardWord = Annotated[BoardKind, BeforeValidator(word_of(BoardKind, "kind of board"))]
TargetWord = Annotated[UpsetTarget, BeforeValidator(word_of(UpsetTarget, "target of upsets"))]
KindWord = Annotated[PatternKind, BeforeValidator(word_of(PatternKind, "pattern"))]
SefiWord = Annotated[Sefi, BeforeValidator(word_of(Sefi, "functional interrupt"))]
NoiseWord = Annotated[LinkNoiseKind, BeforeValidator(word_of(LinkNoiseKind, "link noise"))]
DirectionWord = Annotated[Direction, BeforeValidator(word_of(Direction, "direction"))]
PartWord = Annotated[RamPart, BeforeValidator(word_of(RamPart, "part of a board's memory"))]
ActionWord = Annotated[BoardAction, BeforeValidator(word_of(BoardAction, "board action"))]
Weight = Annotated[Float, Field(ge=0), BeforeValidator(_weight)]
