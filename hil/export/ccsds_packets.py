"""The space packets (CCSDS 133.0-B) of a run: which there are, and which fields they have.

One table for all who need it: the encoder, and the definitions for Yamcs and OpenC3. A packet is
the primary header, a CDS short time code (CCSDS 301.0-B: P-field, day since 1958, millisecond of
the day), and its fields, big-endian. `unix_s` is the moment once more, in seconds since 1970:
neither Yamcs nor OpenC3 reads a CDS time code, both read this. What is missing is NaN, and 255 in
a code or index. Texts are UTF-8, cut to their length, and end with a zero byte."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from hil.export.event_lines import EventLevel
from hil.redundancy.voting import MAX_NODES, NodeStatus, VerdictKind

__all__ = [
    "BALLOT",
    "EVENT",
    "FIRST_APID",
    "FRAME",
    "HEALTH",
    "LINK_COUNTS",
    "NONE",
    "ORBIT",
    "PACKETS",
    "PLANT",
    "PLANT_NODE",
    "REPAIR",
    "RUN",
    "TEMPERATURE",
    "TIME_FIELDS",
    "TRANSITION",
    "UPSET",
    "Packet",
    "PacketField",
]

FIRST_APID: Final = 0x100
NONE: Final = 255
"""A code or an index that is missing."""


@dataclass(frozen=True, slots=True)
class PacketField:
    """A field: `code` as `struct` has it (B, H, I, Q, f, d, or `16s` for a text), its unit, and the
    words of its values, if it is a code."""

    name: str
    code: str
    unit: str = ""
    words: Mapping[int, str] | None = None

    @property
    def is_text(self) -> bool:
        """Return whether the field is a text."""
        return self.code.endswith("s")

    @property
    def bits(self) -> int:
        """Return the length of the field [bit]."""
        return 8 * struct.calcsize(f">{self.code}")


@dataclass(frozen=True)
class Packet:
    """A kind of packet with its application process identifier."""

    apid: int
    name: str
    text: str
    fields: tuple[PacketField, ...]

    @cached_property
    def layout(self) -> struct.Struct:
        """Return the layout of its fields."""
        return struct.Struct(">" + "".join(field.code for field in self.fields))


TIME_FIELDS: Final = (
    PacketField("time_p_field", "B"),
    PacketField("time_day", "H", "d"),
    PacketField("time_ms", "I", "ms"),
)

_VERDICTS: Final = {int(kind): kind.word for kind in VerdictKind}
_STATUSES: Final = {**{int(status): status.word for status in NodeStatus}, NONE: "none"}
_SEVERITIES: Final = {int(severity): severity.name.lower() for severity in EventLevel}
_MOMENT: Final = (
    PacketField("frame", "Q"),
    PacketField("t_us", "Q", "us"),
    PacketField("unix_s", "d", "s"),
)
_NODE: Final = PacketField("node", "B")


def _numbers(code: str, text: str) -> tuple[PacketField, ...]:
    """Return fields from `name` or `name:unit`, with spaces between them."""
    parts = (word.partition(":") for word in text.split())
    return tuple(PacketField(name, code, unit) for name, _, unit in parts)


def _texts(text: str) -> tuple[PacketField, ...]:
    """Return fields from `name:bytes`, with spaces between them."""
    parts = (word.partition(":") for word in text.split())
    return tuple(PacketField(name, f"{size}s") for name, _, size in parts)


def _packet(number: int, name: str, text: str, *fields: PacketField) -> Packet:
    return Packet(FIRST_APID + number, name, text, (*_MOMENT, *fields))


FRAME: Final = _packet(
    0,
    "frame",
    "A frame with its verdict; in masks, bit i stands for node i",
    PacketField("verdict", "B", words=_VERDICTS),
    *_numbers("B", "voters flags agree dissent latent"),
    *_numbers("Q", "output_digest state_digest"),
    *(PacketField(f"status_{node}", "B", words=_STATUSES) for node in range(MAX_NODES)),
)
BALLOT: Final = _packet(
    1,
    "ballot",
    "What a node sent in a frame, where that is not what was agreed on",
    _NODE,
    PacketField("status", "B", words=_STATUSES),
    PacketField("signal", "B"),
    *_numbers("Q", "output_digest state_digest"),
)
EVENT: Final = _packet(
    2,
    "event",
    "Anything that happens, as a line of text",
    _NODE,
    PacketField("severity", "B", words=_SEVERITIES),
    *_texts("table:16 text:128"),
)
UPSET: Final = _packet(
    3,
    "upset",
    "An upset: when it is new, and again when its outcome is known",
    PacketField("id", "I"),
    _NODE,
    *(
        PacketField("target", "16s"),
        PacketField("kind", "16s"),
        PacketField("source", "32s"),
        PacketField("state", "16s"),
    ),
    *_numbers("Q", "bit space tick at_us:us"),
    *_texts("effect:16 outcome:24"),
)
TRANSITION: Final = _packet(
    4,
    "transition",
    "A node goes from one state of recovery to another",
    *(
        _NODE,
        PacketField("before", "16s"),
        PacketField("after", "16s"),
        PacketField("cause", "64s"),
    ),
)
REPAIR: Final = _packet(
    5,
    "repair",
    "An attempt to repair a node",
    *(_NODE, PacketField("action", "16s"), PacketField("cause", "32s"), PacketField("ok", "B")),
    *(
        PacketField("chunks", "I"),
        PacketField("bytes_moved", "Q", "B"),
        PacketField("duration_us", "Q", "us"),
    ),
)
HEALTH: Final = _packet(
    6,
    "health",
    "What a board reports of itself",
    _NODE,
    *_numbers("f", "cpu_temp_c:degC clock_mhz:MHz rss_kib:KiB free_mib:MiB round_trip_us:us"),
    *_numbers("f", "power_w:W throttled"),
    *_numbers("Q", "uptime_us:us steps crashes hangs restarts corrected uncorrected rx_errors"),
    PacketField("duplicates", "Q"),
)
LINK_COUNTS: Final = _packet(
    7,
    "link_counts",
    "The counters of a node's link",
    _NODE,
    *_numbers("Q", "tx_frames tx_bytes:B rx_frames rx_bytes:B rx_errors naks retries stale"),
    *_numbers("Q", "reconnects chatter_bytes:B"),
)
PLANT: Final = _packet(
    8,
    "plant",
    "Power, charge and sunlight",
    *_numbers("f", "illumination flux_per_cm2_s:1/(cm2.s) bus_v:V array_w:W load_w:W"),
    *_numbers("f", "battery_w:W soc"),
    PacketField("stage", "B"),
)
PLANT_NODE: Final = _packet(
    9,
    "plant_node",
    "The board of a node in the plant",
    _NODE,
    *_texts("level:16"),
    PacketField("throttle", "B"),
    *_numbers("f", "duty power_w:W die_c:degC steps_per_s:1/s"),
)
TEMPERATURE: Final = _packet(
    10,
    "temperature",
    "The temperature of a thermal node",
    *_texts("name:32"),
    *_numbers("f", "celsius:degC"),
)
ORBIT: Final = _packet(
    11,
    "orbit",
    "Where the satellite is; saa: 1 within the South Atlantic Anomaly",
    *_numbers("f", "latitude_deg:deg longitude_deg:deg altitude_km:km illumination beta_deg:deg"),
    *(
        PacketField("flux_per_cm2_s", "f", "1/(cm2.s)"),
        PacketField("saa", "B"),
        PacketField("contact", "64s"),
    ),
)
RUN: Final = _packet(
    12,
    "run",
    "What is run: at the beginning, and when the outcome changes",
    *_texts("name:48 outcome:16 scheme:16"),
    PacketField("nodes", "B"),
    *_texts("names:64"),
    *_numbers("Q", "frame_us:us"),
    *_texts("config_hash:72"),
)

PACKETS: Final = (
    *(FRAME, BALLOT, EVENT, UPSET, TRANSITION, REPAIR, HEALTH, LINK_COUNTS),
    *(PLANT, PLANT_NODE, TEMPERATURE, ORBIT, RUN),
)
"""All packets, by their identifiers."""
