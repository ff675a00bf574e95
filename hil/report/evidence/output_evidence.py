"""The outputs of a run in its evidence: their fields, and the values of the nodes where they
differed."""

from __future__ import annotations

from typing import Final

from hil.json_values import JsonObject
from hil.record.reader import Reader
from hil.views.field_values import dissenting
from hil.views.frame_listing import FrameValues, frame_values

__all__ = ["output_evidence"]

_LISTED: Final = 100
"""The most frames whose values are listed."""
_ALL: Final = 2**62


def output_evidence(reader: Reader) -> JsonObject:
    """Return the fields of the outputs, and the first frames in which a node had another value than
    the voted one, or replicas of the voter had different views. Raises: RecordError if the record
    cannot be read."""
    values = frame_values(reader, 0, _ALL)
    found = [frame for frame in values.frames if frame.voters or dissenting(frame.fields)]
    return {
        "fields": [
            {
                "name": field.name,
                "type": field.type,
                "count": field.count,
                "unit": field.unit,
                "role": field.role.value,
            }
            for field in values.fields
        ],
        "examined": values.examined,
        "differing": len(found),
        "frames": [_frame(frame) for frame in found[:_LISTED]],
    }


def _frame(frame: FrameValues) -> JsonObject:
    return {
        "frame": frame.frame,
        "t_us": frame.t_us,
        "fields": [field.as_json() for field in dissenting(frame.fields)],
        "voters": [view.as_json() for view in frame.voters],
    }
