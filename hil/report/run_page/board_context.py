"""The programs of the boards and their kernel logs before and after, for the page of a run."""

from __future__ import annotations

from hil.record.board_context import BoardContext, KernelLog, LogExtent
from hil.report.markup import element, exact_text, table, text

__all__ = ["executed", "kernel_logs"]

_DIGITS = 16


def executed(context: BoardContext) -> str:
    """Return the table of what the boards executed; boards of which it is the same share a row."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for name, node in context.nodes.items():
        sha256 = "unknown" if node.agent_sha256 is None else _digest(node.agent_sha256)
        rows.setdefault(("agent", "", sha256, text(node.agent_known)), []).append(name)
        for image in node.booted:
            known = "the file that was booted"
            cells = (text(image.what), text(image.name), _digest(image.sha256), known)
            rows.setdefault(cells, []).append(name)
    head = ("nodes", "program", "file", "SHA-256", "how it is known")
    lines = [[text(", ".join(names)), *row] for row, names in rows.items()]
    return f"<h3>What the boards executed</h3>{table(head, lines, name='plain')}"


def _digest(sha256: str) -> str:
    return element("code", f"{text(sha256[:_DIGITS])}…", title=sha256)


def kernel_logs(context: BoardContext) -> str:
    """Return the kernel logs of this computer and of the boards: before, after, the difference."""
    parts = [] if context.host_log is None else [_log("this computer", context.host_log)]
    parts += [
        _log(f"node {name}", node.kernel_log)
        for name, node in context.nodes.items()
        if node.kernel_log is not None
    ]
    if not parts:
        return ""
    since = f"frame {context.from_frame:,}, {context.at_utc}" if context.at_utc else "the start"
    note = f'<p class="note">Before means before {text(since)}; after, the end of the run.</p>'
    return f"<h3>Kernel logs before and after the run</h3>{note}{''.join(parts)}"


def _log(name: str, log: KernelLog) -> str:
    title = f"Kernel log of {name}"
    if log.unknown:
        return f"<p>{text(title)}: unknown; {text(log.unknown)}</p>"
    count = exact_text(log.new_lines)
    difference = f"{count} new lines" if log.after else "the run did not end, no difference"
    difference = "no new line" if log.after and not log.new_lines else difference
    lost = "; the kernel dropped lines in between" if log.lost else ""
    head = (
        f"<summary>{text(title)}: {difference}{lost} <span class=note>from {text(log.source)}; "
        f"before {_extent(log.before)}, after {_extent(log.after)}</span></summary>"
    )
    shown = len(log.new)
    more = f"\n⋮ {log.new_lines - shown:,} more" if log.new_lines > shown else ""
    new = "\n".join(f"+ {line}" for line in log.new) + more
    body = f"<h4>Difference</h4><pre class=long>{text(new)}</pre>" if new else ""
    tail = "\n".join(log.tail)
    body += f"<h4>Before, its last {len(log.tail)} lines</h4><pre class=long>{text(tail)}</pre>"
    return f"<details>{head}{body}</details>"


def _extent(extent: LogExtent | None) -> str:
    if extent is None:
        return "unknown"
    digest = element("code", text(extent.sha256[:_DIGITS]), title=extent.sha256)
    return f"{extent.lines:,} lines, SHA-256 {digest}…"
