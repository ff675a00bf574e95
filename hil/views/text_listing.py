"""The texts of a run in the answer of `hil replay`: the right one, and where nodes part from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.campaign.text_hits import TextHits
from hil.json_values import JsonObject
from hil.record.reader import Reader
from hil.record.text_outcomes import RecordedTexts, text_outcomes
from hil.record.written_texts import NOTHING, TextSpan
from hil.views.style import HEAD, Glyphs
from hil.views.texts import parting_lines

__all__ = ["text_answer", "text_hits_table", "text_listing"]

_SHOWN: Final = 2048
"""The characters that are listed at most."""
_WIDTH: Final = 78


def _span(recorded: RecordedTexts, span: tuple[int, int]) -> TextSpan:
    first = min(span[0], recorded.last + 1)
    return recorded.texts.span(first, min(span[1], recorded.last, first + _SHOWN - 1))


def text_listing(recorded: RecordedTexts, span: tuple[int, int], glyphs: Glyphs) -> RenderableType:
    """Return the texts of the frames of `span`, as far as they are recorded, in lines."""
    texts = _span(recorded, span)
    end = texts.first + len(texts.right) - 1
    more = f", of {recorded.last + 1:,}" if span[1] > end < recorded.last else ""
    head = Text(f"\ntext of frames {texts.first:,} to {end:,}{more}", style=HEAD)
    right = [n for n, text in zip(recorded.names, texts.nodes, strict=True) if text == texts.right]
    if right:
        all_of_them = len(right) == len(recorded.names) > 1
        who = "all nodes" if all_of_them else f"node{'s'[: len(right) > 1]} {', '.join(right)}"
        head.append(f"; {who} wrote the right one", style="not bold")
    return Group(head, *parting_lines(texts, recorded.names, _WIDTH, glyphs), Text())


def text_answer(reader: Reader, recorded: RecordedTexts, span: tuple[int, int]) -> JsonObject:
    """Return the texts for --json: the outcome of each over the whole run, and the characters of
    the frames of `span`; a frame without an output has none (U+0000)."""
    texts = _span(recorded, span)
    outcomes = text_outcomes(reader, recorded.texts, recorded.names, recorded.last)
    return {
        "text_outcomes": [outcome.as_json() for outcome in outcomes],
        "texts": {
            "first_frame": texts.first,
            "right": texts.right,
            "delivered": texts.delivered,
            "no_output": NOTHING,
            "nodes": dict(zip(recorded.names, texts.nodes, strict=True)),
        },
    }


def text_hits_table(rows: Sequence[TextHits], seed: int) -> RenderableType:
    """Return what single hits cost a text, by what they hit and when."""
    out = Table(box=None, pad_edge=False, header_style=HEAD)
    for title in ("hit", "while writing"):
        out.add_column(title, no_wrap=True)
    for title in ("frames", "hits", "changed", "wrong/hit", "share"):
        out.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        out.add_row(
            row.part,
            row.phase,
            f"{row.first}-{row.last}",
            f"{row.hits:,}",
            f"{100 * row.changed_share:.1f} %",
            f"{row.lost_per_hit:.1f}",
            f"{100 * row.lost_share:.1f} %",
        )
    return Group(
        Text(f"One flipped bit, and the text to the end of its passage (seed {seed})"), Text(), out
    )
