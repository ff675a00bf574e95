"""Speed of sampled campaigns: experiments per second in this process, beside the bare kernel, and
on worker processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from hil.campaign.board_laboratory import BoardLaboratory
from hil.campaign.inproc_laboratory import FaultBench, InprocLaboratory, fault_array
from hil.campaign.sampling import draw
from hil.kernel import Golden
from hil.perf.row import PerfRow, Reference, fastest, in_turns, make_row, seconds
from hil.rig.backends.process import ProcessBoard
from hil.scenario import Scenario, UpsetTarget, parse_scenario

_FRAME: Final = 3
_SEED: Final = 1
_MEMORY: Final = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
_INPROC_SHARE: Final = 0.6
_PROCESS_RATE: Final = 15_000
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
    for name, count in (
        ("attitude", 100_000),
        ("sha256", 10_000),
        ("infer", 10_000),
        ("matmul", 2_000),
    ):
        yield _in_process(name, count // share)
    yield _on_worker(20_000 // share, 2 if quick else 5)


def _scenario(workload: str, board: str) -> Scenario:
    return parse_scenario(_SCENARIO.format(workload=workload, board=board))


def _in_process(name: str, count: int) -> PerfRow:
    """Return the row of one workload: the same number of experiments and of bare steps, each in one
    call of C."""
    laboratory = InprocLaboratory(_scenario(name, "inproc"), (_FRAME,), _MEMORY)
    table = draw(laboratory.space, [count // len(_MEMORY)] * len(_MEMORY), _SEED, 0, 0)
    faults = fault_array(table.chosen(table.order), _MEMORY)
    bench = FaultBench(partial(Golden, name, _SEED))
    bench.hold(_FRAME)
    run_s, bare_s = fastest(7, (lambda: bench.run(faults), lambda: bench.bare(len(faults))))
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


def _worker_rate(count: int) -> float:
    """Return the experiments per second of CPU time on one worker process: of host, agent and
    worker together."""
    laboratory = BoardLaboratory(_scenario("attitude", "process"), (_FRAME,), _MEMORY)
    try:
        counts = [count // len(_MEMORY)] * len(_MEMORY)
        table = draw(laboratory.space, counts, _SEED, 0, 0)
        bench = laboratory.bench(0)
        process = bench.board.node.board
        assert isinstance(process, ProcessBoard)
        assert process.pid is not None
        before = time.process_time() + _board_cpu_s(process.pid)
        for _ in bench.carry_out(table.chosen(table.order)):
            pass
        cpu_s = time.process_time() + _board_cpu_s(process.pid) - before
    finally:
        laboratory.close()
    return sum(counts) / cpu_s


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
