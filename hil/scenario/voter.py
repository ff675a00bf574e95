"""The voter of a rig: how the delivered output follows from the outputs of the nodes.

csrc/host/value_choice.h has the rules, `hil.redundancy.value_vote` what becomes of a whole output.
The exact majority is the default: it compares digests, and knows no values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, model_validator

from hil.scenario.fields import FrozenModel, Int, NonNegative
from hil.scenario.problems import Findings, wrong_at
from hil.scenario.words import word_of
from hil.word_enum import Word

__all__ = ["FieldVoterConfig", "StateVote", "VoterConfig", "VoterName"]

_HOLD_FRAMES_MAX: Final = 1_000_000


class VoterName(Word):
    """The rule by which a field of the output is decided."""

    EXACT = "exact"  # more than half of the nodes have the same bytes
    BITWISE = "bitwise"  # each bit by its majority: can be a value that no node has
    PLURALITY = "plurality"  # the only largest cluster, of at least `quorum` nodes
    TOLERANCE = "tolerance"  # a cluster of more than half of the nodes
    MID_VALUE = "mid_value"  # the middle one of all values
    GENERALISED_MEDIAN = "generalised_median"  # the same for vectors
    HISTORY = "history"  # an average, weighted by how often each node agreed before
    SMOOTHING = "smoothing"  # tolerance; without a cluster, the value nearest to the last one
    HELD_MEAN = "held_mean"  # the mean of two nodes, held for a while where one of them spikes


class StateVote(Word):
    """The vote on the states of the nodes."""

    EXACT = "exact"
    IGNORE = "ignore"


VoterWord = Annotated[VoterName, BeforeValidator(word_of(VoterName, "voter"))]
StateVoteWord = Annotated[StateVote, BeforeValidator(word_of(StateVote, "state vote"))]

_NEEDS_REACH: Final = frozenset({VoterName.SMOOTHING})
_MAY_HOLD: Final = frozenset({VoterName.SMOOTHING, VoterName.HELD_MEAN})
_BY_BYTES: Final = frozenset({VoterName.EXACT, VoterName.BITWISE})


class FieldVoterConfig(FrozenModel):
    """The rule of one field. In a file, the name of a voter alone is enough."""

    kind: VoterWord = Field(
        default=VoterName.EXACT,
        description="exact, bitwise, plurality, tolerance, mid_value, generalised_median, history, "
        "smoothing or held_mean.",
    )
    tolerance: NonNegative = Field(
        default=0.0,
        description="Two values agree if they differ by no more, in the unit of the field.",
    )
    ignore_bits: Annotated[Int, Field(ge=0, le=2**63 - 1)] = Field(
        default=0,
        description="Mask of the bits of an integer that are not compared, as the number that has "
        "them; they are 0 in a delivered value, unless all nodes have identical bytes.",
    )
    quorum: Annotated[Int, Field(ge=1, le=7)] = Field(
        default=2,
        description="plurality: the least number of nodes that agree; all that answered, if they "
        "are fewer.",
    )
    reach: NonNegative | None = Field(
        default=None,
        description="smoothing, and required there: how far a value may be from the last delivered "
        "one, if no cluster has a majority.",
    )
    hold_frames: Annotated[Int, Field(ge=0, le=_HOLD_FRAMES_MAX)] = Field(
        default=0,
        description="smoothing, held_mean: consecutive frames for which the last value is held.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_is_enough(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> FieldVoterConfig:
        wrong_at("voter", self._findings())
        return self

    def _findings(self) -> Findings:
        findings = Findings()
        kind = self.kind
        if kind in _BY_BYTES and self.tolerance:
            findings.add(
                "tolerance", f"the voter `{kind}` compares bytes", "remove it, or choose another"
            )
        if kind in _BY_BYTES and self.ignore_bits:
            findings.add(
                "ignore_bits", f"the voter `{kind}` compares bytes", "remove it, or choose another"
            )
        if kind in _NEEDS_REACH and self.reach is None:
            findings.add("reach", f"the voter `{kind}` needs it", "write `reach: 0.1`, for example")
        if kind not in _NEEDS_REACH and self.reach is not None:
            findings.add("reach", f"the voter `{kind}` does not use it", "remove it")
        if kind not in _MAY_HOLD and self.hold_frames:
            findings.add("hold_frames", f"the voter `{kind}` holds no value", "remove it")
        if kind is not VoterName.PLURALITY and self.quorum != 2:
            findings.add("quorum", f"the voter `{kind}` has no quorum to choose", "remove it")
        return findings


class VoterConfig(FieldVoterConfig):
    """The voter of the rig: the rule of all fields but those that have their own."""

    fields: Mapping[str, FieldVoterConfig] = Field(
        default={}, description="The rule of single fields of the output, by their names."
    )
    state: StateVoteWord = Field(
        default=StateVote.EXACT,
        description="exact: the states of nodes that agree are voted on by their digests; ignore: "
        "they may differ, as on boards whose floating-point numbers differ.",
    )

    @property
    def is_exact(self) -> bool:
        """Return whether this is the exact majority of whole outputs and states."""
        own = any(field.kind is not VoterName.EXACT for field in self.fields.values())
        return self.kind is VoterName.EXACT and not own and self.state is StateVote.EXACT

    def of_field(self, name: str) -> FieldVoterConfig:
        """Return the rule of the field `name`."""
        return self.fields.get(name, self)
