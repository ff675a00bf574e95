"""Outcomes: the effect of each upset on its node, and its outcome for the system. Pure.

Node effect (by comparison with the golden run, independent of the verdict):

    masked     output and state of the frame are golden
    latent     the state is not, or the worker's progress count is wrong; the output is golden
    sdc        the output is not golden: silent data corruption of this node
    crash      the worker (or the agent) died, by `signal`; or there is no worker to compute
    hang       the step never ended: it used up its budget, or the board fell silent
    reboot     the agent started again
    detected   a check of the link or the memory's code detected it
    late       the answer came after its frame, or was out of step with the frames

System outcome (by what was delivered, and by the repair):

    no_effect            no output differed, and nothing was repaired for it; a state may still be
                         wrong when the run ends (the node effect is then `latent`)
    corrected            outvoted or detected; repaired by resync or repetition at most
    recovered            repaired by restart, reset, power cycle or rollback
    degraded             the node was isolated, or still not voting when the run ended
    detected_unresolved  no output: the nodes had no majority
    sdc_escaped          a wrong output left the system
    unavailable          no output: no node answered

An upset is *settled* when its node votes again with the right state, is isolated, or the run ends:
then its effect and outcome are final. While the board of its node is searched for, it *waits*: the
board may return and be repaired. A deviation of a node is attributed to the upsets that are
open on it and can have this effect (`can_cause`): a flipped bit in the worker's memory can make
the worker crash, but does not kill the agent; noise on the link corrupts no state. Upsets that
cannot have caused it keep their effect and outcome.

If no open upset can have caused it, a settled one may have that remains in the node. It was
dormant; it is opened again, and the record marks it as dormant. It may remain:

    stuck cell              until it is released, or its board starts again (`permanent`: always)
    text                    until the worker is started again (after the release of a stuck cell)
    stack, gpr, vector      for one more frame after it hit or had an effect: the next step rewrites
                            all of these (the longest of 3400 measured lasted one frame)
    board-ram               until the board's operating system is started again
    agent                   until the agent is started again
    everything else         not at all: each step rewrites heap (its scratch memory), input and
                            output, and the vote has compared the state

A deviation that no upset can have caused is an anomaly. Upsets that hit one node in one frame share
their effects, but for flips of a board's memory, which hit it from outside at any time: a deviation
is attributed to one of them, the last before the board fell silent. One that came later, while the
board was waited for, had no part in it, and its detail says so. A fault of this computer
(`NodeResult.host`) is not an effect of any upset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import Verdict, VerdictKind
from hil.rig.node import ABSENT, CRASHED, DONE, EXCLUDED, SILENT, NodeResult
from hil.upsets.causes import (
    HARMLESS,
    PASSING,
    UNSEEN,
    NodeBook,
    can_cause,
    can_wake,
    in_agent,
    in_system,
    is_gone,
    is_of_the_board,
    is_released,
    may_remain,
)
from hil.upsets.upset import Upset
from hil.upsets.words import NodeEffect, SystemOutcome, UpsetTarget

__all__ = ["Anomaly", "UpsetClassifier", "effect_of"]

_T: Final = UpsetTarget
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
    """A deviation of a node that no upset can have caused."""

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


Suspects: TypeAlias = Collection[str] | None
"""Nodes by name; None: all."""


class UpsetClassifier:
    """Follows every upset of a run from its injection to its outcome. Not thread-safe.

    Finished upsets are handed over by `take_finished` and then only counted here (`count`: all that
    fell due). `programs`: workers are the user's programs; `states_ignored`: states do not vote."""

    def __init__(
        self, nodes: list[str], *, programs: bool = False, states_ignored: bool = False
    ) -> None:
        self._may_remain = partial(may_remain, programs=programs, states_ignored=states_ignored)
        self._books = {name: NodeBook() for name in nodes}
        self.count = 0
        self.anomalies: list[Anomaly] = []
        self.finished: list[Upset] = []
        self._begun: list[Upset] = []
        self._any_upset = False
        self._contaminated: set[str] = set()
        self._notes: list[tuple[int, str]] = []

    def add(self, upset: Upset) -> None:
        """Add an upset that fell due, whether it was injected or not."""
        self._any_upset = True
        self.count += 1
        lies_there = upset.plan.target is _T.TEXT or upset.plan.target in PASSING
        assessment = upset.assessment
        assessment.in_program = self._may_remain(upset)
        lies_there = lies_there or assessment.in_program
        assessment.lingers = upset.stuck or lies_there or in_system(upset) or in_agent(upset)
        assessment.active_frame = upset.plan.frame
        if upset.injected:
            self._books[upset.plan.node].open.append(upset)
            self._begun.append(upset)
        else:
            self.finished.append(upset)

    def withdraw(self, upset: Upset) -> None:
        """Take back an upset that counted as injected, but was not, as its board now reports. Its
        row in the record is written again."""
        book, assessment = self._books[upset.plan.node], upset.assessment
        book.open = [u for u in book.open if u is not upset]
        book.waiting = [u for u in book.waiting if u is not upset]
        book.dormant = [u for u in book.dormant if u is not upset]
        assessment.effect = NodeEffect.UNKNOWN
        assessment.outcome = SystemOutcome.UNKNOWN
        self.finished.append(upset)

    def deny(self, upset: Upset) -> None:
        """Withdraw a power cut that its board, or its supply, denies: what was attributed to it
        alone is an anomaly."""
        node, assessment = upset.plan.node, upset.assessment
        effect, seen = assessment.effect, assessment.detected_frame
        self.withdraw(upset)
        book = self._books[node]
        explained = any(u.assessment.detected_frame == seen for u in (*book.open, *book.waiting))
        if effect not in UNSEEN and seen is not None and not explained:
            self.anomalies.append(Anomaly(seen, node, effect, upset.report.detail))

    def on_late_report(self, upset: Upset) -> None:
        """Take the late report of an upset that counted as injected because its board fell
        silent."""
        if not upset.injected:
            self.withdraw(upset)
        elif upset.assessment.resolved_frame is not None:  # its row is written again
            self.finished.append(upset)

    @property
    def contaminated_nodes(self) -> list[str]:
        """Return the nodes whose state comes from a wrong majority."""
        return sorted(self._contaminated)

    @property
    def dormant(self) -> dict[str, list[Upset]]:
        """Return, by node, the settled upsets that may still have an effect, in the order of
        settling."""
        return {name: list(book.dormant) for name, book in self._books.items()}

    def recall(self, count: int, dormant: Sequence[Upset], contaminated: Sequence[str]) -> None:
        """Take up the upsets of a run that is resumed, and its contaminated nodes: how many there
        were, and those that may still strike, in their order."""
        self._contaminated.update(contaminated)
        self.count += count
        self._any_upset = self._any_upset or bool(count)
        for upset in dormant:
            upset.assessment.lingers = True
            upset.assessment.in_program = self._may_remain(upset)
            self._books[upset.plan.node].dormant.append(upset)

    @property
    def open(self) -> bool:
        """Return whether some upset is not settled yet, of a node whose board is present."""
        return self._any_upset and any(book.open for book in self._books.values())

    @property
    def waiting(self) -> bool:
        """Return whether some upset is not settled because the board of its node is absent."""
        return self._any_upset and any(book.waiting for book in self._books.values())

    def has_live_upset(self, node: str, target: UpsetTarget) -> bool:
        """Return whether an upset of `target` is open on the node, or may still have an effect
        there."""
        book = self._books[node]
        return any(u.plan.target is target for u in (*book.open, *book.waiting, *book.dormant))

    def on_absent(self, node: str) -> None:
        """Make the open upsets of a node wait until `on_returned`."""
        book = self._books[node]
        book.waiting += book.open
        book.open = []

    def on_returned(self, node: str) -> None:
        """Open the upsets of a node again whose board has returned, or is not waited for longer."""
        book = self._books[node]
        book.open = book.waiting + book.open
        book.waiting = []
        book.repaired()

    def mark_contaminated(self, node: str, wrong: bool) -> None:
        """Note that the node was given the majority's state, `wrong` if that was not the golden
        one: its deviations from then on are consequences of that, and not anomalies."""
        if wrong:
            self._contaminated.add(node)
        else:
            self._contaminated.discard(node)

    def classify_nodes(
        self,
        frame: int,
        results: dict[str, NodeResult],
        golden: tuple[int, int],
        *,
        again: bool = False,
    ) -> None:
        """Classify the effects that a frame shows on its nodes. `results`: those of the first
        execution, before any rollback, or, with `again`, of a further execution of a scheme with
        time redundancy; `golden`: the golden output and state digests."""
        for book in self._books.values():
            book.begin_execution(again=again)
        for node, result in results.items():
            if result.status == EXCLUDED or result.host:
                continue
            book = self._books[node]
            book.note_missing(frame, result)
            if not result.late:
                self._classify_node(frame, node, result, golden)
            if result.status != SILENT:
                book.silent_since = None

    def _classify_node(
        self, frame: int, node: str, result: NodeResult, golden: tuple[int, int]
    ) -> None:
        book = self._books[node]
        effect = effect_of(result, *golden)
        fresh = [u for u in book.open if u.plan.frame == frame]
        for upset in fresh:
            upset.assessment.shared |= len(fresh) > 1
        if effect is NodeEffect.MASKED:
            book.flip = None
            self._contaminated.discard(node)
            for upset in book.open:
                upset.assessment.effect = upset.assessment.effect or NodeEffect.MASKED
            return
        self._blame(frame, node, effect, result)
        if result.status == DONE:  # the deviation comes from another upset
            for upset in fresh:
                if upset not in book.blamed:
                    upset.assessment.effect = upset.assessment.effect or NodeEffect.MASKED
        for assessment in (upset.assessment for upset in book.blamed):
            assessment.active_frame = frame
            if assessment.effect in HARMLESS:
                assessment.effect = effect
                assessment.signal = result.signal
            if assessment.detected_frame is None:
                assessment.detected_frame = frame

    def _blame(self, frame: int, node: str, effect: NodeEffect, result: NodeResult) -> None:
        """Attribute a deviation: to the open upsets that can have caused it, else to the state that
        a wrong majority gave the node, else to a dormant upset; else it is an anomaly."""
        book = self._books[node]
        known = book.flip
        able = [u for u in book.open if can_cause(u, frame, effect, result)]
        book.blamed = book.suspects(frame, able)
        inherited = node in self._contaminated and not is_of_the_board(result)
        if not (book.blamed or inherited):
            self._wake(frame, node, effect, result)
        note = book.note_of_death(node, known)
        if note:
            self._notes.append((frame, note))

    def _wake(self, frame: int, node: str, effect: NodeEffect, result: NodeResult) -> None:
        """Attribute a deviation to a dormant upset; if none can have caused it, it is an
        anomaly."""
        book = self._books[node]
        book.dormant = [u for u in book.dormant if not is_gone(u, frame)]
        able = [u for u in book.dormant if can_wake(u, frame, effect, result)]
        if (result.supply_cut or result.behind) and not able:
            return  # the supply or its lateness explains it, and is counted there
        if not able:
            self.anomalies.append(Anomaly(frame, node, effect, result.reason))
            return
        firm = [u for u in able if u.stuck or u.plan.target is _T.TEXT]
        upset = (firm or able)[-1]
        book.flip = upset if in_system(upset) else None
        book.dormant.remove(upset)
        assessment = upset.assessment
        assessment.dormant |= assessment.effect is NodeEffect.MASKED
        if assessment.outcome is SystemOutcome.NO_EFFECT:
            assessment.outcome = SystemOutcome.UNKNOWN
        assessment.resolved_frame = None
        book.open.append(upset)
        book.blamed.append(upset)
        self._begun.append(upset)

    def classify_system(
        self, verdict: Verdict, *, rolled_back: bool, lines: bool = False, suspects: Suspects = None
    ) -> None:
        """Set the outcomes that follow from what the final `verdict` delivered, of upsets to which
        deviations of its frame are attributed; with `lines` also of those of lines to voters.
        `suspects`: the nodes that can have let a wrong output out; None: all."""
        opened = [u for b in self._books.values() for u in b.involved(lines=lines)]
        if verdict.delivered and not verdict.correct:
            _worst((u for u in opened if _is_of(u, suspects)), SystemOutcome.SDC_ESCAPED)
            if rolled_back:
                _worst(opened, SystemOutcome.RECOVERED)
        elif not verdict.delivered:
            none_heard = verdict.kind is VerdictKind.NO_QUORUM
            unresolved = SystemOutcome.DETECTED_UNRESOLVED
            _worst(opened, SystemOutcome.UNAVAILABLE if none_heard else unresolved)
        elif rolled_back:
            _worst(opened, SystemOutcome.RECOVERED)

    def on_repaired(self, frame: int, node: str, rung: NodeState, boots: int | None = None) -> None:
        """Take a successful repair of `node` by `rung`, after `frame`. `boots`: how often its
        operating system has been started, if known."""
        self._books[node].repaired()
        resynced = rung is NodeState.RESYNC
        showed = (u for u in self._books[node].open if u.assessment.effect not in UNSEEN)
        _worst(showed, SystemOutcome.CORRECTED if resynced else SystemOutcome.RECOVERED)
        if resynced:
            return
        board = rung in (NodeState.RESET, NodeState.POWER_CYCLE)
        book = self._books[node]
        for upset in [*book.open, *book.dormant]:
            # A damaged cell stays damaged; any other stuck bit ends when the board starts again.
            # An upset in the operating system's memory remains until the system is started again,
            # by a power cycle or by itself.
            off = rung is NodeState.POWER_CYCLE
            system_started = off or (boots is not None and upset.report.boot < boots)
            released = upset.plan.target is _T.TEXT and is_released(upset, frame + 1)
            held = upset.stuck and not released
            upset.assessment.lingers = (
                (held and (upset.plan.permanent or not board))
                or (in_system(upset) and not system_started)
                or (in_agent(upset) and not board)
            )
        book.dormant = [u for u in book.dormant if u.assessment.lingers]

    def settle(
        self, frame: int, node: str, *, isolated: bool = False, at_end: bool = False
    ) -> None:
        """Settle the open upsets of a node, because it votes again, is isolated, or the run ends;
        then those that wait, too."""
        if at_end:
            self.on_returned(node)
        book = self._books[node]
        for upset in book.open:
            assessment = upset.assessment
            failed_it = isolated and assessment.effect not in UNSEEN
            if failed_it or (at_end and assessment.effect not in _NOT_DEGRADED):
                _worst([upset], SystemOutcome.DEGRADED)
            if not assessment.outcome:
                harmless = assessment.effect in HARMLESS
                assessment.outcome = (
                    SystemOutcome.NO_EFFECT if harmless else SystemOutcome.CORRECTED
                )
            assessment.resolved_frame = frame
            self.finished.append(upset)
            if assessment.lingers:
                book.lay_dormant(upset, frame)
        book.open = []

    def take_finished(self) -> list[Upset]:
        """Return the upsets that were settled or refused since the last call. A dormant one may be
        returned again later."""
        out, self.finished = self.finished, []
        return out

    def take_begun(self) -> list[Upset]:
        """Return the upsets that were opened since the last call and are not settled yet."""
        out, self._begun = [u for u in self._begun if u.assessment.resolved_frame is None], []
        return out

    def take_notes(self) -> list[tuple[int, str]]:
        """Return the notes since the last call, each with its frame."""
        out, self._notes = self._notes, []
        return out

    def take_anomalies(self) -> list[Anomaly]:
        """Return the anomalies since the last call."""
        out, self.anomalies = self.anomalies, []
        return out


def _is_of(upset: Upset, nodes: Suspects) -> bool:
    return nodes is None or upset.plan.node in nodes


def _worst(upsets: Iterable[Upset], outcome: SystemOutcome) -> None:
    for assessment in (upset.assessment for upset in upsets):
        assessment.outcome = max(assessment.outcome, outcome, key=_BY_SEVERITY.index)
