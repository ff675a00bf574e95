"""Reads the texts of the newest frames on view: of a passage, as far as it is written.

The columns of frames that were read before are kept, so that each frame is read once while a run
goes on."""

from __future__ import annotations

from hil.record.live import LiveRecord
from hil.record.written_texts import TextColumn, TextSpan, WrittenTexts, writes_text

__all__ = ["TextFacts"]


class TextFacts:
    """Reads texts from one record."""

    def __init__(self, source: LiveRecord) -> None:
        self._source = source
        self._texts: tuple[int, WrittenTexts] | None = None
        self._first = 0
        self._columns: list[TextColumn] = []

    def forget(self) -> None:
        """Forget what was read: frames have been taken back."""
        self._texts, self._columns = None, []

    def span(self, head: int) -> TextSpan | None:
        """Return the passage that is being written in frame `head`, up to that frame; None if the
        workload writes no text."""
        source = self._source
        workload = source.meta.scenario.workload
        if head < 0 or not writes_text(workload):
            return None
        if self._texts is None or self._texts[0] != source.epoch:
            texts = WrittenTexts(source, len(source.nodes), workload, source.meta.seed or 0)
            self._texts, self._columns = (source.epoch, texts), []
        texts = self._texts[1]
        first = texts.passage_of(head)
        if first != self._first:
            self._first, self._columns = first, []
        count = head - first + 1
        known = len(self._columns)
        if known < count:
            self._columns += texts.columns(first + known, head)
        shown = self._columns[:count]
        return TextSpan(
            first,
            "".join(column.right for column in shown),
            "".join(column.delivered for column in shown),
            tuple("".join(c.nodes[node.idx] for c in shown) for node in source.nodes),
        )
