"""The agent's messages as frozen Python values, and the names of their codes.

`hil.wire.decoding` decodes answers, `hil.wire.encoding` encodes requests. The layouts are defined
only in csrc/wire/message.h and csrc/SPEC.md."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple

from hil._kernel import lib
from hil.wire.rails import board_power_mw
from hil.word_enum import Word

NO_FRAME: Final[int] = 2**64 - 1
DATA_MAX: Final[int] = lib.MESSAGE_DATA_MAX
SPANS_MAX: Final[int] = lib.MESSAGE_SPANS_MAX
ANSWER: Final[int] = lib.HIL_MSG_ANSWER
_TEXT_LEN: Final[int] = lib.MESSAGE_TEXT_LEN


class Msg(enum.IntEnum):
    """Message types (hil_message_type_t)."""

    HELLO = lib.HIL_MSG_HELLO
    LOAD = lib.HIL_MSG_LOAD
    BUDGET = lib.HIL_MSG_BUDGET
    STEP = lib.HIL_MSG_STEP
    ARM = lib.HIL_MSG_ARM
    REPORT = lib.HIL_MSG_REPORT
    SPANS = lib.HIL_MSG_SPANS
    READ = lib.HIL_MSG_READ
    WRITE = lib.HIL_MSG_WRITE
    SYNC = lib.HIL_MSG_SYNC
    CHECKPOINT = lib.HIL_MSG_CHECKPOINT
    RESTORE = lib.HIL_MSG_RESTORE
    RESTART = lib.HIL_MSG_RESTART
    RESET = lib.HIL_MSG_RESET
    HEALTH = lib.HIL_MSG_HEALTH
    LIMIT = lib.HIL_MSG_LIMIT
    BAUD = lib.HIL_MSG_BAUD
    SENSORS = lib.HIL_MSG_SENSORS
    PROGRAM = lib.HIL_MSG_PROGRAM
    CAMPAIGN_OPEN = lib.HIL_MSG_CAMPAIGN_OPEN
    CAMPAIGN_TRACE = lib.HIL_MSG_CAMPAIGN_TRACE
    CAMPAIGN_CODE = lib.HIL_MSG_CAMPAIGN_CODE
    CAMPAIGN_RUN = lib.HIL_MSG_CAMPAIGN_RUN
    CAMPAIGN_CLOSE = lib.HIL_MSG_CAMPAIGN_CLOSE
    CAMPAIGN_FOLLOW = lib.HIL_MSG_CAMPAIGN_FOLLOW
    CAMPAIGN_STRIKE = lib.HIL_MSG_CAMPAIGN_STRIKE
    CAMPAIGN_DRAW = lib.HIL_MSG_CAMPAIGN_DRAW
    CAMPAIGN_CODED = lib.HIL_MSG_CAMPAIGN_CODED
    ACTIVATION = lib.HIL_MSG_ACTIVATION
    REGIONS = lib.HIL_MSG_REGIONS
    IMAGE = lib.HIL_MSG_IMAGE
    ERROR = lib.HIL_MSG_ERROR
    NAK = lib.HIL_MSG_NAK


class UpsetState(Word):
    """The state of an upset: whether it was injected, or why not. An agent reports any of these but
    the last."""

    ARMED = "armed"  # not known yet
    INJECTED = "injected"
    MISSED = "missed"  # the trigger was not reached
    FAILED = "failed"  # the board could not inject it
    REFUSED = "refused"  # not attempted


class Activation(Word):
    """The first access, within its step, to what an upset has changed. An instruction that reads
    and writes reads."""

    UNKNOWN = ""  # not watched, or not certain
    ACTIVATED = "activated"  # it was read; of machine code: it was executed
    OVERWRITTEN = "overwritten"  # all of it was overwritten, and nothing had read it
    NOT_ACCESSED = "not_accessed"  # neither, until the step ended


class Unwatched(Word):
    """The reason why an activation is not known."""

    NOT = ""
    TARGET = "not watched in this target"
    STUCK = "a stuck cell has no first access"
    REFUSED = "its processor or system offers no debug registers"
    FULL = "more bytes were hit than its debug registers can watch"
    INSTRUCTION = "it was written by an instruction that may have read it first"


class ProgramExit(Word):
    """The end of a program, the worker of a workload `exec:NAME`."""

    NONE = "none"  # none has ended, but by order
    EXITED = "exited"  # by itself
    SIGNALED = "signaled"  # of a signal
    VIOLATED = "violated"  # it broke the protocol, and was killed
    SILENT = "silent"  # it did not answer in time, and was killed


class LinkState(Word):
    """The state of the link to a board; `hil.rig.link_state` has the transitions."""

    ABSENT = "absent"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"


class Region(enum.IntEnum):
    """A part of a worker's memory that READ, WRITE and SPANS address (hil_region_t)."""

    STATE = lib.REGION_STATE
    INPUT = lib.REGION_INPUT
    OUTPUT = lib.REGION_OUTPUT


TARGETS: Final[dict[str, int]] = {
    "state": lib.TARGET_STATE,
    "input": lib.TARGET_INPUT,
    "output": lib.TARGET_OUTPUT,
    "link": lib.TARGET_LINK,
    "checkpoint": lib.TARGET_CHECKPOINT,
    "cpu": lib.TARGET_CPU,
    "stack": lib.TARGET_STACK,
    "heap": lib.TARGET_HEAP,
    "text": lib.TARGET_TEXT,
    "gpr": lib.TARGET_GPR,
    "vector": lib.TARGET_VECTOR,
    "agent": lib.TARGET_AGENT,
    "check-bits": lib.TARGET_CHECKS,
}
OF_CHECKPOINT: Final = frozenset({"checkpoint", "check-bits"})
"""Targets within a checkpoint, which is protected by SECDED: its bytes and their check bits."""

PATTERNS: Final[dict[str, int]] = {
    "bit": lib.UPSET_BIT,
    "adjacent": lib.UPSET_ADJACENT,
    "stuck": lib.UPSET_STUCK,
    "zero_word": lib.UPSET_ZERO_WORD,
    "random_word": lib.UPSET_RANDOM_WORD,
}
SEFIS: Final[dict[str, int]] = {
    "hang": lib.SEFI_HANG,
    "crash": lib.SEFI_CRASH,
    "reset": lib.SEFI_RESET,
}


LIMITS: Final[dict[str, int]] = {
    "duty": lib.LIMIT_DUTY,
    "cores": lib.LIMIT_CORES,
    "suspend": lib.LIMIT_SUSPEND,
    "clock": lib.LIMIT_CLOCK,
    "mode": lib.LIMIT_MODE,
}
MEANS: Final[dict[str, int]] = {
    "hold": lib.MEANS_HOLD,
    "slice": lib.MEANS_SLICE,
    "stop": lib.MEANS_STOP,
    "affinity": lib.MEANS_AFFINITY,
    "cpufreq": lib.MEANS_CPUFREQ,
    "nvpmodel": lib.MEANS_NVPMODEL,
}


@dataclass(frozen=True, slots=True)
class Hello:
    """The identification of an agent and its board. `boot_id` is different after every start."""

    wire_version: int
    pointer_bits: int
    cores: int
    memory_mib: int
    boot_id: int
    uptime_us: int
    targets: frozenset[str]
    gpr_count: int
    vector_bytes: int
    port: str
    arch: str
    version: str
    board: str
    serial: str


class Reply(NamedTuple):
    """An agent's answer to the STEP of one frame. `status` is a hil_node_status_t, at most ABSENT;
    `cpu_us` and `step_us` are the step's CPU time and duration [us]. `output_digest` is computed
    from the bytes that arrived, `claimed_digest` is the one that the agent sent."""

    frame: int
    status: int
    signal: int
    pending: int
    ticks: int
    cpu_us: int
    step_us: int
    output_digest: int
    state_digest: int
    output: bytes
    claimed_digest: int


@dataclass(frozen=True, slots=True)
class Report:
    """An agent's report on an armed upset."""

    id: int
    state: UpsetState
    verified: bool
    changed: bool
    persisted: bool
    detail: int
    frame: int
    tick: int
    steps: int
    at_us: int
    pc_offset: int | None
    bit: int
    space: int
    before: bytes
    after: bytes


class ActivationReport(NamedTuple):
    """An agent's report on the first access to what an upset has changed; `reason` says why it is
    not known."""

    id: int
    activation: Activation
    reason: Unwatched


@dataclass(frozen=True, slots=True)
class Rail:
    """A measured supply rail of a board: voltage [mV] and current [mA]."""

    name: str
    mv: int
    ma: int


@dataclass(frozen=True, slots=True)
class Health:
    """The health that a board reports of itself; None for a value that it cannot measure. Counters
    run since the agent's start."""

    uptime_us: int
    cpu_temp_mc: int | None
    clock_khz: int | None
    throttled: int | None
    rss_kib: int | None
    free_mib: int | None
    steps: int
    crashes: int
    hangs: int
    restarts: int
    corrected: int
    uncorrected: int
    rx_bytes: int
    rx_frames: int
    rx_errors: int
    tx_bytes: int
    tx_frames: int
    duplicates: int
    rails: tuple[Rail, ...]

    @property
    def power_mw(self) -> int | None:
        """Return the power of the whole board by its rails [mW] (see `hil.wire.rails`); None
        without rails."""
        return board_power_mw((r.name, r.mv, r.ma) for r in self.rails)


READINGS: Final[dict[int, str]] = {
    lib.READING_TEMPERATURE: "temperature_mc",
    lib.READING_FAN_SPEED: "fan_rpm",
    lib.READING_FAN_DRIVE: "fan_permille",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A sensor's reading: `kind` is a value of READINGS and ends in the unit, `name` is the board's
    own name of the sensor."""

    kind: str
    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Sensors:
    """The power mode (empty: not known) and all sensor readings, for which HEALTH has no room."""

    mode: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class AgentImage:
    """A digest that an agent reports of what it runs from, as hex text: the SHA-256 of its
    executable, which it has read itself; or, if not `measured`, one that was built into it."""

    sha256: str
    measured: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a board, all of them absolute: the defaults lift every limit.

    `cores` and `clock_khz` 0: no limit. `mode` is a power mode by the name that the board's system
    gives it; empty: the mode at the agent's start. Raises: ValueError for a value that no board can
    apply."""

    duty_permille: int = 1000
    cores: int = 0
    suspend: bool = False
    clock_khz: int = 0
    mode: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.duty_permille <= 1000:
            raise ValueError(
                f"a duty of {self.duty_permille} thousandths; 1 to 1000 can be asked for"
            )
        if not 0 <= self.cores <= 255:
            raise ValueError(f"{self.cores} cores; 0 (all) to 255 can be asked for")
        if not 0 <= self.clock_khz < 2**32:
            raise ValueError(f"a clock of {self.clock_khz} kHz; less than 2^32 can be asked for")
        if len(self.mode.encode()) >= _TEXT_LEN or "\0" in self.mode:
            raise ValueError(f"a power mode named {self.mode!r}; a name has at most 31 bytes")


@dataclass(frozen=True, slots=True)
class Limited:
    """The limits that a board reports as in force. None, or an empty mode: not known.

    `refused` and `means` are keys of LIMITS and MEANS; `errno` is that of the first refusal, 0 if
    there is none or the board lacks this kind of limit."""

    duty_permille: int
    cores: int | None
    suspend: bool
    clock_khz: int | None
    mode: str
    refused: frozenset[str]
    means: frozenset[str]
    errno: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """The agent's ERROR answer: the request's type, a hil_status_t, and an errno or 0."""

    request: int
    status: int
    detail: int

    @property
    def busy(self) -> bool:
        """Return whether a step is still running on the board, so that the request is to be
        repeated."""
        return self.status == lib.HIL_ERR_STATE and self.detail == 1

    @property
    def suspended(self) -> bool:
        """Return whether a limit forbids the board to begin a step."""
        return self.status == lib.HIL_ERR_STATE and self.detail == 2

    @property
    def out_of_turn(self) -> bool:
        """Return whether the request continues one that the board has not got."""
        return self.status == lib.HIL_ERR_STATE and self.detail == 3


@dataclass(frozen=True, slots=True)
class Sync:
    """The frame number (NO_FRAME: none yet) and the state digest of a node."""

    frame: int
    state_digest: int


@dataclass(frozen=True, slots=True)
class Arm:
    """An upset that the agent is to inject. The trigger is a time in the step if `us` is set, else
    the tick and the number of instructions (`steps`) after it.

    `bit` is reduced modulo the target's size; with `exact`, the upset fails if `bit` exceeds it."""

    id: int
    frame: int
    target: str
    kind: str
    tick: int = 0
    steps: int = 0
    us: int | None = None
    width: int = 0
    bit: int = 0
    value: int = 0
    hold_frames: int = 0
    exact: bool = False


@dataclass(frozen=True, slots=True)
class ProgramEnd:
    """The end of a node's last program. `ends`: how many have ended since its agent started;
    `code`: exit code or signal; `written`: bytes on standard error, of which the last `kept` are
    kept; `stderr` are those of them from `offset` on. `init_ms`: the time in which programs must
    answer INIT [ms]."""

    init_ms: int
    ends: int
    how: ProgramExit
    code: int
    written: int
    kept: int
    offset: int
    stderr: bytes
