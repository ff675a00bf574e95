"""Fast-forward: frames in which nothing can happen are run as one batch in the kernel, or skipped.

A batch gives exactly the records of frames that are run one by one. Skipped frames are not
computed, and the record says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from hil.engine.frame_work import FrameWork
from hil.engine.metrics import Metrics
from hil.engine.part_groups import FrameTimes, RedundancyParts, UpsetParts, is_settled
from hil.engine.repair_scheduler import RepairScheduler
from hil.engine.run_recorder import RunRecorder
from hil.engine.verdict import usual_kind
from hil.kernel import Golden
from hil.redundancy.voting import Verdict, record_length, unpack
from hil.rig.backends.inproc import run_batch
from hil.rig.node import NodeResult
from hil.rig.rig import Rig

if TYPE_CHECKING:
    from hil.engine.plant_coupling import PlantCoupling

__all__ = ["BatchRunner", "FastForward"]

_BATCH_MAX: Final = 8192
_FIRST_BATCH: Final = 64
_LEAST_BATCH: Final = 2
_BATCH_US: Final = 50_000
"""The longest time of a batch: stops and commands are handled between batches."""
_LEAST_SKIP: Final = 8
_AFTER_SKIP: Final = 2


class FastForward:
    """Finds the frames in which nothing can happen, and skips them. `batches` and `skips`: whether
    frames may be run as batches, and skipped; a paced run does neither. `planned`: each returns,
    for a nominal frame, the next one from it on in which something is done by plan."""

    def __init__(
        self,
        redundancy: RedundancyParts,
        upsets: UpsetParts,
        times: FrameTimes,
        *,
        metrics: Metrics,
        recorder: RunRecorder,
        coupling: PlantCoupling | None,
        batches: bool,
        skips: bool,
    ) -> None:
        self._recovery = redundancy.recovery
        self._cold_start = redundancy.cold_start
        self.planned: Sequence[Callable[[int], int]] = ()
        self._upsets = upsets
        self._times = times
        self._metrics = metrics
        self._recorder = recorder
        self._coupling = coupling
        self._batches = batches
        self._skips = skips

    def until(self, frame: int) -> int:
        """Return the frame before which nothing can happen: no upset, no order of the plant, no
        repair. It is `frame` itself if something may happen now, or if nothing may be
        fast-forwarded."""
        times = self._times
        if times.pacer.paced or not (self._batches or self._skips):
            return frame
        injector = self._upsets.injector
        if not is_settled(self._recovery, self._upsets):
            return frame
        if self._cold_start is not None and self._cold_start.under_way:
            return frame
        if injector.power.returning or any(injector.permanent.values()):
            return frame
        upset = self._upsets.planner.next_frame
        until = times.frame_count if upset is None else min(times.frame_count, upset)
        if self._coupling is not None:
            until_us = self._coupling.quiet_until_us()
            until = min(until, -(-until_us // times.frame_us))
        for next_one in self.planned:
            until = min(until, next_one(times.nominal(frame)))
        return times.number(until)

    def skip(self, frame: int, until: int) -> bool:
        """Skip most of the frames before `until`; return False if they are too few or must be
        computed."""
        if not self._skips or until - frame <= _LEAST_SKIP:
            return False
        count = until - frame - _AFTER_SKIP
        self._metrics.count_skipped(count)
        t_us = self._times.t_us(frame)
        self._recorder.record.skip(frame, count, t_us)
        if self._coupling is not None:
            self._coupling.rows.note_skip(frame, count, t_us)
        return True


class BatchRunner:
    """Runs frames in which nothing can happen as batches in the kernel. `conclude` runs the stages
    after the exchange, for the frame that ends a batch. `possible`: whether this run has batches:
    they must be `allowed`, and the kernel must know how its scheme decides."""

    def __init__(
        self,
        rig: Rig,
        golden: Golden,
        redundancy: RedundancyParts,
        *,
        metrics: Metrics,
        recorder: RunRecorder,
        scheduler: RepairScheduler,
        conclude: Callable[[FrameWork], None],
        allowed: bool,
    ) -> None:
        self._rig = rig
        self._golden = golden
        self._recovery = redundancy.recovery
        self._checkpoints = redundancy.checkpoints
        self._metrics = metrics
        self._recorder = recorder
        self._scheduler = scheduler
        self._conclude = conclude
        # Where the last output may be held its bytes must be known: batches have digests only.
        scheme = redundancy.scheme
        self.possible = allowed and scheme.has_exact_majority and not scheme.holds
        self._everybody = (1 << len(rig.nodes)) - 1
        self._batch_size = _FIRST_BATCH

    def run(self, frame: int, until: int, *, snapshot_us: int) -> bool:
        """Run as many of the frames before `until` as fit into a batch; return False if none was
        run, because they are too few or the boards cannot run a batch now. When a snapshot is due,
        at `snapshot_us` on the host's clock, it ends with the first frame after which boards take
        checkpoints, whose content is known then."""
        if not self.possible or self._recovery.voters != self._everybody:
            return False
        if self._checkpoints.lacks_one(self._rig.nodes):
            return False  # it is taken after a frame of its own
        count = min(until - frame, self._batch_size)
        every = self._checkpoints.every
        if every and self._rig.clock.now_us() >= snapshot_us:
            count = min(count, every - frame % every)
        count -= self._beyond_checkpoint(frame + count, count)
        return count >= _LEAST_BATCH and self._run(count)

    def _beyond_checkpoint(self, end: int, count: int) -> int:
        """Return how many of the `count` frames before `end` follow the last checkpoint; 0 if all
        do. A run can be resumed only from a checkpoint, so batches end at one where possible."""
        every = self._checkpoints.every
        beyond = end % every if every else 0
        return beyond if beyond < count else 0

    def _run(self, count: int) -> bool:
        """Run a batch of up to `count` frames and record it; return False if none was run."""
        boards = [n.capabilities.batch for n in self._rig.nodes if n.capabilities.batch is not None]
        size = record_length(len(self._rig.nodes))
        began_us = self._rig.clock.now_us()
        every = self._checkpoints.every
        records = run_batch(boards, self._everybody, self._golden, count, size, every)
        if not records:
            return False
        self._adapt(self._rig.clock.now_us() - began_us)
        last = self._scheduler.agreed = unpack(records[-size:])
        loud = last.kind is not usual_kind(last.voters) or not last.correct or bool(last.latent)
        quiet = len(records) // size - loud
        if quiet:
            self._checkpoints.on_batch(self._rig.nodes, records[: quiet * size], size)
            self._metrics.count_quiet(quiet, usual_kind(self._everybody), len(self._rig.nodes))
            self._recorder.record.frames(records[: quiet * size], quiet)
        if loud:
            self._conclude(FrameWork(last.frame, results=self._results(last)))
        return True

    def _adapt(self, took_us: int) -> None:
        """Adapt the size of the next batch to the time that the last one took."""
        if took_us > _BATCH_US:
            self._batch_size = max(_LEAST_BATCH, self._batch_size // 2)
        elif 4 * took_us < _BATCH_US:
            self._batch_size = min(_BATCH_MAX, 2 * self._batch_size)

    def _results(self, verdict: Verdict) -> dict[str, NodeResult]:
        """Return the nodes' results as far as a packed frame holds them."""
        return {
            n.name: NodeResult(b.status, b.signal, b.output_digest, b.state_digest)
            for n, b in zip(self._rig.nodes, verdict.ballots, strict=True)
        }
