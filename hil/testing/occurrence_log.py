"""The log of a run: its occurrences in their order, and how far a test has awaited them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hil.api import (
    Anomaly,
    Assessment,
    FramesDone,
    NodeRepair,
    RunEvent,
    RunObserver,
    TimeSlip,
    Transition,
    Upset,
    Verdict,
)
from hil.testing.conditions import Condition
from hil.testing.occurrences import Occurrence, OccurrenceKind

__all__ = ["OccurrenceLog"]

_USUAL = frozenset({"unanimous", "simplex"})


class OccurrenceLog(RunObserver):
    """Follows one run. Within a frame, upsets come first that have just been injected, then the
    verdict, then what followed from it. `nodes` are the names of the nodes, `seen` is all that has
    happened; `stepping`: frames are run. Not thread-safe."""

    def __init__(self) -> None:
        self.seen: list[Occurrence] = []
        self.nodes: Sequence[str] = ()
        self._cursor = 0
        self._checked = 0
        self._in_frame: list[Occurrence] = []
        self._first_event = 0
        self._injected: set[int] = set()
        self.stepping = False

    # --- what the run reports -----------------------------------------------------------------

    def on_frame(self, done: FramesDone) -> None:
        """Log the verdict on the frame, or on the last one of a batch, and what went with it."""
        if done.verdict is not None:
            self._in_frame.insert(self._first_event, _of_verdict(done.verdict, self.nodes))
        self._flush()

    def on_event(self, event: RunEvent) -> None:
        """Log an event; within a frame, together with its verdict. An upset that is reported for
        the first time has been injected before its frame was decided, even if its outcome is known
        at once."""
        log = self._in_frame if self.stepping else self.seen
        if isinstance(event, Upset) and event.plan.id not in self._injected:
            self._injected.add(event.plan.id)
            log.insert(len(log) if not self.stepping else self._first_event, _injection(event))
            self._first_event += self.stepping
            if not event.assessment.outcome:
                return
        log.append(_of_event(event))

    def end_step(self) -> None:
        """Note that the run stands still; what it has reported without a frame is logged."""
        self.stepping = False
        self._flush()

    def _flush(self) -> None:
        self.seen += self._in_frame
        self._in_frame, self._first_event = [], 0

    # --- what a test asks ---------------------------------------------------------------------

    def pass_all(self) -> None:
        """Begin the next await after all that has happened so far."""
        self._cursor = len(self.seen)

    def take(self, conditions: Sequence[Condition]) -> Occurrence | None:
        """Return the first occurrence since the last await that meets a condition, and let the
        next await begin after it; None if there is none so far, and they are passed over."""
        while self._cursor < len(self.seen):
            seen = self.seen[self._cursor]
            self._cursor += 1
            if any(condition.holds(seen) for condition in conditions):
                return seen
        return None

    def forbidden(self, conditions: Sequence[Condition]) -> tuple[Condition, Occurrence] | None:
        """Return the first occurrence since the last call that meets one of the conditions."""
        while self._checked < len(self.seen):
            seen = self.seen[self._checked]
            self._checked += 1
            for condition in conditions:
                if condition.holds(seen):
                    return condition, seen
        return None

    def begin_to_forbid(self) -> None:
        """Ignore in `forbidden` what has happened so far."""
        self._checked = len(self.seen)

    def remarkable(self) -> list[Occurrence]:
        """Return all occurrences but those of frames in which nothing happened."""
        return [
            o
            for o in self.seen
            if o.kind is not OccurrenceKind.VERDICT
            or o.word not in _USUAL
            or bool(o.nodes)
            or not o.fields["correct"]
        ]


def _names(nodes: Sequence[str], mask: int) -> tuple[str, ...]:
    return tuple(name for index, name in enumerate(nodes) if mask >> index & 1)


def _of_verdict(verdict: Verdict, nodes: Sequence[str]) -> Occurrence:
    without = verdict.voters & ~verdict.agree & ~verdict.dissent
    deviating = _names(nodes, without | verdict.dissent | verdict.latent)
    text = verdict.kind.word.replace("_", " ")
    if verdict.dissent:
        text += f", another output from {', '.join(_names(nodes, verdict.dissent))}"
    if verdict.latent:
        text += f", another state in {', '.join(_names(nodes, verdict.latent))}"
    if without:
        text += f", nothing from {', '.join(_names(nodes, without))}"
    if not verdict.correct:
        text += ", WRONG OUTPUT" if verdict.delivered else ", no output"
    fields = {"delivered": verdict.delivered, "correct": verdict.correct}
    return Occurrence(
        verdict.frame, OccurrenceKind.VERDICT, verdict.kind.word, deviating, text, fields
    )


def _of_event(event: RunEvent) -> Occurrence:
    if isinstance(event, Transition):
        text = f"node {event.node}: {event.before} -> {event.after} ({event.cause})"
        fields = {"before": str(event.before), "cause": event.cause}
        return Occurrence(
            event.frame, OccurrenceKind.STATE, str(event.after), (event.node,), text, fields
        )
    if isinstance(event, Upset):
        return _of_upset(event)
    if isinstance(event, NodeRepair):
        return _of_repair(event)
    if isinstance(event, Anomaly):
        word = str(event.effect)
        text = f"unexplained: node {event.node}: {word}, {event.reason}"
        return Occurrence(event.frame, OccurrenceKind.ANOMALY, word, (event.node,), text)
    return _of_slip(event)


def _injection(event: Upset) -> Occurrence:
    """Return the report of an injection, without its assessment."""
    return _of_upset(replace(event, assessment=Assessment()))


def _of_upset(event: Upset) -> Occurrence:
    plan, report, assessed = event.plan, event.report, event.assessment
    word, state = str(plan.target), report.state.name.lower()
    text = f"upset {plan.id}: node {plan.node}, {word}, {state}"
    if report.detail:
        text += f" ({report.detail})"
    if assessed.effect:
        text += f": {assessed.effect}"
    if assessed.outcome:
        text += f", {assessed.outcome}"
    fields: dict[str, str | int | bool] = {
        "number": plan.id,
        "state": state,
        "kind": str(plan.kind),
        "verified": report.verified,
        "bit": report.bit,
        "effect": str(assessed.effect),
        "outcome": str(assessed.outcome),
        "activation": report.activation.name.lower(),
    }
    return Occurrence(plan.frame, OccurrenceKind.UPSET, word, (plan.node,), text, fields)


def _of_repair(event: NodeRepair) -> Occurrence:
    attempt = event.attempt
    text = f"node {event.node}: {attempt.action} {'succeeded' if attempt.ok else 'failed'}"
    if attempt.detail:
        text += f" ({attempt.detail})"
    fields: dict[str, str | int | bool] = {
        "ok": attempt.ok,
        "cause": attempt.cause,
        "chunks": attempt.chunks,
        "bytes_moved": attempt.bytes_moved,
    }
    return Occurrence(
        event.frame, OccurrenceKind.REPAIR, attempt.action, (event.node,), text, fields
    )


def _of_slip(event: TimeSlip) -> Occurrence:
    nodes = () if event.node is None else (event.node,)
    who = f"node {event.node}" if event.node else "the frame"
    text = f"{who} was late by {event.late_us} us ({event.detail})"
    return Occurrence(event.frame, OccurrenceKind.SLIP, "", nodes, text, {"late_us": event.late_us})
