"""The rows of a record as frozen values: what queries give to other rooms."""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from hil.errors import RecordError
from hil.json_values import JsonObject
from hil.rig.power.protocol import PROTECTION_LOST, PROTECTION_WORKS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "RecordedAnomaly",
    "RecordedCommand",
    "RecordedFrame",
    "RecordedHealth",
    "RecordedLimit",
    "RecordedLink",
    "RecordedLinkEvent",
    "RecordedNode",
    "RecordedNote",
    "RecordedOrbit",
    "RecordedPlant",
    "RecordedPlantNode",
    "RecordedRepair",
    "RecordedReply",
    "RecordedSlip",
    "RecordedSupplyEvent",
    "RecordedTransition",
    "RecordedUpset",
    "columns_of",
    "value_of",
    "values_of",
]

T = TypeVar("T")

_DELIVERED: Final = 1
_CORRECT: Final = 2
_STATE_SPLIT: Final = 8
_HELD: Final = 32
_HELD_WRONG: Final = 64
"""Flags of a packed frame (csrc/host/frame_verdict.h)."""


def value_of(kind: type[T], row: sqlite3.Row) -> T:
    """Return a row as a value of `kind`; see `values_of`."""
    return values_of(kind, [row])[0]


def values_of(kind: type[T], rows: Sequence[sqlite3.Row]) -> list[T]:
    """Return the rows of a query as values of `kind`, a dataclass or a NamedTuple, which takes the
    columns that are named as its fields.

    Raises: RecordError if the rows lack a column for which the kind has no default."""
    if not rows:
        return []
    make: Callable[[sqlite3.Row], T] = _maker(cast("Any", kind), tuple(rows[0].keys()))
    try:
        return [make(row) for row in rows]
    except TypeError as error:
        raise RecordError(f"the record lacks a column: {error}") from error


@lru_cache(maxsize=256)
def _maker(kind: type[Any], columns: tuple[str, ...]) -> Callable[[sqlite3.Row], Any]:
    """Return what makes a value of `kind` of a row with these columns: by their places where these
    are the first fields of the kind, for that is several times as fast as by their names."""
    fields_of_kind = _field_names(kind)
    names = tuple(name for name in fields_of_kind if name in columns)
    if names != fields_of_kind[: len(names)]:
        return lambda row: kind(**{name: row[name] for name in names})
    if names == columns:
        return lambda row: kind(*row)
    if len(names) < 2:  # of one place, itemgetter gives no tuple
        return lambda row: kind(*(row[name] for name in names))
    places = operator.itemgetter(*(columns.index(name) for name in names))
    return lambda row: kind(*places(row))


def _field_names(kind: type[Any]) -> tuple[str, ...]:
    if issubclass(kind, tuple):
        return cast("type[NamedTuple]", kind)._fields
    return tuple(field.name for field in fields(kind))


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
        """Return whether an output of this frame left the system."""
        return bool(self.flags & _DELIVERED)

    @property
    def correct(self) -> bool:
        """Return whether the output that left the system is the fault-free one."""
        return bool(self.flags & _CORRECT)

    @property
    def states_ignored(self) -> bool:
        """Return whether the states of nodes whose outputs agree were not compared."""
        split = self.flags & _STATE_SPLIT
        return self.delivered and not split and not self.state.strip("0")

    @property
    def held(self) -> bool:
        """Return whether the output that was voted on last left the system again."""
        return bool(self.flags & _HELD)

    @property
    def held_wrong(self) -> bool:
        """Return whether the held output was wrong in its own frame."""
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
class RecordedReplica:
    """A row of `replicas`: the packed verdict of the replica of the voter at a node, in a frame."""

    frame: int
    node: int
    verdict: bytes


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
    activation: str


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
class RecordedSupplyEvent:
    """A row of `power` that says what a bench supply did, or how it failed."""

    id: int
    frame: int
    node: str
    event: str

    @property
    def protection_lost(self) -> bool:
        """Return whether the board has no over-current protection from now on."""
        return self.event.startswith(PROTECTION_LOST)

    @property
    def protection_works(self) -> bool:
        """Return whether the board has its over-current protection again."""
        return self.event.startswith(PROTECTION_WORKS)


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

    def as_json(self) -> JsonObject:
        """Return what reports say of the node: everything but its index."""
        return {key: value for key, value in asdict(self).items() if key != "idx"}


@dataclass(frozen=True, slots=True)
class RecordedLink:
    """A row of `links`: the counters of a node's link, as they were reported last."""

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


class RecordedHealth(NamedTuple):
    """A row of `health`: what a node reported of itself. A tuple, for there is one for each node
    and second. `rails` is JSON; records of before the last three were kept have none of them."""

    id: int
    frame: int
    node: int
    wall_us: int
    cpu_temp_mc: int | None
    clock_khz: int | None
    throttled: int | None
    rss_kib: int | None
    free_mib: int | None
    uptime_us: int
    steps: int
    crashes: int
    hangs: int
    restarts: int
    corrected: int
    uncorrected: int
    rx_errors: int
    duplicates: int
    rails: str
    round_trip_us: int | None = None
    at_wall_us: int | None = None
    power_mw: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedLimit:
    """A row of `limits`: what a board was asked to obey, and what it did; JSON objects."""

    id: int
    frame: int
    node: str
    cause: str
    asked: str
    applied: str


@dataclass(frozen=True, slots=True)
class RecordedLinkEvent:
    """A row of `link_events`: a link is absent, connecting, connected or lost from now on."""

    id: int
    frame: int
    node: str
    wall_us: int
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordedCommand:
    """A row of `commands`: what an operator asked for, and the answer. `arguments` is a JSON
    object; `frame` is the one before which the command was carried out."""

    id: int
    frame: int
    wall_us: int
    who: str
    uid: int
    pid: int
    command: str
    arguments: str
    ok: int
    answer: str
