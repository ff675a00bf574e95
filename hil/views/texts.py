"""Texts of nodes as lines for people: wrong characters marked, line feeds as strokes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.text import Text

from hil.record.written_texts import NOTHING, TextSpan
from hil.views.style import BAD, DIM, Glyphs

__all__ = ["LINE_FEED", "marked_text", "parting_lines", "plain_text"]

LINE_FEED: Final = "/"
"""Stands for a line feed: no text that hil writes has one itself."""


def plain_text(text: str, glyphs: Glyphs) -> str:
    """Return a text in one line: line feeds as strokes, frames without an output as dots."""
    return text.replace("\n", LINE_FEED).replace(NOTHING, glyphs.none)


def marked_text(own: str, right: str, glyphs: Glyphs) -> Text:
    """Return a text in one line in which characters that are not the right ones are marked."""
    out = Text(plain_text(own, glyphs), no_wrap=True, overflow="crop", end="")
    begin: int | None = None
    for at in range(len(own) + 1):
        is_wrong = at < len(own) and own[at] not in (right[at], NOTHING)
        if is_wrong and begin is None:
            begin = at
        elif not is_wrong and begin is not None:
            out.stylize(f"{BAD} underline", begin, at)
            begin = None
    for at, letter in enumerate(own):
        if letter == NOTHING:
            out.stylize(DIM, at, at + 1)
    return out


def parting_lines(
    span: TextSpan, names: tuple[str, ...], width: int, glyphs: Glyphs
) -> Iterator[Text]:
    """Yield a span in blocks of lines of at most `width` columns: the right text, and below it that
    of each node, with carets below its wrong characters. Nodes whose part of the block is right are
    left out."""
    label = max(len(name) for name in (*names, "right")) + 2
    room = max(16, width - label)
    for begin in range(0, len(span.right), room):
        right = span.right[begin : begin + room]
        yield Text(f"{'right':<{label}}") + Text(plain_text(right, glyphs))
        for name, text in zip(names, span.nodes, strict=True):
            own = text[begin : begin + room]
            if all(a == b for a, b in zip(own, right, strict=True)):
                continue
            yield Text(f"{name:<{label}}") + marked_text(own, right, glyphs)
            carets = "".join(
                "^" if a not in (b, NOTHING) else " " for a, b in zip(own, right, strict=True)
            )
            if carets.strip():
                yield Text(" " * label + carets.rstrip(), style=BAD)
