"""An exact campaign from beginning to end: boards, plan, controls, experiments, result file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from hil import __version__
from hil.campaign.analysis import AnalysedStep, analyse
from hil.campaign.bench import HeldBoard, held_board
from hil.campaign.controls import check_controls, check_decoder
from hil.campaign.exact import CampaignProgress, ExactRun, missing_ranges
from hil.campaign.plan import BITS, ExactPlan
from hil.campaign.step_rows import instructions_of, step_rows_of
from hil.campaign.symbols import require_elf_reader, symbols_of
from hil.errors import UsageError
from hil.record.campaign_file import write_campaign
from hil.record.campaign_journal import CampaignJournal, journal_path
from hil.record.campaign_rows import CampaignMeta, ClassRow, RegionRow
from hil.rig.reservation import BenchReservation, uses_of_run
from hil.scenario import BoardKind, Scenario, UpsetTarget

__all__ = ["ExactOrder", "run_exact_campaign"]


@dataclass(frozen=True, slots=True)
class ExactOrder:
    """An exact campaign that is wanted: of all faults of `targets` in step `frame` of `scenario`,
    carried out by `workers` boards, with its result in the new file `result`."""

    scenario: Scenario
    frame: int
    targets: tuple[UpsetTarget, ...]
    result: Path
    workers: int


def run_exact_campaign(
    order: ExactOrder, report: Callable[[CampaignProgress], None], say: Callable[[str], None]
) -> None:
    """Carry out a campaign, or the rest of one that was interrupted, and write its result. `report`
    gets the progress, from any thread; `say` what begins.

    Raises: UsageError if the result exists already; SetupError, LinkTimeout, NodeError,
    RecordError; KeyboardInterrupt, after which the same order continues."""
    if order.result.exists():
        raise UsageError(
            f"{order.result} exists already",
            remedy="name another file with --out, or delete it",
        )
    require_elf_reader()
    with ExitStack() as stack:
        reservation = BenchReservation(uses_of_run(order.scenario))
        stack.enter_context(reservation).acquire()
        _keep_to_core(order, 0)
        stack.callback(_free_cores)
        board = stack.enter_context(held_board(order.scenario, 0, order.frame))
        say("tracing the step")
        step = analyse(board, order.targets)
        plan, meta = step.plan, _meta(order, board, step)
        check_controls(board, plan)
        check_decoder(board, step)
        symbols = symbols_of(board.node.capabilities.read_executable(), step.content)
        identity = {key: str(getattr(meta, key)) for key in CampaignMeta.__slots__}
        with CampaignJournal(journal_path(order.result), identity) as journal:
            run = ExactRun(plan, journal, report)
            say(f"{BITS * plan.classes:,} experiments")
            _carry_out(order, run, board, _missing(journal, plan))
            write_campaign(
                order.result,
                meta,
                _regions(plan),
                instructions_of(step, symbols),
                _classes(plan, journal),
                step_rows_of(board, step, symbols),
            )
            journal.remove()


def _missing(journal: CampaignJournal, plan: ExactPlan) -> list[tuple[int, int]]:
    done = [(first, len(effects) // BITS) for first, effects, _ in journal.parts()]
    return missing_ranges(done, plan.classes)


def _carry_out(
    order: ExactOrder,
    run: ExactRun,
    board: HeldBoard,
    missing: Sequence[tuple[int, int]],
) -> None:
    """Carry out the experiments of the `missing` ranges: this thread with `board`, others with
    boards of their own."""
    nodes = order.scenario.rig.nodes
    real = nodes[0].board is BoardKind.SERIAL  # there are no more than there are
    shares = _shares(missing, min(order.workers, len(nodes)) if real else order.workers)
    failures: list[BaseException] = []

    def work(number: int, share: Sequence[tuple[int, int]]) -> None:
        try:
            _keep_to_core(order, number)
            with held_board(order.scenario, number, order.frame) as other:
                for first, end in share:
                    run.carry_out(other, first, end)
        except BaseException as error:  # noqa: BLE001  (raised again by the thread that waits)
            failures.append(error)
            run.stop()

    threads = [
        threading.Thread(target=work, args=(number, share), name=f"hil campaign {number}")
        for number, share in enumerate(shares[1:], start=1)
    ]
    for thread in threads:
        thread.start()
    try:
        for first, end in shares[0]:
            run.carry_out(board, first, end)
    except BaseException:
        run.stop()
        raise
    finally:
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def _shares(ranges: Sequence[tuple[int, int]], workers: int) -> list[list[tuple[int, int]]]:
    """Cut ranges of classes into one share for each worker, of about equal size."""
    total = sum(end - first for first, end in ranges)
    size = max(1, -(-total // workers))
    shares: list[list[tuple[int, int]]] = [[] for _ in range(workers)]
    given = 0
    for first, end in ranges:
        at = first
        while at < end:
            number = given // size
            count = min(end - at, (number + 1) * size - given)
            shares[number].append((at, at + count))
            at, given = at + count, given + count
    return shares


def _keep_to_core(order: ExactOrder, number: int) -> None:
    """Keep this thread, and the process boards that it starts, to one core: host, agent and worker
    take turns. Others, such as emulators, use several."""
    if order.scenario.rig.nodes[0].board is BoardKind.PROCESS:
        cores = sorted(_ALL_CORES)
        os.sched_setaffinity(0, {cores[number % len(cores)]})


_ALL_CORES = os.sched_getaffinity(0)


def _free_cores() -> None:
    os.sched_setaffinity(0, _ALL_CORES)


# --- what is written --------------------------------------------------------------------------


def _meta(order: ExactOrder, board: HeldBoard, step: AnalysedStep) -> CampaignMeta:
    scenario, plan = order.scenario, step.plan
    return CampaignMeta(
        hil_version=__version__,
        scenario=scenario.name,
        workload=scenario.workload_name,
        seed=scenario.seed,
        frame=order.frame,
        board=scenario.rig.nodes[0].board.value,
        arch=board.arch,
        targets=tuple(target.value for target in order.targets),
        instructions=plan.length,
        plan=plan.digest,
        path=f"{plan.path[-1]:016x}",
    )


def _regions(plan: ExactPlan) -> Iterator[RegionRow]:
    for number, (region, known) in enumerate(zip(plan.regions, plan.deduced, strict=True)):
        target = region.target.value
        yield RegionRow(number, target, region.length, known.space, known.overwritten, known.unread)


def _classes(plan: ExactPlan, journal: CampaignJournal) -> Iterator[ClassRow]:
    regions, positions = plan.region.tolist(), plan.position.tolist()
    bytes_, weights = plan.byte.tolist(), plan.weight.tolist()
    for first, effects, details in journal.parts():
        for at in range(0, len(effects), BITS):
            number = first + at // BITS
            place = (regions[number], positions[number], bytes_[number], weights[number])
            yield ClassRow(number, *place, effects[at : at + BITS], details[at : at + BITS])
