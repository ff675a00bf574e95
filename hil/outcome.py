"""Outcomes: what each upset did to its node, and to the system. Pure.

Node effect (what the golden run shows of the node, whatever the voter thought):

    masked     output and state of the frame are golden
    latent     the state is not, the output is
    sdc        the output is not: silent data corruption of this node
    crash      the worker (or the agent) died; `signal` of what
    hang       it used up its budget, or fell silent
    reboot     the agent started anew
    detected   the link's check or the memory's code caught it

System outcome (what left the system, and what it cost):

    no_effect            nothing differed
    corrected            outvoted or caught, healed by resync or repetition at most
    recovered            healed by restart, reset, power cycle or rollback
    degraded             the node was isolated, or still not voting when the run ended
    detected_unresolved  no output: the nodes had no majority
    sdc_escaped          a wrong output left the system
    unavailable          no output: no node was heard

An anomaly of a node without an open upset belongs to one that may still lie in it: a stuck cell or
changed machine code first, then the last hit of stack, heap or registers since the worker was
started, or of the board's memory since its operating system was. If there is none the anomaly is
unexplained, and said so. Upsets that hit one node in one frame share what followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hil.injector import Planned
from hil.rig.messages import Report
from hil.rig.node import CRASHED, DONE, EXCLUDED, NodeResult
from hil.voter import Verdict, VerdictKind

EFFECTS: Final = ("masked", "latent", "sdc", "crash", "hang", "reboot", "detected")
OUTCOMES: Final = (
    "no_effect",
    "corrected",
    "recovered",
    "degraded",
    "detected_unresolved",
    "sdc_escaped",
    "unavailable",
)
_IN_WORKER: Final = frozenset({"stack", "heap", "text", "gpr", "vector"})
_WORSE: Final = {"": 0, "no_effect": 1, "corrected": 2, "recovered": 3, "degraded": 4,
                 "unavailable": 5, "detected_unresolved": 6, "sdc_escaped": 7}  # fmt: skip
_RUNG_OUTCOME: Final = {"resync": "corrected"}


@dataclass(slots=True)
class Upset:
    """One upset that fell due: the plan, what the board reported, and what came of it.

    `state`: injected, missed (the position was not reached), failed or refused (detail says why).
    `boot`: which start of the board's operating system it hit, if it hit that.
    """

    plan: Planned
    state: str = "armed"
    detail: str = ""
    verified: bool = False
    changed: bool = False
    persisted: bool = False
    tick: int = 0
    steps: int = 0
    at_us: int = 0
    pc_offset: int | None = None
    bit: int = 0
    space: int = 0
    before: bytes = b""
    after: bytes = b""
    effect: str = ""
    signal: int = 0
    outcome: str = ""
    shared: bool = False
    dormant: bool = False
    lingers: bool = False
    detected_frame: int | None = None
    resolved_frame: int | None = None
    boot: int = 0

    @property
    def injected(self) -> bool:
        return self.state == "injected"

    @property
    def stuck(self) -> bool:
        return self.plan.kind == "stuck"

    def _failure(self, report: Report) -> str:
        """Why the board could not make it."""
        plan = self.plan
        if plan.exact and report.space and plan.bit + plan.width > report.space:
            return f"bit {plan.bit} is beyond the {plan.target}, which had {report.space} bits"
        return f"status {report.detail}"

    def take(self, report: Report) -> None:
        """Take over what the board says of it."""
        self.state = report.state
        self.detail = self._failure(report) if report.state == "failed" else ""
        self.verified, self.changed = report.verified, report.changed
        self.persisted = report.persisted
        self.tick, self.steps, self.at_us = report.tick, report.steps, report.at_us
        self.pc_offset, self.bit, self.space = report.pc_offset, report.bit, report.space
        self.before, self.after = report.before, report.after


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something no upset explains."""

    frame: int
    node: str
    effect: str
    reason: str


def effect_of(result: NodeResult, golden_output: int, golden_state: int) -> str:
    """The node effect that one frame's result shows."""
    if result.status == DONE:
        if result.output_digest != golden_output:
            return "sdc"
        return "masked" if result.state_digest == golden_state else "latent"
    if result.rebooted:
        return "reboot"
    return "crash" if result.status == CRASHED or result.ended else "hang"


@dataclass(slots=True)
class _NodeBook:
    """Upsets of one node: `open` wait for their outcome, `dormant` may still strike. `shown`: the
    effect that the node showed in this frame."""

    open: list[Upset] = field(default_factory=list)
    dormant: list[Upset] = field(default_factory=list)
    shown: str = "masked"


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

    def injected(self, upset: Upset) -> None:
        """An upset fell due; it was injected, or not."""
        self._any_upset = True
        self.count += 1
        upset.lingers = upset.stuck or upset.plan.target in _IN_WORKER or _in_system(upset)
        if upset.injected:
            self._books[upset.plan.node].open.append(upset)
            self._begun.append(upset)
        else:
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
            upset.lingers = True
            self._books[upset.plan.node].dormant.append(upset)

    @property
    def open(self) -> bool:
        """Some upset still waits for its outcome."""
        return self._any_upset and any(book.open for book in self._books.values())

    def open_on(self, node: str) -> list[Upset]:
        return list(self._books[node].open)

    def contaminated(self, node: str, wrong: bool) -> None:
        """The node was healed with what the majority held, `wrong` if that was not the golden
        state: what it does wrong from then on is part of that, not an anomaly of its own."""
        if wrong:
            self._contaminated.add(node)
        else:
            self._contaminated.discard(node)

    def judge_nodes(
        self, frame: int, results: dict[str, NodeResult], golden: tuple[int, int]
    ) -> None:
        """What a frame shows of its nodes. `results` are those of the first execution, before any
        rollback; `golden` the true output and state digests."""
        for book in self._books.values():
            book.shown = "masked"
        for node, result in results.items():
            if result.status != EXCLUDED and not result.late:
                self._judge_node(frame, node, result, golden)

    def _judge_node(
        self, frame: int, node: str, result: NodeResult, golden: tuple[int, int]
    ) -> None:
        book = self._books[node]
        effect = book.shown = effect_of(result, *golden)
        fresh = [u for u in book.open if u.plan.frame == frame]
        if effect == "masked":
            self._contaminated.discard(node)
        elif not book.open and node not in self._contaminated:
            self._wake(frame, node, effect, result)
        for upset in book.open:
            if upset.plan.target == "link" and upset.effect == "detected" and effect == "masked":
                continue
            if upset.effect in ("", "masked", "latent") and (
                effect != "masked" or not upset.effect
            ):
                upset.effect = effect
                upset.signal = result.signal
            if effect != "masked" and upset.detected_frame is None:
                upset.detected_frame = frame
            upset.shared = upset.shared or (len(fresh) > 1 and upset.plan.frame == frame)

    def _wake(self, frame: int, node: str, effect: str, result: NodeResult) -> None:
        """An anomaly without an open cause: it comes from what still lies in the node, or from
        nowhere."""
        book = self._books[node]
        book.dormant = [u for u in book.dormant if not _released(u, frame)]
        if not book.dormant:
            self.anomalies.append(Anomaly(frame, node, effect, result.reason))
            return
        firm = [u for u in book.dormant if u.stuck or u.plan.target == "text"]
        upset = (firm or book.dormant)[-1]
        book.dormant.remove(upset)
        upset.dormant = upset.dormant or upset.effect == "masked"
        upset.outcome = "" if upset.outcome == "no_effect" else upset.outcome
        upset.resolved_frame = None
        book.open.append(upset)
        self._begun.append(upset)

    def judge_system(self, verdict: Verdict, *, rolled_back: bool) -> None:
        """What left the system in the frame; `verdict` is the final one. Only nodes that showed
        something have had a part in it."""
        opened = [u for book in self._books.values() if book.shown != "masked" for u in book.open]
        if verdict.delivered and not verdict.correct:
            self._worst(opened, "sdc_escaped")
        elif not verdict.delivered:
            none_heard = verdict.kind is VerdictKind.NO_QUORUM
            self._worst(opened, "unavailable" if none_heard else "detected_unresolved")
        elif rolled_back:
            self._worst(opened, "recovered")

    def _worst(self, upsets: list[Upset], outcome: str) -> None:
        for upset in upsets:
            if _WORSE[outcome] > _WORSE[upset.outcome]:
                upset.outcome = outcome

    def healed(self, node: str, rung: str, boots: int | None = None) -> None:
        """A repair of `node` succeeded. `boots`: how often its operating system has been started
        by now, where that is known."""
        self._worst(self._books[node].open, _RUNG_OUTCOME.get(rung, "recovered"))
        if rung == "resync":
            return
        board = rung in ("reset", "power_cycle")
        book = self._books[node]
        for upset in [*book.open, *book.dormant]:
            # A damaged cell stays damaged; any other stuck bit lets go when the board starts anew.
            # What lies in the memory of its system is there until that was started again, by its
            # power or by itself.
            gone = rung == "power_cycle" or (boots is not None and upset.boot < boots)
            upset.lingers = (upset.stuck and (upset.plan.permanent or not board)) or (
                _in_system(upset) and not gone
            )
        book.dormant = [u for u in book.dormant if u.lingers]

    def settle(
        self, frame: int, node: str, *, isolated: bool = False, at_end: bool = False
    ) -> None:
        """The node votes again, is isolated, or the run ends: its open upsets get their outcome."""
        book = self._books[node]
        for upset in book.open:
            if isolated or (at_end and upset.effect not in ("masked", "latent", "detected")):
                self._worst([upset], "degraded")
            if not upset.outcome:
                quiet = upset.effect in ("masked", "latent")
                upset.outcome = "no_effect" if quiet else "corrected"
            upset.resolved_frame = frame
            self.finished.append(upset)
            if upset.lingers:
                book.dormant.append(upset)
        book.open = []

    def take_finished(self) -> list[Upset]:
        """Upsets whose row is complete since the last call (a dormant one may come again)."""
        out, self.finished = self.finished, []
        return out

    def take_begun(self) -> list[Upset]:
        """Upsets that came up since the last call and still wait for their outcome."""
        out, self._begun = [u for u in self._begun if u.resolved_frame is None], []
        return out

    def take_anomalies(self) -> list[Anomaly]:
        """What none explains, since the last call."""
        out, self.anomalies = self.anomalies, []
        return out


def _in_system(upset: Upset) -> bool:
    """It lies in the memory of the whole board, where its operating system may meet it any time."""
    return upset.plan.target == "board-ram" and upset.changed


def _released(upset: Upset, frame: int) -> bool:
    """A stuck bit whose time is over."""
    hold = upset.plan.hold_frames
    return upset.stuck and hold > 0 and frame > upset.plan.frame + hold
