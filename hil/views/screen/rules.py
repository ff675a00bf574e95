"""The redundancy rule of a run in words: the nodes that decide, and the output if they cannot.
Pure.

The rule itself is that of `hil.redundancy.electorate`. The screen reads it from the scenario in the
record, and shows it beside each decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hil.record.recorded_scenario import RecordedCheckers, RecordedScenario
from hil.scenario.words import SchemeName, Unvoted
from hil.views.style import plural
from hil.word_enum import Word

__all__ = ["Picture", "SchemeRule", "rule_of"]


class Picture(Word):
    """The pictures of schemes on the screen (`hil.views.screen.model.scheme_picture`)."""

    NONE = "none"  # one node, executed once
    STEPS = "steps"  # nodes that vote, and how many are left
    PAIRS = "pairs"
    SPARES = "spares"
    ROTATION = "rotation"
    PRIMARY = "primary"
    CHECKERS = "checkers"
    PLANS = "plans"
    EXECUTIONS = "executions"
    ORBIT = "orbit"


_SCHEMES: Final = {scheme.value: scheme for scheme in SchemeName}
_SHORT: Final = {
    "nothing": "no output",
    "hold": "the last voted output is held",
    "last_node": "its output is delivered unvoted",
    "deliver": "its output is delivered unvoted",
}
_DELIVERED: Final = {
    "nothing": "if only one node answers, nothing is delivered",
    "hold": "without a voted output, the last one is delivered again, marked as held",
    "last_node": "if only one node is in service, its output is delivered, marked as unvoted",
    "deliver": "if only one node answers, its output is delivered, marked as unvoted",
}
_BY_VOTERS: Final = (
    "voters that agree decide; returning nodes also count where the voters alone do not decide"
)
_REFRESH: Final = "healed from the fault-free run by the bench after each upset (one_at_a_time)"


def _checked(checkers: RecordedCheckers) -> str:
    """Return the rule of a doer with these checkers."""
    bounds = ", ".join(f"{name} {bound:g}" for name, bound in checkers.bounds.items())
    refused = "theirs is delivered if two agree" if checkers.delivers else "nothing is delivered"
    return (
        f"the doer's result is delivered unless {plural(checkers.votes, 'checker')}, or all that "
        f"answer, refuse it, by what they compute themselves ({checkers.workload}; bounds: "
        f"{bounds}); then {refused}"
    )


@dataclass(frozen=True, slots=True)
class SchemeRule:
    """The rule of one run with `size` nodes. `unvoted`: the rule for an output without a comparison
    (empty: not in the record), for `limit` consecutive frames at most (0: without a limit).
    `one_at_a_time`: an upset waits until the rig has recovered from the one before; `executions`:
    how often a node executes each step; `pairs`: the number of its self-checking pairs, and
    `by_priority` whether the first that speaks commands; `spares`: nodes beyond those that decide,
    of the `size` nodes of the rig; `resting`: how many of its nodes rest in turn; `monitors`: in a
    scheme with a primary, how many vote it out, and in how many consecutive frames; `checkers`:
    those of a doer; `by_value`:
    values decide, not the exact majority; `voter_per_node`: the voter has a replica at each node;
    `follows`: the schemes of one that follows the orbit with the reasons for them, and `sizes`
    their numbers of nodes."""

    scheme: str = ""
    size: int = 0
    unvoted: str = ""
    limit: int = 0
    one_at_a_time: bool = False
    executions: int = 1
    pairs: int = 0
    by_priority: bool = False
    spares: int = 0
    resting: int = 0
    monitors: tuple[int, int] = (0, 0)
    checkers: RecordedCheckers | None = None
    by_value: bool = False
    voter_per_node: bool = False
    follows: tuple[tuple[str, str], ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name of the scheme; of one that follows the orbit, its schemes."""
        parts = [f"else {s}" if why == "else" else f"{s} {why}" for s, why in self.follows]
        return ", ".join(parts) or self.scheme

    @property
    def picture(self) -> Picture:
        """Return how the screen draws the scheme."""
        drawn = {
            Picture.ORBIT: bool(self.follows),
            Picture.PAIRS: bool(self.pairs),
            Picture.ROTATION: bool(self.resting),
            Picture.PRIMARY: self.has_primary,
            Picture.CHECKERS: self.checkers is not None,
            Picture.PLANS: self.scheme == SchemeName.PLAN_PAIR.value,
            Picture.SPARES: bool(self.spares),
            Picture.EXECUTIONS: self.executions > 1,
            Picture.STEPS: self.size > 1,
        }
        return next((picture for picture, is_so in drawn.items() if is_so), Picture.NONE)

    @property
    def shows_frames(self) -> bool:
        """Return whether the picture needs the newest frame that was more than plain agreement."""
        return self.executions > 1 or self.by_value or self.checkers is not None

    @property
    def wakes_nodes(self) -> bool:
        """Return whether nodes are switched on and off by plan."""
        return bool(self.follows or self.resting)

    @property
    def refresh(self) -> str:
        """Return how the bench repairs the only node after each upset; empty if it does not."""
        return _REFRESH if self.one_at_a_time and self.size == 1 else ""

    @property
    def alone(self) -> str:
        """Return the condition and, after a colon, the output while one of several nodes answers
        alone; empty if unknown."""
        if self.size < 2 or self.pairs or self.unvoted not in _SHORT:
            return ""
        alone = "is in service" if self.unvoted == Unvoted.LAST_NODE else "answers"
        return f"if only one {alone}: {_SHORT[self.unvoted]}{self._limit(' for {} at most')}"

    @property
    def text(self) -> str:
        """Return the rule: the nodes that decide, and the output if they cannot; empty if
        unknown."""
        if self.size == 1:
            return "; ".join(part for part in (self._simplex(), self.refresh) if part)
        if self.pairs:
            return self._paired()
        if self.unvoted not in _DELIVERED:
            return ""
        limit = self._limit(", for at most {}; then nothing", "consecutive frame")
        endless = "" if limit or self.unvoted == Unvoted.NOTHING else ", without a limit in time"
        decided = f"{self._rotation()}{_BY_VOTERS}"
        if self.has_primary:
            decided = self._monitored()
        elif self.checkers is not None:
            decided = _checked(self.checkers)
        return f"{decided}; {_DELIVERED[self.unvoted]}{limit or endless}"

    @property
    def has_primary(self) -> bool:
        """Return whether one node commands, and the others monitor it."""
        return self.monitors[0] > 0

    @property
    def has_roles(self) -> bool:
        """Return whether nodes have different tasks: one delivers, and others check it."""
        return self.has_primary or self.checkers is not None

    def _monitored(self) -> str:
        votes, frames = self.monitors
        lasting = "one frame" if frames == 1 else f"{frames} consecutive frames"
        return (
            f"the primary commands until {plural(votes, 'monitor')}, or all that answer, "
            f"contradict it in {lasting}; then the first other one in the list that another "
            "confirms does"
        )

    def _rotation(self) -> str:
        if not self.resting:
            return ""
        rests = "one node rests" if self.resting == 1 else f"{self.resting} nodes rest"
        return f"{rests} without power, in turn, and is woken when the others do not agree; "

    def _simplex(self) -> str:
        if self.executions > 1:
            return self._repeated()
        text = "the only node decides; its output is compared with no other"
        if self.unvoted == Unvoted.HOLD:
            text += "; without an answer, its last output is delivered again, marked as held"
            text += self._limit(", for at most {}", "consecutive frame")
        return text

    def _paired(self) -> str:
        decides = "the first that speaks commands" if self.by_priority else "those that speak vote"
        text = f"a pair speaks only if its two nodes agree; of {self.pairs} pairs, {decides}"
        if self.unvoted != Unvoted.HOLD:
            return f"{text}; if none does, nothing is delivered"
        held = "if none does, the last output is delivered again, marked as held"
        return f"{text}; {held}{self._limit(', for at most {}', 'consecutive frame')}"

    def _repeated(self) -> str:
        often = {2: "twice, and a third time if the results differ", 3: "three times"}
        text = (
            f"the only node executes each step {often.get(self.executions, 'several times')}; what "
            "the majority of the executions agrees on is delivered"
        )
        if self.unvoted == Unvoted.HOLD:
            held = "without a majority, the last output is delivered again, marked as held"
            return f"{text}; {held}{self._limit(', for at most {}', 'consecutive frame')}"
        return f"{text}, else nothing; a permanent fault makes all of them wrong alike"

    def _limit(self, form: str, noun: str = "frame") -> str:
        if not self.limit or self.unvoted == Unvoted.NOTHING:
            return ""
        return form.format(plural(self.limit, noun))


def rule_of(scenario: RecordedScenario, size: int) -> SchemeRule:
    """Return the rule that a recorded scenario names for `size` nodes. An older
    record names none."""
    known = _SCHEMES.get(scenario.scheme)
    unvoted = scenario.unvoted_output
    if unvoted == "":
        unvoted = Unvoted.LAST_NODE if known is None else known.unvoted
    follows = _follows(scenario.follows)
    return SchemeRule(
        scenario.scheme,
        size,
        unvoted or "",
        scenario.unvoted_frames,
        one_at_a_time=scenario.one_at_a_time,
        executions=1 if known is None else known.executions,
        pairs=0 if known is None else known.pairs,
        by_priority=known is not None and known.by_priority,
        spares=scenario.spares,
        resting=0 if known is None else known.size - known.awake,
        checkers=scenario.checkers if known is not None and known.has_checkers else None,
        monitors=scenario.monitors if known is not None and known.has_primary else (0, 0),
        by_value=scenario.votes_by_value,
        voter_per_node=scenario.voter_per_node,
        follows=follows,
        sizes={name: _SCHEMES[name].size for name, _ in follows if name in _SCHEMES},
    )


def _follows(text: str) -> tuple[tuple[str, str], ...]:
    """Return the schemes of `tmr in anomaly, else dmr`, each with its reason."""
    out = []
    for part in text.split(", ") if text else ():
        first, _, rest = part.partition(" ")
        out.append((rest, "else") if first == "else" else (first, rest))
    return tuple(out)
