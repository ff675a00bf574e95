"""The proof of a scheme: every single upset of a step on every node, and what becomes of it.

Each experiment on a node's real worker says what the node answers then; the real voter and recovery
take that answer beside the right ones of all other nodes (`hil.campaign.scheme_model`). What is
overwritten, or read by nobody, is right without an experiment (`hil.campaign.def_use`).

    time redundancy   each fault strikes in each of the planned executions. What a wrong worker,
                      with a right state, makes of the same step again is not tried, but taken from
                      the steps that follow, with wrong outputs alike. Such damage is `latent`, or
                      `outvoted` if it has shown, and the proof does not hold then
    voter by value    takes the wrong outputs themselves, byte by byte. That of a later step is not
                      known: what shows there is `latent`, or `outvoted` if some has shown before
    cold spares       are off until a node is isolated: their own steps are not hit
    following schemes are not proved with the orbit: prove each with `--scheme`"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.campaign.analysis import AnalysedStep, analyse
from hil.campaign.bench import HeldBoard, held_board
from hil.campaign.controls import check_controls, check_decoder
from hil.campaign.exact import check_path
from hil.campaign.link_upsets import link_upsets
from hil.campaign.origin import content_digest
from hil.campaign.plan import BITS, Batch, ExactPlan
from hil.campaign.proof_journal import Kind, ProofJournal
from hil.campaign.scheme_answers import ModelVote, NodeFault, WrongAnswer
from hil.campaign.scheme_model import SchemeModel, SchemeResult, scheme_parts
from hil.campaign.stubborn_nodes import stubborn_nodes
from hil.campaign.unread import hits_at_end
from hil.campaign.voter_upsets import check_answers, host_upsets
from hil.record.scheme_proof import ProofRow, SchemeFate, SchemeProof
from hil.rig.node import CRASHED, DONE, HUNG
from hil.rig.reservation import BenchReservation, uses_of_run
from hil.scenario import Scenario, UpsetTarget
from hil.scenario.voter import StateVote
from hil.upsets.words import SystemOutcome
from hil.wire.campaign import Detail, Site
from hil.wire.outcomes import FAILURE_COUNT, Differs, Ending, Fate, Outcome, Outcomes, endings

__all__ = [
    "Kind",
    "NodeFaults",
    "ProofOrder",
    "fate_in_scheme",
    "fault_in",
    "fault_of",
    "prove_scheme",
]

_NOTICES_S: Final = 0.5
"""How often the wait for all nodes ends: Python misses a signal that comes just before it waits,
until the wait is over."""
_DETAILS: Final = Detail.DIFFERS | Detail.FATE


_RIGHT: Final = Kind(Outcome.MASKED, 0, Differs.NOTHING, Fate.LATENT, 0)


@dataclass(frozen=True, slots=True)
class ProofOrder:
    """A proof that is wanted: of all upsets of `targets` in step `frame` of `scenario`; `workers`:
    nodes that work at once; `follow`: how many steps a fault that does not show is followed for;
    `result`: the file beside which the experiments are kept until it is written, so that a proof
    that was interrupted continues (None: they are not)."""

    scenario: Scenario
    frame: int
    targets: tuple[UpsetTarget, ...]
    workers: int
    follow: int = 4
    result: Path | None = None

    @property
    def by_value(self) -> bool:
        """Return whether a voter by value decides."""
        return not self.scenario.rig.voter.is_exact

    @property
    def voted(self) -> bool:
        """Return whether nodes compare their states with each other."""
        rig = self.scenario.rig
        return rig.size > 1 and rig.voter.state is StateVote.EXACT

    @property
    def restored(self) -> bool:
        """Return whether the state of a node is put right after a step in which it was wrong: by
        other nodes, or by further executions of the step."""
        return self.voted or self.scenario.rig.scheme.executions > 1

    def journal(self, node: str, plan: ExactPlan) -> ProofJournal:
        """Open, or begin, the journal of the experiments on a node; with a voter by value, it is
        kept in memory. Raises: RecordError if it is that of another proof."""
        identity = {
            "content": content_digest(self.scenario),
            "plan": plan.digest,
            "frame": str(self.frame),
            "follow": str(self.follow),
            "restored": str(self.restored),
        }
        result = None if self.by_value else self.result
        return ProofJournal(result, node, identity, plan.classes)


@dataclass(frozen=True, slots=True)
class NodeFaults:
    """All upsets of one node: `plan`; the kind of each experiment, a number of `kinds`, with the
    shape (classes, bits); and the faults of each kind by target, in bits times instructions.
    `output`: the right one."""

    node: str
    plan: ExactPlan
    step: AnalysedStep
    arch: str
    arena: int
    output_digest: int
    state_digest: int
    output: bytes
    experiments: int
    kinds: list[Kind]
    numbers: npt.NDArray[np.uint16]
    faults: dict[UpsetTarget, Counter[Kind]]


def prove_scheme(
    order: ProofOrder, report: Callable[[int, int], None], say: Callable[[str], None]
) -> tuple[SchemeProof, list[NodeFaults]]:
    """Carry out all experiments on all nodes, and put the results to the scheme; return the proof,
    and what it is made from. `report` gets how many experiments are done, of how many.

    Raises: SetupError, LinkTimeout, NodeError; ConfigError for a voter whose fields do not fit the
    output."""
    scenario = order.scenario
    rig = scenario.rig
    nodes = rig.nodes[: rig.size - rig.on_stand_by]
    counter = _Progress(report, len(nodes))
    with ExitStack() as stack:
        reservation = BenchReservation(uses_of_run(scenario))
        stack.enter_context(reservation).acquire()
        say(f"every upset of step {order.frame} on {len(nodes)} node{'s' * (len(nodes) > 1)}")
        pool = stack.enter_context(ThreadPoolExecutor(min(order.workers, len(nodes))))
        stack.callback(counter.halt.set)
        work = [pool.submit(_faults_of_node, order, i, counter) for i in range(len(nodes))]
        pending = set(work)
        while pending:
            done, pending = wait(pending, _NOTICES_S)
            for one in done:
                one.result()  # raises what went wrong on this node at once
        found = [one.result() for one in work]
    first = found[0]
    model = SchemeModel(scenario, first.output)
    rows = [row for faults in found for row in _rows(order, model, faults)]
    proof = SchemeProof(
        scenario.rig.scheme.value,
        scenario.workload_name,
        scenario.seed,
        order.frame,
        nodes[0].board.value,
        first.arch,
        first.plan.length,
        sum(faults.experiments for faults in found),
        tuple(rows),
        check_answers(scenario, first.output_digest, first.state_digest, first.output),
        (*host_upsets(scenario, first.output), *link_upsets(order.frame, first.output)),
        stubborn=stubborn_nodes(model),
        may_repeat=sum(_may_repeat(order, model, faults) for faults in found),
    )
    return proof, found


class _Progress:
    """Adds up the progress of all nodes. `halt`: the work on all of them is to end early."""

    def __init__(self, report: Callable[[int, int], None], nodes: int) -> None:
        self.halt = threading.Event()
        self._report = report
        self._nodes = nodes
        self._done = 0

    def add(self, count: int, of_one: int) -> None:
        self._done += count  # only a number for people: no lock
        self._report(self._done, self._nodes * of_one)


# --- the experiments of one node ----------------------------------------------------------------


def _faults_of_node(order: ProofOrder, number: int, progress: _Progress) -> NodeFaults:
    scenario = order.scenario
    if progress.halt.is_set():
        raise KeyboardInterrupt
    with held_board(scenario, number, order.frame) as board:
        step = analyse(board, order.targets)
        check_controls(board, step.plan.length)
        check_decoder(board, step)
        board.follow(order.follow, restored=order.restored)
        vote, _ = scheme_parts(scenario, board.golden.output)
        reader = _KindReader(board, vote if order.by_value else None)
        with order.journal(board.node.name, step.plan) as journal:
            return _experiments(reader, step, journal, progress)


class _KindReader:
    """Carries out experiments on a board, and says of what kind each is. `vote`: that of a voter by
    value, which wants to know the wrong outputs; None for the exact majority."""

    def __init__(self, board: HeldBoard, vote: ModelVote | None) -> None:
        self.board = board
        self.details = _DETAILS if vote is None else _DETAILS | Detail.OUTPUT
        self._vote = vote

    def at(self, plan: ExactPlan, sites: Sequence[Site]) -> list[Kind]:
        """Carry out experiments of one position. Raises: SetupError, LinkTimeout, NodeError."""
        outcomes = self.board.step.run(sites, details=self.details)
        check_path(self.board, plan, sites[-1].position, outcomes)
        return self.of(outcomes)

    def of(self, outcomes: Outcomes) -> list[Kind]:
        """Return the kinds of experiments that were carried out."""
        length = self.board.golden.workload.output_len
        return [self._kind(e) for e in endings(outcomes, self.details, length)]

    def _kind(self, ending: Ending) -> Kind:
        if ending.outcome is Outcome.MASKED:
            return _RIGHT
        output = b""
        if self._vote is not None and ending.output:
            output = self._vote.representative(ending.output)
        return Kind(
            ending.outcome,
            ending.failure,
            ending.differs,
            ending.fate,
            ending.fate_step,
            output,
        )


def _experiments(
    reader: _KindReader, step: AnalysedStep, journal: ProofJournal, progress: _Progress
) -> NodeFaults:
    board = reader.board
    plan, opened = step.plan, board.step.opened
    targets = [region.target for region in plan.regions]
    faults: dict[UpsetTarget, Counter[Kind]] = {target: Counter() for target in targets}
    kinds: dict[Kind, int] = {}
    numbers = np.zeros((plan.classes, BITS), dtype=np.uint16)
    total = BITS * (plan.classes + sum(int(u.matters.sum()) for u in plan.unread))
    progress.add(BITS * journal.done, total)
    for batch in _missing(plan, journal, progress.halt):
        happened = reader.at(plan, batch.sites)
        journal.add(batch.first, happened)
        progress.add(len(happened), total)
    for first, packed in journal.parts():
        codes = [kinds.setdefault(kind, len(kinds)) for kind in packed]
        numbers[first : first + len(codes) // BITS] = np.array(codes).reshape(-1, BITS)
    by_number = list(kinds)
    for region, target in enumerate(targets):
        chosen = plan.region == region
        for bit in range(BITS):
            column = numbers[chosen, bit]
            sums = np.bincount(column, plan.weight[chosen], len(by_number))
            for code, weight in enumerate(sums.tolist()):
                if weight:
                    faults[target][by_number[code]] += int(weight)
    for target, extra in _unread(reader, plan, progress, total):
        faults[target] += extra
    return NodeFaults(
        board.node.name,
        plan,
        step,
        board.arch,
        opened.arena,
        opened.output_digest,
        opened.state_digest,
        board.golden.output,
        total,
        by_number,
        numbers,
        faults,
    )


def _missing(plan: ExactPlan, journal: ProofJournal, halt: threading.Event) -> Iterator[Batch]:
    """Yield the experiments that the journal does not have. Raises: KeyboardInterrupt once `halt`
    is set: another node has failed, or the user has stopped the proof."""
    for first, end in journal.missing():
        for batch in plan.batches(first, end):
            if halt.is_set():
                raise KeyboardInterrupt
            yield batch


def _unread(
    reader: _KindReader, plan: ExactPlan, progress: _Progress, total: int
) -> Iterator[tuple[UpsetTarget, Counter[Kind]]]:
    """Return the faults that are overwritten, and those that are alive at the end of the step: of
    these, what matters then is hit there."""
    for region, deduced, unread in zip(plan.regions, plan.deduced, plan.unread, strict=True):
        harmless = BITS * int(unread.weight[~unread.matters].sum())
        yield region.target, Counter({_RIGHT: deduced.overwritten + harmless})
    for number, places, outcomes in hits_at_end(reader.board, plan, reader.details):
        counts: Counter[Kind] = Counter()
        for experiment, kind in enumerate(reader.of(outcomes)):
            counts[kind] += places[experiment // BITS][1]
        progress.add(BITS * len(places), total)
        yield plan.regions[number].target, counts


# --- what the scheme makes of them ----------------------------------------------------------------


def fault_of(
    kind: Kind,
    target: UpsetTarget,
    *,
    voted: bool,
    repeated: bool = False,
    by_value: bool = False,
) -> NodeFault:
    """Return what a node answers from the upset on. `voted`: other nodes compare their state with
    its own, so that a wrong one is put right after the step. `repeated`: the node itself executes
    the same step again, from the right state. `by_value`: a wrong output that shows in a later step
    may be near enough to the right one, which is open."""
    if kind.outcome is Outcome.MASKED:
        return NodeFault(target, (WrongAnswer(),))
    if kind.outcome is Outcome.FAILED and kind.failure != FAILURE_COUNT:
        status = CRASHED if kind.failure else HUNG
        return NodeFault(target, (WrongAnswer(status, kind.failure),))
    first = WrongAnswer(
        DONE,
        0,
        output_right=not kind.differs & Differs.OUTPUT,
        state_right=not kind.differs & Differs.STATE,
        ticks_right=not kind.differs & Differs.TICKS,
        output=kind.output,
    )
    if kind.outcome is Outcome.FAILED:  # its worker is started again
        return NodeFault(target, (first,))
    in_state = not kind.differs & Differs.REST
    if (voted or repeated) and in_state:
        return NodeFault(target, (first,), in_state=True)
    between = WrongAnswer(DONE, 0, state_right=voted or repeated or in_state is False)
    shows = kind.fate not in (Fate.LATENT, Fate.HEALED, *((Fate.SDC,) if by_value else ()))
    steps = kind.fate_step if kind.fate is Fate.LATENT else max(0, kind.fate_step - 1)
    answers = (first, *(between,) * steps, *((_ANSWERS[kind.fate],) if shows else ()))
    unsettled = repeated or kind.fate in (Fate.LATENT, Fate.SDC, Fate.STATE)
    return NodeFault(target, answers, in_state=in_state, unsettled=unsettled)


_SIGSEGV: Final = 11
_ANSWERS: Final = {
    Fate.SDC: WrongAnswer(DONE, 0, output_right=False, state_right=False),
    Fate.STATE: WrongAnswer(DONE, 0, state_right=False),
    Fate.CRASH: WrongAnswer(CRASHED, _SIGSEGV),
    Fate.HANG: WrongAnswer(HUNG),
    Fate.DETECTED: WrongAnswer(DONE, 0, ticks_right=False),
}


_BY_OUTCOME: Final = {
    SystemOutcome.NO_EFFECT: SchemeFate.NO_EFFECT,
    SystemOutcome.CORRECTED: SchemeFate.CORRECTED,
    SystemOutcome.RECOVERED: SchemeFate.RECOVERED,
}

_UNSETTLED: Final = {
    SystemOutcome.NO_EFFECT: SchemeFate.LATENT,
    SystemOutcome.CORRECTED: SchemeFate.OUTVOTED,
}


def fate_in_scheme(result: SchemeResult) -> SchemeFate:
    """Return the fate that stands in the proof for what the scheme made of an upset."""
    if result.escaped:
        return SchemeFate.ESCAPED
    if result.lost:
        return SchemeFate.NO_OUTPUT
    if result.outcome is SystemOutcome.DEGRADED:
        return SchemeFate.DEGRADED
    if not result.restored and result.worst in _UNSETTLED:
        return _UNSETTLED[result.worst]
    return _BY_OUTCOME[result.worst]


def fault_in(scenario: Scenario, kind: Kind, target: UpsetTarget) -> NodeFault:
    """Return what a node of a scenario answers from an upset on."""
    order = ProofOrder(scenario, 0, (target,), 1)
    repeated, by_value = scenario.rig.scheme.executions > 1, order.by_value
    return fault_of(kind, target, voted=order.voted, repeated=repeated, by_value=by_value)


def _rows(order: ProofOrder, model: SchemeModel, faults: NodeFaults) -> Iterator[ProofRow]:
    for target, kinds in faults.faults.items():
        fates: Counter[SchemeFate] = Counter()
        for kind, count in kinds.items():
            if kind.differs & Differs.UNSEEN:  # no digest shows it
                fates[SchemeFate.ESCAPED] += count * model.executions
                continue
            fault = fault_in(order.scenario, kind, target)
            for execution in range(1, model.executions + 1):
                result = model.carry_out(faults.node, fault, execution=execution)
                fates[fate_in_scheme(result)] += count
        yield ProofRow(faults.node, target, fates)


def _may_repeat(order: ProofOrder, model: SchemeModel, faults: NodeFaults) -> int:
    """Return how many faults count as recovered although the damage is still in a worker."""
    number = 0
    for target, kinds in faults.faults.items():
        for kind, count in kinds.items():
            if kind.outcome is Outcome.MASKED or kind.differs & Differs.UNSEEN:
                continue
            result = model.carry_out(faults.node, fault_in(order.scenario, kind, target))
            recovered = fate_in_scheme(result) is SchemeFate.RECOVERED
            number += count if recovered and not result.restored else 0
    return number
