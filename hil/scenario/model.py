"""The scenario: what a run does, as frozen values that cannot be inconsistent.

Knows keys, ranges and how they depend on each other; not files, not overrides, not how a run is
executed. Every field is final after construction: names that a file may leave out are filled in
(`Rig.nodes`, `Node.board`, `Event.tick`, ...). Dumping a scenario by alias and validating the
dump gives an equal scenario.

Times have their unit in the name; simulated time is integer microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hil.scenario.alarms import AlarmsConfig
from hil.scenario.durations import parse_duration_us, parse_pace
from hil.scenario.expect import (
    NONE,
    Expectation,
    UnknownMetricError,
    effective_expectations,
    parse_expectation,
)
from hil.scenario.fields import Float, FrozenModel, Int, Positive
from hil.scenario.plant.flight import PlantConfig
from hil.scenario.problems import Findings, did_you_mean, wrong, wrong_at
from hil.scenario.rig import ExecConfig, RigConfig
from hil.scenario.upsets import UpsetEventConfig, UpsetRateConfig, UpsetsConfig
from hil.scenario.words import (
    EXEC,
    FRAMES_MAX,
    I63_MAX,
    PROCESS_TARGETS,
    WORKLOADS,
    Attempts,
    BoardAction,
    BoardKind,
    ScenarioName,
    UpsetTarget,
    WorkloadName,
)
from hil.scenario.yaml.document import KeyPath
from hil.scenario.yaml.messages import describe

__all__ = ["SCHEMA_VERSION", "RecoveryConfig", "Scenario", "TimeoutsConfig"]

SCHEMA_VERSION = 1
"""The newest `schema:` that is understood. It grows when an old file would change its meaning."""


class RecoveryConfig(FrozenModel):
    """How a faulty node is healed: rung by rung, the next when one was tried often enough."""

    resyncs: Attempts = Field(
        default=2,
        description="Attempts to send the voted state, within the window; 0 skips the rung.",
    )
    restarts: Attempts = Field(
        default=2, description="Attempts to restart the worker process, within the window; 0 skips."
    )
    resets: Attempts = Field(
        default=1, description="Attempts to reset the board, within the window; 0 skips the rung."
    )
    power_cycles: Attempts = Field(
        default=1,
        description="Attempts to switch the board off and on, within the window; 0 skips.",
    )
    window_frames: Annotated[Int, Field(ge=1, le=FRAMES_MAX)] = Field(
        default=20, description="Attempts older than this many frames are forgotten."
    )
    reintegrate_frames: Annotated[Int, Field(ge=1, le=1_000_000)] = Field(
        default=3,
        description="Frames in a row that a healed node must agree before its vote counts.",
    )
    checkpoint_every: Attempts = Field(
        default=16,
        description="Frames between two checkpoints of the state on the boards; 0 = never.",
    )
    rollbacks: Attempts = Field(
        default=1,
        description="Attempts to go back to the checkpoint when there is no majority; 0 = never: "
        "two nodes whose states differ then stay without an output.",
    )
    scrub_words: Attempts = Field(
        default=64,
        description="Words of the checkpoint that are checked and corrected in every frame.",
    )


class TimeoutsConfig(FrozenModel):
    """When a step is called hung and a node lost."""

    calibration_frames: Annotated[Int, Field(ge=4, le=10_000)] = Field(
        default=32, description="Frames before the run in which the CPU time of a step is measured."
    )
    cpu_factor: Annotated[Float, Field(gt=1, le=1e6)] = Field(
        default=50.0, description="A step may use this many times its calibrated CPU time."
    )
    cpu_floor_ms: Annotated[Positive, Field(le=600_000)] = Field(
        default=20.0, description="A step may use at least this much CPU time."
    )
    lost_after_ms: Annotated[Positive, Field(le=3_600_000)] = Field(
        default=3000.0, description="A node that is silent for so long is lost."
    )
    retry_ms: Annotated[Positive, Field(le=3_600_000)] = Field(
        default=250.0, description="A request without an answer is repeated after this time."
    )

    @model_validator(mode="after")
    def _consistent(self) -> TimeoutsConfig:
        found = Findings()
        if self.retry_ms >= self.lost_after_ms:
            found.add(
                "retry_ms",
                f"{self.retry_ms:g} ms is not below lost_after_ms ({self.lost_after_ms:g} ms): "
                "a node would be lost before it is asked a second time",
                "lower it",
            )
        wrong_at("Timeouts", found)
        return self


class Scenario(FrozenModel):
    """A run of hil: what is computed, on what, how long, what hits it, what is expected."""

    schema_version: Annotated[Int, Field(ge=1, le=SCHEMA_VERSION)] = Field(
        default=SCHEMA_VERSION, alias="schema", description="Version of this format."
    )
    name: ScenarioName = Field(
        default="scenario", description="1 to 64 of a-z, 0-9 and -; default: the name of the file."
    )
    summary: str = Field(default="", description="What it shows, in a sentence.")
    workload: WorkloadName = Field(
        description="What every node computes.", json_schema_extra={"enum": [*WORKLOADS, EXEC]}
    )
    exec: ExecConfig | None = Field(
        default=None, description="With `workload: exec`, and required there: which program."
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
        default=RecoveryConfig(), description="How faulty nodes are healed."
    )
    timeouts: TimeoutsConfig = Field(
        default=TimeoutsConfig(), description="When a step hangs and a node is lost."
    )
    upsets: UpsetsConfig = Field(default=UpsetsConfig(), description="What hits the rig.")
    plant: PlantConfig | None = Field(
        default=None, description="Orbit, radiation, power and heat that act on the boards."
    )
    alarms: AlarmsConfig | None = Field(
        default=None, description="Limits beyond which a screen raises an alarm."
    )
    expect: dict[str, int | float | str] | Literal["none"] = Field(
        default={},
        description='What must be measured to pass: metric and number, ">= 0.999" or 1..5. '
        "Without it: sdc_frames, unresolved and unexplained are 0. `none` expects nothing, and the "
        "outcome is then `untested`.",
    )

    @property
    def workload_name(self) -> str:
        """What the boards call the workload."""
        return self.workload if self.exec is None else f"exec:{self.exec.program}"

    @property
    def frame_us(self) -> int:
        """Simulated time from one frame to the next, in microseconds."""
        return frame_us_of(self.frame_ms)

    @property
    def frame_count(self) -> int:
        """Number of frames of the run, at least 1."""
        return frame_count_of(self.frames, self.duration, self.frame_ms)

    @property
    def pace_factor(self) -> float | None:
        """How many times faster than real time; None = as fast as possible."""
        return parse_pace(self.pace)

    @property
    def expectations(self) -> tuple[Expectation, ...]:
        """What must have been measured to pass: in the order of the file, then the defaults."""
        return effective_expectations(
            self.expect, len(self.upsets.events), self.upsets.allow_missed
        )

    @property
    def expects_nothing(self) -> bool:
        """`expect: none`: the run tests nothing, and cannot pass."""
        return self.expect == NONE

    @property
    def campaign_mode(self) -> str:
        """What `upsets: {one_at_a_time: true}` does in this scenario, in words; empty without it.
        The figures of such a run are those of single experiments, not of a flight."""
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
        if value is None:  # an empty block is no decision to expect nothing
            return {}
        if not isinstance(value, Mapping) and value != NONE:
            raise wrong(
                f"{describe(value)}; expected a mapping of metrics, or `none`",
                "for example `expect: {sdc_frames: 0}`",
            )
        if isinstance(value, Mapping):
            found = Findings()
            for metric, wanted in value.items():
                try:
                    parse_expectation(metric, wanted)
                except UnknownMetricError as error:
                    at_key = isinstance(metric, str) and error.metric == metric
                    found.add((metric, "[key]") if at_key else metric, str(error), error.hint)
                except ValueError as error:
                    found.add(metric, str(error))
            wrong_at("expect", found)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        found = length_findings(self.frames, self.duration, self.frame_ms)
        frame_count = None if found else self.frame_count
        boards: dict[str, BoardKind | None] = {node.name: node.board for node in self.rig.nodes}
        events = dict(enumerate(self.upsets.events))
        rates = dict(enumerate(self.upsets.rates))
        found += upset_findings(frame_count, self.frame_us, boards, events, rates)
        found += self._plant_findings()
        found += self._program_findings()
        if self.upsets.allow_missed and "events.missed" in self.expect:
            found.add(
                ("upsets", "allow_missed"),
                "`expect:` has `events.missed` as well, which says the same",
                "remove one of them",
            )
        wrong_at("Scenario", found)
        return self

    def _program_findings(self) -> Findings:
        """What does not fit between a program as workload and the rest."""
        found = Findings()
        if (self.exec is None) == (self.workload == EXEC):
            found.add(
                "exec",
                "the workload `exec` needs to know which program; expected {program: NAME}"
                if self.exec is None
                else f"workload {self.workload} is no program",
                "" if self.exec is None else "remove `exec:`, or write `workload: exec`",
            )
        if self.exec is None:
            return found
        for index, node in enumerate(self.rig.nodes):
            if node.board is BoardKind.INPROC:
                found.add(
                    ("rig", "nodes", index, "board"),
                    f"node {node.name} is an inproc board, which cannot run programs",
                    "use `process`",
                )
        for index, event in enumerate(self.upsets.events):
            if event.target in PROCESS_TARGETS:
                found.add(
                    ("upsets", "events", index, "target"),
                    f"target {event.target} is inside the program, where nobody can hit it",
                    "use state, input, output, cpu or link",
                )
        for index, rate in enumerate(self.upsets.rates):
            for position, target in enumerate(rate.targets):
                if target in PROCESS_TARGETS:
                    found.add(
                        ("upsets", "rates", index, "targets", position),
                        f"target {target} is inside the program, where nobody can hit it",
                        "use state, input, output or link",
                    )
        return found

    def _plant_findings(self) -> Findings:
        """What does not fit between the plant and the rest."""
        found = Findings()
        if self.plant is None:
            for index, event in enumerate(self.upsets.events):
                if event.action is BoardAction.LATCH_UP:
                    found.add(
                        ("upsets", "events", index, "action"),
                        "a latch-up draws current from a power system, but there is no plant",
                        "add `plant:`, or use `action: power_loss`",
                    )
            return found
        inproc = [n.name for n in self.rig.nodes if n.board is BoardKind.INPROC]
        for position, target in enumerate(self.upsets.orbit.targets):
            if inproc and target in PROCESS_TARGETS:
                found.add(
                    ("upsets", "orbit", "targets", position),
                    f"target {target} needs a worker process, but {', '.join(inproc)} "
                    "are inproc boards",
                    "run with --boards process, or remove it",
                )
        if self.plant.step_us % self.frame_us and self.frame_us % self.plant.step_us:
            found.add(
                ("plant", "step_s"),
                f"{self.plant.step_s:g} s and frames of {self.frame_ms:g} ms do not fit; expected "
                "one to be a whole multiple of the other",
                "change one of them",
            )
        return found


T = TypeVar("T")


def _as_wrong(parse: Callable[[T], object], value: T) -> None:
    try:
        parse(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def frame_us_of(frame_ms: float) -> int:
    """`frame_ms` in microseconds. Raises ValueError if that is no whole number."""
    exact = Decimal(repr(frame_ms)) * 1000
    if exact != int(exact):
        raise ValueError(
            f"{frame_ms!r} ms is no whole number of microseconds; expected 0.001 steps"
        )
    return int(exact)


def frame_count_of(frames: int | None, duration: str | None, frame_ms: float) -> int:
    """The length of a run in frames. Raises ValueError if a part is not valid."""
    if frames is not None:
        return frames
    if duration is None:
        raise ValueError("neither frames nor duration is given")
    return parse_duration_us(duration) // frame_us_of(frame_ms)


# Rules between parts: also applied by the loader to the valid parts of a scenario that is not.


def length_findings(frames: int | None, duration: str | None, frame_ms: float) -> Findings:
    """What is wrong with the length of a run, given valid parts."""
    found = Findings()
    if frames is not None and duration is not None:
        found.add("duration", "both `frames` and `duration` are given", "remove one of them")
    elif frames is None and duration is None:
        found.add(
            "frames",
            "the length of the run is missing; expected `frames` or `duration`",
            "add for example `frames: 1000` or `duration: 10s`",
        )
    else:
        count = frame_count_of(frames, duration, frame_ms)
        if count < 1:
            found.add("duration", f"{duration} is shorter than one frame ({frame_ms:g} ms)")
        elif count > FRAMES_MAX:
            found.add("duration", f"{duration} is {count} frames; at most {FRAMES_MAX} are run")
    return found


def upset_findings(
    frame_count: int | None,
    frame_us: int | None,
    boards: Mapping[str, BoardKind | None] | None,
    events: Mapping[int, UpsetEventConfig],
    rates: Mapping[int, UpsetRateConfig],
) -> Findings:
    """What is wrong between upsets and the rest; None = not known, nothing to say.

    `boards` is the kind of board of each node; events and rates go by their position in the file.
    """
    found = _board_ram_findings(boards or {}, events, rates)

    def unknown(path: KeyPath, name: str, names: Mapping[str, object]) -> None:
        found.add(
            path,
            f"there is no node `{name}`; the rig has {', '.join(names)}",
            did_you_mean(name, names),
        )

    def unreachable(path: KeyPath, target: UpsetTarget, nodes: Sequence[str]) -> None:
        many = len(nodes) > 1
        found.add(
            path,
            f"target {target} needs a worker process, but "
            f"{'nodes' if many else 'node'} {', '.join(nodes)} "
            f"{'are inproc boards' if many else 'is an inproc board'}",
            "run with --boards process, or remove it",
        )

    for index, event in events.items():
        at = ("upsets", "events", index)
        if frame_count is not None:
            found += _too_late(at, event, frame_count, frame_us)
        if boards is not None:
            if event.node not in boards:
                unknown((*at, "node"), event.node, boards)
            elif boards[event.node] is BoardKind.INPROC and event.target in PROCESS_TARGETS:
                unreachable((*at, "target"), event.target, [event.node])
    for index, rate in rates.items() if boards is not None else ():
        assert boards is not None
        at = ("upsets", "rates", index)
        for position, name in enumerate(rate.nodes or ()):
            if name not in boards:
                unknown((*at, "nodes", position), name, boards)
        inproc = [name for name in rate.nodes or boards if boards.get(name) is BoardKind.INPROC]
        for position, target in enumerate(rate.targets):
            if inproc and target in PROCESS_TARGETS:
                unreachable((*at, "targets", position), target, inproc)
    return found


def _board_ram_findings(
    boards: Mapping[str, BoardKind | None],
    events: Mapping[int, UpsetEventConfig],
    rates: Mapping[int, UpsetRateConfig],
) -> Findings:
    """What is wrong with upsets of whole boards' memory: only emulated ones can be hit there."""
    found = Findings()
    hit: list[tuple[KeyPath, Sequence[str]]] = [
        (("upsets", "events", index, "target"), [event.node])
        for index, event in events.items()
        if event.target is UpsetTarget.BOARD_RAM
    ]
    hit += [
        (("upsets", "rates", index, "targets", position), rate.nodes or list(boards))
        for index, rate in rates.items()
        for position, target in enumerate(rate.targets)
        if target is UpsetTarget.BOARD_RAM
    ]
    for path, nodes in hit:
        others = [
            n for n in nodes if (boards.get(n) or BoardKind.EMULATED) is not BoardKind.EMULATED
        ]
        if others:
            many = len(others) > 1
            found.add(
                path,
                "target board-ram is the whole memory of an emulated board, but "
                f"{'nodes' if many else 'node'} {', '.join(others)} "
                f"{'are no such boards' if many else 'is no such board'}",
                "run with --boards emulated, or remove it",
            )
    return found


def _too_late(
    at: KeyPath, event: UpsetEventConfig, frame_count: int, frame_us: int | None
) -> Findings:
    """The event at `at` is behind the end of the run."""
    found = Findings()
    if event.frame is not None and event.frame >= frame_count:
        found.add(
            (*at, "frame"),
            f"frame {event.frame} is behind the end of the run; expected 0 to {frame_count - 1}",
        )
    elif event.frame is None and frame_us is not None and event.frame_at(frame_us) >= frame_count:
        found.add((*at, "at"), f"{event.at} is behind the end of the run")
    return found
