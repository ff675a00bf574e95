"""The scenario: the definition of a run, as frozen values that cannot be inconsistent.

Knows keys, ranges and their dependencies; not files, overrides, or the execution of a run. Every
field is final after construction: names that a file may leave out are filled in (`RigConfig.nodes`,
`NodeConfig.board`, `UpsetEventConfig.tick`, ...). Dumping a scenario by alias and validating the
dump gives an equal scenario.

Times have their unit in the name; simulated time is integer microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hil.scenario.alarms import AlarmsConfig
from hil.scenario.c_workload import CWorkloadConfig
from hil.scenario.checkers import checker_findings
from hil.scenario.consistency import (
    checkpoint_findings,
    cold_start_findings,
    execution_findings,
    length_findings,
    offload_findings,
    orbit_scheme_findings,
    plant_findings,
    program_findings,
    receiver_findings,
    upset_findings,
    voter_findings,
)
from hil.scenario.console import ConsoleExpression
from hil.scenario.durations import frame_count_of, frame_us_of, parse_duration_us, parse_pace
from hil.scenario.expect import (
    NONE,
    Expectation,
    UnknownMetricError,
    effective_expectations,
    parse_expectation,
)
from hil.scenario.fields import Float, FrozenModel, Int, Positive
from hil.scenario.offload import OffloadConfig
from hil.scenario.onnx_workload import ONNX_PROGRAM, OnnxWorkloadConfig
from hil.scenario.output_config import declared_fields
from hil.scenario.outputs import OutputField, output_fields
from hil.scenario.plant.flight import PlantConfig
from hil.scenario.problems import Findings, wrong, wrong_at
from hil.scenario.program import ExecConfig
from hil.scenario.recovery import BestInterval, RecoveryConfig
from hil.scenario.rig import RigConfig
from hil.scenario.upsets import UpsetsConfig
from hil.scenario.words import (
    EXEC,
    FRAMES_MAX,
    I63_MAX,
    WORKLOADS,
    BoardKind,
    ScenarioName,
)
from hil.scenario.workload_choice import ONNX_EXEC, WorkloadChoice, is_onnx
from hil.scenario.yaml.messages import describe

__all__ = ["SCHEMA_VERSION", "Scenario", "TimeoutsConfig"]


SCHEMA_VERSION = 1
"""The newest `schema:` that is understood. It grows when an old file would change its meaning."""


class TimeoutsConfig(FrozenModel):
    """The times after which a step counts as hung and a node as lost."""

    calibration_frames: Annotated[Int, Field(ge=4, le=10_000)] = Field(
        default=32, description="Frames before the run in which the CPU time of a step is measured."
    )
    cpu_factor: Annotated[Float, Field(gt=1, le=1e6)] = Field(
        default=50.0,
        description="CPU time limit of a step, as a multiple of its calibrated CPU time.",
    )
    cpu_floor_ms: Annotated[Positive, Field(le=600_000)] = Field(
        default=20.0, description="Lowest CPU time limit of a step."
    )
    lost_after_ms: Annotated[Positive, Field(le=3_600_000)] = Field(
        default=3000.0, description="A node that sends no reply for this time is lost."
    )
    retry_ms: Annotated[Positive, Field(le=3_600_000)] = Field(
        default=250.0, description="A request without an answer is repeated after this time."
    )
    boot_s: Annotated[Positive, Field(le=3_600)] = Field(
        default=60.0,
        description="A board whose power was cycled is waited for no longer than this.",
    )

    @property
    def cpu_floor_us(self) -> int:
        """Return the lowest CPU time limit of a step [us]."""
        return int(self.cpu_floor_ms * 1000)

    @model_validator(mode="after")
    def _consistent(self) -> TimeoutsConfig:
        findings = Findings()
        if self.retry_ms >= self.lost_after_ms:
            findings.add(
                "retry_ms",
                f"{self.retry_ms:g} ms is not below lost_after_ms ({self.lost_after_ms:g} ms): "
                "a node would be lost before it is asked a second time",
                "lower it",
            )
        wrong_at("Timeouts", findings)
        return self


class Scenario(FrozenModel):
    """A run of hil: its workload, rig and length, the faults injected, and its expectations."""

    schema_version: Annotated[Int, Field(ge=1, le=SCHEMA_VERSION)] = Field(
        default=SCHEMA_VERSION, alias="schema", description="Version of this format."
    )
    name: ScenarioName = Field(
        default="scenario", description="1 to 64 of a-z, 0-9 and -; default: the name of the file."
    )
    summary: str = Field(default="", description="What the scenario demonstrates, in a sentence.")
    workload: WorkloadChoice = Field(
        description="What every node computes: a workload of hil, or a C file or an ONNX model of "
        "your own.",
        json_schema_extra={"enum": [*WORKLOADS, EXEC]},
    )
    exec: ExecConfig | None = Field(
        default=None,
        description="With `workload: exec`, and required there: which program. With a model of "
        "your own it is filled in.",
    )
    seed: Annotated[Int, Field(ge=0, le=I63_MAX)] = Field(
        default=1, description="Everything random is drawn from it; the same seed is the same run."
    )
    frames: Annotated[Int, Field(ge=1, le=FRAMES_MAX)] | None = Field(
        default=None, description="Length of the run; either this or `duration`."
    )
    duration: str | None = Field(
        default=None, description="Length of the run in simulated time: 90s, 2h, 7d, 250ms, 1h30m."
    )
    frame_ms: Annotated[Float, Field(ge=0.01, le=60_000)] = Field(
        default=10.0, description="Simulated time from one frame to the next."
    )
    pace: str = Field(
        default="free", description="free (as fast as possible), realtime, or a factor such as 60x."
    )
    rig: RigConfig = Field(default_factory=RigConfig, description="Nodes and redundancy.")
    recovery: RecoveryConfig = Field(
        default=RecoveryConfig(), description="How faulty nodes are repaired."
    )
    timeouts: TimeoutsConfig = Field(
        default=TimeoutsConfig(), description="When a step hangs and a node is lost."
    )
    upsets: UpsetsConfig = Field(
        default=UpsetsConfig(), description="Faults injected into the rig."
    )
    plant: PlantConfig | None = Field(
        default=None, description="Orbit, radiation, power and heat that act on the boards."
    )
    offload: OffloadConfig | None = Field(
        default=None, description="Links to the ground, and what is sent over them."
    )
    alarms: AlarmsConfig | None = Field(
        default=None, description="Limits beyond which a screen raises an alarm."
    )
    console_patterns: tuple[ConsoleExpression, ...] = Field(
        default=(),
        description="Regular expressions for lines that boards print when they fail, besides those "
        "that all runs look for.",
    )
    expect: dict[str, int | float | str] | Literal["none"] = Field(
        default={},
        description='What must be measured to pass: metric and number, ">= 0.999" or 1..5. '
        "Without it: sdc_frames, unresolved and unexplained are 0. `none` expects nothing, and the "
        "outcome is then `untested`.",
    )

    @property
    def workload_name(self) -> str:
        """Return the name of the workload that the boards use."""
        if isinstance(self.workload, CWorkloadConfig):
            return self.workload.name
        if isinstance(self.workload, OnnxWorkloadConfig):
            return f"exec:{ONNX_PROGRAM}"
        return self.workload if self.exec is None else f"exec:{self.exec.program}"

    @property
    def onnx_workload(self) -> OnnxWorkloadConfig | None:
        """Return the ONNX model that is the workload; None if another one is."""
        return self.workload if isinstance(self.workload, OnnxWorkloadConfig) else None

    @property
    def c_workload(self) -> CWorkloadConfig | None:
        """Return the C file that is the workload; None if another one is."""
        return self.workload if isinstance(self.workload, CWorkloadConfig) else None

    @property
    def checkpoint_every(self) -> int:
        """Return the frames between two checkpoints, 0 for none. Time redundancy needs one of the
        state before every step."""
        every = self.recovery.checkpoint_every
        if self.rig.scheme.executions > 1:
            return 1
        if isinstance(every, BestInterval):
            return self.recovery.best_interval(self.frame_us, self.upsets_per_s) or 1
        return every

    @property
    def upsets_per_s(self) -> float:
        """Return the random upsets per second of all nodes together, with acceleration, without
        those of an orbit."""
        nodes = len(self.rig.nodes)
        each = (r.per_s * len(r.nodes or [None] * nodes) for r in self.upsets.rates)
        return self.upsets.accel * sum(each)

    @property
    def output_fields(self) -> tuple[OutputField, ...]:
        """Return the fields of the output; empty if they are not known."""
        own = self.c_workload or self.onnx_workload or self.exec
        return output_fields(self.workload_name) if own is None else declared_fields(own.fields)

    @property
    def frame_us(self) -> int:
        """Return the simulated time between two frames in microseconds."""
        return frame_us_of(self.frame_ms)

    @property
    def frame_count(self) -> int:
        """Return the number of frames of the run, at least 1."""
        return frame_count_of(self.frames, self.duration, self.frame_ms)

    @property
    def pace_factor(self) -> float | None:
        """Return how many times faster than real time the run is; None = as fast as possible."""
        return parse_pace(self.pace)

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """Return the conditions to pass: in the order of the file, then the defaults."""
        return effective_expectations(
            self.expect, len(self.upsets.events), self.upsets.allow_missed
        )

    @property
    def expects_nothing(self) -> bool:
        """Return whether `expect: none` is set: the run tests nothing and cannot pass."""
        return self.expect == NONE

    @property
    def campaign_mode(self) -> str:
        """Describe the effect of `upsets: {one_at_a_time: true}` in this scenario; empty without
        it.

        The figures of such a run are those of single experiments, not of a flight.
        """
        if not self.upsets.one_at_a_time:
            return ""
        waits = "one upset at a time: each waits until the rig has recovered from the one before"
        if self.rig.size > 1:
            return waits
        return f"{waits}; the bench heals the only node from the fault-free run after each"

    @field_validator("frame_ms")
    @classmethod
    def _whole_microseconds(cls, value: float) -> float:
        _as_wrong(frame_us_of, value)
        return value

    @field_validator("duration", "pace", mode="before")
    @classmethod
    def _has_unit(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            unit, example = ("s", "90s or 2h") if info.field_name == "duration" else ("x", "60x")
            raise wrong(
                f"{describe(value)} has no unit; expected text such as {example}",
                f"write {value}{unit}" if value > 0 else "",
            )
        return value

    @field_validator("duration")
    @classmethod
    def _is_duration(cls, value: str | None) -> str | None:
        if value is not None:
            _as_wrong(parse_duration_us, value)
        return value

    @field_validator("pace")
    @classmethod
    def _is_pace(cls, value: str) -> str:
        _as_wrong(parse_pace, value)
        return value

    @field_validator("expect", mode="before")
    @classmethod
    def _are_expectations(cls, value: Any) -> Any:
        if value is None:  # an empty block does not mean `none`
            return {}
        if not isinstance(value, Mapping) and value != NONE:
            raise wrong(
                f"{describe(value)}; expected a mapping of metrics, or `none`",
                "for example `expect: {sdc_frames: 0}`",
            )
        if isinstance(value, Mapping):
            findings = Findings()
            for metric, wanted in value.items():
                try:
                    parse_expectation(metric, wanted)
                except UnknownMetricError as error:
                    at_key = isinstance(metric, str) and error.metric == metric
                    findings.add((metric, "[key]") if at_key else metric, str(error), error.hint)
                except ValueError as error:
                    findings.add(metric, str(error))
            wrong_at("expect", findings)
        return value

    @model_validator(mode="before")
    @classmethod
    def _with_program(cls, data: Any) -> Any:
        """Fill in the program that computes an ONNX model."""
        is_model = isinstance(data, dict) and is_onnx(data.get("workload"))
        return {"exec": dict(ONNX_EXEC), **data} if is_model else data

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        findings = length_findings(self.frames, self.duration, self.frame_ms)
        frame_count = None if findings else self.frame_count
        boards: dict[str, BoardKind | None] = {node.name: node.board for node in self.rig.nodes}
        events = dict(enumerate(self.upsets.events))
        rates = dict(enumerate(self.upsets.rates))
        findings += upset_findings(frame_count, self.frame_us, boards, events, rates)
        findings += execution_findings(self.rig.scheme, events)
        findings += receiver_findings(self.rig, events)
        findings += orbit_scheme_findings(self.rig, self.plant)
        findings += cold_start_findings(self.recovery, self.rig.nodes)
        findings += checkpoint_findings(self.recovery, self.upsets_per_s)
        findings += plant_findings(self.plant, self.rig.nodes, self.upsets, self.frame_ms)
        findings += offload_findings(self.offload, self.plant)
        is_program = self.workload == EXEC or self.onnx_workload is not None
        if self.onnx_workload is not None and self.exec and self.exec.program != ONNX_PROGRAM:
            findings.add(
                ("exec", "program"),
                f"the program of an ONNX model is `{ONNX_PROGRAM}`",
                f"write `program: {ONNX_PROGRAM}`",
            )
        findings += program_findings(is_program, self.exec, self.rig.nodes, self.upsets)
        findings += voter_findings(self.rig.voter, self.rig.scheme, self.output_fields)
        if self.rig.scheme.has_checkers:
            findings += checker_findings(self.rig.checkers, self.workload_name, self.output_fields)
            if self.plant is not None:
                findings.add(
                    ("plant",),
                    "an orbit hits boards by the size of one workload; a doer and its checkers "
                    "have two",
                    "remove it, and write `upsets.rates`, or choose another scheme",
                )
        if self.upsets.allow_missed and "events.missed" in self.expect:
            findings.add(
                ("upsets", "allow_missed"),
                "`expect:` has `events.missed` as well, which says the same",
                "remove one of them",
            )
        wrong_at("Scenario", findings)
        return self


T = TypeVar("T")


def _as_wrong(parse: Callable[[T], object], value: T) -> None:
    try:
        parse(value)
    except ValueError as error:
        raise wrong(str(error)) from None
