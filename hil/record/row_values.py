"""The rows of a record as frozen values: what queries give to other rooms."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hil.errors import RecordError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "RecordedAnomaly",
    "RecordedFrame",
    "RecordedLink",
    "RecordedNode",
    "RecordedNote",
    "RecordedOrbit",
    "RecordedPlant",
    "RecordedPlantNode",
    "RecordedRepair",
    "RecordedReply",
    "RecordedSlip",
    "RecordedTransition",
    "RecordedUpset",
    "columns_of",
    "value_of",
    "values_of",
]

T = TypeVar("T")

_DELIVERED: Final = 1
_HELD: Final = 32
_HELD_WRONG: Final = 64
"""Flags of a packed frame (csrc/host/frame_verdict.h)."""


def value_of(kind: type[T], row: sqlite3.Row | Mapping[str, Any]) -> T:
    """Return a row as a value of `kind`, which takes the columns that are named as its fields.

    Raises RecordError if the row lacks a column for which the kind has no default."""
    there = set(row.keys())
    names = [field.name for field in fields(kind) if field.name in there]  # type: ignore[arg-type]
    try:
        return kind(**{name: row[name] for name in names})
    except TypeError as error:
        raise RecordError(f"the record lacks a column: {error}") from error


def values_of(kind: type[T], rows: Iterable[sqlite3.Row]) -> list[T]:
    """Return rows as values of `kind`; see `value_of`."""
    return [value_of(kind, row) for row in rows]


def columns_of(value: DataclassInstance) -> tuple[Any, ...]:
    """Return the row of a value whose fields are all the columns of its table, in order."""
    return tuple(getattr(value, field.name) for field in fields(value))


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """A row of `frames`: a frame that is more than plain agreement. Digests are hex text."""

    frame: int
    t_us: int
    verdict: str
    voters: int
    agree: int
    dissent: int
    latent: int
    flags: int
    output: str
    state: str
    golden_output: str
    golden_state: str
    value: bytes | None

    @property
    def delivered(self) -> bool:
        """Whether an output of this frame left the system."""
        return bool(self.flags & _DELIVERED)

    @property
    def correct(self) -> bool:
        """Whether the output that left the system is the fault-free one."""
        return self.delivered and self.output == self.golden_output

    @property
    def held(self) -> bool:
        """Whether the output that was voted on last left the system again."""
        return bool(self.flags & _HELD)

    @property
    def held_wrong(self) -> bool:
        """Whether the held output was wrong in its own frame."""
        return bool(self.flags & _HELD_WRONG)


@dataclass(frozen=True, slots=True)
class RecordedReply:
    """A row of `replies`: what a node answered in an execution of a frame. `output`, `ticks` and
    `cpu_us` are empty where a query leaves them out."""

    frame: int
    node: int
    execution: int
    status: str
    signal: int
    reason: str
    output_digest: str
    state_digest: str
    output: bytes = b""
    ticks: int = 0
    cpu_us: int = 0


@dataclass(frozen=True, slots=True)
class RecordedUpset:
    """A row of `upsets`."""

    id: int
    frame: int
    node: str
    target: str
    kind: str
    source: str
    state: str
    detail: str
    verified: int
    changed: int
    persisted: int
    planned_tick: int
    planned_steps: int
    planned_us: int | None
    tick: int
    steps: int
    at_us: int
    pc_offset: int | None
    bit: int
    space: int
    before: bytes
    after: bytes
    effect: str
    signal: int
    outcome: str
    shared: int
    dormant: int
    detected_frame: int | None
    resolved_frame: int | None


@dataclass(frozen=True, slots=True)
class RecordedTransition:
    """A row of `transitions`: a node went from one state of recovery to another."""

    id: int
    frame: int
    node: str
    before: str
    after: str
    cause: str
    wall_us: int


@dataclass(frozen=True, slots=True)
class RecordedRepair:
    """A row of `repairs`: an attempt to repair a node."""

    id: int
    frame: int
    node: str
    action: str
    cause: str
    ok: int
    detail: str
    chunks: int
    bytes_moved: int
    duration_wall_us: int


@dataclass(frozen=True, slots=True)
class RecordedAnomaly:
    """A row of `anomalies`: a symptom that no upset explains."""

    id: int
    frame: int
    node: str
    effect: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordedSlip:
    """A row of `slips`: a frame, or one node, was late by real time."""

    id: int
    frame: int
    node: str | None
    late_wall_us: int
    detail: str


@dataclass(frozen=True, slots=True)
class RecordedNote:
    """A row of `notes`: what a reader of the run should know."""

    id: int
    frame: int | None
    wall_us: int
    text: str


@dataclass(frozen=True, slots=True)
class RecordedNode:
    """A row of `nodes`: who a node is, as it said when it was greeted last."""

    idx: int
    name: str
    board: str
    port: str | None = None
    arch: str | None = None
    model: str | None = None
    serial: str | None = None
    agent_version: str | None = None
    cores: int | None = None
    memory_mib: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what reports say of the node: everything but its index."""
        return {key: value for key, value in asdict(self).items() if key != "idx"}


@dataclass(frozen=True, slots=True)
class RecordedLink:
    """A row of `links`: the counters of a node's link, as they were told last."""

    node: int
    tx_frames: int
    tx_bytes: int
    rx_frames: int
    rx_bytes: int
    rx_errors: int
    naks: int
    retries: int
    stale: int
    reconnects: int
    chatter_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RecordedOrbit:
    """A row of `orbit`: where the satellite is at `t_us`. None where that is not known; `contact`:
    the ground stations in sight, by name, with commas between them."""

    t_us: int
    latitude_deg: float | None
    longitude_deg: float | None
    altitude_km: float | None
    illumination: float | None
    beta_deg: float | None
    flux_per_cm2_s: float | None
    saa: int | None
    contact: str


@dataclass(frozen=True, slots=True)
class RecordedPlant:
    """A row of `plant`: a moment of the plant, before `frame`. None for what is not modelled;
    `temperatures_c` is a JSON object of all thermal nodes."""

    t_us: int
    frame: int
    illumination: float | None
    flux_per_cm2_s: float | None
    bus_v: float | None
    array_w: float | None
    load_w: float | None
    battery_w: float | None
    soc: float | None
    stage: int | None
    temperatures_c: str


@dataclass(frozen=True, slots=True)
class RecordedPlantNode:
    """A row of `plant_nodes`: the board of a node in a moment of the plant. `upsets_per_day` is a
    JSON object by kind, with acceleration."""

    t_us: int
    node: str
    level: str
    duty: float
    power_w: float | None
    die_c: float | None
    throttle: int
    steps_per_s: float | None
    upsets_per_day: str
