"""Outcomes: what each upset did to its node, and to the system. Pure.

Node effect (what the golden run shows of the node, whatever the voter thought):

    masked     output and state of the frame are golden
    latent     the state is not, or the worker lost count of its progress; the output is right
    sdc        the output is not: silent data corruption of this node
    crash      the worker (or the agent) died, `signal` of what; or there is none to compute
    hang       the step never ended: it used up its budget, or the board fell silent
    reboot     the agent started again
    detected   the link's check or the memory's code caught it
    late       the answer came after its frame, or was out of step with the frames

System outcome (what left the system, and what it cost):

    no_effect            nothing differed
    corrected            outvoted or caught, healed by resync or repetition at most
    recovered            healed by restart, reset, power cycle or rollback
    degraded             the node was isolated, or still not voting when the run ended
    detected_unresolved  no output: the nodes had no majority
    sdc_escaped          a wrong output left the system
    unavailable          no output: no node was heard

An upset is *settled* when its node votes again with the right state, is isolated, or the run ends:
then its effect and outcome stand. What a frame shows of a node belongs to the upsets that are open
on it and can have this effect (`_can_cause`): a flipped bit of the worker's memory can make the
worker crash, but does not kill the agent; noise on the link corrupts no state. Those that cannot
have caused it keep the effect and outcome that they have.

If no open upset can have caused it, a settled one may have that still lies in the node. It is
dormant, is opened again, and the record marks it so. How long it may:

    stuck cell              until it is released, or its board starts again (`permanent`: for ever)
    text                    until the worker is started again
    stack, gpr, vector      for one more frame after it hit, or showed: the next step uses again all
                            that the worker lives by (the longest of 3400 measured was one frame)
    board-ram               until the board's operating system is started again
    agent                   until the agent is started again
    everything else         not at all: each step writes heap (its scratch memory), input and output
                            anew, and the vote has compared the state

What no upset can have caused is an anomaly of its own, and unexplained. Upsets that hit one node in
one frame share what followed. What is this computer's fault (`NodeResult.host`) is nobody's
effect."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import Verdict, VerdictKind
from hil.rig.node import ABSENT, CRASHED, DONE, EXCLUDED, SILENT, NodeResult
from hil.upsets.upset import Upset
from hil.upsets.words import NodeEffect, SystemOutcome, UpsetTarget

__all__ = ["Anomaly", "Classifier", "effect_of"]

_T: Final = UpsetTarget
_IN_WORKER: Final = frozenset({_T.STACK, _T.HEAP, _T.TEXT, _T.GPR, _T.VECTOR})
_PASSING: Final = frozenset({_T.STACK, _T.GPR, _T.VECTOR})
"""Lie in the worker until it has used them again, in its next step."""
_UNSEEN: Final = frozenset({NodeEffect.UNKNOWN, NodeEffect.MASKED})
_HARMLESS: Final = _UNSEEN | {NodeEffect.LATENT}
"""Effects that may still become another one."""
_NOT_DEGRADED: Final = frozenset({NodeEffect.MASKED, NodeEffect.LATENT, NodeEffect.DETECTED})
_BY_SEVERITY: Final = (
    SystemOutcome.UNKNOWN,
    SystemOutcome.NO_EFFECT,
    SystemOutcome.CORRECTED,
    SystemOutcome.RECOVERED,
    SystemOutcome.DEGRADED,
    SystemOutcome.UNAVAILABLE,
    SystemOutcome.DETECTED_UNRESOLVED,
    SystemOutcome.SDC_ESCAPED,
)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something no upset explains."""

    frame: int
    node: str
    effect: NodeEffect
    reason: str


def effect_of(result: NodeResult, golden_output: int, golden_state: int) -> NodeEffect:
    """Return the node effect that one frame's result shows."""
    if result.status == DONE:
        if result.output_digest != golden_output:
            return NodeEffect.SDC
        right = result.state_digest == golden_state and not result.miscounted
        return NodeEffect.MASKED if right else NodeEffect.LATENT
    if result.rebooted:
        return NodeEffect.REBOOT
    if result.late or result.out_of_step or result.suspended:
        return NodeEffect.LATE
    crashed = result.status in (CRASHED, ABSENT) or result.ended
    return NodeEffect.CRASH if crashed else NodeEffect.HANG


def _is_of_the_board(result: NodeResult) -> bool:
    """It is the board that failed, not only its worker."""
    return result.rebooted or result.ended or result.disconnected or result.status == SILENT


def _can_cause(upset: Upset, frame: int, effect: NodeEffect, result: NodeResult) -> bool:
    """Whether what a node shows in `frame` can come of the upset: `effect` is not masked."""
    target = upset.plan.target
    if target in (_T.BOARD, _T.AGENT) or _in_system(upset):
        return True
    if target is _T.CPU:  # a board that resets is away for a while, but nobody kills its agent
        return not result.ended
    if target is _T.LINK:
        return effect is NodeEffect.LATE or (result.status == SILENT and not result.disconnected)
    if _is_of_the_board(result):
        # Without an operating system nothing keeps a worker from taking the board with it.
        alone = not (result.ended or result.disconnected)
        return alone and target in _IN_WORKER and upset.plan.frame == frame
    if effect is NodeEffect.LATE:
        return target in _IN_WORKER or upset.stuck or upset.assessment.effect not in _HARMLESS
    return True


def _can_wake(upset: Upset, frame: int, effect: NodeEffect, result: NodeResult) -> bool:
    """As `_can_cause`, of one that is settled, but may still lie in the node."""
    killed = result.status == CRASHED and result.signal == signal.SIGKILL
    if killed and not upset.stuck and not _in_system(upset):
        return False  # no worker kills itself so: somebody else did
    return not _is_gone(upset, frame) and _can_cause(upset, frame, effect, result)


@dataclass(slots=True)
class _NodeBook:
    """Upsets of one node: `open` wait for their outcome, `dormant` may still strike, `blamed` are
    those that what the node shows in this frame belongs to."""

    open: list[Upset] = field(default_factory=list)
    dormant: list[Upset] = field(default_factory=list)
    blamed: list[Upset] = field(default_factory=list)


class Classifier:
    """Follows every upset of a run from the hit to its outcome. What is over and can strike no more
    is kept by who takes it; here it is only counted (`count`: all that fell due)."""

    def __init__(self, nodes: list[str]) -> None:
        self._books = {name: _NodeBook() for name in nodes}
        self.count = 0
        self.anomalies: list[Anomaly] = []
        self.finished: list[Upset] = []
        self._begun: list[Upset] = []
        self._any_upset = False
        self._contaminated: set[str] = set()

    def add(self, upset: Upset) -> None:
        """An upset fell due; it was injected, or not."""
        self._any_upset = True
        self.count += 1
        lies_there = upset.plan.target is _T.TEXT or upset.plan.target in _PASSING
        assessment = upset.assessment
        assessment.lingers = upset.stuck or lies_there or _in_system(upset) or _in_agent(upset)
        assessment.active_frame = upset.plan.frame
        if upset.injected:
            self._books[upset.plan.node].open.append(upset)
            self._begun.append(upset)
        else:
            self.finished.append(upset)

    def withdraw(self, upset: Upset) -> None:
        """An upset that was called injected was not, as its board says now: its row is written
        again."""
        book = self._books[upset.plan.node]
        book.open = [u for u in book.open if u is not upset]
        upset.assessment.effect = NodeEffect.UNKNOWN
        upset.assessment.outcome = SystemOutcome.UNKNOWN
        self.finished.append(upset)

    def on_late_report(self, upset: Upset) -> None:
        """What a board says at last of an upset that was called injected when it fell silent."""
        if not upset.injected:
            self.withdraw(upset)
        elif upset.assessment.resolved_frame is not None:  # its row is written again
            self.finished.append(upset)

    @property
    def contaminated_nodes(self) -> list[str]:
        """Nodes that hold what a wrong majority held."""
        return sorted(self._contaminated)

    @property
    def dormant(self) -> dict[str, list[Upset]]:
        """By node, the upsets that may still strike, in the order in which they were settled."""
        return {name: list(book.dormant) for name, book in self._books.items()}

    def recall(self, count: int, dormant: Sequence[Upset], contaminated: Sequence[str]) -> None:
        """Take up the upsets of a run that is resumed, and its contaminated nodes: how many there
        were, and those that may still strike, in their order."""
        self._contaminated.update(contaminated)
        self.count += count
        self._any_upset = self._any_upset or bool(count)
        for upset in dormant:
            upset.assessment.lingers = True
            self._books[upset.plan.node].dormant.append(upset)

    @property
    def open(self) -> bool:
        """Some upset still waits for its outcome."""
        return self._any_upset and any(book.open for book in self._books.values())

    def has_live_upset(self, node: str, target: UpsetTarget) -> bool:
        """Whether an upset of `target` is open on the node, or may still strike there."""
        book = self._books[node]
        return any(u.plan.target is target for u in (*book.open, *book.dormant))

    def mark_contaminated(self, node: str, wrong: bool) -> None:
        """The node was healed with what the majority held, `wrong` if that was not the golden
        state: what it does wrong from then on is part of that, not an anomaly of its own."""
        if wrong:
            self._contaminated.add(node)
        else:
            self._contaminated.discard(node)

    def classify_nodes(
        self, frame: int, results: dict[str, NodeResult], golden: tuple[int, int]
    ) -> None:
        """What a frame shows of its nodes. `results` are those of the first execution, before any
        rollback; `golden` the true output and state digests."""
        for book in self._books.values():
            book.blamed = []
        for node, result in results.items():
            if result.status != EXCLUDED and not result.late and not result.host:
                self._classify_node(frame, node, result, golden)

    def _classify_node(
        self, frame: int, node: str, result: NodeResult, golden: tuple[int, int]
    ) -> None:
        book = self._books[node]
        effect = effect_of(result, *golden)
        fresh = [u for u in book.open if u.plan.frame == frame]
        for upset in fresh:
            upset.assessment.shared |= len(fresh) > 1
        if effect is NodeEffect.MASKED:
            self._contaminated.discard(node)
            for upset in book.open:
                upset.assessment.effect = upset.assessment.effect or NodeEffect.MASKED
            return
        self._blame(frame, node, effect, result)
        if result.status == DONE:  # what it answered comes from another upset
            for upset in fresh:
                if upset not in book.blamed:
                    upset.assessment.effect = upset.assessment.effect or NodeEffect.MASKED
        for assessment in (upset.assessment for upset in book.blamed):
            assessment.active_frame = frame
            if assessment.effect in _HARMLESS:
                assessment.effect = effect
                assessment.signal = result.signal
            if assessment.detected_frame is None:
                assessment.detected_frame = frame

    def _blame(self, frame: int, node: str, effect: NodeEffect, result: NodeResult) -> None:
        """Find what an anomaly comes from: the open upsets that can have caused it, else what a
        wrong majority put into the node, else one that still lies there, else nothing known."""
        book = self._books[node]
        book.blamed = [u for u in book.open if _can_cause(u, frame, effect, result)]
        inherited = node in self._contaminated and not _is_of_the_board(result)
        if book.blamed or inherited:
            return
        book.dormant = [u for u in book.dormant if not _is_gone(u, frame)]
        able = [u for u in book.dormant if _can_wake(u, frame, effect, result)]
        if not able:
            self.anomalies.append(Anomaly(frame, node, effect, result.reason))
            return
        firm = [u for u in able if u.stuck or u.plan.target is _T.TEXT]
        upset = (firm or able)[-1]
        book.dormant.remove(upset)
        assessment = upset.assessment
        assessment.dormant |= assessment.effect is NodeEffect.MASKED
        if assessment.outcome is SystemOutcome.NO_EFFECT:
            assessment.outcome = SystemOutcome.UNKNOWN
        assessment.resolved_frame = None
        book.open.append(upset)
        book.blamed.append(upset)
        self._begun.append(upset)

    def classify_system(self, verdict: Verdict, *, rolled_back: bool) -> None:
        """What left the system in the frame; `verdict` is the final one. Only upsets that showed
        something have had a part in it."""
        opened = [u for book in self._books.values() for u in book.blamed]
        if verdict.delivered and not verdict.correct:
            self._worst(opened, SystemOutcome.SDC_ESCAPED)
        elif not verdict.delivered:
            none_heard = verdict.kind is VerdictKind.NO_QUORUM
            unresolved = SystemOutcome.DETECTED_UNRESOLVED
            self._worst(opened, SystemOutcome.UNAVAILABLE if none_heard else unresolved)
        elif rolled_back:
            self._worst(opened, SystemOutcome.RECOVERED)

    def _worst(self, upsets: Iterable[Upset], outcome: SystemOutcome) -> None:
        for assessment in (upset.assessment for upset in upsets):
            assessment.outcome = max(assessment.outcome, outcome, key=_BY_SEVERITY.index)

    def on_repaired(self, node: str, rung: NodeState, boots: int | None = None) -> None:
        """A repair of `node` succeeded. `boots`: how often its operating system has been started
        by now, where that is known."""
        resynced = rung is NodeState.RESYNC
        showed = (u for u in self._books[node].open if u.assessment.effect not in _UNSEEN)
        self._worst(showed, SystemOutcome.CORRECTED if resynced else SystemOutcome.RECOVERED)
        if resynced:
            return
        board = rung in (NodeState.RESET, NodeState.POWER_CYCLE)
        book = self._books[node]
        for upset in [*book.open, *book.dormant]:
            # A damaged cell stays damaged; any other stuck bit lets go when the board starts anew.
            # What lies in the memory of its system is there until that was started again, by its
            # power or by itself.
            off = rung is NodeState.POWER_CYCLE
            gone = off or (boots is not None and upset.report.boot < boots)
            upset.assessment.lingers = (
                (upset.stuck and (upset.plan.permanent or not board))
                or (_in_system(upset) and not gone)
                or (_in_agent(upset) and not board)
            )
        book.dormant = [u for u in book.dormant if u.assessment.lingers]

    def settle(
        self, frame: int, node: str, *, isolated: bool = False, at_end: bool = False
    ) -> None:
        """The node votes again, is isolated, or the run ends: its open upsets get their outcome."""
        book = self._books[node]
        for upset in book.open:
            assessment = upset.assessment
            failed_it = isolated and assessment.effect not in _UNSEEN
            if failed_it or (at_end and assessment.effect not in _NOT_DEGRADED):
                self._worst([upset], SystemOutcome.DEGRADED)
            if not assessment.outcome:
                harmless = assessment.effect in _HARMLESS
                assessment.outcome = (
                    SystemOutcome.NO_EFFECT if harmless else SystemOutcome.CORRECTED
                )
            assessment.resolved_frame = frame
            self.finished.append(upset)
            if assessment.lingers:
                book.dormant.append(upset)
        book.open = []

    def take_finished(self) -> list[Upset]:
        """Upsets whose row is complete since the last call (a dormant one may come again)."""
        out, self.finished = self.finished, []
        return out

    def take_begun(self) -> list[Upset]:
        """Upsets that came up since the last call and still wait for their outcome."""
        out, self._begun = [u for u in self._begun if u.assessment.resolved_frame is None], []
        return out

    def take_anomalies(self) -> list[Anomaly]:
        """What none explains, since the last call."""
        out, self.anomalies = self.anomalies, []
        return out


def _in_system(upset: Upset) -> bool:
    """It lies in the memory of the whole board, where its operating system may meet it any time."""
    return upset.plan.target is _T.BOARD_RAM and upset.report.changed


def _in_agent(upset: Upset) -> bool:
    """It lies in the agent's memory, until the agent starts anew."""
    return upset.plan.target is _T.AGENT


def _is_gone(upset: Upset, frame: int) -> bool:
    """Nothing of it lies in the node any more in `frame`."""
    if upset.stuck:
        hold = upset.plan.hold_frames
        return hold > 0 and frame > upset.plan.frame + hold
    return upset.plan.target in _PASSING and frame > upset.assessment.active_frame + 1
