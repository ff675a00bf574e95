"""Speed of exact campaigns: all faults of a step, beside a GDB script on the same program; and on a
slow line."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hil.campaign.analysis import AnalysedStep, analyse
from hil.campaign.bench import HeldBoard, held_node
from hil.campaign.exact import ExactExperiments
from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
from hil.campaign.executor import RangeOutcomes
from hil.campaign.ranges import Range
from hil.campaign.regions import EXACT_TARGETS
from hil.perf.gdb_injector import gdb_injector, why_no_gdb
from hil.perf.pacing import PacedLines
from hil.perf.row import NO_REFERENCE, PerfRow, Reference, in_turns, make_row
from hil.perf.wire_cost import PacedBoard
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import campaign_summary
from hil.rig.backends.process import ProcessBoard, find_agent
from hil.rig.node import Node
from hil.scenario import Scenario, UpsetTarget, parse_scenario

__all__ = ["exact", "slow_line"]

_SCENARIO: Final = """\
schema: 1
workload: {workload}
frames: 10
rig: {{scheme: simplex, board: process}}
"""
_SEED: Final = 1
_FRAME: Final = 3
_MEMORY: Final = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
_BAUD: Final = 115_200


def _scenario(workload: str) -> Scenario:
    return parse_scenario(_SCENARIO.format(workload=workload))


def _cpu_s() -> float:
    """Return the CPU time of this process and of its children that have ended [s]."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def exact(quick: bool) -> Iterator[PerfRow]:
    """Measure exact campaigns in CPU seconds, tracing, plan, controls and result included."""
    campaigns = [("attitude", "memory", 1.0)]
    if not quick:
        campaigns += [("sha256", "memory", 6.0), ("infer", "memory", 30.0)]
        campaigns += [("attitude", "memory and registers", 30.0)]
    references: dict[str, Reference] = {}
    for workload, what, limit_s in campaigns:
        targets = _MEMORY if what == "memory" else EXACT_TARGETS
        with tempfile.TemporaryDirectory(prefix="hil-perf-") as folder:
            path = Path(folder) / "result"
            order = ExactOrder(_scenario(workload), _FRAME, targets, path, 1)
            cpu, began = _cpu_s(), time.perf_counter()
            run_exact_campaign(order, lambda _: None, lambda _: None)
            cpu, wall = _cpu_s() - cpu, time.perf_counter() - began
            with CampaignFile(path) as file:
                summary = campaign_summary(file)
        count, length = summary.experiments, summary.meta.instructions
        if workload not in references:
            sizes = {totals.target: totals.length for totals in summary.targets}
            references[workload] = _gdb(
                workload, length, (sizes[UpsetTarget.STATE], sizes[UpsetTarget.INPUT]), quick
            )
        yield make_row(
            f"exact campaign, {workload}, {what}",
            count / cpu,
            "1/s/core",
            target=f"<= {limit_s:g} s CPU",
            ok=cpu <= limit_s,
            reference=references[workload],
            note=f"{count:,} experiments for {summary.total.faults:.3g} faults of "
            f"{length:,} instructions in {cpu:.2f} s CPU, {wall:.2f} s of real time, all of it"
            f"{_skipped()}",
        )


def _skipped() -> str:
    why = why_no_gdb()
    return f"; no GDB script beside it: {why}" if why else ""


def _gdb(workload: str, length: int, sizes: tuple[int, int], quick: bool) -> Reference:
    """Return the rate of a GDB script on the same step, as long as that can be measured."""
    if why_no_gdb():
        return NO_REFERENCE
    with gdb_injector(workload, _SEED, _FRAME) as injector:
        rate = injector.rate(length, sizes, seconds=1.0 if quick else 5.0, least=3)
    return Reference("a GDB script, same step", rate)


# --- a slow line --------------------------------------------------------------------------------


class _Rate:
    """The experiments of a step on one board, as often as wanted."""

    def __init__(self, board: HeldBoard, step: AnalysedStep, classes: int) -> None:
        self._board = board
        self._experiments = ExactExperiments(step.plan, board.step.opened, board.limit_us)
        self._units = Range(0, min(classes, step.plan.classes))

    def measure(self) -> float:
        """Return the experiments per second of real time."""
        parts: list[RangeOutcomes] = []
        began = time.perf_counter()
        self._experiments.carry_out(self._board, self._units, parts.append, lambda: False)
        taken_s = time.perf_counter() - began
        return sum(len(part.effects) for part in parts) / taken_s


def slow_line(quick: bool) -> Iterator[PerfRow]:
    """Measure the experiments per second behind a line of 115200 baud, in turns with the same kind
    of board without one."""
    lines = PacedLines()
    slow = PacedBoard("slow", lines, _BAUD)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # host, agent and worker take turns
    try:
        for workload in ("attitude",) if quick else ("attitude", "sha256"):
            fast = ProcessBoard("fast", find_agent())
            scenario = _scenario(workload)
            with (
                held_node(Node("fast", 0, fast), scenario, _FRAME) as near,
                held_node(Node("slow", 1, slow), scenario, _FRAME) as far,
            ):
                step = analyse(near, _MEMORY)
                classes = step.plan.classes if workload == "attitude" else 2000
                a, b = _Rate(near, step, classes), _Rate(far, step, classes)
                line = slow.line
                assert line is not None
                before = line.to_board.bytes + line.to_host.bytes
                rates, slow_rates = in_turns(1 if quick else 3, a.measure, b.measure)
                moved = line.to_board.bytes + line.to_host.bytes - before
            value, reference = max(slow_rates), max(rates)
            each = moved / (8 * classes * len(slow_rates))
            yield make_row(
                f"exact campaign behind {_BAUD} baud, {workload}",
                value,
                "1/s",
                target=">= 0.5 x without",
                ok=value >= 0.5 * reference,
                reference=Reference("same board without the line", reference),
                note=f"{each:.2f} bytes an experiment, both ways together",
            )
    finally:
        os.sched_setaffinity(0, cores)
