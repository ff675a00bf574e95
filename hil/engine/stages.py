"""The stages of one run, and all else that works on its parts: each gets the parts that it
needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.engine.board_returns import BoardReturns
from hil.engine.exchange_stage import ExchangeStage
from hil.engine.fast_forward import BatchRunner, FastForward
from hil.engine.frame_work import FrameWork
from hil.engine.observers import RunObserver
from hil.engine.parts import Parts
from hil.engine.preventive_restarts import PreventiveRestarts
from hil.engine.progress_reports import ProgressReporter
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.repeat_stage import RepeatStage
from hil.engine.rotation_need import RotationNeed
from hil.engine.run_controls import RunControls
from hil.engine.run_recorder import RunRecorder
from hil.engine.stand_by import FixedNeed, StandBy
from hil.engine.verdict import VerdictStage
from hil.engine.wake_up import WakeUp
from hil.redundancy.rotation import Rotation

if TYPE_CHECKING:
    from hil.engine.offload import OffloadStage
    from hil.engine.plant_coupling import PlantCoupling

__all__ = ["Stages", "fast_forward_of", "progress_of", "stages_of"]


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of one run, and all else that works on its parts. `executions` execute the step:
    once, or with time redundancy several times. `coupling` is None in a run without a plant,
    `offload` in one without a link to the ground, `wake_up` in one without a cold start. `planned`:
    when something is done by plan, for `hil.engine.fast_forward`."""

    recorder: RunRecorder
    scheduler: RepairScheduler
    returns: BoardReturns
    exchange: ExchangeStage
    executions: tuple[Callable[[FrameWork], None], ...]
    verdicts: VerdictStage
    controls: RunControls
    coupling: PlantCoupling | None
    offload: OffloadStage | None
    planned: tuple[Callable[[int], int], ...] = ()
    wake_up: WakeUp | None = None

    @property
    def beginning(self) -> tuple[Callable[[FrameWork], None], ...]:
        """Return what a frame begins with."""
        begin = self.exchange.begin
        return (begin,) if self.wake_up is None else (begin, self.wake_up.begin)

    @property
    def decision(self) -> tuple[Callable[[FrameWork], None], ...]:
        """Return what decides a frame."""
        decide = self.verdicts.decide
        return (decide,) if self.wake_up is None else (decide, self.wake_up.end)


def stages_of(parts: Parts, observers: Sequence[RunObserver], stop: Callable[[], bool]) -> Stages:
    """Return what works on `parts`. `observers` get all events; when `stop` returns true, nothing
    is waited for any longer."""
    rig, golden, times, metrics = parts.rig, parts.golden, parts.times, parts.metrics
    redundancy, upsets, outside = parts.redundancy, parts.upsets, parts.outside
    recovery = redundancy.recovery
    recorder = RunRecorder(
        rig, golden, recovery, upsets, times, metrics=metrics, outside=outside, observers=observers
    )
    scheduler = RepairScheduler(
        rig, golden, redundancy, upsets, times, metrics=metrics, recorder=recorder
    )
    returns = BoardReturns(
        rig,
        redundancy,
        upsets,
        times,
        recorder=recorder,
        scheduler=scheduler,
        boot_s=parts.scenario.timeouts.boot_s,
        stop=stop,
    )
    exchange = ExchangeStage(
        rig,
        golden,
        recovery,
        upsets,
        times,
        recorder=recorder,
        scheduler=scheduler,
        stop=stop,
    )
    verdicts = VerdictStage(
        rig,
        golden,
        redundancy,
        upsets,
        metrics=metrics,
        outside=outside,
        recorder=recorder,
        scheduler=scheduler,
    )
    controls = RunControls(
        parts.scenario,
        rig,
        recovery,
        upsets,
        times,
        recorder=recorder,
        scheduler=scheduler,
        forget_silence=exchange.forget_silence,
    )
    coupling = _coupling_of(controls, parts)
    planned = _planned_of(parts, controls, coupling)
    before = [part.update for part in planned]
    executions = (*before, *_executions_of(parts, exchange, recorder))
    offload = _offload_of(parts, recorder, scheduler)
    wake_up = _wake_up_of(parts, recorder, returns, controls)
    mains = (recorder, scheduler, returns, exchange, executions, verdicts, controls, coupling)
    return Stages(*mains, offload, tuple(part.next_frame for part in planned), wake_up)


def _wake_up_of(
    parts: Parts, recorder: RunRecorder, returns: BoardReturns, controls: RunControls
) -> WakeUp | None:
    cold = parts.redundancy.cold_start
    if cold is None:
        return None
    wake_up = WakeUp(parts.rig, cold, recorder)
    returns.may_wake = controls.may_wake = wake_up.may_wake
    return wake_up


def _planned_of(
    parts: Parts, controls: RunControls, coupling: PlantCoupling | None
) -> tuple[PreventiveRestarts | StandBy, ...]:
    """Return what switches or restarts nodes by plan, in this order."""
    return (*_preventive_of(parts, controls), *_stand_by_of(parts, controls, coupling))


def _preventive_of(parts: Parts, controls: RunControls) -> tuple[PreventiveRestarts, ...]:
    config = parts.scenario.recovery.preventive
    if config is None:
        return ()
    return (PreventiveRestarts(controls, parts.times, parts.redundancy.scheme, config),)


def progress_of(
    parts: Parts, controls: RunControls, observers: Sequence[RunObserver]
) -> ProgressReporter:
    """Return what reports the progress of `parts` to the observers."""
    clock, states = parts.rig.clock, controls.node_states
    return ProgressReporter(observers, clock, parts.times, parts.upsets, node_states=states)


def _executions_of(
    parts: Parts, exchange: ExchangeStage, recorder: RunRecorder
) -> tuple[Callable[[FrameWork], None], ...]:
    """Return what executes the step of a frame, in this order."""
    redundancy, after = parts.redundancy, []
    if redundancy.scheme.executions > 1:
        repeats = RepeatStage(
            parts.rig,
            parts.golden,
            redundancy,
            parts.upsets,
            metrics=parts.metrics,
            recorder=recorder,
            exchange=exchange,
        )
        after.append(repeats.repeat)
    return (exchange.exchange, *after)


def _stand_by_of(
    parts: Parts, controls: RunControls, coupling: PlantCoupling | None
) -> tuple[StandBy, ...]:
    """Return what keeps nodes on stand-by; nothing if none ever is."""
    rig, follows = parts.scenario.rig, parts.redundancy.follows
    if follows is not None and coupling is not None:
        from hil.engine.orbit_need import OrbitNeed  # noqa: PLC0415  (only with a plant)

        return (StandBy(controls, OrbitNeed(controls, coupling, follows, rig.hot_spares)),)
    scheme, awake = parts.redundancy.scheme, rig.scheme.awake
    if awake < rig.scheme.size:
        nodes = [node.name for node in rig.nodes]
        rotation = Rotation(nodes, awake, rig.turn_frames)
        return (StandBy(controls, RotationNeed(controls, parts.times, scheme, rotation)),)
    if not rig.cold_spares:
        return ()
    return (StandBy(controls, FixedNeed(rig.size - rig.cold_spares)),)


def _coupling_of(controls: RunControls, parts: Parts) -> PlantCoupling | None:
    if parts.plant is None:
        return None
    from hil.engine.plant_coupling import PlantCoupling  # noqa: PLC0415  (heavy, and seldom needed)

    coupling = PlantCoupling(controls, parts.scenario, parts.plant)
    parts.upsets.injector.latch_up = coupling.latch_up
    return coupling


def _offload_of(
    parts: Parts, recorder: RunRecorder, scheduler: RepairScheduler
) -> OffloadStage | None:
    config = parts.scenario.offload
    if config is None:
        return None
    from hil.engine.offload import OffloadStage  # noqa: PLC0415  (few scenarios have one)
    from hil.plant.ground import scenario_contacts  # noqa: PLC0415  (heavy)

    contacts = scenario_contacts(parts.scenario)
    return OffloadStage(
        config,
        contacts,
        parts.rig,
        parts.golden,
        parts.times,
        recorder=recorder,
        scheduler=scheduler,
    )


def fast_forward_of(
    parts: Parts, stages: Stages, conclude: Callable[[FrameWork], None], *, batches: bool
) -> tuple[FastForward, BatchRunner]:
    """Return what fast-forwards the run of `stages`. `conclude` runs the stages after the exchange,
    for the frame that ends a batch; `batches`: frames may be run as batches."""
    plant = parts.scenario.plant
    runner = BatchRunner(
        parts.rig,
        parts.golden,
        parts.redundancy,
        metrics=parts.metrics,
        recorder=stages.recorder,
        scheduler=stages.scheduler,
        conclude=conclude,
        allowed=batches and stages.offload is None,  # which needs the bytes of all frames
    )
    fast_forward = FastForward(
        parts.redundancy,
        parts.upsets,
        parts.times,
        metrics=parts.metrics,
        recorder=stages.recorder,
        coupling=stages.coupling,
        batches=runner.possible,
        skips=plant is not None and plant.skip_quiet,
    )
    fast_forward.planned = stages.planned
    return fast_forward, runner
