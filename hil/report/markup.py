"""HTML from values: everything that comes from elsewhere is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

__all__ = [
    "bar",
    "count_text",
    "element",
    "exact_text",
    "key_text",
    "percent_text",
    "table",
    "text",
]

_PERCENT: Final = 100.0
_LARGE: Final = (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3))
_SHORT: Final = 10_000


def text(content: object) -> str:
    """Return plain text as HTML."""
    return html.escape(str(content), quote=True)


def element(tag: str, content: str, **attributes: str) -> str:
    """Return an element with this content, which is HTML already. Attributes are plain text; the
    other underscores of their names are hyphens, and one at the end is left out."""
    named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    words = "".join(f' {name}="{text(value)}"' for name, value in named.items())
    return f"<{tag}{words}>{content}</{tag}>"


def key_text(key: str) -> str:
    """Return the name of a key as code that may be broken where its words end."""
    return element("code", re.sub("([._])", r"\1<wbr>", text(key)))


def exact_text(count: int) -> str:
    """Return a count with all its digits."""
    return f"{count:,}"


def count_text(count: int) -> str:
    """Return a count in short, with its exact value where the pointer rests."""
    if count < _SHORT:
        return f"{count:,}"
    unit, size = next((unit, size) for unit, size in _LARGE if count >= size)
    return element("span", f"{count / size:.3g} {unit}", title=exact_text(count))


def percent_text(part: int, whole: int, digits: int = 3) -> str:
    """Return a share in per cent, rounded so that less than all never reads as all, nor some as
    none; a dot for none at all."""
    if not part or not whole:
        return "·"
    share = _PERCENT * part / whole
    least = 10.0**-digits
    if share < least:
        return f"&lt; {least:.{digits}f} %"
    most = f"{_PERCENT - least:.{digits}f} %"
    return f"&gt; {most}" if part < whole and share > _PERCENT - least else f"{share:.{digits}f} %"


def bar(parts: Mapping[str, int], whole: int, label: str) -> str:
    """Return a bar of `whole`, filled by parts of these colours, with a description."""
    filled = "".join(
        element("i", "", class_=f"fill {name}", style=f"width:{_PERCENT * count / whole:.4f}%")
        for name, count in parts.items()
        if count and whole
    )
    return element("span", filled, class_="bar", role="img", aria_label=label, title=label)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, name: str, foot: int = 0) -> str:
    """Return a table of HTML cells. Numbers are aligned right by its style `name`; the last `foot`
    rows are sums."""
    lines = [element("tr", "".join(element("td", cell) for cell in row)) for row in rows]
    split = len(lines) - foot
    body = element("tbody", "".join(lines[:split]))
    sums = element("tfoot", "".join(lines[split:])) if foot else ""
    top = element("thead", element("tr", "".join(element("th", h, scope="col") for h in head)))
    return element("div", element("table", top + body + sums, class_=name), class_="wide")
