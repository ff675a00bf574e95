"""Speed of sampled campaigns: experiments per second in this process, beside the bare kernel, and
on worker processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from hil.campaign.bench import HeldBoard, held_board, held_node
from hil.campaign.board_samples import survey_board
from hil.campaign.executor import RangeOutcomes
from hil.campaign.inproc_samples import FaultBench, fault_array, survey_inproc
from hil.campaign.ranges import Range
from hil.campaign.sampling import FaultTable, draw, target_draws
from hil.kernel import Golden
from hil.perf.pacing import PacedLines
from hil.perf.row import PerfRow, Reference, fastest, in_turns, make_row, seconds
from hil.perf.wire_cost import PacedBoard
from hil.rig.backends.process import ProcessBoard, find_agent
from hil.rig.node import Node
from hil.scenario import Scenario, UpsetTarget, parse_scenario

_FRAME: Final = 3
_SEED: Final = 1
_MEMORY: Final = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
_INPROC_SHARE: Final = 0.6
_FATAL: Final = (UpsetTarget.STACK, UpsetTarget.GPR)
"""Hits of these kill a worker, or damage what it cannot run on with."""
_CODE: Final = (UpsetTarget.TEXT,)
"""So do hits of these, and make it loop without end."""
_PROCESS_RATE: Final = 15_000
_FATAL_RATE: Final = 4_000
_BAUD: Final = 115_200
_NS: Final = 1e9

_SCENARIO: Final = """\
schema: 1
workload: {workload}
frames: 10
rig: {{scheme: simplex, board: {board}}}
"""


def sampled(quick: bool) -> Iterator[PerfRow]:
    """Measure the experiments of sampled campaigns, memory hits of one step."""
    share = 5 if quick else 1
    for name, count, rounds in (
        ("attitude", 100_000, 25),  # a fifth of a microsecond each: whatever disturbs it counts
        ("sha256", 10_000, 7),
        ("infer", 10_000, 7),
        ("matmul", 2_000, 7),
    ):
        yield _in_process(name, count // share, rounds)
    yield _on_worker(20_000 // share, 2 if quick else 5)
    yield _after_fatal_hits("stack and registers", _FATAL, 6_000 // share, 2 if quick else 5)
    yield _after_fatal_hits("machine code", _CODE, 4_000 // share, 1 if quick else 3)
    yield _behind_line(20_000 // share, 1 if quick else 3)


def _scenario(workload: str, board: str) -> Scenario:
    return parse_scenario(_SCENARIO.format(workload=workload, board=board))


def _in_process(name: str, count: int, rounds: int) -> PerfRow:
    """Return the row of one workload: the same number of experiments and of bare steps, each in one
    call of C."""
    bench = FaultBench(partial(Golden, name, _SEED))
    space = survey_inproc(bench, (_FRAME,), _MEMORY).space
    table = draw(space, [count // len(_MEMORY)] * len(_MEMORY), _SEED, 0, 0)
    faults = fault_array(table.chosen(table.order), _MEMORY)
    bench.hold(_FRAME)
    run_s, bare_s = fastest(rounds, (lambda: bench.run(faults), lambda: bench.bare(len(faults))))
    rate, bare = len(faults) / run_s, len(faults) / bare_s
    return make_row(
        f"sampled campaign, inproc, {name}",
        rate,
        "1/s",
        target=f">= {_INPROC_SHARE:g} x the bare kernel",
        ok=rate / bare >= _INPROC_SHARE,
        reference=Reference("bare steps in C, nothing compared or restored", bare),
    )


def _board_cpu_s(pid: int) -> float:
    """Return the CPU time of an agent and its worker [s]."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    stats = [Path(f"/proc/{one}/schedstat") for one in (pid, *children)]
    return sum(int(stat.read_text(encoding="ascii").split()[0]) for stat in stats) / _NS


class _Samples:
    """A sample of the faults of a step that a board holds, to be carried out as often as wanted."""

    def __init__(
        self, board: HeldBoard, count: int, targets: tuple[UpsetTarget, ...] = _MEMORY
    ) -> None:
        self._board = board
        survey = survey_board(board, (_FRAME,), targets)
        how = (survey.space, [count // len(targets)] * len(targets), _SEED, 0, 0)
        table: FaultTable = draw(*how)
        ordered = table.chosen(table.order)
        self._experiments = survey.experiments(ordered, 0, target_draws(*how))
        self._units = Range(0, len(table))

    def carry_out(self) -> int:
        """Carry out all of them; return how many they are."""
        parts: list[RangeOutcomes] = []
        self._experiments.carry_out(self._board, self._units, parts.append, lambda: False)
        return sum(part.count for part in parts)

    def rate(self) -> float:
        """Return the experiments per second of real time."""
        began = time.perf_counter()
        return self.carry_out() / (time.perf_counter() - began)


def _worker_rate(count: int, targets: tuple[UpsetTarget, ...] = _MEMORY) -> float:
    """Return the experiments per second of CPU time on one worker process: of host, agent and
    worker together."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # host, agent and worker take turns
    try:
        with held_board(_scenario("attitude", "process"), 0, _FRAME) as board:
            samples = _Samples(board, count, targets)
            process = board.node.board
            assert isinstance(process, ProcessBoard)
            assert process.pid is not None
            before = time.process_time() + _board_cpu_s(process.pid)
            done = samples.carry_out()
            cpu_s = time.process_time() + _board_cpu_s(process.pid) - before
    finally:
        os.sched_setaffinity(0, cores)
    return done / cpu_s


def _behind_line(count: int, rounds: int) -> PerfRow:
    """Return the row of a board behind a line of 115200 baud, in turns with the same kind of board
    without one."""
    lines = PacedLines()
    slow, fast = PacedBoard("slow", lines, _BAUD), ProcessBoard("fast", find_agent())
    scenario = _scenario("attitude", "process")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with (
            held_node(Node("fast", 0, fast), scenario, _FRAME) as near,
            held_node(Node("slow", 1, slow), scenario, _FRAME) as far,
        ):
            a, b = _Samples(near, count), _Samples(far, count)
            line = slow.line
            assert line is not None
            before = line.to_board.bytes + line.to_host.bytes
            rates, slow_rates = in_turns(rounds, a.rate, b.rate)
            moved = line.to_board.bytes + line.to_host.bytes - before
    finally:
        os.sched_setaffinity(0, cores)
    value, reference = max(slow_rates), max(rates)
    return make_row(
        f"sampled campaign behind {_BAUD} baud, attitude",
        value,
        "1/s",
        target=">= 0.5 x without",
        ok=value >= 0.5 * reference,
        reference=Reference("same board without the line", reference),
        note=f"{moved / (count * rounds):.2f} bytes an experiment, both ways together",
    )


def _on_worker(count: int, rounds: int) -> PerfRow:
    def golden() -> float:
        run = Golden("attitude", _SEED)
        return 20_000 / seconds(run.step, 20_000)

    rates, references = in_turns(rounds, lambda: _worker_rate(count), golden)
    return make_row(
        "sampled campaign, process, attitude",
        max(rates),
        "1/s/core",
        target=f">= {_PROCESS_RATE}/s/core",
        ok=max(rates) >= _PROCESS_RATE,
        reference=Reference("golden steps from Python", max(references)),
        note=f"{count} memory hits at any instruction of one step, by CPU time of host, agent and "
        "worker; opening and tracing not counted",
    )


def _after_fatal_hits(
    what: str, targets: tuple[UpsetTarget, ...], count: int, rounds: int
) -> PerfRow:
    """Return the row of hits after which a worker would have to be started again."""

    def start() -> float:
        return 200 / seconds(_start_and_end, 200)

    rates, references = in_turns(rounds, lambda: _worker_rate(count, targets), start)
    return make_row(
        f"sampled campaign, process, attitude, {what}",
        max(rates),
        "1/s/core",
        target=f">= {_FATAL_RATE}/s/core",
        ok=max(rates) >= _FATAL_RATE,
        reference=Reference("starting and ending a process for each", max(references)),
        note=f"{count} hits; after crashes and hangs the worker is restored in "
        "place; by CPU time of host, agent and worker",
    )


def _start_and_end() -> None:
    """Start a process that ends at once, and wait for it."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(pid, 0)
