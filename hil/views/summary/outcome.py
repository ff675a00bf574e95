"""The outcome of a run in one word, and the reasons that led to it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hil.run_outcome import RunOutcome
from hil.views.ending import ended_by, lost_boards, untested
from hil.views.style import BAD, DIM, HEAD, WARN, Glyphs
from hil.views.summary.layout import number_text
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["headline", "last_line", "outcome_line"]


def outcome_line(outcome: str, glyphs: Glyphs) -> Text:
    """Return the outcome as a coloured glyph and word."""
    style, glyph, word = {
        "pass": ("bold black on green", glyphs.ok, "PASS"),
        "untested": ("bold black on yellow", glyphs.warn, "UNTESTED"),
        "fail": ("bold white on red", glyphs.bad, "FAIL"),
        "aborted": ("bold black on yellow", glyphs.warn, "ABORTED"),
        "error": ("bold white on red", glyphs.bad, "ERROR"),
    }.get(outcome, ("bold black on yellow", glyphs.warn, "UNFINISHED"))
    return Text(f" {glyph} {word} ", style=style)


def headline(run: RecordedRun) -> RenderableType:
    """Return the outcome with the scenario's name and summary."""
    name = run.scenario.name or run.folder_name
    line = Text.assemble(" ", outcome_line(run.result.outcome, run.glyphs), (f"  {name}", HEAD))
    about = run.scenario.summary
    return Group(line, Padding(Text(about, style=DIM), (0, 0, 0, 3))) if about else line


def last_line(run: RecordedRun) -> RenderableType:
    """Return the outcome again, with its reasons: the first line may have scrolled away."""
    line = Text.assemble("\n ", outcome_line(run.result.outcome, run.glyphs))
    for text, style in _reasons(run):
        line.append("  " if line.plain.endswith(" ") else "; ")
        line.append(text, style=style)
    return line


def _reasons(run: RecordedRun) -> Iterator[tuple[str, str]]:
    """Yield the reasons of the outcome, and further remarks."""
    outcome = run.result.outcome
    for text, style in (
        (ended_by(run.result, run.planned_frames), WARN),
        (lost_boards(run.result), BAD),
        (untested(run.result), WARN),
    ):
        if text:
            yield text, style
    failed = run.result.failed
    others = [e for e in failed if e.metric != "events.missed"]
    if others and outcome != RunOutcome.ABORTED:
        first = others[0]
        why = f"{first.metric} {first.wanted}: measured {number_text(first.measured)}"
        if len(others) > 1:
            why += f", and {len(others) - 1} more"
        yield why, BAD
    events = run.missed_events_text()
    if events:
        yield events, WARN if len(others) == len(failed) else BAD
    if run.result.campaign_mode:
        yield "a campaign's mode, one upset at a time", WARN
    for text in run.result.not_covered:
        yield f"{text}: no expectation covers this", WARN
    for text in run.result.left_out:
        yield text, WARN
