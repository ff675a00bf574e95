"""The beginning of a page: the verdict, the story of one dissent, how to repeat the run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

from hil.record.result_json import Fields
from hil.report.run_page.dissents import Dissent
from hil.report.run_page.facts import RunFacts
from hil.report.run_page.healing import healing_words
from hil.run_outcome import RunOutcome
from hil.views.ending import ended_by, lost_boards
from hil.views.style import duration, flight_time, plural

__all__ = [
    "acceleration_text",
    "badge",
    "bits_text",
    "first_dissent",
    "lead",
    "reproduce_command",
    "reproduce_note",
    "reproduce_words",
    "sentence",
    "story",
]

_WORDS: Final = {
    RunOutcome.PASS: "PASS",
    RunOutcome.FAIL: "FAIL",
    RunOutcome.ERROR: "ERROR",
    RunOutcome.ABORTED: "ABORTED",
    RunOutcome.UNTESTED: "NOT TESTED",
}
_COLOURS: Final = {RunOutcome.PASS: "good", RunOutcome.UNTESTED: "warn", RunOutcome.ABORTED: "warn"}
_SEEN: Final = {
    "dissents": "its output was wrong",
    "WRONG": "its output was wrong, and it was delivered",
    "WRONG and dissents": "its output was wrong, and so was the delivered one",
    "right but outvoted": "it was right, and outvoted",
    "latent": "its output was right, its state wrong",
}
_UPSET: Final = re.compile(r"#(\d+) (\S+) ([^:]*): (.*), ([^,]*)")
"""The text of an upset (hil.views.listing.upset_text)."""
_FAILED: Final = "failed: "
"""The beginning of the note on what ended a run."""
_ALONE: Final = frozenset({"--json", "--no-tui", "--quiet", "-q", "--ascii", "--control"})
"""Options that change only what is printed."""
_WITH_VALUE: Final = frozenset({"-o", "--out", "--wait-boards", "--wait-bench"})
"""Options with a value that are not the run's."""


def badge(facts: RunFacts) -> tuple[str, str]:
    """Return the outcome in a word, and the class of its colour."""
    outcome = facts.result.outcome
    if outcome in _WORDS:
        return _WORDS[RunOutcome(outcome)], _COLOURS.get(RunOutcome(outcome), "bad")
    return ("RUNNING", "warn") if facts.still_running else ("NOT ENDED", "bad")


def sentence(facts: RunFacts) -> str:
    """Return the verdict of a run in a sentence. Plain text."""
    result = facts.result
    wanted, failed = result.expectations or (), result.failed
    if not result.flown:
        return "No frame was computed: nothing was tested."
    match result.outcome:
        case RunOutcome.PASS:
            many = f"All {len(wanted)} expectations were met."
            return "The expectation was met." if len(wanted) == 1 else many
        case RunOutcome.FAIL:
            names = ", ".join(e.metric for e in failed)
            return f"{len(failed)} of {plural(len(wanted), 'expectation')} failed: {names}."
        case RunOutcome.ERROR:
            return f"The run failed: {(lost_boards(result) or _recorded_error(facts)).rstrip('.')}."
        case RunOutcome.ABORTED:
            return f"The run was {ended_by(result, result.planned_frames)}."
        case RunOutcome.UNTESTED:
            return "The scenario expects nothing, so nothing was tested."
        case _ if facts.still_running:
            return "The run goes on: this is what its record has so far."
        case _:
            return "The run did not end: its process was killed. There is no verdict on it."


def _recorded_error(facts: RunFacts) -> str:
    result = facts.meta.result
    message = None if result is None else Fields(result, "the result").text("message", "")
    noted = [n.text.removeprefix(_FAILED) for n in facts.notes if n.text.startswith(_FAILED)]
    return message or next(
        (text for text in reversed(noted) if text), "its record does not say how"
    )


def lead(facts: RunFacts) -> str:
    """Return what was measured, in a few sentences. Plain text."""
    result = facts.result
    if not result.flown:
        return "The record ends before the first frame."
    skipped = f" ({result.skipped:,} quiet ones skipped)" if result.skipped else ""
    wrong = result.sdc_frames
    frames = plural(result.flown, "frame")
    out = f"No wrong output left the system in {frames}"
    if wrong:
        out = f"A wrong output left the system in {wrong:,} of {frames}"
    bad = sum(d.is_bad for d in facts.dissents)
    return (
        f"{out}{skipped}, {duration(facts.end_us)} of simulated "
        f"time. {plural(result.upsets.injected, 'upset')} {_were(result.upsets.injected)} injected "
        f"and read back. {plural(len(facts.dissents), 'frame')} had a dissent"
        f"{f', {bad:,} of them without a right output' if bad else ''}; "
        f"{plural(result.recoveries, 'repair')} succeeded. Availability "
        f"{_availability(result.availability)}.{_accelerated(facts)}"
    )


def acceleration_text(facts: RunFacts) -> str:
    """Return by how much upsets were accelerated; empty if they were not."""
    scenario = facts.meta.scenario
    accel, voted = facts.result.accel, facts.result.accel * scenario.voted_accel
    parts = [f"accelerated {_factor(accel)} times"] if accel != 1 else []
    if scenario.voted_accel != 1:
        parts.append(f"hits of voted data {_factor(voted)} times")
    return ", ".join(parts)


def _factor(factor: float) -> str:
    return f"{factor:,.0f}" if factor >= 1000 else f"{factor:g}"


def _accelerated(facts: RunFacts) -> str:
    factors = acceleration_text(facts)
    return f" Upsets were {factors}." if factors else ""


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _availability(share: float) -> str:
    """Return a share in per cent, rounded so that less than all never reads as all."""
    if share == 1.0:
        return "100 %"
    return f"{min(100 * share, 99.9999):.6g} %"


def first_dissent(facts: RunFacts) -> Dissent | None:
    """Return the dissent that the page tells first: one that got out, or the first that was
    healed."""
    bad = next((d for d in facts.dissents if d.is_bad), None)
    told = next((d for d in facts.dissents if d.differences and d.moment.upsets), None)
    return bad or told or next(iter(facts.dissents), None)


def bits_text(dissent: Dissent) -> str:
    """Return which bits differ, in short; empty if that is not recorded."""
    parts = []
    for each in dissent.differences:
        at, found, right = each.bytes_shown[0]
        verb = "differs" if each.bits == 1 else "differ"
        parts.append(
            f"{plural(each.bits, 'bit')} of the {each.where} of node {each.node} {verb}; first in "
            f"byte {at:,}: 0x{found:02x} in place of 0x{right:02x}"
        )
    return "; ".join(parts)


def story(dissent: Dissent) -> Sequence[tuple[str, str]]:
    """Return what happened in a dissent, in steps of name and text. Plain text."""
    moment = dissent.moment
    what = ", ".join(_seen(words) for words in moment.dissent) or "no node answered otherwise"
    steps = [
        ("when", f"frame {moment.frame:,}, at {flight_time(moment.t_us)}"),
        ("seen", f"{what}; verdict {moment.verdict.replace('_', ' ')}, {delivered_text(dissent)}"),
    ]
    if bits := bits_text(dissent):
        steps.append(("bits", bits))
    causes = "; ".join(_UPSET.sub(_upset_words, t) for t in cause_text(dissent).split("; "))
    steps.append(("cause", causes))
    steps.append(("healing", "; ".join(healing_texts(dissent))))
    return steps


def _seen(words: str) -> str:
    """Return what a node showed, such as `b dissents`, for readers who see it the first time."""
    node, _, what = words.partition(" ")
    return f"node {node}: {_SEEN.get(what, what)}"


def _upset_words(match: re.Match[str]) -> str:
    number, node, what, effect, outcome = match.groups()
    return f"upset #{number} of node {node} ({what}): effect {effect}, outcome {outcome}"


def delivered_text(dissent: Dissent) -> str:
    """Return what left the system in a frame."""
    moment = dissent.moment
    if moment.delivered:
        return "the right output delivered" if moment.correct else "a WRONG output delivered"
    if moment.held:
        return f"the last {'WRONG ' * moment.held_wrong}output held"
    return "no output delivered"


def cause_text(dissent: Dissent) -> str:
    """Return the upsets behind a dissent, or that there is none."""
    moment = dissent.moment
    causes = [*moment.upsets, *(f"unexplained {t}" for t in moment.unexplained), *moment.consoles]
    return "; ".join(causes or dissent.reasons) or "no upset is recorded behind it"


def healing_texts(dissent: Dissent) -> list[str]:
    """Return what was repaired after a frame, and how and when each of its nodes came back, or that
    it did not: a text per node."""
    known = {healing.node for healing in dissent.healings}
    texts = [healing_words(healing) for healing in dissent.healings]
    for node, away_us in dissent.away_us.items():
        if node not in known:
            back = "not back at the end"
            if away_us is not None:
                back = f"votes again after {duration(away_us)}"
            texts.append(f"node {node}: {back}")
            known.add(node)
    # The first words of a repair name its node: `power cycle b 12 ms`, `b votes again`.
    others = [t for t in dissent.moment.repairs if known.isdisjoint(t.split()[:3])]
    return [*texts, *others] or ["no node was wrong: nothing to heal"]


# --- repeating it ---------------------------------------------------------------------------------


def reproduce_command(facts: RunFacts) -> str:
    """Return the command that repeats the run, quoted for a shell."""
    return reproduce_words(facts.meta.command, facts.result.seed)


def reproduce_words(command: Sequence[str] | None, seed: int | None) -> str:
    """Return the command that repeats a run with this command line, quoted for a shell. Of one that
    was resumed, or not made by `hil run`, it takes the effective scenario."""
    words = _own_words(command or ())
    if not words or words[0] != "run" or "--resume" in words:
        words = ["run", "scenario.yaml"]
    if "--seed" not in words and seed is not None:
        words += ["--seed", str(seed)]
    return shlex.join(["hil", *words])


def _own_words(command: Sequence[str]) -> list[str]:
    out: list[str] = []
    skip = False
    for word in command:
        if skip:
            skip = False
        elif word in _WITH_VALUE:
            skip = True
        elif word not in _ALONE and not any(word.startswith(f"{name}=") for name in _WITH_VALUE):
            out.append(word)
    return out


def reproduce_note(facts: RunFacts) -> str:
    """Return what a repetition gives. Plain text."""
    result = facts.result
    if result.not_reproducible:
        return f"A repetition may differ: {result.not_reproducible}."
    if result.run_digest:
        return f"It gives the same run digest again: {result.run_digest}"
    return "The run has no digest, because it did not end."
