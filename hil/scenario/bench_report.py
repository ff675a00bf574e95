"""The report of `hil bench test`: a row for each board of a bench, and the faults.

`hil.rig.bench_test` measures it, `hil.views.bench_test` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from hil.json_values import JsonObject
from hil.scenario.discovery_report import BenchChange
from hil.word_enum import Word

__all__ = [
    "AgentFacts",
    "BenchFault",
    "BenchFinding",
    "BenchTestReport",
    "BoardReport",
    "LinkFigures",
    "RootState",
    "SupplyFigures",
    "SwitchState",
]


class BenchFault(Word):
    """A fault of a board, its link or its supply."""

    UNREACHABLE = "unreachable"  # its port cannot be opened
    NO_ANSWER = "no-answer"
    ECHO = "echo"  # what is sent comes back: TX leads to RX of the same adapter
    WRONG_BAUD = "wrong-baud"
    WRONG_VERSION = "wrong-version"
    LINE = "line"  # it changes bytes
    OTHER_BOARD = "other-board"
    SAME_SERIAL = "same-serial"  # of two adapters or boards
    SAME_BOARD = "same-board"  # two names of the bench file lead to one port or agent
    SUPPLY = "supply"  # it cannot be used
    CROSSED_SUPPLIES = "crossed-supplies"
    SHARED_SUPPLY = "shared-supply"  # switching one board affects another
    DEAD_SWITCH = "dead-switch"
    BACK_FED = "back-fed"  # the board has another feed than its supply
    FALSE_READING = "false-reading"
    NO_RETURN = "no-return"  # the board did not come up again


class SwitchState(Word):
    """The result of the power cycle of a board."""

    NONE = "none"  # nothing switches its power
    MANUAL = "manual"  # a person does
    MOCK = "mock"  # the supply is simulated
    NOT_TESTED = "not tested"  # not asked for, or the link could not be watched
    WORKS = "works"
    FAILS = "fails"


class RootState(Word):
    """The state of a board's root file system, which a power cut damages if it is written to."""

    OVERLAY = "overlay"  # what is written stays in memory, and is gone after a power cut
    READ_ONLY = "read-only"
    WRITABLE = "writable"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class BenchFinding:
    """One fault of the bench: its kind, the boards that have it, a sentence, and a remedy."""

    fault: BenchFault
    boards: tuple[str, ...]
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """The agent that answered: the model of its board, the board's own serial number (None if it
    knows none), and the release of the agent."""

    board: str
    arch: str
    serial: str | None
    version: str


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """The measurements of a link. Round trips are those of the shortest request.

    `repeats`: how many requests had to be sent again. `best_baud`: the highest rate at which no
    frame was damaged [bit/s]; None if the line has no rate, or its agent cannot change it.
    `latency_timer_ms`: of an FTDI adapter; None for others."""

    round_trip_median_ms: float
    round_trip_p99_ms: float
    repeats: int
    best_baud: int | None
    latency_timer_ms: int | None


@dataclass(frozen=True, slots=True)
class SupplyFigures:
    """The measurements of a board's supply; None if it does not measure a value, or was not tested.

    `idle_v`, `idle_a`: while the board waits; `off_v`, `off_a`: while it is off [V, A]. `boot_s`:
    from power-on until its agent answers, `hold_up_s`: from power-off until it is silent [s]."""

    state: SwitchState
    supply: str = ""
    idle_v: float | None = None
    idle_a: float | None = None
    off_v: float | None = None
    off_a: float | None = None
    boot_s: float | None = None
    hold_up_s: float | None = None


@dataclass(frozen=True, slots=True)
class BoardReport:
    """One board of the bench file, at the port `place`. `agent` and `link` are None if they are not
    known; `baud` is the rate of its line [bit/s], None if it has none; `root` is the state of its
    root file system, None if the bench file has no `ssh:` for it."""

    board: str
    place: str
    baud: int | None
    agent: AgentFacts | None = None
    link: LinkFigures | None = None
    power: SupplyFigures = SupplyFigures(SwitchState.NONE)
    root: RootState | None = None


@dataclass(frozen=True, slots=True)
class BenchTestReport:
    """The result of a test of the bench file `bench`. `notes` are remarks, not faults;
    `changes` are those of the bench file."""

    bench: str
    boards: tuple[BoardReport, ...]
    findings: tuple[BenchFinding, ...]
    notes: tuple[str, ...]
    changes: tuple[BenchChange, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether no fault was found."""
        return not self.findings

    def findings_of(self, board: str) -> Sequence[BenchFinding]:
        """Return the faults of one board."""
        return [finding for finding in self.findings if board in finding.boards]

    def as_json(self) -> JsonObject:
        """Return the report as the JSON object of `hil bench test --json`."""
        return {"ok": self.ok, **asdict(self)}
