"""The tables below a dissent of a run's page: the values of the fields that differ, and what the
replicas of the voter received and decided."""

from __future__ import annotations

from hil.report.markup import element, table, text
from hil.report.run_page.dissents import Dissent
from hil.views.field_values import FieldValues, NodeGroup, NodeValue
from hil.views.voter_views import ReceivedReply

__all__ = ["value_table", "voter_table"]


def value_table(dissent: Dissent) -> str:
    """Return a row for each node of each field in which a node has another value than the voted
    one; empty without such a field."""
    rows = []
    for field in dissent.fields:
        unit = f" {field.unit}" if field.unit else ""
        voted = f"{field.delivered}{unit}" if field.delivered else "nothing was delivered"
        name, rule = f"<b>{text(field.name)}</b>", text(field.rule or "exact majority")
        rows.append(
            [name, "voted", f"<b>{text(voted)}</b>", "", "", f'<span class="dim">{rule}</span>']
        )
        rows += [
            _value_row(field, value, group, f"{number} of {len(field.groups)}")
            for number, group, value in field.by_node()
        ]
    if not rows:
        return ""
    return table(["field", "node", "value", "difference", "cluster", ""], rows, name="values")


def _value_row(field: FieldValues, value: NodeValue, group: NodeGroup, cluster: str) -> list[str]:
    unit = f" {field.unit}" if field.unit else ""
    shown = text(f"{value.value}{unit}")
    left_out = "" if group.wins else element("span", "left out", class_="mark warn")
    return ["", text(value.node), shown, text(field.distance_text(value)), cluster, left_out]


def voter_table(dissent: Dissent) -> str:
    """Return a row for each replica of the voter: what it received of each node, and what it
    decided; empty where all had the same view."""
    if not dissent.voters:
        return ""
    senders = [reply.sender for reply in dissent.voters[0].received]
    rows = [
        [
            text(view.node),
            *(_received(reply) for reply in view.received),
            text(view.decision),
            element("span", "split", class_="mark warn") if view.splits else "",
        ]
        for view in dissent.voters
    ]
    head = ["voter at", *(text(f"from {sender}") for sender in senders), "decided", ""]
    return table(head, rows, name="values")


def _received(reply: ReceivedReply) -> str:
    if reply.as_sent:
        return "as sent" if reply.output_digest else text(reply.status)
    if not reply.output_digest:
        return "<b>nothing</b>"
    return f"<b>other</b> <code>{text(reply.output_digest[:8])}</code>"
