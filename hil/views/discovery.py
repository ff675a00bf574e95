"""What `hil discover` prints: a line for each port, and the changes of the bench file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from hil.views.style import Glyphs, plural

__all__ = ["found"]


def found(content: Mapping[str, Any], glyphs: Glyphs) -> RenderableType:
    """Return the lines that show the JSON of a discovery."""
    lines: list[RenderableType] = []
    for board in content["boards"]:
        lines += _board(board, glyphs)
    for other in content["others"]:
        lines += [
            Text(f"{glyphs.warn} {other['port']}", style="yellow"),
            Text(f"    {other['reason']}"),
        ]
        if other["remedy"]:
            lines.append(Text(f"    try: {other['remedy']}", style="dim"))
    count = len(content["boards"])
    lines.append(Text(f"{plural(count, 'board')} answered", style="bold"))
    lines += [Text(f"{glyphs.warn} {note}", style="yellow") for note in content["notes"]]
    if content["bench"] is not None:
        changes = content["changes"]
        said = "nothing new" if not changes else plural(len(changes), "change")
        lines.append(Text(f"{content['bench']}: {said}"))
        lines += [Text(f"    {c['board']}: {c['kind']}, {c['detail']}") for c in changes]
    return Group(*lines)


def _board(board: Mapping[str, Any], glyphs: Glyphs) -> list[RenderableType]:
    name = f" = {board['name']}" if board["name"] else ""
    rate = f", {board['baud']} baud" if board["baud"] else ""
    what = board["board"] or board["arch"]
    memory = f"{board['memory_mib']:,} MiB"
    lines: list[RenderableType] = [
        Text(f"{glyphs.ok} {board['port']}{name}", style="green"),
        Text(
            f"    {what}, {plural(board['cores'], 'core')}, {memory}, "
            f"agent {board['agent_version']}{rate}"
        ),
    ]
    known = [
        text
        for text in (
            f"serial number {board['serial']}" if board["serial"] else "",
            f"adapter {board['adapter']}" if board["adapter"] else "",
        )
        if text
    ]
    if known:
        lines.append(Text(f"    {', '.join(known)}"))
    return lines
