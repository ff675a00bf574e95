"""Timing faults of a whole node: a clock that is wrong, a slow processor, answers that are late."""

from __future__ import annotations

from typing import Annotated, Final, Protocol

from pydantic import Field, model_validator

from hil.scenario.durations import parse_duration_us
from hil.scenario.fields import Float, FrozenModel
from hil.scenario.plant.radiation import Duration
from hil.scenario.problems import Findings, wrong_at
from hil.scenario.words import TimingFault, UpsetTarget

__all__ = ["TimingConfig", "timing_findings"]

_KINDS: Final = "`skew` or `drift_ppm`, `slow_by`, or `late_by`"


class TimingConfig(FrozenModel):
    """The timing fault of a node, for `lasts_frames` frames: one of a clock, a slow processor, or
    late answers. A frame has its own length of time for an answer, in simulated time."""

    skew: Duration | None = Field(
        default=None,
        description="Its clock differs by this from that of the rig, as 40ms: the node takes the "
        "input of another frame, as many frames before as the difference comes to, rounded.",
    )
    drift_ppm: Annotated[Float, Field(ge=0, le=1e6)] = Field(
        default=0.0, description="Its clock drifts: the difference grows by this [us per second]."
    )
    slow_by: Annotated[Float, Field(gt=1, le=1e6)] | None = Field(
        default=None, description="A step takes this many times as long."
    )
    load: Annotated[Float, Field(gt=0, le=1)] = Field(
        default=0.5, description="slow_by: share of a frame that a step takes without the fault."
    )
    late_by: Duration | None = Field(
        default=None, description="Each answer comes this long after the end of its frame, as 1ms."
    )

    @property
    def kind(self) -> TimingFault:
        """Return which of the faults it is."""
        if self.slow_by is not None:
            return TimingFault.SLOW
        return TimingFault.SKEWED if self.late_by is None else TimingFault.LATE

    @property
    def skew_us(self) -> int:
        """Return the difference of its clock at first [us]."""
        return 0 if self.skew is None else parse_duration_us(self.skew)

    @property
    def late_us(self) -> int:
        """Return how long after the end of a frame its answer comes [us]."""
        return 0 if self.late_by is None else parse_duration_us(self.late_by)

    @model_validator(mode="after")
    def _consistent(self) -> TimingConfig:
        findings = Findings()
        clock = self.skew is not None or self.drift_ppm > 0
        stated = [clock, self.slow_by is not None, self.late_by is not None]
        if sum(stated) != 1:
            what = "no fault is stated" if not any(stated) else "several faults are stated"
            findings.add((), f"{what}; expected one of {_KINDS}", "write `timing: {skew: 40ms}`")
        default = type(self).model_fields["load"].default
        if self.load != default and self.slow_by is None:
            findings.add("load", "`load` has a meaning only with `slow_by`", "remove it")
        wrong_at("Timing", findings)
        return self


class _Event(Protocol):
    """The keys of an event that the rules are about."""

    @property
    def target(self) -> UpsetTarget: ...
    @property
    def timing(self) -> TimingConfig | None: ...
    @property
    def execution(self) -> int: ...


def timing_findings(event: _Event) -> Findings:
    """Return the problems of an event that is a timing fault, or should say that it is."""
    findings = Findings()
    if event.target is not UpsetTarget.TIMING:
        if event.timing is not None:
            findings.add(
                "timing",
                f"`timing` has no meaning for target {event.target}; it is for timing",
                "remove it",
            )
    elif event.timing is None:
        findings.add(
            "timing",
            f"target timing needs `timing:`; expected {_KINDS}",
            "add for example `timing: {slow_by: 4}`",
        )
    return findings
