"""A run as a stream of space packets; headers by the package `spacepackets`: an extra."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hil.errors import RecordError, SetupError
from hil.export import ccsds_packets as packets
from hil.export.ccsds_packets import NONE, TIME_FIELDS, Packet, PacketField
from hil.export.csv_file import complete_file
from hil.export.event_lines import listed_event
from hil.export.row_columns import RowValue, row_columns
from hil.export.run_time import start_us, time_of_row
from hil.extras import install_command
from hil.record.live import LiveRecord, State
from hil.record.measured_rows import RecordedLinkCounts
from hil.record.row_values import (
    RecordedHealth,
    RecordedOrbit,
    RecordedPlant,
    RecordedPlantNode,
    RecordedRepair,
    RecordedTransition,
    RecordedUpset,
)
from hil.record.run_follower import FollowedRow, RunFollower, RunNews
from hil.redundancy.voting import MAX_NODES, NodeStatus

__all__ = ["PacketEncoder", "write_packets"]

_P_FIELD: Final = 0x40
"""CDS: epoch of 1958, days of 16 bits, no part below a millisecond."""
_DAYS_TO_1970: Final = 4383
_DAY_MS: Final = 86_400_000
_SEQUENCE: Final = 1 << 14
_KINDS: Final[Mapping[type[FollowedRow], Packet]] = {
    RecordedUpset: packets.UPSET,
    RecordedTransition: packets.TRANSITION,
    RecordedRepair: packets.REPAIR,
    RecordedHealth: packets.HEALTH,
    RecordedLinkCounts: packets.LINK_COUNTS,
    RecordedPlant: packets.PLANT,
    RecordedPlantNode: packets.PLANT_NODE,
    RecordedOrbit: packets.ORBIT,
}
_OTHER_COLUMNS: Final[Mapping[int, Mapping[str, tuple[str, float]]]] = {
    packets.HEALTH.apid: {
        "cpu_temp_c": ("cpu_temp_mc", 1e-3),
        "clock_mhz": ("clock_khz", 1e-3),
        "power_w": ("power_mw", 1e-3),
    },
    packets.REPAIR.apid: {"duration_us": ("duration_wall_us", 1)},
}
"""Fields that have another name or unit than the column of the record, and the factor."""


def write_packets(run: Path, path: Path) -> int:
    """Write the packets of all that a run has recorded so far to a new file, one after the other;
    return their number. Raises: SetupError if spacepackets is not installed or the file cannot be
    written; RecordError if the record cannot be read."""
    follower = RunFollower(LiveRecord(run))
    encoder = PacketEncoder(follower)
    try:
        with complete_file(path) as draft, draft.open("wb") as file:
            while (news := follower.news()) is not None:
                file.write(encoder.encode(news))
            if follower.record.state is State.LOST or not follower.record.names:
                raise RecordError(f"{run}: {follower.record.reason}")
            file.write(encoder.run_packet())
    finally:
        follower.record.close()
    return encoder.count


class PacketEncoder:
    """Makes packets of what a `follower` returns. `count`: how many there were. Raises: SetupError
    if spacepackets is not installed."""

    def __init__(self, follower: RunFollower) -> None:
        self.count = 0
        self._follower = follower
        self._header, self._type = _space_packets()
        self._sequence: Counter[int] = Counter()
        self._outcome = ""
        self._zero_us = 0

    def encode(self, news: RunNews) -> bytes:
        """Return the packets of what is new, in the order of simulated time."""
        record = self._follower.record
        self._zero_us = start_us(record.meta)
        names = {name: index for index, name in enumerate(record.names)}
        timed = [*self._frames(news), *self._ballots(news)]
        for row in news.rows:
            timed += self._row(row, names)
        timed.sort(key=lambda packet: packet[0])  # stable: frames of one time come first
        out = [self._whole(packet, data) for _, packet, data in timed]
        if self._follower.outcome != self._outcome:
            first = self.run_packet()
            out.insert(0, first) if not self._outcome else out.append(first)
            self._outcome = self._follower.outcome
        return b"".join(out)

    def run_packet(self) -> bytes:
        """Return a packet with what is run, and its outcome so far."""
        record = self._follower.record
        meta = record.meta
        values = {
            "name": meta.scenario.name,
            "outcome": self._follower.outcome,
            "scheme": meta.scenario.scheme,
            "nodes": len(record.names),
            "names": ",".join(record.names),
            "frame_us": record.frame_us,
            "config_hash": meta.config_hash,
        }
        frame = max(0, record.last)
        _, packet, data = self._packed(packets.RUN, frame, self._follower.t_us(frame), values)
        return self._whole(packet, data)

    # --- frames -------------------------------------------------------------------------------

    def _frames(self, news: RunNews) -> Iterator[tuple[int, Packet, bytes]]:
        frames, nodes = news.frames, news.frames["node"]
        values: dict[str, NDArray[Any] | int] = {
            name: frames[name] for name in ("frame", "verdict", "voters", "flags")
        }
        values |= {name: frames[name] for name in ("agree", "dissent", "latent")}
        values |= {"output_digest": frames["output"], "state_digest": frames["state"]}
        for node in range(MAX_NODES):
            known = node < nodes.shape[1]
            values[f"status_{node}"] = nodes["status"][:, node] if known else NONE
        yield from self._columns(packets.FRAME, news.times_us, values)

    def _ballots(self, news: RunNews) -> Iterator[tuple[int, Packet, bytes]]:
        frames, ballots = news.frames, news.frames["node"]
        differs = (ballots["output"] != frames["output"][:, None]) | (
            ballots["state"] != frames["state"][:, None]
        )
        status = ballots["status"]
        wanted = (status == NodeStatus.CRASHED) | ((status == NodeStatus.DONE) & differs)
        frame, node = np.nonzero(wanted)
        some = ballots[frame, node]
        values = {
            "frame": frames["frame"][frame],
            "node": node,
            "status": some["status"],
            "signal": some["signal"],
            "output_digest": some["output"],
            "state_digest": some["state"],
        }
        yield from self._columns(packets.BALLOT, news.times_us[frame], values)

    def _columns(
        self, packet: Packet, times_us: NDArray[Any], values: Mapping[str, Any]
    ) -> Iterator[tuple[int, Packet, bytes]]:
        """Yield packets whose fields are columns."""
        fields = (*TIME_FIELDS, *packet.fields)
        array = np.empty(len(times_us), np.dtype([(f.name, _numpy_code(f)) for f in fields]))
        ms = (self._zero_us + times_us) // 1000
        array["time_p_field"], array["time_day"] = _P_FIELD, ms // _DAY_MS + _DAYS_TO_1970
        array["time_ms"], array["t_us"] = ms % _DAY_MS, times_us
        array["unix_s"] = (self._zero_us + times_us) / 1e6
        for name, column in values.items():
            array[name] = column
        data, size = array.tobytes(), array.itemsize
        for number, t_us in enumerate(times_us.tolist()):
            yield t_us, packet, data[number * size : (number + 1) * size]

    # --- rows ---------------------------------------------------------------------------------

    def _row(
        self, row: FollowedRow, names: Mapping[str, int]
    ) -> Iterator[tuple[int, Packet, bytes]]:
        t_us = time_of_row(row, self._follower.t_us)
        columns = row_columns(row)
        number = columns.get("frame")
        frame = number if isinstance(number, int) else self._follower.record.time.frame_at(t_us)
        packet = _KINDS.get(type(row))
        if packet is not None:
            yield self._packed(packet, frame, t_us, _values(packet, columns, names))
        if isinstance(row, RecordedPlant):
            for name, celsius in _by_name(row.temperatures_c):
                values = {"name": name, "celsius": celsius}
                yield self._packed(packets.TEMPERATURE, frame, t_us, values)
        if (line := listed_event(row)) is not None:
            values = {
                "node": names.get(line.node, NONE),
                "severity": int(line.severity),
                "table": line.table,
                "text": line.text,
            }
            yield self._packed(packets.EVENT, frame, t_us, values)

    def _packed(
        self, packet: Packet, frame: int, t_us: int, values: Mapping[str, Any]
    ) -> tuple[int, Packet, bytes]:
        ms = (self._zero_us + t_us) // 1000
        known = {**values, "frame": frame, "t_us": t_us, "unix_s": (self._zero_us + t_us) / 1e6}
        time_code = (_P_FIELD, ms // _DAY_MS + _DAYS_TO_1970, ms % _DAY_MS)
        body = packet.layout.pack(*(_fitted(field, known[field.name]) for field in packet.fields))
        code = b"".join(
            value.to_bytes(field.bits // 8, "big")
            for field, value in zip(TIME_FIELDS, time_code, strict=True)
        )
        return t_us, packet, code + body

    def _whole(self, packet: Packet, data: bytes) -> bytes:
        header = self._header(
            self._type,
            apid=packet.apid,
            seq_count=self._sequence[packet.apid] % _SEQUENCE,
            data_len=len(data) - 1,
            sec_header_flag=True,
        )
        self._sequence[packet.apid] += 1
        self.count += 1
        return bytes(header.pack()) + data


def _space_packets() -> tuple[Any, Any]:
    try:
        from spacepackets.ccsds import PacketType, SpacePacketHeader  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SetupError(
            "space packets need the package spacepackets, which is not installed",
            remedy=install_command("ccsds"),
        ) from None
    return SpacePacketHeader, PacketType.TM


def _numpy_code(field: PacketField) -> str:
    return {"B": "u1", "H": ">u2", "I": ">u4", "Q": ">u8", "d": ">f8"}[field.code]


def _values(
    packet: Packet, columns: Mapping[str, RowValue], names: Mapping[str, int]
) -> dict[str, Any]:
    """Return the values of a packet's fields from the columns of a row."""
    other = _OTHER_COLUMNS.get(packet.apid, {})
    values: dict[str, Any] = {}
    for field in packet.fields:
        column, factor = other.get(field.name, (field.name, 1))
        if column in {"frame", "t_us", "unix_s"}:
            continue  # every packet has them
        value = columns[column]
        values[field.name] = value * factor if isinstance(value, (int, float)) else value
    if isinstance(values.get("node"), str):
        values["node"] = names.get(values["node"], NONE)
    return values


def _fitted(field: PacketField, value: Any) -> Any:
    """Return a value as `struct` takes it for a field."""
    if field.is_text:
        return str(value or "").encode()[: field.bits // 8 - 1].decode(errors="ignore").encode()
    if field.code in "fd":
        return math.nan if value is None else float(value)
    if value is None:
        return NONE if field.code == "B" else 0
    return max(0, min(int(value), (1 << field.bits) - 1))


def _by_name(text: str) -> Iterator[tuple[str, float]]:
    try:
        content = json.loads(text)
    except ValueError:
        return
    if isinstance(content, Mapping):
        yield from ((str(name), float(value)) for name, value in content.items())
