"""The vote on one field of the output, from the bytes of all nodes, and its memory. Pure.

`hil.redundancy.value_rules` has the table of rules."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from hil.redundancy.agreement import Metric, Value, clusters
from hil.redundancy.value_rules import (
    RECORD_FRAMES,
    VALUE_RULES,
    Choice,
    Situation,
    bitwise,
    majority,
)
from hil.scenario.outputs import OutputField
from hil.scenario.voter import FieldVoterConfig, VoterName

__all__ = [
    "FieldBallots",
    "FieldMemory",
    "FieldRule",
    "FieldVote",
    "ValueDecision",
]

_FULL_RECORD: Final = (1 << RECORD_FRAMES) - 1


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


class FieldRule:
    """The rule `config` for one `field`. Immutable: what it keeps is a `FieldMemory`."""

    def __init__(self, field: OutputField, config: FieldVoterConfig) -> None:
        self.field = field
        self.config = config
        self._base = replace(field, offset=0)
        scale = 1 << field.fraction_bits
        tolerance, period = config.tolerance * scale, field.period * scale
        if not field.significant_bits:
            tolerance, period = math.floor(tolerance), round(period)
        self.metric = Metric(tolerance, period, field.significant_bits)
        self._reach = Metric((config.reach or 0.0) * scale, period, field.significant_bits)
        self._choose = VALUE_RULES.get(config.kind)

    @property
    def remembers_value(self) -> bool:
        """Return whether a decision depends on the values of frames before."""
        return self.config.kind in (VoterName.SMOOTHING, VoterName.HELD_MEAN)

    def numbers_of(self, part: bytes) -> Value:
        """Return the numbers in the bytes of the field, with +0.0 for -0.0, and integers without
        the bits that are not compared."""
        numbers = self._base.numbers(part)
        if self.config.ignore_bits and not self.field.significant_bits:
            return tuple(int(number) & ~self.config.ignore_bits for number in numbers)
        return tuple(number + 0 for number in numbers)

    def matches(self, a: bytes, b: bytes) -> bool:
        """Return whether two values of the field are the same to this rule."""
        if a == b:
            return True
        if self._choose is None:
            return False
        return self.metric.agree(self.numbers_of(a), self.numbers_of(b))

    def vote(self, ballots: FieldBallots, memory: FieldMemory) -> FieldVote:
        """Return the vote on the field, by the module's table."""
        counted = {n: p for n, p in ballots.parts.items() if ballots.voters >> n & 1}
        different = set(counted.values())
        if len(different) == 1 and None not in different:
            (same,) = different
            assert same is not None
            agree = self._agreeing(ballots, same)
            everybody = sum(1 << node for node in counted)
            return FieldVote(same, agree, (everybody,), self._after(memory, same, agree, ballots))
        if self._choose is None:
            return self._vote_by_bytes(ballots, counted, memory)
        values = {n: self.numbers_of(p) for n, p in ballots.parts.items() if p is not None}
        voting = {n: v for n, v in values.items() if n in counted}
        choice = self._choose(self._situation(len(counted), memory), voting)
        delivered = None if choice is None else self._encoded(choice, memory)
        if choice is None or delivered is None:
            groups = tuple(clusters(voting, self.metric))
            return FieldVote(None, 0, groups, replace(memory, held=memory.held + 1))
        agree = sum(
            1 << node
            for node, value in values.items()
            if all(self.metric.agree(value, anchor) for anchor in choice.anchors)
        )
        left_out = {node: value for node, value in voting.items() if not agree >> node & 1}
        groups = (agree & ballots.voters, *clusters(left_out, self.metric))
        after = self._after(memory, delivered, agree, ballots)
        return FieldVote(delivered, agree, groups, replace(after, held=choice.held))

    def _situation(self, heard: int, memory: FieldMemory) -> Situation:
        last = None if memory.last is None else self.numbers_of(memory.last)
        return Situation(
            self.metric, self.config, heard, self._reach, last, memory.held, memory.records
        )

    def unanimous(self, ballots: FieldBallots, agree: int, memory: FieldMemory) -> FieldVote:
        """Return the vote on a field whose bytes all voters have alike, and which are not known
        here; the nodes in `agree` have them."""
        after = self._after(memory, memory.last, agree, ballots)
        return FieldVote(None, agree, (agree & ballots.voters,), after)

    def _encoded(self, choice: Choice, memory: FieldMemory) -> bytes | None:
        if choice.held:
            return memory.last
        try:
            return self._base.encode([math.nan if math.isnan(x) else x for x in choice.numbers])
        except (struct.error, OverflowError):  # a mean beyond the range of f32
            return None

    def _agreeing(self, ballots: FieldBallots, delivered: bytes) -> int:
        return sum(
            1 << node
            for node, part in ballots.parts.items()
            if part is not None and self.matches(part, delivered)
        )

    def _after(
        self, memory: FieldMemory, delivered: bytes | None, agree: int, ballots: FieldBallots
    ) -> FieldMemory:
        records = memory.records
        if self.config.kind is VoterName.HISTORY:
            records = tuple(
                (record << 1 | agree >> node & 1) & _FULL_RECORD
                if node in ballots.parts
                else record
                for node, record in enumerate(records)
            )
        return FieldMemory(delivered if self.remembers_value else None, 0, records)

    def first_memory(self, nodes: int) -> FieldMemory:
        """Return the memory before the first frame of a rig with this number of nodes."""
        is_history = self.config.kind is VoterName.HISTORY
        return FieldMemory(records=(_FULL_RECORD,) * nodes if is_history else ())

    # --- by bytes -----------------------------------------------------------------------------

    def _vote_by_bytes(
        self, ballots: FieldBallots, counted: Mapping[int, bytes | None], memory: FieldMemory
    ) -> FieldVote:
        known = {node: part for node, part in counted.items() if part is not None}
        by_bytes = self.config.kind is VoterName.BITWISE
        delivered = (bitwise if by_bytes else majority)(known, len(counted))
        groups: dict[bytes, int] = {}
        for node, part in known.items():
            groups[part] = groups.get(part, 0) | 1 << node
        masks = sorted(groups.items(), key=lambda g: (g[0] != delivered, -g[1].bit_count(), g[0]))
        order = tuple(mask for _, mask in masks)
        if delivered is None:
            return FieldVote(None, 0, order, replace(memory, held=memory.held + 1))
        agree = self._agreeing(ballots, delivered)
        return FieldVote(delivered, agree, order, self._after(memory, delivered, agree, ballots))
