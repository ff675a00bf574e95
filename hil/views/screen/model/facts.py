"""The facts of one frame from the record, as plain values: `scene` reads them, `health` judges
them.

None means that the record does not have the value. Times: `*_us` are simulated, `*_wall_us` are
real.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.record.live import State
from hil.record.timeline import Timeline
from hil.record.written_texts import TextSpan
from hil.redundancy.recovery import NodeState
from hil.redundancy.spares import is_stand_by
from hil.views.alarm_limits import Level
from hil.views.correctness import Answered
from hil.views.screen.model.scheme_facts import SchemeFacts
from hil.views.screen.model.verdict_strip import Cell, StripTotals
from hil.views.screen.rules import SchemeRule

__all__ = [
    "EventLine",
    "HitRates",
    "LinkCounts",
    "NodeFacts",
    "NodeReading",
    "Place",
    "PlantNode",
    "PlantReading",
    "Scene",
    "SceneRun",
    "Vote",
]


@dataclass(frozen=True, slots=True)
class SceneRun:
    """The constant properties of a run."""

    name: str = ""
    summary: str = ""
    scheme: str = ""
    workload: str = ""
    seed: int = 0
    pace: str = "free"
    accel: float = 1.0
    voted_accel: float = 1.0
    """The factor on hits of the voted data by radiation, `accel` included."""
    frame_us: int = 10_000
    time: Timeline = field(default_factory=Timeline)
    frames: int = 0
    path: str = ""
    rule: SchemeRule = field(default_factory=SchemeRule)
    anomaly: frozenset[tuple[int, int]] = frozenset()
    """The corners (latitude, longitude) of the anomaly's cells of three degrees, for a run whose
    solar events send protons elsewhere as well; else empty: all protons are the anomaly's."""


@dataclass(frozen=True, slots=True)
class NodeReading:
    """The health report of a board."""

    frame: int
    wall_us: int
    steps: int = 0
    temp_c: float | None = None
    clock_mhz: float | None = None
    flags_now: int = 0  # of the firmware, see hil.wire.throttling
    flags_since_boot: int = 0
    power_w: float | None = None
    rss_mib: float | None = None
    free_mib: float | None = None
    uptime_s: float = 0.0
    crashes: int = 0
    hangs: int = 0
    restarts: int = 0
    corrected: int = 0
    uncorrected: int = 0
    rx_errors: int = 0
    round_trip_ms: float | None = None


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """The host's counters of a link."""

    tx_frames: int = 0
    rx_frames: int = 0
    rx_errors: int = 0
    naks: int = 0
    retries: int = 0
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class HitRates:
    """The radiation on a board now, events per day: `board`: upsets of all of it, and `voted`:
    those of the voted data, both without acceleration; `run`: all that the run injects."""

    board: float
    voted: float
    run: float


@dataclass(frozen=True, slots=True)
class PlantNode:
    """The values of a board in the plant's model."""

    level: str
    duty: float
    power_w: float | None
    die_c: float | None
    throttle: int
    hits: HitRates | None


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The facts of one node. `state`: of its recovery; `began_frame` and `began_cause`: when
    and why it left the vote; `status`: of its result in the frame; `answer`: the
    correctness of its answer; `upset`: the upset that made it wrong, or made it leave the vote."""

    index: int
    name: str
    board: str = ""
    model: str = ""
    port: str = ""
    state: str = "voting"
    began_frame: int | None = None
    began_cause: str = ""
    upset: str = ""
    status: str = "done"
    answer: Answered | None = None
    signal: int = 0
    heard_frame: int | None = None
    reading: NodeReading | None = None
    earlier: NodeReading | None = None
    link: LinkCounts | None = None
    plant: PlantNode | None = None

    @property
    def on_stand_by(self) -> bool:
        """Return whether it is a spare that is off until it is needed."""
        return self.state == NodeState.ISOLATED and is_stand_by(self.began_cause)

    def steps_per_s(self, time: Timeline) -> float | None:
        """Return the steps per simulated second, from the last two reports; real time has no
        meaning in a run that is not paced."""
        now, then = self.reading, self.earlier
        if now is None or then is None or now.steps < then.steps:
            return None
        spent_us = time.t_us(now.frame) - time.t_us(then.frame)
        return (now.steps - then.steps) / spent_us * 1e6 if spent_us > 0 else None


@dataclass(frozen=True, slots=True)
class Vote:
    """The verdict of the frame. Masks have bit i for node i. `held`: the last voted output was
    delivered again; `held_wrong`: that output was wrong. `primary`: the index of the node that
    commands, or, with checkers, whose output was delivered; None in any other scheme, and where
    there is none."""

    kind: str
    delivered: bool
    correct: bool
    voters: int
    agree: int
    dissent: int
    latent: int
    held: bool = False
    held_wrong: bool = False
    primary: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The place of the satellite at a moment."""

    t_us: int
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    altitude_km: float | None = None
    illumination: float | None = None
    flux_per_cm2_s: float | None = None
    saa: bool = False
    contact: str = ""


@dataclass(frozen=True, slots=True)
class GroundReading:
    """The link to the ground: the station in contact (empty: none) and its rate, what waits on
    board, how many items were dropped, and when the newest result on the ground was made."""

    station: str
    rate_bit_s: int
    waiting: int
    waiting_bytes: int
    dropped: int
    newest_us: int


@dataclass(frozen=True, slots=True)
class PlantReading:
    """Power and heat of the satellite."""

    t_us: int
    illumination: float | None = None
    bus_v: float | None = None
    array_w: float | None = None
    load_w: float | None = None
    battery_w: float | None = None
    soc: float | None = None
    stage: int | None = None
    temperatures_c: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event, or `count` equal ones in succession, the last of them in `frame`. `more`: there are
    at least `count`. `key` stays the same while more of them follow. `first`: the frame of the
    first one, if that is shown."""

    frame: int
    level: Level
    kind: str
    node: str
    text: str
    count: int = 1
    more: bool = False
    key: tuple[str, int] = ("", 0)
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """All facts of frame `head`; `last` is the newest frame of the record.

    `writer_ended`: the process of the run has ended, and the run has not. `paused_by`: the user who
    paused the run there (empty: it is not paused). `rate`: frames per real second;
    `speed`: simulated time per real time. `upsets` were injected and read back, `missed` were not;
    `recoveries`: repairs that succeeded. `ending`: the reason of the outcome, if it is not an
    expectation."""

    run: SceneRun
    state: State = State.RUNNING
    reason: str = ""
    outcome: str = "running"
    writer_ended: bool = False
    paused_by: str = ""
    age_s: float | None = None
    rate: float | None = None
    speed: float | None = None
    head: int = -1
    last: int = -1
    vote: Vote | None = None
    nodes: tuple[NodeFacts, ...] = ()
    upsets: int = 0
    missed: int = 0
    recoveries: int = 0
    slips: int = 0
    totals: StripTotals = field(default_factory=StripTotals)
    strip: tuple[Cell, ...] = ()
    zoom: int = 1
    events: tuple[EventLine, ...] = ()
    plant: PlantReading | None = None
    places: tuple[Place, ...] = ()
    plants: tuple[PlantReading, ...] = ()
    ground: GroundReading | None = None
    expectations: tuple[tuple[str, str, str, bool], ...] = ()
    ending: str = ""
    scheme: SchemeFacts = field(default_factory=SchemeFacts)
    texts: TextSpan | None = None
    """What the nodes have written of the passage on view; None for workloads without a text."""

    @property
    def t_us(self) -> int:
        """Return the simulated time of the frame on view [us]."""
        return self.run.time.t_us(self.head)

    @property
    def newest(self) -> bool:
        """Return whether the frame on view is the newest one."""
        return self.head >= self.last

    @property
    def at_end(self) -> bool:
        """Return whether the run has ended and its last frame is on view."""
        return self.state is State.ENDED and self.newest
