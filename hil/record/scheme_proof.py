"""The proof of a redundancy scheme as values: what becomes of every single upset of a step on every
node, and of every upset of the voter and of recovery (see `hil.campaign.scheme_proof`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.json_values import JsonObject
from hil.upsets.words import UpsetTarget
from hil.word_enum import Word

__all__ = [
    "MAY_END_AS",
    "AnswerCheck",
    "HostFate",
    "HostRow",
    "ProofRow",
    "RunCheck",
    "SchemeFate",
    "SchemeProof",
    "StubbornCheck",
]


class SchemeFate(Word):
    """The fate of an upset of a node in a scheme; the values are words for people.

    `OUTVOTED`: what has shown was outvoted, and the state put right; but the damage is in what else
    the worker keeps, and may show again, each time as one more wrong answer of one node, until
    recovery starts that worker again. `LATENT`: damage of the worker, or of a state that is
    compared with no other, of which nothing has shown in the steps that were followed. `NO_OUTPUT`:
    a frame has none, or the last one again."""

    NO_EFFECT = "no effect"
    CORRECTED = "corrected"
    OUTVOTED = "outvoted"
    RECOVERED = "recovered"
    DEGRADED = "degraded"
    NO_OUTPUT = "no output"
    LATENT = "latent"
    ESCAPED = "escaped"


MAY_END_AS: Final[Mapping[SchemeFate, frozenset[SchemeFate]]] = {
    SchemeFate.OUTVOTED: frozenset({SchemeFate.CORRECTED, SchemeFate.RECOVERED}),
    SchemeFate.LATENT: frozenset({SchemeFate.CORRECTED, SchemeFate.RECOVERED}),
}
"""The ends of an upset, in a run that goes on beyond the steps that were followed, by its fate in
the proof: where that leaves open what comes after."""


class HostFate(Word):
    """The fate of an upset of the voter, of recovery or of the link; the values are words for
    people."""

    HARMLESS = "no lasting effect"
    REPEATED = "sent again"
    NODE_OUT = "a node stays out"
    LOST = "a frame without output"
    STOPS = "the voter stops"
    WRONG = "wrong output"


@dataclass(frozen=True, slots=True)
class ProofRow:
    """The upsets of one target of one node: how many come to what."""

    node: str
    target: UpsetTarget
    fates: Counter[SchemeFate]


@dataclass(frozen=True, slots=True)
class HostRow:
    """One field of the host: `part` is the voter before or after its decision, the same of one of
    three voters, recovery, or the link, of which `bits` has cuts, too.
    `bits`: how many of its bits come to what."""

    part: str
    field: str
    bits: Counter[HostFate]


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """The number of answers of one node that were put to the voter while all others were right, and
    of those with which the right output was delivered, a wrong one, or none."""

    answers: int
    right: int
    wrong: int
    none: int


@dataclass(frozen=True, slots=True)
class StubbornCheck:
    """Every order of answers of one node in some `frames`, whatever is repaired: how many `orders`
    there are, in how many a wrong output left the system, and in how many a frame had none."""

    frames: int
    orders: int
    escaped: int
    lost: int


@dataclass(frozen=True, slots=True)
class RunCheck:
    """Faults drawn at random that were carried out in full runs: how many there were, what those
    came to that did not end as proved, and how many escaped although none should have."""

    runs: int
    differences: tuple[str, ...]
    escapes: int = 0


@dataclass(frozen=True, slots=True)
class SchemeProof:
    """The proof: `rows` by node and target; `answers` of one node that were put to the voter;
    `host`: the upsets of the voter, of recovery and of the link; `runs`: its confirmation;
    `stubborn`: nodes that go on to answer wrongly; `may_repeat`: recovered faults whose damage may
    show again, since no repair has started that worker again."""

    scheme: str
    workload: str
    seed: int
    frame: int
    board: str
    arch: str
    instructions: int
    experiments: int
    rows: tuple[ProofRow, ...]
    answers: AnswerCheck
    host: tuple[HostRow, ...]
    runs: RunCheck = RunCheck(0, ())
    stubborn: StubbornCheck = StubbornCheck(0, 0, 0, 0)
    may_repeat: int = 0

    @property
    def total(self) -> Counter[SchemeFate]:
        """Return how many upsets of all nodes and targets come to what."""
        return sum((row.fates for row in self.rows), Counter())

    @property
    def nodes(self) -> tuple[str, ...]:
        """Return the names of the nodes."""
        return tuple(dict.fromkeys(row.node for row in self.rows))

    @property
    def holds(self) -> bool:
        """Return whether no upset of a node escapes, nor one of those that were carried out in
        runs. Where states are compared, damage that is latent is that of a worker: when it shows,
        it is one more wrong answer of one node: then `stubborn` has no escape, either. A single
        node may have a wrong state, or a damaged worker, for good."""
        open_ = self.total[SchemeFate.LATENT] + self.total[SchemeFate.OUTVOTED]
        unknown = open_ > 0 if len(self.nodes) == 1 else self.stubborn.escaped > 0
        return not (self.total[SchemeFate.ESCAPED] or unknown or self.runs.escapes)

    @property
    def hits_outside_nodes(self) -> Counter[HostFate]:
        """Return how many hits of voter, recovery and link come to what."""
        return sum((row.bits for row in self.host), Counter())

    def as_json(self) -> JsonObject:
        """Return the proof as a JSON object: all counts are exact."""
        total = self.total
        return {
            "scheme": self.scheme,
            "workload": self.workload,
            "seed": self.seed,
            "frame": self.frame,
            "board": self.board,
            "arch": self.arch,
            "instructions": self.instructions,
            "experiments": self.experiments,
            "holds": self.holds,
            "faults": total.total(),
            "fates": {fate.value: total[fate] for fate in SchemeFate},
            "nodes": {
                node: {
                    row.target.value: {fate.value: row.fates[fate] for fate in SchemeFate}
                    for row in self.rows
                    if row.node == node
                }
                for node in self.nodes
            },
            "answers": {
                "all": self.answers.answers,
                "right": self.answers.right,
                "wrong": self.answers.wrong,
                "none": self.answers.none,
            },
            "stubborn": {
                "frames": self.stubborn.frames,
                "orders": self.stubborn.orders,
                "escaped": self.stubborn.escaped,
                "lost": self.stubborn.lost,
            },
            "may_repeat": self.may_repeat,
            "host": [
                {
                    "part": row.part,
                    "field": row.field,
                    **{fate.value: row.bits[fate] for fate in HostFate},
                }
                for row in self.host
            ],
            "runs": {
                "all": self.runs.runs,
                "differences": list(self.runs.differences),
                "escapes": self.runs.escapes,
            },
        }
