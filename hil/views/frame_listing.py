"""The values of frames that are more than plain agreement, as tables and as JSON: of each field of
the output the voted value, and the value of each node beside it; and the replicas of the voter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hil.json_values import JsonObject
from hil.record.event_queries import replies_of_frame
from hil.record.reader import Reader
from hil.record.span_rows import count_frames_between, frames_between
from hil.scenario.outputs import OutputField
from hil.views.field_values import FieldReader, FieldValues, last_outputs
from hil.views.style import BAD, DIM, HEAD, WARN, Glyphs, flight_time, plural
from hil.views.voter_views import VoterView, received_words, voter_views

__all__ = ["FrameValues", "SpanValues", "frame_values", "values_listing"]

FRAMES_MAX: Final = 1000
"""The most frames whose values are given at once."""
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class FrameValues:
    """The fields of the output in one frame, and the replicas of the voter where their views
    differed."""

    frame: int
    t_us: int
    fields: tuple[FieldValues, ...]
    voters: tuple[VoterView, ...]

    def as_json(self) -> JsonObject:
        """Return them as JSON."""
        return {
            "frame": self.frame,
            "fields": [field.as_json() for field in self.fields],
            "voters": [view.as_json() for view in self.voters],
        }


@dataclass(frozen=True, slots=True)
class SpanValues:
    """The values of a span of frames: the fields of the output, how many frames are more than plain
    agreement, how many of them were examined, the first ones, and those that have values."""

    fields: tuple[OutputField, ...]
    notable: int
    examined: int
    frames: tuple[FrameValues, ...]


def frame_values(reader: Reader, first: int, last: int) -> SpanValues:
    """Return the values of the frames of a span that are more than plain agreement, of
    `FRAMES_MAX` of them at most. Raises: RecordError if the record cannot be read."""
    names = reader.node_names
    fields = FieldReader(reader.scenario, names)
    out: list[FrameValues] = []
    rows = frames_between(reader, first, last, FRAMES_MAX)
    for row in rows:
        replies = replies_of_frame(reader, row.frame)
        delivered = bytes(row.value or b"") if row.delivered else b""
        found = fields.of(last_outputs(replies), row.voters, delivered)
        voters = voter_views(reader, names, row.frame, replies)
        if found or voters:
            out.append(FrameValues(row.frame, row.t_us, found, voters))
    return SpanValues(
        fields.fields, count_frames_between(reader, first, last), len(rows), tuple(out)
    )


def values_listing(found: Sequence[FrameValues], glyphs: Glyphs) -> RenderableType:
    """Return the values of the first of some frames as tables."""
    parts: list[RenderableType] = []
    for frame in found[:_LISTED]:
        head = Text.assemble((f"\nframe {frame.frame}", HEAD), f"  {flight_time(frame.t_us)}")
        parts.append(head)
        if frame.fields:
            parts.append(Padding(_fields_table(frame.fields, glyphs), (0, 0, 0, 2)))
        if frame.voters:
            parts.append(Padding(_voters_table(frame.voters, glyphs), (0, 0, 0, 2)))
    more = len(found) - _LISTED
    if more > 0:
        parts.append(Text(f"\n{plural(more, 'more frame')} with values: --frames, or --json"))
    return Group(*parts, Text())


def _fields_table(fields: tuple[FieldValues, ...], glyphs: Glyphs) -> Table:
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM)
    out.add_column("field", no_wrap=True)
    out.add_column("node", no_wrap=True)
    out.add_column("value", overflow="fold")
    out.add_column("beside the voted value", no_wrap=True)
    for field in fields:
        unit = f" {field.unit}" if field.unit else ""
        voted = f"{field.delivered}{unit}" if field.delivered else "nothing was delivered"
        out.add_row(
            Text(field.name, style=HEAD),
            Text("voted", style=HEAD),
            Text(voted, style=HEAD if field.delivered else BAD),
            Text(field.rule or "exact majority", style=DIM),
        )
        clusters = len(field.groups)
        for number, group, value in field.by_node():
            distance = field.distance_text(value)
            mark = glyphs.ok if group.wins else glyphs.warn
            words = f"{mark} {distance or ('the same' if group.wins else 'left out')}"
            words += f", cluster {number} of {clusters}" if clusters > 1 else ""
            style = "" if group.wins else WARN
            out.add_row("", value.node, Text(f"{value.value}{unit}", style), Text(words, style))
    return out


def _voters_table(views: tuple[VoterView, ...], glyphs: Glyphs) -> Table:
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM)
    out.add_column("voter at", no_wrap=True)
    out.add_column("received", overflow="fold")
    out.add_column("decided")
    for view in views:
        style = WARN if view.splits else ""
        mark = glyphs.warn if view.splits else glyphs.ok
        out.add_row(view.node, received_words(view), Text(f"{mark} {view.decision}", style))
    return out
