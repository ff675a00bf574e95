"""Faults injected into the rig: single events, random rates, and radiation along an orbit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from hil.scenario.durations import parse_duration_us
from hil.scenario.fields import FrozenModel, Int, Positive
from hil.scenario.pattern import PatternConfig
from hil.scenario.plant.radiation import Duration
from hil.scenario.problems import Findings, one_of, wrong, wrong_at
from hil.scenario.receivers import copy_findings
from hil.scenario.timing import TimingConfig, timing_findings
from hil.scenario.words import (
    AGENT_TARGETS,
    ASYMMETRIC_NOISES,
    FRAMES_MAX,
    I63_MAX,
    MEMORY_TARGETS,
    NEVER_STUCK,
    PROCESS_TARGETS,
    U32,
    ActionWord,
    BoardAction,
    Direction,
    DirectionWord,
    KindWord,
    LinkNoiseKind,
    NodeName,
    NoiseWord,
    PartWord,
    PatternKind,
    RamPart,
    RegionName,
    SchemeName,
    Sefi,
    SefiWord,
    Steps,
    TargetWord,
    UpsetTarget,
    W,
    Weight,
)

_BIT = PatternConfig(kind=PatternKind.BIT)
EXECUTIONS_MAX = max(scheme.executions for scheme in SchemeName)


class UpsetEventConfig(FrozenModel):
    """One upset of one node at a known frame."""

    frame: Annotated[Int, Field(ge=0, lt=FRAMES_MAX)] | None = Field(
        default=None, description="Frame in which it happens, from 0; either this or `at`."
    )
    at: Duration | None = Field(
        default=None, description="Simulated time at which it happens, as 1h30m."
    )
    node: NodeName = Field(description="Name of the node that is hit.")
    target: TargetWord = Field(
        description="What is hit. stack, heap, text, gpr, vector: not on inproc boards; board-ram: "
        "only on emulated ones; agent: the memory of the board's agent; check-bits: those of the "
        "checkpoint."
    )
    tick: U32 | None = Field(
        default=None, description="When in the step: at this progress tick (0: before it starts)."
    )
    us: U32 | None = Field(
        default=None,
        description="Time in the step, instead of `tick`: microseconds after its beginning.",
    )
    steps: Steps = Field(
        default=0,
        description="Machine instructions after the tick, at most a million; for stack, heap, "
        "text, gpr, vector.",
    )
    pattern: PatternConfig = Field(default=_BIT, description="What happens to the bits.")
    region: RegionName | None = Field(
        default=None,
        description="state: which named memory of a program, such as a tensor (EXEC.md); `bit` "
        "counts from its beginning.",
    )
    bit: Annotated[Int, Field(ge=0, le=I63_MAX)] | None = Field(
        default=None, description="Which bit of the target; drawn from the seed if absent."
    )
    hold_frames: U32 = Field(
        default=0,
        description="stuck: frames until the bit is released; 0 = when the board restarts.",
    )
    permanent: bool = Field(
        default=False, description="stuck: a damaged cell, stuck again after every restart."
    )
    execution: Annotated[Int, Field(ge=1, le=EXECUTIONS_MAX)] = Field(
        default=1,
        description="Schemes that compute a step several times: in which of its executions it "
        "happens.",
    )
    sefi: SefiWord | None = Field(
        default=None, description="cpu, required there: what the processor does."
    )
    noise: NoiseWord | None = Field(
        default=None, description="link: what happens to the message (corrupt)."
    )
    direction: DirectionWord | None = Field(
        default=None, description="link: which way the message goes (to_board)."
    )
    to: tuple[NodeName, ...] = Field(
        default=(),
        description="link, with `voter_per_node`: only the copies of the reply for the voters of "
        "these nodes are hit; `node` is two-faced, or its link asymmetric.",
    )
    passes_on: NodeName | None = Field(
        default=None,
        description="With `to` and `exchange`: what `node` passes on of the reply of this other "
        "node is hit, not its own reply.",
    )
    lasts_frames: Annotated[Int, Field(ge=0, le=FRAMES_MAX)] = Field(
        default=1,
        description="With `to`, and for timing: for how many frames; 0 = to the end of the run.",
    )
    timing: TimingConfig | None = Field(
        default=None, description="timing, required there: what is wrong with the node's timing."
    )
    part: PartWord | None = Field(
        default=None, description="board-ram: which part of the memory, all or kernel (all)."
    )
    action: ActionWord | None = Field(
        default=None, description="board: what happens to it, power_loss or latch_up (power_loss)."
    )
    returns_after_frames: Annotated[Int, Field(ge=1, le=FRAMES_MAX)] | None = Field(
        default=None,
        description="board: frames until it has power again; never if absent.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        target = data.get("target")
        if target == UpsetTarget.LINK:
            way = Direction.TO_HOST if data.get("to") else Direction.TO_BOARD
            return {"noise": LinkNoiseKind.CORRUPT, "direction": way, **data}
        if target == UpsetTarget.BOARD:
            return {"action": BoardAction.POWER_LOSS, **data}
        if target == UpsetTarget.BOARD_RAM:
            return {"part": RamPart.ALL, **data}
        if target == UpsetTarget.TIMING:
            return data
        if data.get("us") is None and data.get("tick") is None:
            return {**data, "tick": 0}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> UpsetEventConfig:
        wrong_at("Event", self._findings())
        return self

    def frame_at(self, frame_us: int) -> int:
        """Return the frame in which it happens, of frames of `frame_us` microseconds."""
        if self.frame is not None:
            return self.frame
        assert self.at is not None, "validation leaves one of them"
        return parse_duration_us(self.at) // frame_us

    def _when_findings(self) -> Findings:
        findings = copy_findings(self)
        findings += timing_findings(self)
        if (self.frame is None) == (self.at is None):
            what = "neither `frame` nor `at` is given" if self.at is None else "both are given"
            findings.add("frame", f"{what}; expected one of them", "add `frame: 100` or `at: 90s`")
        if self.action is BoardAction.LATCH_UP and self.returns_after_frames is not None:
            findings.add(
                "returns_after_frames",
                "a latch-up ends when the power is cut; when it returns, `plant.latch_up` says",
                "remove it",
            )
        if self.region is not None and self.us is not None:
            findings.add(
                "us", "a program cannot be asked for its regions while it computes", "use `tick`"
            )
        return findings

    def _findings(self) -> Findings:
        findings = self._when_findings()

        def only(key: str, present: bool, *targets: UpsetTarget) -> None:
            if present and self.target not in targets:
                findings.add(
                    key,
                    f"`{key}` has no meaning for target {self.target}; "
                    f"it is for {', '.join(sorted(targets))}",
                    "remove it",
                )

        only("region", self.region is not None, UpsetTarget.STATE)
        only("sefi", self.sefi is not None, UpsetTarget.CPU)
        only("noise", self.noise is not None, UpsetTarget.LINK)
        only("direction", self.direction is not None, UpsetTarget.LINK)
        only("part", self.part is not None, UpsetTarget.BOARD_RAM)
        only("action", self.action is not None, UpsetTarget.BOARD)
        only("returns_after_frames", self.returns_after_frames is not None, UpsetTarget.BOARD)
        only("tick", self.tick is not None, *AGENT_TARGETS, UpsetTarget.CPU)
        only("us", self.us is not None, *MEMORY_TARGETS, UpsetTarget.CPU)
        only("steps", self.steps > 0, *PROCESS_TARGETS)
        only("pattern", self.pattern != _BIT, *MEMORY_TARGETS)
        only("bit", self.bit is not None, *MEMORY_TARGETS, UpsetTarget.LINK)
        if self.target is UpsetTarget.CPU and self.sefi is None:
            findings.add(
                "sefi",
                f"target cpu needs `sefi:`; expected {one_of(list(Sefi))}",
                "add for example `sefi: hang`",
            )
        if (
            self.target is UpsetTarget.LINK
            and self.bit is not None
            and self.noise not in (LinkNoiseKind.CORRUPT, LinkNoiseKind.ALTER)
        ):
            findings.add("bit", f"`bit` has no meaning for noise {self.noise}", "remove it")
        if self.tick is not None and self.us is not None:
            findings.add("us", "both `tick` and `us` are given; expected one", "remove one")
        elif self.us is not None and self.steps > 0:
            findings.add("steps", "`steps` counts from a tick, but `us` is given", "use `tick`")
        if self.pattern.kind is not PatternKind.STUCK:
            for key, present in (
                ("hold_frames", self.hold_frames > 0),
                ("permanent", self.permanent),
            ):
                if present:
                    findings.add(
                        key,
                        f"`{key}` is only for pattern stuck, not {self.pattern.kind}",
                        "add `pattern: stuck`, or remove it",
                    )
        elif self.target in NEVER_STUCK:
            findings.add("pattern", f"target {self.target} cannot be stuck", "use a memory target")
        elif self.permanent and self.hold_frames > 0:
            findings.add(
                "hold_frames",
                "a permanent fault is never released; expected no `hold_frames`",
                "remove one of the two",
            )
        return findings


def _one_target(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _weights_of(words: type[W], what: str) -> Callable[[dict[W, float]], dict[W, float]]:
    def check(weights: dict[W, float]) -> dict[W, float]:
        if not weights or not sum(weights.values()) > 0:
            raise wrong(f"all weights are zero; expected at least one {what} above 0")
        return {word: weights[word] for word in words if word in weights}

    return check


class UpsetRateConfig(FrozenModel):
    """Random upsets at a mean rate, drawn from the seed."""

    ALSO_ACCEPTED: ClassVar[tuple[str, ...]] = ("target",)

    targets: Annotated[tuple[TargetWord, ...], BeforeValidator(_one_target)] = Field(
        description="Targets; each upset hits one of them at random."
    )
    region: RegionName | None = Field(
        default=None,
        description="state: only this named memory of a program, such as a tensor (EXEC.md).",
    )
    nodes: tuple[NodeName, ...] | None = Field(
        default=None, description="Names of the nodes that are hit; default: all."
    )
    per_s: Annotated[Positive, Field(le=1e6)] = Field(
        description="Upsets per second of simulated time and node, before acceleration."
    )
    patterns: Annotated[
        dict[KindWord, Weight], AfterValidator(_weights_of(PatternKind, "pattern"))
    ] = Field(default={PatternKind.BIT: 1.0}, description="Weight of each pattern of flipped bits.")
    noises: Annotated[
        dict[NoiseWord, Weight], AfterValidator(_weights_of(LinkNoiseKind, "noise"))
    ] = Field(
        default={LinkNoiseKind.CORRUPT: 1.0}, description="link: weight of each kind of noise."
    )
    sefis: Annotated[dict[SefiWord, Weight], AfterValidator(_weights_of(Sefi, "sefi"))] = Field(
        default={Sefi.HANG: 1.0, Sefi.CRASH: 1.0, Sefi.RESET: 1.0},
        description="cpu: weight of each functional interrupt.",
    )
    part: PartWord = Field(
        default=RamPart.ALL, description="board-ram: which part of the memory, all or kernel."
    )
    steps_max: Steps = Field(
        default=0,
        description="stack, heap, text, gpr, vector: 0 to this many instructions after the tick.",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, data: Any) -> Any:
        if isinstance(data, dict) and "target" in data:
            if "targets" in data:
                findings = Findings()
                findings.add(
                    "target", "both `target` and `targets` are given", "remove one of them"
                )
                wrong_at("Rate", findings)
            data = dict(data)
            data["targets"] = data.pop("target")
        return data

    @model_validator(mode="after")
    def _consistent(self) -> UpsetRateConfig:
        findings = Findings()
        if not self.targets:
            findings.add(
                "targets", f"no target; expected {one_of(list(UpsetTarget))}", "name at least one"
            )
        for index, target in enumerate(self.targets):
            if target in (UpsetTarget.BOARD, UpsetTarget.TIMING):
                what = "boards lose power" if target is UpsetTarget.BOARD else "timing faults come"
                findings.add(
                    ("targets", index),
                    f"{what} only in single events, not at a rate",
                    "move it to `upsets.events`",
                )
            elif target in self.targets[:index]:
                findings.add(("targets", index), f"`{target}` is named twice", "remove one")
        for noise in sorted(ASYMMETRIC_NOISES & self.noises.keys()):
            findings.add(
                ("noises", noise),
                f"`{noise}` has receivers, and so is a single event",
                "move it to `upsets.events`, with `to:`",
            )
        registers = [target for target in self.targets if target in NEVER_STUCK]
        if registers and self.patterns.get(PatternKind.STUCK, 0) > 0:
            findings.add(
                ("patterns", "stuck"),
                f"{' and '.join(registers)} cannot be stuck",
                "give them a rate of their own, without `stuck`",
            )
        if self.nodes is not None:
            if not self.nodes:
                findings.add("nodes", "no node; expected names", "remove `nodes:` to hit all nodes")
            for index, node in enumerate(self.nodes):
                if node in self.nodes[:index]:
                    findings.add(("nodes", index), f"`{node}` is named twice", "remove one")
        for key, needed in (
            ("patterns", MEMORY_TARGETS),
            ("noises", frozenset({UpsetTarget.LINK})),
            ("sefis", frozenset({UpsetTarget.CPU})),
            ("part", frozenset({UpsetTarget.BOARD_RAM})),
            ("region", frozenset({UpsetTarget.STATE})),
            ("steps_max", PROCESS_TARGETS),
        ):
            default = type(self).model_fields[key].default
            if getattr(self, key) != default and not needed.intersection(self.targets):
                findings.add(
                    key,
                    f"`{key}` has no meaning for {', '.join(self.targets)}; "
                    f"it is for {', '.join(sorted(needed))}",
                    "remove it",
                )
        wrong_at("Rate", findings)
        return self


class OrbitUpsetsConfig(FrozenModel):
    """The injection of radiation effects on a board; the orbit determines when and how often.

    An SEU flips one bit and an MBU 2 to 4 neighbours of one of `targets`; a SEFI whose form the
    profile does not state is one of `sefis`; a latch-up (SEL) draws too much current until the
    power is cut.
    """

    targets: Annotated[tuple[TargetWord, ...], BeforeValidator(_one_target)] = Field(
        default=(UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT),
        description="Targets of SEUs and MBUs, the voted data; each has hits in proportion to its "
        "size.",
    )
    voted_accel: Annotated[Positive, Field(le=1e18)] = Field(
        default=1.0,
        description="Hits of the voted data are multiplied by this as well as by `upsets.accel`: a "
        "workload has a small share of a board's memory.",
    )
    sefis: Annotated[dict[SefiWord, Weight], AfterValidator(_weights_of(Sefi, "sefi"))] = Field(
        default={Sefi.HANG: 1.0, Sefi.CRASH: 1.0, Sefi.RESET: 1.0},
        description="Weight of each functional interrupt.",
    )
    steps_max: Steps = Field(
        default=0,
        description="stack, heap, text, gpr, vector: 0 to this many instructions after the tick.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> OrbitUpsetsConfig:
        findings = Findings()
        if not self.targets:
            findings.add("targets", "no target; expected at least one", "name one, or remove it")
        for index, target in enumerate(self.targets):
            if target not in MEMORY_TARGETS:
                findings.add(
                    ("targets", index),
                    f"{target} has no bits that radiation could flip; "
                    f"expected {one_of(sorted(MEMORY_TARGETS))}",
                    "remove it",
                )
            elif target in self.targets[:index]:
                findings.add(("targets", index), f"`{target}` is named twice", "remove one")
        wrong_at("OrbitUpsets", findings)
        return self


class UpsetsConfig(FrozenModel):
    """All faults that a run injects."""

    one_at_a_time: bool = Field(
        default=False,
        description="A mode for campaigns, not for flights: an upset waits while the rig still "
        "recovers from one before, and in simplex the bench repairs the node from the "
        "fault-free run after each.",
    )
    accel: Annotated[Positive, Field(le=1e12)] = Field(
        default=1.0, description="All rates are multiplied by this; real rates are low."
    )
    events: tuple[UpsetEventConfig, ...] = Field(
        default=(), description="Single upsets at known frames."
    )
    allow_missed: Annotated[Int, Field(ge=0, le=FRAMES_MAX)] = Field(
        default=0,
        description="Number of `events` that may be missed; with more missed, the run fails.",
    )
    rates: tuple[UpsetRateConfig, ...] = Field(
        default=(), description="Upsets that happen at random."
    )
    orbit: OrbitUpsetsConfig = Field(
        default_factory=OrbitUpsetsConfig,
        description="With a plant: what the radiation along the orbit does to the boards.",
    )
