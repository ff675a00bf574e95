"""The first failures, anomalies that no upset explains, and the notes of the record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from hil.record.row_values import RecordedAnomaly
from hil.record.span_rows import all_anomalies, all_notes
from hil.run_outcome import RunOutcome
from hil.views.evidence import Trouble, evidence
from hil.views.listing import anomaly_text
from hil.views.style import BAD, DIM, WARN, flight_time, plural
from hil.views.summary.layout import grid, section, unbroken
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["failures"]

_SHOWN: Final = 4
_NOTES: Final = 5
_AROUND: Final = 3
_NOT_FAILED: Final = (RunOutcome.PASS, RunOutcome.UNTESTED, RunOutcome.ABORTED)


def failures(run: RecordedRun) -> RenderableType | None:
    """Return the first failures, the unexplained anomalies and the notes; None if there are
    none."""
    parts: list[RenderableType] = []
    for board in run.result.lost:
        text = (
            f"the board of node {board.node} was lost in frame {board.frame} and is not "
            f"back: {board.reason}"
        )
        parts.append(Text(f"\n {run.glyphs.bad} {text}", style=BAD))
    troubles = sorted(dict.fromkeys(_evidence_of_failures(run)), key=lambda t: t.frame)[:_SHOWN]
    if troubles:
        out = grid()
        out.add_column(style=BAD, justify="right", no_wrap=True)
        out.add_column()
        for trouble in troubles:
            out.add_row(f"frame {trouble.frame}", trouble.text)
        when = flight_time(run.reader.t_us(troubles[0].frame))
        parts.append(section(f"What failed first, {when} into the flight", out))
        first = troubles[0].frame
        span = f"{max(0, first - _AROUND)}:{first + _AROUND}"
        parts.append(
            unbroken(Text(f"   {run.glyphs.arrow} hil replay {run.folder} --frames {span}"))
        )
    anomalies = all_anomalies(run.reader)
    if anomalies:
        text = f"\n {run.glyphs.bad} Unexplained anomalies: {len(anomalies):,}"
        parts.append(Text(text, style=BAD))
        parts.append(_anomaly_lines(anomalies))
    notes = all_notes(run.reader)
    for note in notes[:_NOTES]:
        where = "" if note.frame is None else f"frame {note.frame}: "
        parts.append(Text(f"\n {run.glyphs.warn} {where}{note.text}", style=WARN))
    if len(notes) > _NOTES:
        more = plural(len(notes) - _NOTES, "more note")
        parts.append(Text(f"\n {run.glyphs.warn} and {more} in the record", style=WARN))
    return Group(*parts) if parts else None


def _anomaly_lines(anomalies: list[RecordedAnomaly]) -> RenderableType:
    lines = [Text(f"frame {a.frame}  {anomaly_text(a)}", style=BAD) for a in anomalies[:_SHOWN]]
    if len(anomalies) > _SHOWN:
        lines.append(Text(f"and {len(anomalies) - _SHOWN} more"))
    lines.append(Text("Nothing that was injected did this: look there first.", style=DIM))
    return Padding(Group(*lines), (0, 0, 0, 3))


def _evidence_of_failures(run: RecordedRun) -> Iterator[Trouble]:
    failed = run.result.failed
    for e in failed:
        trouble = evidence(run.reader, e.metric)
        if trouble is not None:
            yield trouble
    if not failed and run.result.outcome not in _NOT_FAILED:
        trouble = evidence(run.reader, "availability")
        if trouble is not None:
            yield trouble
