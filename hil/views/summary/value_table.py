"""The table of output fields: the voted value, and how far nodes were from it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from hil.scenario.outputs import CHOICES
from hil.views.field_values import FieldValues, NodeValue
from hil.views.frame_listing import FrameValues, SpanValues, frame_values
from hil.views.style import DIM, plural
from hil.views.summary.layout import columns, section
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["value_table"]

_ALL: Final = 2**62
_FIELDS: Final = 12
"""The most fields that are listed."""


def value_table(run: RecordedRun) -> RenderableType | None:
    """Return a row for each field of the output: its voted value in the last frame that the record
    has with values, in how many frames a node had another one, and the value that was farthest from
    the voted one. None if nothing is recorded of the fields."""
    span = frame_values(run.reader, 0, _ALL)
    frames = [frame for frame in span.frames if frame.fields]
    if not frames:
        return None
    out = columns()
    out.add_column("field", no_wrap=True)
    out.add_column("voted value", overflow="fold")
    out.add_column("differed", justify="right", no_wrap=True)
    out.add_column("farthest from it", overflow="fold")
    voted = next((f for f in reversed(frames) if f.fields[0].delivered), frames[-1])
    differed = Counter(f.name for frame in frames for f in frame.fields if f.differs)
    for field in voted.fields[:_FIELDS]:
        unit = f" {field.unit}" if field.unit else ""
        value = f"{field.delivered}{unit}" if field.delivered else "none was delivered"
        count = differed[field.name]
        times = plural(count, "frame") if count else run.glyphs.none
        out.add_row(field.name, value, times, _farthest(field.name, frames) or run.glyphs.none)
    return section(f"Output, voted in frame {voted.frame:,}", out, *_notes(span, voted))


def _notes(span: SpanValues, voted: FrameValues) -> list[Text]:
    more = len(voted.fields) - _FIELDS
    notes = [f"{plural(more, 'more field')}: hil replay --frames {voted.frame}"] if more > 0 else []
    if span.examined < span.notable:
        notes.append(
            f"of the first {span.examined:,} of {span.notable:,} frames that have values in the "
            "record"
        )
    return [Text(note, style=DIM) for note in notes]


def _farthest(name: str, frames: list[FrameValues]) -> str:
    """Return the value of a field that was farthest from the voted one: node, distance, frame."""
    best: tuple[float, FrameValues, FieldValues, NodeValue] | None = None
    for frame in frames:
        for field in frame.fields:
            if field.name != name or not field.delivered or field.field.role in CHOICES:
                continue
            for _, group, value in field.by_node():
                far = math.inf if value.distance is None else value.distance
                if (far and not (group.wins and math.isinf(far))) and (
                    best is None or far > best[0]
                ):
                    best = (far, frame, field, value)
    if best is None:
        return ""
    _, frame, field, value = best
    unit = f" {field.unit}" if field.unit else ""
    where = field.distance_text(value).removeprefix("off by ") or f"{value.value}{unit}"
    return f"{value.node} {where}, frame {frame.frame:,}"
