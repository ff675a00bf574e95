"""The checkers of a doer: what they compute, and when they refuse its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, model_validator

from hil.scenario.fields import FrozenModel, Int, NonNegative
from hil.scenario.outputs import OutputField, OutputRole, output_fields
from hil.scenario.problems import Findings, did_you_mean, wrong_at
from hil.scenario.words import FRAMES_MAX, WORKLOADS, WorkloadName, word_of
from hil.word_enum import Word

__all__ = ["LEAST_CHECKERS", "CheckersConfig", "Refused", "checker_findings"]

LEAST_CHECKERS: Final = 1
_MOST: Final = 7


class Refused(Word):
    """The output that is delivered in place of a refused result."""

    REDUCED = "reduced"
    NOTHING = "nothing"


RefusedWord = Annotated[Refused, BeforeValidator(word_of(Refused, "rule for refused results"))]


class CheckersConfig(FrozenModel):
    """The checkers of the scheme `doer_checkers`, and their rule."""

    count: Annotated[Int, Field(ge=LEAST_CHECKERS, le=_MOST)] = Field(
        default=2,
        description="Nodes that check the doer, which is the first of the list. One alone can "
        "refuse a result, and has no other that confirms its own.",
    )
    workload: WorkloadName = Field(
        description="What the checkers compute: a workload of hil that takes the same inputs as "
        "`workload`, and whose output has fields of the same name.",
        json_schema_extra={"enum": [*WORKLOADS]},
    )
    bounds: Mapping[str, NonNegative] = Field(
        json_schema_extra={"minProperties": 1},
        description="By field of the output: how far each of the doer's numbers may be from that "
        "of a checker, in the unit of the field. Fields without a bound are not checked.",
    )
    votes: Annotated[Int, Field(ge=1, le=_MOST)] | None = Field(
        default=None,
        description="Checkers that must refuse a result; default: more than half of them. One that "
        "all who answer refuse is refused in any case.",
    )
    after_frames: Annotated[Int, Field(ge=0, le=FRAMES_MAX)] = Field(
        default=0,
        description="Frames at the beginning of a run in which no result is refused: two filters "
        "need time until they agree.",
    )
    refused: RefusedWord = Field(
        default=Refused.REDUCED,
        description="What is delivered in place of a refused result: `reduced`, the output of the "
        "checkers if two of them have the same, or `nothing` (with `unvoted_output: hold`, the "
        "last output again).",
    )

    @property
    def needed_votes(self) -> int:
        """Return the number of checkers that refuse a result."""
        return self.count // 2 + 1 if self.votes is None else self.votes

    @model_validator(mode="after")
    def _consistent(self) -> CheckersConfig:
        findings = Findings()
        if not self.bounds:
            findings.add(
                "bounds", "nothing is compared; expected a field at least", "write {class: 0}"
            )
        if self.needed_votes > self.count:
            findings.add(
                "votes",
                f"{self.votes} checkers are to refuse, and there are {self.count}",
                "lower it, or raise `count`",
            )
        wrong_at("Checkers", findings)
        return self


def checker_findings(
    checkers: CheckersConfig | None, workload: str, fields: tuple[OutputField, ...]
) -> Findings:
    """Return the problems between the checkers of a rig and what its doer computes, of which the
    `fields` are known."""
    findings = Findings()
    place = ("rig", "checkers")
    if checkers is None:
        findings.add(
            place,
            "the scheme doer_checkers needs to know what the checkers compute",
            "write `checkers: {workload: dense-int8, bounds: {class: 0, logits: 0.7}}`, for "
            "example, with `workload: dense-fp32`",
        )
        return findings
    reduced = {field.name: field for field in output_fields(checkers.workload)}
    full = {field.name: field for field in fields}
    if checkers.workload not in WORKLOADS or workload not in WORKLOADS:
        which = checkers.workload if workload in WORKLOADS else workload
        findings.add(
            (*place, "workload"),
            f"`{which}` is not a workload of hil; doer and checkers compute such ones",
            did_you_mean(which, WORKLOADS),
        )
        return findings
    common = [name for name in full if name in reduced and _comparable(full[name], reduced[name])]
    for name, bound in checkers.bounds.items():
        if name not in common:
            has = f"they have {', '.join(common)}" if common else "they have none"
            findings.add(
                (*place, "bounds", name),
                f"the outputs of {workload} and {checkers.workload} have no numbers `{name}` in "
                f"common; {has}",
                did_you_mean(name, common) or "choose other workloads",
            )
        elif bound and full[name].role is OutputRole.CLASS:
            findings.add(
                (*place, "bounds", name), "a class is right or wrong; expected 0", "write 0"
            )
    return findings


def _comparable(full: OutputField, reduced: OutputField) -> bool:
    """Return whether two fields have the same meaning: as many numbers in the same unit."""
    same = (full.count, full.unit, full.period) == (reduced.count, reduced.unit, reduced.period)
    return same and OutputRole.BITS not in (full.role, reduced.role)
