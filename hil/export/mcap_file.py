"""A run as one MCAP file, by the package `mcap`: an extra. Foxglove opens it."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hil import __version__
from hil.errors import RecordError, SetupError
from hil.export.csv_file import complete_file
from hil.export.event_lines import listed_event
from hil.export.mcap_ground import GROUND_SCHEMAS, TopicMessage, ground_messages
from hil.export.mcap_replicas import REPLICA_SCHEMAS, replica_messages
from hil.export.mcap_topics import (
    EVENTS,
    FRAMES,
    LOCATION,
    SCHEMAS,
    TOPICS,
    frame_messages,
    location_message,
    log_message,
    row_message,
)
from hil.export.run_time import start_us, time_of_row
from hil.extras import install_command
from hil.json_values import JsonObject
from hil.record.held_record import held_record
from hil.record.live import LiveRecord, State
from hil.record.offload_rows import offload_rows
from hil.record.reader import Reader
from hil.record.row_values import RecordedOrbit
from hil.record.run_follower import FollowedRow, RunFollower, RunNews

__all__ = ["ALL_SCHEMAS", "write_mcap"]

ALL_SCHEMAS: Final = {**SCHEMAS, **GROUND_SCHEMAS, **REPLICA_SCHEMAS}
"""Name and JSON Schema of the messages of each topic."""
_ATTACHED: Final = ("scenario", "result")
"""Properties of the run that are long JSON texts: files in the file."""


def write_mcap(run: Path, path: Path) -> int:
    """Write all that a run has recorded so far to a new MCAP file; return its messages' number.
    The time of a message is the beginning of the run plus simulated time.

    Raises: SetupError if mcap is not installed or the file cannot be written; RecordError if the
    record cannot be read."""
    writer_type = _writer_type()
    follower = RunFollower(LiveRecord(run))
    try:
        with complete_file(path) as draft, draft.open("wb") as file:
            writer = writer_type(file)
            writer.start(profile="", library=f"hil {__version__}")
            messages = _Messages(writer, follower)
            news = follower.news()
            if not follower.record.names:
                raise RecordError(f"{run}: {follower.record.reason}")
            with held_record(run) as reader:
                messages.follow_whole_tables(reader)
                while news is not None:
                    messages.add(news)
                    news = follower.news()
                if follower.record.state is State.LOST:
                    raise RecordError(f"{run}: {follower.record.reason}")
                messages.close()
            return messages.count
    finally:
        follower.record.close()


def _writer_type() -> Any:
    try:
        from mcap.writer import Writer  # noqa: PLC0415  (an extra)
    except ImportError:
        raise SetupError(
            "an MCAP file needs the package mcap, which is not installed",
            remedy=f"{install_command('mcap')}, or write a CSV file: -o FILE.csv",
        ) from None
    return Writer


class _Messages:
    """Writes messages of a run by a `writer` of mcap, in the order of their time; its first message
    opens a topic. An upset whose outcome was long open comes late, with the time of its hit."""

    def __init__(self, writer: Any, follower: RunFollower) -> None:
        self.count = 0
        self._writer = writer
        self._follower = follower
        self._channels: dict[str, int] = {}
        self._sequences: Counter[str] = Counter()
        self._whole_tables: Iterator[TopicMessage] = iter(())
        self._next: TopicMessage | None = None
        self._zero_us: int | None = None

    def add(self, news: RunNews) -> None:
        """Write what is new."""
        names = self._follower.record.names
        frames = frame_messages(news.frames, news.times_us, names)
        parts = [TopicMessage(FRAMES, t_us, message) for t_us, message in frames]
        for row in news.rows:
            parts += self._row(row, names)
        parts.sort(key=_time)  # stable: frames of one time come first
        for part in parts:
            self._write_whole_tables(part.t_us)
            self._write_part(part)

    def follow_whole_tables(self, reader: Reader) -> None:
        """Write what went to the ground, and what the replicas of the voter decided, between what
        is added from now on, as long as the `reader` is open."""
        ground = sorted(ground_messages(offload_rows(reader)), key=_time)
        replicas = replica_messages(reader, self._follower.record.names)
        self._whole_tables = heapq.merge(ground, replicas, key=_time)
        self._next = next(self._whole_tables, None)

    def close(self) -> None:
        """Write the rest of the whole tables, who ran what, and the indexes of the file."""
        self._write_whole_tables()
        meta = self._follower.record.meta
        texts = {"name": meta.scenario.name, **meta.texts}
        now = self._ns(0)
        for name in _ATTACHED:
            if (text := texts.pop(name, None)) is not None:
                data = text.encode("utf-8")
                self._writer.add_attachment(now, now, f"{name}.json", "application/json", data)
        self._writer.add_metadata("hil.run", texts)
        self._writer.finish()

    def _row(self, row: FollowedRow, names: tuple[str, ...]) -> Iterator[TopicMessage]:
        t_us = time_of_row(row, self._follower.t_us)
        message = row_message(row, t_us, names)
        yield TopicMessage(TOPICS[type(row)], t_us, message, listed_event(row))
        if isinstance(row, RecordedOrbit):
            fix = location_message(row, self._ns(t_us))
            if fix is not None:
                yield TopicMessage(LOCATION, t_us, fix)

    def _write_whole_tables(self, until_us: int | None = None) -> None:
        while self._next is not None and (until_us is None or self._next.t_us < until_us):
            self._write_part(self._next)
            self._next = next(self._whole_tables, None)

    def _write_part(self, part: TopicMessage) -> None:
        self._write(part.topic, part.t_us, part.message)
        if part.line is not None:
            self._write(EVENTS, part.t_us, log_message(part.line, self._ns(part.t_us)))

    def _ns(self, t_us: int) -> int:
        if self._zero_us is None:
            self._zero_us = start_us(self._follower.record.meta)
        return (self._zero_us + t_us) * 1000

    def _write(self, topic: str, t_us: int, message: JsonObject) -> None:
        channel = self._channels.get(topic)
        if channel is None:
            name, schema = ALL_SCHEMAS[topic]
            encoded = json.dumps(schema).encode("utf-8")
            number = self._writer.register_schema(name, "jsonschema", encoded)
            channel = self._channels[topic] = self._writer.register_channel(topic, "json", number)
        now = self._ns(t_us)
        data = json.dumps(message).encode("utf-8")
        self._writer.add_message(channel, now, data, now, self._sequences[topic])
        self._sequences[topic] += 1
        self.count += 1


def _time(message: TopicMessage) -> int:
    return message.t_us
