"""The sections of the decision page on values and voters: the fields of the output, and what the
replicas of the voter received. Pure."""

from __future__ import annotations

from rich.text import Text

from hil.redundancy.voting import NodeStatus
from hil.views.alarm_limits import Level
from hil.views.correctness import names_text
from hil.views.field_values import FieldValues, NodeGroup, NodeValue
from hil.views.screen.model.decision import Decision
from hil.views.screen.pages.style import Marks, columns, fit, line, rule
from hil.views.style import DIM, HEAD, WARN, plural
from hil.views.voter_views import ReceivedReply

__all__ = ["values", "voters"]


def values(decision: Decision, width: int, marks: Marks) -> list[Text]:
    """Return the fields of the output: what was delivered, which nodes agreed on it, and the values
    of those that were left out, with their distance from the delivered one."""
    if not decision.fields:
        return []
    out = [rule("VALUES", width, marks)]
    room = max(16, width - 24)
    for field in decision.fields:
        left_out = [group for group in field.groups if not group.wins]
        style = HEAD if not left_out else WARN
        unit = f" {field.unit}" if field.unit else ""
        value = f"{field.delivered}{unit}" if field.delivered else "nothing was delivered"
        out.append(line("   ", (f"{fit(field.name, 16, marks):<17}", style), (value, HEAD)))
        if field.rule or left_out:
            agreed = [name for group in field.groups if group.wins for name in group.nodes]
            who = f"{names_text(agreed)} agree" if agreed else "no node agrees"
            by = f"; {field.rule}" if field.rule else ""
            out.append(line(" " * 20, (fit(f"{who}{by}", room, marks), DIM)))
        for group in field.groups:
            for member in group.members:
                if not group.wins or member.distance:  # all others have what was delivered
                    out += _node_value(field, group, member, room, marks)
    return out


def _node_value(
    field: FieldValues, group: NodeGroup, member: NodeValue, room: int, marks: Marks
) -> list[Text]:
    """Return the value of a node, and behind or below it what became of it."""
    unit = f" {field.unit}" if field.unit else ""
    text = f"{member.value}{unit}"
    notes = [] if group.wins else [f"left out{_together(group.nodes)}"]
    distance = field.distance_text(member)
    notes += [distance] if distance else []
    note, style = ", ".join(notes), "" if group.wins else WARN
    name = (f"{fit(member.node, 8, marks):<4}", HEAD)
    if not note or len(text) + len(note) + 2 <= room - 4:
        return [line(" " * 20, name, (f"{text}  {note}".rstrip(), style))]
    return [
        line(" " * 20, name, (fit(text, room - 4, marks), style)),
        line(" " * 26, (fit(note, room - 6, marks), style)),
    ]


def _together(nodes: tuple[str, ...]) -> str:
    """Return that several nodes that were left out agree with each other."""
    return f", {names_text(nodes)} agree" if len(nodes) > 1 else ""


def voters(decision: Decision, width: int, marks: Marks) -> list[Text]:
    """Return what each replica of the voter received of each node, and what it decided."""
    if not decision.voters:
        return []
    split = sum(view.splits for view in decision.voters)
    right = (
        f"{split} of {plural(len(decision.voters), 'voter')} split" if split else "all decide alike"
    )
    out = [rule("VOTERS", width, marks, right)]
    senders = [reply.sender for reply in decision.voters[0].received]
    room = max(5, min(7, (width - 40) // max(1, len(senders)) - 1))
    cells = [("at node", 7, DIM), *((fit(name, room, marks), room, DIM) for name in senders)]
    out.append(line("   ", columns(cells, marks), ("decided", DIM)))
    for view in decision.voters:
        style = WARN if view.splits else ""
        cells = [(fit(view.node, 7, marks), 7, HEAD)]
        cells += [(*_received(reply, room, marks),) for reply in view.received]
        used = 3 + sum(size + 1 for _, size, _ in cells)
        glyph = marks.levels[Level.WARN if view.splits else Level.GOOD]
        text = fit(view.decision, max(8, width - used - 1), marks)
        out.append(line(" ", (glyph, style), " ", columns(cells, marks), (text, style)))
    return out


def _received(reply: ReceivedReply, room: int, marks: Marks) -> tuple[str, int, str]:
    """Return a received reply as a cell: `same` as it was sent, else what came in its place."""
    if reply.as_sent:
        words = {NodeStatus.DONE.word: "same", NodeStatus.EXCLUDED.word: "out"}
        return fit(words.get(reply.status, reply.status), room, marks), room, DIM
    done = reply.status == NodeStatus.DONE.word
    return fit("OTHER" if done else "nothing", room, marks), room, WARN
