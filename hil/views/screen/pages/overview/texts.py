"""The sentence that each node is writing, and where they part. Pure."""

from __future__ import annotations

from rich.text import Text

from hil.views.screen.model.facts import Scene
from hil.views.screen.pages.style import Marks, line, rule
from hil.views.style import BAD, DIM, HEAD
from hil.views.texts import marked_text, plain_text

__all__ = ["texts"]


def texts(scene: Scene, width: int, marks: Marks) -> list[Text]:
    """Return the end of the passage that each node is writing, newest character on the right; below
    them the right text, if one of them is not right. Empty for workloads without a text."""
    span = scene.texts
    if span is None or not span.right:
        return []
    longest = max(5, *(len(node.name) for node in scene.nodes))
    begin = max(0, len(span.right) - (width - longest - 4))
    right = span.right[begin:]
    partings = {node.name: span.parted(node.index) for node in scene.nodes}
    known = {name: frame for name, frame in partings.items() if frame is not None}
    where = "; ".join(f"{name} parts in frame {frame:,}" for name, frame in known.items())
    out = [rule("TEXT", width, marks, where or f"passage since frame {span.first:,}")]
    for node in scene.nodes:
        own = span.nodes[node.index][begin:]
        is_wrong = partings[node.name] is not None
        name = (f"{node.name:<{longest}} ", BAD if is_wrong else HEAD)
        glyph = (marks.bad if is_wrong else marks.ok, BAD if is_wrong else "")
        out.append(line(" ", glyph, " ", name, marked_text(own, right, marks)))
    if known:
        out.append(line("   ", (f"{'right':<{longest}} ", DIM), (plain_text(right, marks), DIM)))
    return out
