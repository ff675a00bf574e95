"""The programs of the boards and their kernel logs before and after, for the page of a run."""

from __future__ import annotations

from hil.record.board_context import BoardContext, KernelLog, LogExtent, NodeContext
from hil.report.markup import element, exact_text, text

__all__ = ["executed", "kernel_logs"]

_DIGITS = 16


def executed(node: NodeContext) -> dict[str, str]:
    """Return, as HTML, what a board executed, by name."""
    known = text(node.agent_known)
    sha256 = node.agent_sha256
    agent = f"unknown: {known}" if sha256 is None else f"{_digest(sha256)}, {known}"
    rows = {"agent's SHA-256": agent}
    for image in node.booted:
        rows[f"{image.what} {image.name}"] = _digest(image.sha256)
    return rows


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
