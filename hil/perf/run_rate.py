"""Speed of whole runs: frames and experiments per second, growth of memory, size of the record."""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hil.engine.loop import Loop
from hil.engine.observers import FramesDone, RunObserver
from hil.kernel import Golden
from hil.perf.echo import echoes, ping_pong
from hil.perf.row import PerfRow, Reference, in_turns, make_row, seconds
from hil.record.opening import checkpoint
from hil.record.run_meta import RunMeta
from hil.record.run_result import RunResult
from hil.record.sqlite_recorder import SqliteRecorder
from hil.run_outcome import RunOutcome
from hil.scenario import parse_scenario
from hil.scenario.words import BoardKind
from hil.wire.messages import Health

_FRAME_SCENARIO: Final = """\
schema: 1
workload: attitude
frames: {frames}
rig: {{scheme: tmr, board: {board}}}
"""

_EXPERIMENTS: Final = """\
schema: 1
workload: attitude
frames: {frames}
rig: {{scheme: simplex, board: {board}}}
upsets:
  one_at_a_time: true
  rates:
    - {{targets: [state, input, output], per_s: 110}}
"""

_STORM: Final = """\
schema: 1
workload: attitude
frames: {frames}
rig: {{scheme: tmr, board: inproc}}
recovery: {{resyncs: 1000000, restarts: 1000000}}
upsets:
  rates:
    - {{targets: [state, output], per_s: 1}}
"""


@dataclass(frozen=True, slots=True)
class _Measured:
    """The result of a run. `frames` and `wall_s` are those of its frames alone, without opening,
    calibrating and closing; `rss` has samples of (frame, resident bytes)."""

    result: RunResult
    frames: int
    wall_s: float
    cpu_s: float
    rss: tuple[tuple[int, int], ...]


def _cpu_s() -> float:
    """Return the CPU time of this process and of its children that have ended [s]."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _resident() -> int:
    """Return the memory of this process [byte]."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class _Stopwatch(RunObserver):
    """Times the frames of a run, from the first to the last; samples the resident bytes every
    `sample_s` seconds (None: never)."""

    def __init__(self, sample_s: float | None = None) -> None:
        self._sample_s = sample_s
        self._sample_at = 0.0
        self.first = self.last = (0, 0.0)
        self.rss: list[tuple[int, int]] = []

    def on_start(self, next_frame: int) -> None:
        self.first = self.last = (next_frame, time.perf_counter())

    def on_frame(self, done: FramesDone) -> None:
        now = time.perf_counter()
        self.last = (done.next_frame, now)
        if self._sample_s is not None and now >= self._sample_at:
            self._sample_at = now + self._sample_s
            self.rss.append((done.next_frame, _resident()))


def run_measured(
    text: str,
    *,
    batch: bool = True,
    sample_s: float | None = None,
    beside: Callable[[Path], AbstractContextManager[None]] = lambda _: nullcontext(),
) -> _Measured:
    """Run a scenario in a temporary folder and measure it. `beside` is entered with the folder
    before the run, and left after it."""
    scenario = parse_scenario(text)
    watch = _Stopwatch(sample_s)
    with tempfile.TemporaryDirectory(prefix="hil-perf-") as folder:
        cpu = _cpu_s()
        with beside(Path(folder)):
            result = Loop(scenario, Path(folder), batch=batch, observers=[watch]).run()
        cpu = _cpu_s() - cpu
    frames, wall = watch.last[0] - watch.first[0], watch.last[1] - watch.first[1]
    return _Measured(result, frames, wall, cpu, tuple(watch.rss))


# --- frames of three nodes -----------------------------------------------------------------------


def _golden_rate(steps: int) -> float:
    """Return the steps per second of the golden run alone."""
    golden = Golden("attitude", 1)
    return steps / seconds(golden.step, steps)


def _ping_pong_rate(rounds: int) -> float:
    """Return the rounds per second of the bytes of a frame, to three echoes and back."""
    with echoes(3) as some:
        return rounds / seconds(lambda: ping_pong(some, 90), rounds)


def frames(quick: bool) -> Iterator[PerfRow]:
    """Measure the frames per second of three nodes with the workload attitude and a record."""
    share = 4 if quick else 1
    rounds = 2 if quick else 5
    for name, board, batch, count, target in (
        ("inproc, frame by frame", "inproc", False, 20_000 // share, 20_000),
        ("inproc, in batches", "inproc", True, 1_600_000 // share, 500_000),
        ("process boards, over ptys", "process", True, 6_000 // share, 3_000),
    ):
        text = _FRAME_SCENARIO.format(board=board, frames=count)

        def running(text: str = text, batch: bool = batch) -> float:
            run = run_measured(text, batch=batch)
            assert run.result.outcome == RunOutcome.PASS, "a quiet run passes"
            return run.frames / run.wall_s

        def compared(board: str = board) -> float:
            return _ping_pong_rate(2000) if board == BoardKind.PROCESS else _golden_rate(50_000)

        rates, references = in_turns(rounds, running, compared)
        value = max(rates)
        what = (
            "three pty echoes at once" if board == BoardKind.PROCESS else "golden steps from Python"
        )
        yield make_row(
            f"frames/s, {name}",
            value,
            "1/s",
            target=f">= {target}/s",
            ok=value >= target,
            reference=Reference(what, max(references)),
            note=f"best of {rounds} runs of {count} frames; "
            f"median {statistics.median(rates):.0f}/s",
        )


# --- injection in each frame ---------------------------------------------------------------------


_AS_QUIET: Final = 0.15
"""An experiment asks its board four times (arm, step, report, and in every sixth one restart, read,
write and synchronise the state) where a frame without upsets asks once; it plans and judges an
upset, and records it. So it may cost what six to seven such frames cost. Campaigns in which a
million experiments count do without the loop of runs: rows `sampled` and `exact`."""


def _net_cpu_s(text: str, opening_s: float, *, batch: bool, runs: list[_Measured]) -> float:
    """Return the CPU time of the frames of a run, without opening and closing its boards [s]."""
    runs.append(run_measured(text, batch=batch))
    return max(runs[-1].cpu_s - opening_s, 1e-9)


def campaign(quick: bool) -> Iterator[PerfRow]:
    """Measure complete experiments of runs: an upset is planned, armed, injected, reported, judged,
    repaired and recorded in each frame, beside frames without upsets, also sent one by one.

    The rate per core is that per second of CPU time, of host and boards together.
    """
    rounds = 2 if quick else 4
    for board, count in (("inproc", 1000 if quick else 4000), ("process", 500 if quick else 2000)):
        text = _EXPERIMENTS.format(board=board, frames=count)
        quiet = text.split("upsets:", maxsplit=1)[0]
        opening_s = min(
            run_measured(quiet.replace(f"frames: {count}", "frames: 1")).cpu_s for _ in range(3)
        )
        runs: list[_Measured] = []

        def running(
            text: str = text, opening_s: float = opening_s, runs: list[_Measured] = runs
        ) -> float:
            cpu_s = _net_cpu_s(text, opening_s, batch=True, runs=runs)
            return runs[-1].result.upsets.injected / cpu_s

        def without(quiet: str = quiet, opening_s: float = opening_s, count: int = count) -> float:
            return count / _net_cpu_s(quiet, opening_s, batch=False, runs=[])

        rates, references = in_turns(rounds, running, without)
        value, reference = max(rates), max(references)
        injected, per_wall_s = (
            runs[0].result.upsets.injected,
            max(r.frames / r.wall_s for r in runs),
        )
        yield make_row(
            f"injection in each frame of a run, {board}",
            value,
            "1/s/core",
            target=f">= {_AS_QUIET:g} x without upsets",
            ok=value >= _AS_QUIET * reference,
            reference=Reference("the same frames without upsets", reference),
            note=f"{injected} of {runs[0].result.frames} frames hit and verified, one upset at a "
            f"time; at best {per_wall_s:.0f}/s of real time",
        )


# --- long runs ----------------------------------------------------------------------------------


_NOISE_BYTES: Final = 512 << 10
"""A growth up to this is noise of the allocator."""


def _memory_growth(name: str, run: _Measured, note: str) -> PerfRow:
    """Return the row of the resident bytes gained from a quarter of the run on."""
    later = [s for s in run.rss if s[0] >= run.frames // 4] or list(run.rss)
    (first_frame, before), (last_frame, after) = later[0], later[-1]
    return make_row(
        name,
        (after - before) / 1024,
        "KiB",
        target="no growth",
        ok=after - before <= _NOISE_BYTES,
        reference=Reference("resident at its end", after / 1024),
        note=f"over the last {last_frame - first_frame} of {run.frames} frames{note}",
    )


def soak(quick: bool) -> Iterator[PerfRow]:
    """Measure the growth of memory in long runs, and the size of the record of a paced one."""
    day = 864_000  # frames of a day at 10 frames/s
    count = day // 2 if quick else 10 * day
    run = run_measured(_FRAME_SCENARIO.format(board="inproc", frames=count), sample_s=0.1)
    yield _memory_growth(
        "memory growth, quiet run",
        run,
        f" ({run.frames / day:.1f} days at 10 frames/s); {_NOISE_BYTES >> 10} KiB are taken as "
        "noise of the allocator",
    )
    count = 20_000 if quick else 200_000
    run = run_measured(_STORM.format(frames=count), sample_s=0.1)
    upsets = run.result.upsets.injected
    yield _memory_growth("memory growth, run with upsets", run, f", {upsets} upsets in all")
    yield _record_per_day(600 if quick else 3600)


_HEALTH: Final = Health(
    uptime_us=10**11,
    cpu_temp_mc=48_312,
    clock_khz=1_200_000,
    throttled=0,
    rss_kib=3120,
    free_mib=611,
    steps=10**6,
    crashes=0,
    hangs=0,
    restarts=0,
    corrected=0,
    uncorrected=0,
    rx_bytes=10**9,
    rx_frames=10**6,
    rx_errors=0,
    tx_bytes=10**9,
    tx_frames=10**6,
    duplicates=0,
    rails=(),
)


def _record_per_day(sim_s: int) -> PerfRow:
    """Write the rows that a quiet run of three nodes at 10 frames/s records in `sim_s` seconds, and
    return the row of the record's size per day."""
    frame = bytes(32 + 3 * 18)
    with tempfile.TemporaryDirectory(prefix="hil-perf-") as folder:
        path = Path(folder) / "run.db"
        recorder = SqliteRecorder.begin(path, RunMeta())
        sizes: list[int] = []
        for second in range(sim_s + 1):
            if second in (sim_s // 4, sim_s):
                recorder.commit()
                checkpoint(path)
                sizes.append(path.stat().st_size)
            for number in range(10):
                recorder.frame(frame)
                if number % 5 in (2, 4):  # a commit every quarter of a second
                    recorder.commit()
            for node in range(3):
                recorder.health(10 * second, node, _HEALTH)
        recorder.close()
    per_day = (sizes[1] - sizes[0]) / (sim_s - sim_s // 4) * 86_400 / 1e6
    return make_row(
        "record of a quiet day at 10 frames/s",
        per_day,
        "MB",
        target="<= 100 MB",
        ok=per_day <= 100,
        reference=Reference("the packed frames alone", 864_000 * len(frame) / 1e6, computed=True),
        note=f"extrapolated from {sim_s} s worth of frames and health rows of three nodes",
    )
