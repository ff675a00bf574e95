"""The vote on one field of the output, from the bytes of all nodes, and its memory. Pure.

The decision is made in C: csrc/host/value_choice.h has the table of rules, value_metric.h when
numbers agree, value_cluster.h the clusters of those that do. This module converts its values to
Python."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from hil._kernel import ffi, lib
from hil.kernel import check
from hil.scenario.outputs import NUMBER_TYPES, OutputField
from hil.scenario.voter import FieldVoterConfig, VoterName

__all__ = [
    "RECORD_FRAMES",
    "FieldBallots",
    "FieldMemory",
    "FieldRule",
    "FieldVote",
    "ValueDecision",
    "field_vote_of",
    "members",
    "store_memory",
]

RECORD_FRAMES: Final[int] = lib.VALUE_RECORD_FRAMES
"""[frame] The length of a node's record of agreement."""

PERIOD_MAX: Final = 1 << 63
"""The longest period of an integer, in its own numbers."""

_MAX_NODES: Final[int] = lib.VOTE_MAX_NODES
_KINDS: Final = {
    VoterName.EXACT: lib.VALUE_EXACT,
    VoterName.BITWISE: lib.VALUE_BITWISE,
    VoterName.PLURALITY: lib.VALUE_PLURALITY,
    VoterName.TOLERANCE: lib.VALUE_TOLERANCE,
    VoterName.MID_VALUE: lib.VALUE_MID_VALUE,
    VoterName.GENERALISED_MEDIAN: lib.VALUE_GENERALISED_MEDIAN,
    VoterName.HISTORY: lib.VALUE_HISTORY,
    VoterName.SMOOTHING: lib.VALUE_SMOOTHING,
    VoterName.HELD_MEAN: lib.VALUE_HELD_MEAN,
}
_WHOLE: Final = struct.Struct("<BBBxIIIQQQQ")
_REAL: Final = struct.Struct("<BBBxIIIQddd")
_UNBOUNDED: Final = (1 << 64) - 1  # no two integers of 64 bits are farther apart
_REAL_MAX: Final = math.ldexp(1.0 - 2.0**-53, 1024)


def members(mask: int) -> list[int]:
    """Return the positions of the bits that are set in a mask of nodes."""
    return [node for node in range(mask.bit_length()) if mask >> node & 1]


@dataclass(frozen=True, slots=True)
class FieldMemory:
    """The memory of a field between two frames: its last delivered bytes (None before the first),
    the consecutive frames for which they have been held, and of each node the record of its
    agreement, a bit per frame, the newest lowest."""

    last: bytes | None = None
    held: int = 0
    records: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldBallots:
    """The bytes of one field: of all nodes that were heard, by node (None: missing); `voters` is
    the mask of those that count."""

    parts: Mapping[int, bytes | None]
    voters: int


@dataclass(frozen=True, slots=True)
class FieldVote:
    """The vote on a field: the delivered bytes (None if it is undecided), the mask of the nodes
    that agree, the voters as masks, those that agree first and then clusters of those that were
    left out, and the memory after the frame."""

    delivered: bytes | None
    agree: int
    clusters: tuple[int, ...]
    memory: FieldMemory

    @property
    def held(self) -> bool:
        """Return whether the last value was delivered again."""
        return self.delivered is not None and self.memory.held > 0


@dataclass(frozen=True, slots=True)
class ValueDecision:
    """The votes on all fields of a frame: the delivered output (None: it is undecided, or all
    voters have it alike and its bytes are not known here), its digest (0: undecided), and the mask
    of the nodes that agree in every field."""

    fields: tuple[FieldVote, ...]
    output: bytes | None
    digest: int
    agree: int

    @property
    def decided(self) -> bool:
        """Return whether all fields are decided."""
        return bool(self.digest)


def store_memory(memory: FieldMemory, to: Any) -> None:
    """Write a memory to a `hil_field_memory_t`, without its last bytes."""
    to.held = memory.held
    to.has_last = memory.last is not None
    for node, record in enumerate(memory.records):
        to.record[node] = record


def field_vote_of(vote: Any, delivered: bytes, before: FieldMemory) -> FieldVote:
    """Return a `hil_field_vote_t` in Python; `delivered` are the bytes that it wrote, `before` is
    the memory that it began with."""
    after, decided, records = vote.after, vote.decided, before.records
    last = None
    if after.has_last:
        last = delivered if decided else before.last
    if records:
        records = tuple(after.record[0 : len(records)])
    return FieldVote(
        delivered if decided else None,
        vote.agree,
        tuple(vote.cluster[0 : vote.clusters]),
        FieldMemory(last, after.held, records),
    )


class FieldRule:
    """The rule `config` for one `field`. Immutable: what it keeps is a `FieldMemory`. Thread-safe.

    `packed` is the rule as csrc/host/value_rule.h has it."""

    def __init__(self, field: OutputField, config: FieldVoterConfig) -> None:
        self.field = field
        self.config = config
        self.packed = _packed(field, config)
        self._base = replace(field, offset=0)
        self._rule = ffi.new("hil_value_rule_t *")
        length = len(self.packed)
        check(lib.value_rule_unpack(self._rule, self.packed, length), "value_rule_unpack")

    @property
    def remembers_value(self) -> bool:
        """Return whether a decision depends on the values of frames before."""
        return self.config.kind in (VoterName.SMOOTHING, VoterName.HELD_MEAN)

    def matches(self, a: bytes, b: bytes) -> bool:
        """Return whether two values of the field are the same to this rule."""
        if not len(a) == len(b) == self.field.length:
            return a == b
        return bool(lib.value_field_matches(self._rule, a, b))

    def vote(self, ballots: FieldBallots, memory: FieldMemory) -> FieldVote:
        """Return the vote on the field, by the table of csrc/host/value_choice.h. Bytes of another
        length than the field's are no value."""
        length = self.field.length
        own, parts = self._ballots(ballots.parts)
        own.voters = ballots.voters & own.heard
        before = ffi.new("hil_field_memory_t *")
        if memory.last is not None and len(memory.last) != length:
            memory = replace(memory, last=None)
        store_memory(memory, before)
        last = ffi.NULL if memory.last is None else ffi.from_buffer(memory.last)
        scratch = ffi.new("uint64_t[]", 2 * self.field.count)
        delivered = ffi.new("uint8_t[]", length)
        out = ffi.new("hil_field_vote_t *")
        check(
            lib.value_field_vote(self._rule, own, before, last, scratch, delivered, out),
            "value_field_vote",
        )
        del parts  # until here the ballots point to them
        return field_vote_of(out, ffi.buffer(delivered, length)[:], memory)

    def clusters(self, parts: Mapping[int, bytes]) -> list[int]:
        """Return all clusters of the values of some nodes, as masks: the winning one, then those of
        the nodes that are left."""
        own, kept = self._ballots(parts)
        known = sum(1 << node for node in range(_MAX_NODES) if own.part[node])
        out = ffi.new("uint8_t[]", _MAX_NODES)
        count = lib.value_clusters(self._rule, own.part, known, out)
        del kept  # until here the ballots point to them
        return list(out[0:count])

    def distances(self, a: bytes, b: bytes) -> list[float]:
        """Return the distance of each two numbers of two values, in the unit of the field: 0 for
        equal ones and for two NaN, infinity between NaN or an infinity and anything else. None for
        bytes of another length than the field's."""
        key, out = lib.value_key, list[float]()
        if not len(a) == len(b) == self.field.length:
            return out
        for place in range(self.field.count):
            keys = (key(self._rule, a, place), key(self._rule, b, place))
            distance = lib.value_distance(self._rule, *keys)
            if self.field.significant_bits:
                (distance,) = struct.unpack("<d", struct.pack("<Q", distance))
            scale = 1 << self.field.fraction_bits
            out.append(distance / scale if scale > 1 else distance)
        return out

    def length_between(self, a: bytes, b: bytes) -> float:
        """Return the Euclidean distance of two values, in numbers as they are stored. Raises:
        ValueError for bytes of another length than the field's."""
        if not len(a) == len(b) == self.field.length:
            raise ValueError(f"{len(a)} and {len(b)} bytes of a field of {self.field.length}")
        return float(lib.value_length(self._rule, a, b))

    def first_memory(self, nodes: int) -> FieldMemory:
        """Return the memory before the first frame of a rig with this number of nodes."""
        first = lib.value_first_memory(self._rule)
        is_history = self.config.kind is VoterName.HISTORY
        return FieldMemory(records=tuple(first.record[0:nodes]) if is_history else ())

    def _ballots(self, parts: Mapping[int, bytes | None]) -> tuple[Any, list[Any]]:
        """Return the bytes of nodes for C, and what must outlive them."""
        own, kept = ffi.new("hil_field_ballots_t *"), list[Any]()
        for node, part in parts.items():
            own.heard |= 1 << node
            if part is not None and len(part) == self.field.length:
                kept.append(ffi.from_buffer(part))
                own.part[node] = ffi.cast("uint8_t *", kept[-1])
        return own, kept


def _packed(field: OutputField, config: FieldVoterConfig) -> bytes:
    scale = 1 << field.fraction_bits
    tolerance, reach, period = (
        abs(size) * scale for size in (config.tolerance, config.reach or 0.0, field.period)
    )
    of_field = (
        _KINDS[config.kind],
        NUMBER_TYPES.index(field.type),
        config.quorum,
        field.offset,
        field.count,
        config.hold_frames,
        0 if field.significant_bits else config.ignore_bits,
    )
    if field.significant_bits:
        return _REAL.pack(*of_field, tolerance, reach, period)
    whole = (min(math.floor(min(size, _REAL_MAX)), _UNBOUNDED) for size in (tolerance, reach))
    return _WHOLE.pack(*of_field, *whole, min(round(min(period, _REAL_MAX)), PERIOD_MAX))
