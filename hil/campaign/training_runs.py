"""Training runs under single upsets, unprotected and protected in several ways.

Each upset is drawn once, and carried out in a full run of each protection, on node a: the same bit
of the same target, at the same progress tick of the same frame. What a variant's state has beyond
that of `train` (running means, a copy) is not hit; it makes up a part of the memory that the
comparison reports, and upsets of an orbit hit memory in proportion to its size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.analysis.training_comparison import ProtectedTraining, TrainingComparison, TrainingCost
from hil.analysis.training_curves import golden_steps
from hil.analysis.training_outcome import (
    WINDOW,
    TrainingOutcome,
    TrainingStep,
    judge_training,
    training_step,
)
from hil.clock import HOST
from hil.engine.loop import Loop, RunSetup
from hil.errors import UsageError
from hil.kernel import Golden, Random, workload
from hil.random_streams import stream
from hil.record.null_recorder import NullRecorder
from hil.scenario import BoardKind, Scenario, SchemeName, UpsetEventConfig, UpsetTarget
from hil.scenario.rig import RigConfig
from hil.scenario.upsets import UpsetsConfig
from hil.scenario.words import PROCESS_TARGETS

if TYPE_CHECKING:
    from hil.record.run_meta import RunMeta
    from hil.redundancy.voting import Verdict
    from hil.rig.node import NodeResult

__all__ = [
    "FRAMES_MIN",
    "PROTECTIONS",
    "TARGETS",
    "Protection",
    "compare_training",
    "draw_upsets",
    "protect",
    "run_upset",
]

NODE: Final = "a"
TARGETS: Final = (
    UpsetTarget.STATE,
    UpsetTarget.HEAP,
    UpsetTarget.STACK,
    UpsetTarget.GPR,
    UpsetTarget.VECTOR,
)
"""What can be hit, on boards that have it."""
STEPS_MAX: Final = 2000
"""[instruction] The most that are executed after a tick, of targets other than the state."""
BITS_OF_OTHERS: Final = 1024
"""Registers and stack: as many bits as every 64-bit processor has."""
FRAMES_MIN: Final = 4 * WINDOW
BOARDS: Final = (BoardKind.INPROC, BoardKind.PROCESS)
_TIMED_STEPS: Final = 64
_TIMED_ROUNDS: Final = 9
_GENERATIONS: Final = 2
"""Checkpoints that a board keeps, a byte of check bits for eight (csrc/kernel/checkpoint.h)."""


@dataclass(frozen=True, slots=True)
class Protection:
    """A way to protect training: which workload runs on how many nodes."""

    name: str
    workload: str
    scheme: SchemeName


PROTECTIONS: Final = (
    Protection("none", "train", SchemeName.SIMPLEX),
    Protection("recheck on a spike of the update", "train+recheck", SchemeName.SIMPLEX),
    Protection("rollback on a spike of the loss", "train+rollback", SchemeName.SIMPLEX),
    Protection("two nodes, rollback if they differ", "train", SchemeName.DMR),
    Protection("three nodes, voted by digest", "train", SchemeName.TMR),
)


def draw_upsets(
    targets: Sequence[UpsetTarget], count: int, frames: int, seed: int
) -> list[UpsetEventConfig]:
    """Draw `count` flips of one bit of node a: of each of `targets` in turn, evenly over its bits,
    the ticks up to the update of the weights, and the frames that have WINDOW before them and
    2 * WINDOW from them on."""
    random = stream(seed, "training upsets")
    return [_drawn(targets[k % len(targets)], frames, random) for k in range(count)]


def _drawn(target: UpsetTarget, frames: int, random: Random) -> UpsetEventConfig:
    train = workload("train")
    bits = {UpsetTarget.STATE: 8 * train.state_len, UpsetTarget.HEAP: 8 * train.scratch_len}
    frame = WINDOW + random.below(frames - 3 * WINDOW + 1)
    tick = random.below(train.ticks - 1)  # the last two are after the update
    steps = random.below(STEPS_MAX + 1)
    return UpsetEventConfig(
        frame=frame,
        node=NODE,
        target=target,
        tick=tick,
        steps=steps if target in PROCESS_TARGETS else 0,
        bit=random.below(bits.get(target, BITS_OF_OTHERS)),
    )


class _Curve(NullRecorder):
    """Keeps the telemetry of the outputs that left the system, where they are not the fault-free
    ones."""

    def __init__(self, meta: RunMeta) -> None:
        super().__init__(meta)
        self.outputs: dict[int, bytes] = {}

    def notable(
        self,
        verdict: Verdict,
        t_us: int,
        golden: tuple[int, int],
        value: bytes | None,
        executions: Sequence[Sequence[NodeResult]],
    ) -> None:
        """Keep the delivered output of a frame."""
        del t_us, golden, executions
        self.outputs[verdict.frame] = value or b""


class _Recorders:
    """Begins the one recorder of a run, and keeps it."""

    def __init__(self) -> None:
        self.curve: _Curve | None = None

    def begin(
        self, path: Path, meta: RunMeta, on_wait: Callable[[str], None] | None = None
    ) -> _Curve:
        del path, on_wait
        self.curve = _Curve(meta)
        return self.curve

    def resume(
        self, path: Path, frame: int, on_wait: Callable[[str], None] | None = None
    ) -> _Curve:
        del frame, on_wait
        raise UsageError(f"the run in {path.parent} cannot be resumed: it has no record")


def compare_training(
    scenario: Scenario,
    targets: Sequence[UpsetTarget],
    count: int,
    report: Callable[[int, int], None],
) -> TrainingComparison:
    """Carry out `count` upsets in a run of each protection, with the length, seed and kind of board
    of `scenario`. `report` gets how many runs have ended, of how many.

    Raises: UsageError if the scenario is too short, or its boards have not what is to be hit; what
    a run raises."""
    board = _board_of(scenario, targets)
    frames = scenario.frame_count
    if frames < FRAMES_MIN:
        raise UsageError(
            f"{frames} frames are too few: before an upset come {WINDOW}, after it {2 * WINDOW}",
            remedy=f"give the scenario at least `frames: {FRAMES_MIN}`, or --frames",
        )
    upsets = draw_upsets(targets, count, frames, scenario.seed)
    costs = _costs(scenario.seed)
    rows, done = [], 0
    for protection in PROTECTIONS:
        golden = golden_steps(protection.workload, scenario.seed, frames)
        protected = protect(scenario, protection, board)
        outcomes: list[TrainingOutcome | None] = []
        for upset in upsets:
            outcomes.append(run_upset(protected, upset, golden))
            done += 1
            report(done, count * len(PROTECTIONS))
        cost = costs[protection.name]
        words = (protection.name, protection.workload, protection.scheme.value)
        rows.append(ProtectedTraining(*words, cost, tuple(outcomes)))
    plain = golden_steps(PROTECTIONS[0].workload, scenario.seed, frames)
    return TrainingComparison(
        scenario.name,
        scenario.seed,
        frames,
        board.value,
        tuple(target.value for target in targets),
        count,
        sum(step.loss for step in plain[-WINDOW:]) / WINDOW,
        tuple(rows),
    )


def _board_of(scenario: Scenario, targets: Sequence[UpsetTarget]) -> BoardKind:
    """Return the kind of board of all nodes. Raises: UsageError."""
    boards = {node.board for node in scenario.rig.nodes}
    board = next(iter(boards))
    if len(boards) > 1 or board not in BOARDS:
        raise UsageError(
            "training is compared on software boards of one kind, as many as each protection needs",
            remedy="add --boards process, or --boards inproc",
        )
    missing = [t for t in targets if t in PROCESS_TARGETS and board is BoardKind.INPROC]
    if missing:
        raise UsageError(
            f"inproc boards have no {missing[0]} to hit",
            remedy="add --boards process, or --targets state",
        )
    return board


def protect(scenario: Scenario, protection: Protection, board: BoardKind) -> Scenario:
    """Return the scenario with the workload and the nodes of a protection, and without its own
    upsets, plant and expectations."""
    rig = RigConfig.model_validate({"scheme": protection.scheme.value, "board": board.value})
    update = {
        "workload": protection.workload,
        "rig": rig,
        "upsets": UpsetsConfig(),
        "plant": None,
        "expect": "none",
        "pace": "free",
    }
    return scenario.model_copy(update=update)


def run_upset(
    scenario: Scenario, upset: UpsetEventConfig, golden: Sequence[TrainingStep]
) -> TrainingOutcome | None:
    """Carry out one upset in a run of a protected scenario, and return its outcome beside the
    fault-free run `golden`; None if it was not injected. Raises: what a run raises."""
    hit = scenario.model_copy(update={"upsets": UpsetsConfig(events=(upset,), allow_missed=1)})
    recorders = _Recorders()
    with tempfile.TemporaryDirectory(prefix="hil-training-") as folder:
        run_dir = Path(folder) / "run"
        run_dir.mkdir()
        result = Loop(hit, run_dir, setup=RunSetup(recorders=recorders)).run()
    if not result.upsets.injected or recorders.curve is None:
        return None
    steps: list[TrainingStep | None] = list(golden)
    for frame, output in recorders.curve.outputs.items():
        steps[frame] = training_step(scenario.workload_name, output) if output else None
    return judge_training(golden, steps)


def _costs(seed: int) -> dict[str, TrainingCost]:
    """Return the cost of each protection: the time of the steps of all nodes on this computer, each
    workload in turn, the best of several rounds; the memory of their steps, and of the checkpoints
    of nodes that are compared."""
    names = dict.fromkeys(protection.workload for protection in PROTECTIONS)
    best = dict.fromkeys(names, float("inf"))
    goldens = {name: Golden(name, seed) for name in names}
    for _ in range(_TIMED_ROUNDS):
        for name, golden in goldens.items():
            began_us = HOST.now_us()
            for _ in range(_TIMED_STEPS):
                golden.step()
            best[name] = min(best[name], (HOST.now_us() - began_us) / _TIMED_STEPS)
    costs = {}
    for protection in PROTECTIONS:
        w, nodes = workload(protection.workload), protection.scheme.size
        memory = w.state_len + w.input_len + w.output_len + w.scratch_len
        if nodes > 1:
            memory += _GENERATIONS * (w.state_len + w.state_len // 8)
        costs[protection.name] = TrainingCost(nodes * best[protection.workload], nodes * memory)
    return costs
