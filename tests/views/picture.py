"""A screen as plain text, from the picture that Textual exports."""

from __future__ import annotations

import html
import re

_TEXT = re.compile(
    r'<text [^>]*x="([\d.]+)"[^>]*clip-path="url\(#[\w-]*line-(\d+)\)"[^>]*>([^<]*)<'
)
_CHAR = 12.2  # how wide Rich draws one


def text_of(svg: str, width: int, height: int) -> str:
    """Lines of the screen, without blanks at their ends."""
    lines = [[" "] * width for _ in range(height)]
    for x, y, content in _TEXT.findall(svg):
        at = round(float(x) / _CHAR)
        for offset, char in enumerate(html.unescape(content).replace("\xa0", " ")):
            if at + offset < width:
                lines[int(y)][at + offset] = char
    return "\n".join("".join(row).rstrip() for row in lines) + "\n"
