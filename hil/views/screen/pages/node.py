"""The node page: recovery, curves, counts and events of one node. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from hil.redundancy.recovery import RUNGS, NodeState
from hil.redundancy.voting import NodeStatus
from hil.views.screen.model import health
from hil.views.screen.model.curves import Curve, History
from hil.views.screen.model.facts import EventLine, NodeFacts, Scene
from hil.views.screen.pages.overview.ticker import event_line
from hil.views.screen.pages.style import STYLES, Marks, Part, fit, line, number, rule, spark
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, duration, flight_time
from hil.wire.throttling import flag_words

__all__ = ["curve_points", "node_page", "state_machine"]

_AROUND: Final = 52
"""The columns beside a curve: its name, its value now, its range."""
_ROW: Final[tuple[NodeState, ...]] = tuple(s for s in NodeState if s is not NodeState.REINTEGRATING)


def node_page(
    scene: Scene,
    node: NodeFacts,
    past: History,
    events: Sequence[EventLine],
    *,
    width: int,
    height: int,
    marks: Marks,
) -> list[Text]:
    """Return the whole page."""
    out = _headline(scene, node, width, marks)
    out += state_machine(node.state, width, marks)
    out += curves(scene, past, width, marks, tall=height >= 34)
    out += _counts(node, width, marks)
    out.append(rule("LAST EVENTS", width, marks))
    room = max(1, height - len(out))
    if not events:
        out.append(line("   ", ("nothing has happened to it yet", DIM)))
    out += [event_line(event, scene.run, width, marks) for event in events[:room]]
    return out


def _headline(scene: Scene, node: NodeFacts, width: int, marks: Marks) -> list[Text]:
    level = health.node_level(node, scene)
    style = STYLES[level] or GOOD
    since = health.since_text(
        None if node.began_frame is None else scene.run.time.t_us(node.began_frame), scene.t_us
    )
    why = ", ".join(part for part in (node.began_cause, node.upset, since) if part)
    word = node.state.replace("_", " ").upper()
    if node.state == NodeState.VOTING and node.status != NodeStatus.DONE.word:
        word += f", {node.status}"
    what = "  ".join(part for part in (node.board, node.model, node.port) if part)
    head = line(
        " ",
        (f"NODE {node.name}", HEAD),
        f"  {node.index + 1} of {len(scene.nodes)}  ",
        (fit(what, width - 24, marks), DIM),
    )
    state = line(
        " ", (f"{marks.levels[level]} {word}", style), "  ", fit(why, width - len(word) - 6, marks)
    )
    return [head, state]


def state_machine(state: str, width: int, marks: Marks) -> list[Text]:
    """Return the recovery machine as hil/redundancy/recovery.py draws it, with the present state
    highlighted."""
    down, across, up, leftward, rightward = (marks.box[k] for k in range(5))
    corner, tee, end = ("+", "+", "+") if marks.ascii_only else ("└", "┴", "┘")
    branch = "+" if marks.ascii_only else "├"
    arrow = f"{across}{rightward}"
    cells, centers, at = [], {}, 1
    for name in _ROW:
        word = name.replace("_", " ")
        cells.append((name, f" {word} "))
        centers[name] = at + (len(word) + 2) // 2
        at += len(word) + 4
    parts: list[Part] = [" "]
    for index, (name, text) in enumerate(cells):
        parts.append(_lit(name, text, state))
        if index < len(cells) - 1:
            parts.append((arrow, DIM))
    ups = {centers[name]: down for name in RUNGS}
    first = {centers[NodeState.VOTING]: up, **ups}
    line_2 = "".join(first.get(k, " ") for k in range(max(first) + 1))
    home, resync = centers[NodeState.VOTING], centers[NodeState.RESYNC]
    later = [centers[name] for name in RUNGS[1:]]
    healed = f"{across * 2} healed "
    line_3 = " " * home + branch + healed + across * (resync - home - 1 - len(healed)) + end
    line_3 += "".join(down if k in later else " " for k in range(len(line_3), max(later) + 1))
    lit = _lit(NodeState.REINTEGRATING, " reintegrating ", state)
    prefix = " " * home + corner + across * 2 + leftward
    begin = len(prefix) + len(" reintegrating ")
    tail = "".join(
        end if k == later[-1] else tee if k in later else across
        for k in range(begin + 1, later[-1] + 1)
    )
    return [
        rule("RECOVERY", width, marks),
        line(*parts),
        line((line_2, DIM)),
        line((line_3, DIM)),
        line((prefix, DIM), lit, (leftward + tail, DIM)),
    ]


def _lit(name: str, text: str, state: str) -> tuple[str, str]:
    if name != state:
        return text, ""
    style = {"voting": "reverse", "isolated": f"{BAD} reverse"}.get(name, f"{WARN} reverse")
    return f"[{text.strip().upper()}]", style


def curves(scene: Scene, past: History, width: int, marks: Marks, *, tall: bool) -> list[Text]:
    """Return a line for each quantity that the board reports: the value now, and its curve."""
    shown = [curve for curve in past.curves if curve.known]
    first, last = past.frames
    span = duration(scene.run.time.t_us(last) - scene.run.time.t_us(first))
    right = f"{span} of flight, until {flight_time(scene.run.time.t_us(last))}" if shown else ""
    out = [rule("HISTORY", width, marks, right)]
    if not shown:
        return [*out, line("   ", ("the board has not reported anything yet", DIM))]
    for curve in shown:
        out += _plot(curve, width, marks, rows=2 if tall else 1)
    missing = [curve.name for curve in past.curves if not curve.known]
    if missing:
        out.append(line("   ", (f"not reported by this board: {', '.join(missing)}", DIM)))
    return out


def _plot(curve: Curve, width: int, marks: Marks, rows: int) -> list[Text]:
    known = curve.known
    low, high = min(known), max(known)
    room = max(4, width - _AROUND)
    values = curve.values[-room:]
    now = number(curve.values[-1], ".4g", marks)
    label = f"   {curve.name:<13}{now:>8} {curve.unit:<8}"
    ends = f" {low:.4g} to {high:.4g}"
    if rows == 1 or marks.ascii_only:
        return [line(label, (spark(values, marks, low, high).rjust(room), ""), (ends, DIM))]
    step = (high - low) / rows
    upper = [None if v is None or (step and v < low + step) else v for v in values]
    lower = [None if v is None else min(v, low + step) for v in values]
    return [
        line(
            " " * len(label),
            (spark(upper, marks, low + step, high).rjust(room), ""),
            (f" {high:.4g}", DIM),
        ),
        line(label, (spark(lower, marks, low, low + step).rjust(room), ""), (f" {low:.4g}", DIM)),
    ]


def curve_points(width: int) -> int:
    """Return the number of points of a curve on a screen of this width."""
    return max(10, width - _AROUND)


def _counts(node: NodeFacts, width: int, marks: Marks) -> list[Text]:
    out = [rule("COUNTS", width, marks)]
    r, k, p = node.reading, node.link, node.plant
    if r is not None:
        text = (
            f"up {duration(r.uptime_s * 1e6)}, {r.steps:,} steps; worker: {r.crashes} crashes, "
            f"{r.hangs} hangs, {r.restarts} restarts; memory errors: {r.corrected} corrected, "
            f"{r.uncorrected} not"
        )
        if r.flags_now:
            text += f"; now {flag_words(r.flags_now)}"
        if r.flags_since_boot:
            text += f"; since its boot {flag_words(r.flags_since_boot)}"
        out += _folded("board", text, width)
    if k is not None:
        text = (
            f"{k.tx_frames:,} sent, {k.rx_frames:,} received, {k.rx_errors} broken, {k.naks} naks, "
            f"{k.retries} asked again, {k.reconnects} reconnected"
        )
        out += _folded("link", text, width)
    if p is not None:
        text = (
            f"{p.level}, {p.duty:.0%} speed, {number(p.power_w, '.2f', marks)} W, "
            f"{number(p.die_c, '.1f', marks)} C, "
            f"throttle {p.throttle}"
        )
        out += _folded("plant", text, width)
        if p.hits is not None:
            text = (
                f"{p.hits.board:.3g} upsets/day in the board, {p.hits.voted:.3g} in voted data; "
                f"accelerated {p.hits.run:.3g}"
            )
            out += _folded("hits", text, width)
    return out


def _folded(label: str, text: str, width: int) -> list[Text]:
    out: list[Text] = []
    current = ""
    for word in text.split(" "):
        if len(current) + len(word) + 1 > width - 14:
            out.append(line(f"   {label if not out else '':<8}", current))
            current = ""
        current = f"{current} {word}" if current else word
    return [*out, line(f"   {label if not out else '':<8}", current)]
