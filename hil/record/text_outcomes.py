"""The outcomes of upsets for the texts of a run: how much differs, since when, if it heals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from hil.json_values import JsonObject
from hil.record.queries import Rows
from hil.record.reader import Reader
from hil.record.row_counts import packed_frames
from hil.record.written_texts import NOTHING, TextColumn, WrittenTexts, writes_text

__all__ = ["DELIVERED", "RecordedTexts", "TextOutcome", "recorded_texts", "text_outcomes"]

DELIVERED: Final = "delivered"
"""The name of the text that left the system, beside those of the nodes."""

SAME: Final = 16
"""Consecutive right characters after which a text is right again. A text that has parted has now
and then the same character by chance, but not so often."""


@dataclass(slots=True)
class TextOutcome:
    """The text of a node, or the delivered one, compared with the right one. `characters` were
    written, `wrong` of them differ, `altered` is the number of frames whose output differs in any
    way. The text parts from the right one in frame `parted` first, `partings` times in all, and the
    longest stretch until it was right again took `longest` frames. `heals`: it was right again at
    the end. The surprisals are sums over the `altered` frames [bit]."""

    name: str
    characters: int = 0
    wrong: int = 0
    altered: int = 0
    parted: int | None = None
    partings: int = 0
    longest: int = 0
    last_wrong: int | None = None
    heals: bool = True
    own_bits: float = 0.0
    right_bits: float = 0.0
    written_after: int = 0
    """Characters from `parted` on."""
    _begin: int = field(default=0, repr=False)

    @property
    def kind(self) -> str:
        """Return the outcome in a word: `same`, `altered` (other surprisals, the same text),
        `heals` or `never recovers`."""
        if self.parted is None:
            return "altered" if self.altered else "same"
        return "heals" if self.heals else "never recovers"

    @property
    def wrong_share(self) -> float:
        """Return the share of the characters from the first wrong one on that are wrong."""
        return self.wrong / self.written_after if self.written_after else 0.0

    @property
    def likelihood_change(self) -> float | None:
        """Return the change of the mean log-likelihood of a character in the altered frames [bit]:
        negative where the node found its text less likely than the right one was. None without
        such a frame."""
        return (self.right_bits - self.own_bits) / self.altered if self.altered else None

    def add(self, frame: int, own: str, right: str) -> None:
        """Count the character of a frame."""
        if own == NOTHING:
            return
        self.characters += 1
        if own != right:
            self.wrong += 1
            if self.last_wrong is None or frame - self.last_wrong > SAME:
                self.partings += 1
                self._begin = frame
            if self.parted is None:
                self.parted = frame
            self.last_wrong = frame
            self.longest = max(self.longest, frame - self._begin + 1)
        if self.parted is not None:
            self.written_after += 1

    def skip(self, frames: int) -> None:
        """Count frames whose characters are right."""
        self.characters += frames
        self.written_after += frames * (self.parted is not None)

    def alter(self, own_bits: float, right_bits: float) -> None:
        """Count a frame whose output differs."""
        self.altered += 1
        self.own_bits += own_bits
        self.right_bits += right_bits

    def end(self, last: int) -> None:
        """Set whether the text is right again in the last frame."""
        self.heals = self.last_wrong is None or last - self.last_wrong >= SAME

    def as_json(self) -> JsonObject:
        """Return the outcome as an entry of an answer with --json."""
        return {
            "name": self.name,
            "kind": self.kind,
            "characters": self.characters,
            "wrong": self.wrong,
            "altered_outputs": self.altered,
            "parted_in_frame": self.parted,
            "partings": self.partings,
            "longest_frames": self.longest,
            "wrong_share_since": self.wrong_share,
            "likelihood_change_bit": self.likelihood_change,
        }


@dataclass(frozen=True, slots=True)
class RecordedTexts:
    """The texts of a recorded run: of the nodes with these `names`, up to frame `last`."""

    texts: WrittenTexts
    names: tuple[str, ...]
    last: int


def recorded_texts(reader: Reader) -> RecordedTexts | None:
    """Return the texts of a run; None if its workload writes none, or if it has no frame. Raises:
    RecordError if the record is damaged."""
    workload, last = reader.scenario.workload, packed_frames(reader) - 1
    if last < 0 or not writes_text(workload):
        return None
    names = tuple(reader.node_names)
    texts = WrittenTexts(reader, len(names), workload, reader.run_meta.seed or 0)
    return RecordedTexts(texts, names, last)


def text_outcomes(
    record: Rows, texts: WrittenTexts, names: tuple[str, ...], last: int
) -> list[TextOutcome]:
    """Return the outcome of the delivered text and of that of each node, up to frame `last`.

    Only passages with a frame that was more than agreement are computed again: all others are
    right."""
    outcomes = [TextOutcome(DELIVERED), *(TextOutcome(name) for name in names)]
    counted = 0
    for passage in _passages(record, texts.passage_frames, last):
        for outcome in outcomes:
            outcome.skip(passage - counted)
        counted = min(passage + texts.passage_frames, last + 1)
        for frame, column in enumerate(texts.columns(passage, counted - 1), start=passage):
            _count(outcomes, frame, column)
    for outcome in outcomes:
        outcome.skip(last + 1 - counted)
        outcome.end(last)
    return outcomes


def _passages(record: Rows, frames: int, last: int) -> Iterator[int]:
    """Yield the first frames of the passages that are to be computed again, in order."""
    rows = record.rows(
        "SELECT DISTINCT frame / ? AS passage FROM frames WHERE frame <= ? ORDER BY passage",
        frames,
        last,
    )
    for row in rows:
        yield row[0] * frames


def _count(outcomes: list[TextOutcome], frame: int, column: TextColumn) -> None:
    delivered, *nodes = outcomes
    delivered.add(frame, column.delivered, column.right)
    for outcome, own, bits in zip(nodes, column.nodes, column.bits, strict=True):
        outcome.add(frame, own, column.right)
        if bits is not None:
            outcome.alter(bits, column.right_bits)
