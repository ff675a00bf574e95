"""The texts that the nodes wrote: what upsets made of them, and the place where they first part."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.text import Text

from hil.record.text_outcomes import DELIVERED, TextOutcome, recorded_texts, text_outcomes
from hil.views.style import BAD, GOOD, WARN
from hil.views.summary.layout import columns, count_cell, section
from hil.views.summary.recorded_run import RecordedRun
from hil.views.texts import parting_lines, plain_text

__all__ = ["text_table"]

_BEFORE, _SHOWN, _WIDTH = 24, 140, 76
_STYLES: Final = {"same": GOOD, "altered": "", "heals": WARN, "never recovers": BAD}


def text_table(run: RecordedRun) -> RenderableType | None:
    """Return the outcome of each text, and the text around the first parting; None if the workload
    writes no text."""
    recorded = recorded_texts(run.reader)
    if recorded is None:
        return None
    texts, names, last = recorded.texts, recorded.names, recorded.last
    outcomes = text_outcomes(run.reader, texts, names, last)
    out = columns()
    out.add_column("text", no_wrap=True)
    out.add_column("outcome", no_wrap=True)
    for name in ("wrong", "of", "from frame", "share", "times", "bit/char"):
        out.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        out.add_row(*_cells(outcome, run))
    parted = [o.parted for o in outcomes if o.parted is not None]
    title = "Text: wrong characters; bit/char: change of the log-likelihood"
    if not parted:
        begin = max(0, last - _SHOWN + 1)
        end = texts.span(begin, last)
        return section(title, out, Text(f"... {plain_text(end.right, run.glyphs)}"))
    first = min(parted)
    begin = max(texts.passage_of(first), first - _BEFORE)
    span = texts.span(begin, min(last, begin + _SHOWN - 1))
    head = Text(f"from frame {begin:,}:")
    return section(title, out, head, *parting_lines(span, names, _WIDTH, run.glyphs))


def _cells(outcome: TextOutcome, run: RecordedRun) -> list[str | Text]:
    none = run.glyphs.none
    parted = outcome.parted is not None
    style = _STYLES[outcome.kind]
    if outcome.name == DELIVERED and parted:
        style = BAD
    change = outcome.likelihood_change
    return [
        outcome.name,
        Text(outcome.kind, style=style),
        count_cell(run.glyphs, outcome.wrong),
        f"{outcome.characters:,}",
        f"{outcome.parted:,}" if parted else none,
        f"{100 * outcome.wrong_share:.1f} %" if parted else none,
        count_cell(run.glyphs, outcome.partings),
        none if change is None else f"{change:+.2f}",
    ]
