"""The boards of a run: who computed, what crossed the links, consoles and kernel logs."""

from __future__ import annotations

from hil.record.row_values import RecordedLink, RecordedNode
from hil.report.markup import element, exact_text, text
from hil.report.run_page.board_context import executed, kernel_logs
from hil.report.run_page.facts import RunFacts
from hil.views.style import plural

__all__ = ["board_section"]


def board_section(facts: RunFacts) -> str:
    """Return a card for each board, and the notes of the run."""
    if not facts.nodes:
        return "<p>No board was greeted.</p>"
    cards = "".join(_card(facts, number, node) for number, node in enumerate(facts.nodes))
    notes = "".join(f"<li>{text(note.text)}</li>" for note in facts.notes)
    noted = f"<h3>Notes</h3><ul>{notes}</ul>" if notes else ""
    context = facts.context
    programs, logs = ("", "") if context is None else (executed(context), kernel_logs(context))
    return element("div", cards, class_="cards") + programs + noted + _consoles(facts) + logs


def _card(facts: RunFacts, number: int, node: RecordedNode) -> str:
    memory = "" if node.memory_mib is None else f"{node.memory_mib:,} MiB"
    rows = {
        "kind": node.board,
        "port": node.port or "",
        "architecture": node.arch or "",
        "model": node.model or "",
        "serial": node.serial or "",
        "agent": f"version {node.agent_version}" if node.agent_version else "",
        "cores": "" if node.cores is None else str(node.cores),
        "memory": memory,
        "state": facts.states.get(node.name, "voting"),
    }
    facts_of = "".join(
        f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in rows.items() if value
    )
    link = facts.links.get(number)
    more = "" if link is None else _link(link)
    title = f"<h3>Node {text(node.name)}</h3>"
    return element("section", f"{title}<dl>{facts_of}{more}</dl>", class_="card")


def _link(link: RecordedLink) -> str:
    rows = {
        "sent": f"{link.tx_frames:,} messages, {link.tx_bytes:,} bytes",
        "received": f"{link.rx_frames:,} messages, {link.rx_bytes:,} bytes",
        "link errors": f"{link.rx_errors:,} damaged, {link.retries:,} retries, "
        f"{plural(link.reconnects, 'reconnect')}",
    }
    return "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items())


def _consoles(facts: RunFacts) -> str:
    parts = []
    for node, (first, last) in facts.consoles.items():
        gap = f"\n⋮\n{last}" if last else ""
        size = exact_text(len(first) + len(last))
        parts.append(
            f"<details><summary>Console of node {text(node)} "
            f"<span class=note>{size} characters</span></summary>"
            f"<pre class=long>{text(first + gap)}</pre></details>"
        )
    title = "<h3>Consoles: what boards printed, from their boot on</h3>" if parts else ""
    doubts = "".join(
        f"<p class=note>{text(doubt)}; it is not shown.</p>" for doubt in facts.console_doubts
    )
    return title + "".join(parts) + doubts
