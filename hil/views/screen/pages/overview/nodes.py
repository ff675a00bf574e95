"""The table of the nodes: one line for each, columns as the width allows. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from rich.text import Text

from hil.plant.moment import PowerLevel
from hil.redundancy.recovery import NodeState
from hil.redundancy.voting import NodeStatus, VerdictKind
from hil.views.correctness import Answered
from hil.views.screen.model import health
from hil.views.screen.model.facts import NodeFacts, Scene
from hil.views.screen.model.pairs import pair_of
from hil.views.screen.pages.style import CURSOR, STALE, STYLES, Marks, columns, fit, line, number
from hil.views.style import BAD, DIM, HEAD, WARN, duration
from hil.wire.throttling import UNDER_VOLTAGE

__all__ = ["nodes_table"]


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its cells, and `least`, the width of the screen from which it is shown."""

    title: str
    width: int
    text: Callable[[NodeFacts, Scene, Marks], tuple[str, str]]
    least: int = 0
    reported: bool = False  # by the board itself: it gets old when the board is silent
    real: bool | None = None  # only in runs that are, or are not, paced by the clock


def _name(node: NodeFacts, _scene: Scene, _marks: Marks) -> tuple[str, str]:
    return node.name, HEAD


def _state(node: NodeFacts, scene: Scene, _marks: Marks) -> tuple[str, str]:
    level = health.node_level(node, scene)
    if node.on_stand_by:
        return "stand-by, off", STYLES[level]
    first = scene.run.rule.size - scene.run.rule.spares
    if node.state == NodeState.VOTING and scene.run.rule.spares and _is_ready(node, scene, first):
        return "hot spare", STYLES[level]
    return node.state.replace("_", " "), STYLES[level]


def _is_ready(node: NodeFacts, scene: Scene, members: int) -> bool:
    """Return whether the node computes along, and others vote."""
    before = [n for n in scene.nodes if n.state == NodeState.VOTING and n.index < node.index]
    return len(before) >= members


def _answer(node: NodeFacts, scene: Scene, _marks: Marks) -> tuple[str, str]:
    bit = 1 << node.index
    if node.status == NodeStatus.DONE.word and scene.vote is not None:
        if not (scene.vote.delivered and scene.vote.correct) and node.answer is not None:
            if node.answer is Answered.WRONG:
                return ("WRONG", BAD) if scene.vote.delivered else ("wrong", WARN)
            return ("is right", "") if node.answer is Answered.RIGHT else ("latent", WARN)
        if scene.vote.dissent & bit:
            return "dissents", WARN
        if scene.vote.latent & bit:
            return "latent", WARN
        if scene.vote.kind == VerdictKind.SIMPLEX.word and len(scene.nodes) > 1:
            return "alone", WARN
        return "agrees", ""
    return node.status, WARN if node.status != NodeStatus.EXCLUDED.word else DIM


def _pair(node: NodeFacts, scene: Scene, marks: Marks) -> tuple[str, str]:
    pair = pair_of(node, scene)
    if pair is None:
        return marks.dash, ""
    style = HEAD if pair.decides else "" if pair.speaks else WARN
    return f"{pair.number} {pair.word}", style


def _role(node: NodeFacts, scene: Scene, marks: Marks) -> tuple[str, str]:
    if scene.run.rule.checkers is not None:
        return ("doer" if node.index == 0 else "checker"), ""
    if not scene.run.rule.has_primary:
        return marks.dash, ""
    if scene.vote is not None and scene.vote.primary == node.index:
        return "commands", HEAD
    return ("monitors" if node.status == NodeStatus.DONE.word else marks.dash), ""


def _link(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    if node.status == NodeStatus.SILENT.word:
        return "silent", BAD
    if node.link is None or node.status == NodeStatus.EXCLUDED.word:
        return marks.dash, ""
    bad = node.link.rx_errors + node.link.naks
    now, then = node.reading, node.earlier
    growing = now is not None and then is not None and now.rx_errors > then.rx_errors
    return (f"{bad:,} err", WARN if growing else "") if bad else ("ok", "")


def _temperature(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    reported = node.reading.temp_c if node.reading else None
    return number(reported, ".1f", marks), ""


def _die(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return number(node.plant.die_c if node.plant else None, ".1f", marks), ""


_SILENT: Final = frozenset({NodeStatus.SILENT.word, NodeStatus.EXCLUDED.word})
"""The states in which the reports of a node are old, however little real time has passed."""


def _power(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    reported = node.reading.power_w if node.reading else None
    if reported is None and node.plant is not None:
        reported = node.plant.power_w
    return number(reported, ".2f", marks), ""


def _clock(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    reading = node.reading
    text = number(reading.clock_mhz if reading else None, ".0f", marks)
    flags = reading.flags_now if reading else 0
    hot = bool(node.plant and node.plant.throttle)
    capped = node.plant.level if node.plant and node.plant.level != PowerLevel.FULL else ""
    if flags or hot or capped:
        low = "low V" if flags & UNDER_VOLTAGE else "capped" if flags else "hot"
        word = "" if text != marks.dash else capped or low
        return f"{word or text}{marks.warn}", WARN
    return text, ""


def _rate(node: NodeFacts, scene: Scene, marks: Marks) -> tuple[str, str]:
    return number(node.steps_per_s(scene.run.time), ",.0f", marks), ""


def _corrected(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    if node.reading is None:
        return marks.dash, ""
    lost = node.reading.uncorrected
    if lost:
        return f"{node.reading.corrected}+{lost}!", BAD
    return f"{node.reading.corrected}", ""


def _round_trip(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return number(node.reading.round_trip_ms if node.reading else None, ".2f", marks), ""


def _starts(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return (f"{node.reading.restarts}" if node.reading else marks.dash), ""


def _memory(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return number(node.reading.rss_mib if node.reading else None, ".1f", marks), ""


def _uptime(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return (duration(node.reading.uptime_s * 1e6) if node.reading else marks.dash), ""


def _sent(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    link = node.link
    return (f"{link.tx_frames:,}/{link.retries}" if link else marks.dash), ""


def _hits_per_day(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return number(node.plant.hits.run if node.plant and node.plant.hits else None, ".3g", marks), ""


def _board(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return node.model or node.board or marks.dash, ""


def _heard(node: NodeFacts, scene: Scene, marks: Marks) -> tuple[str, str]:
    age = health.heard_age_us(node, scene)
    if health.is_stale(scene) and age is not None:
        reported, unit = duration((scene.age_s or 0) * 1e6).split(" ")[:2]
        return f"({float(reported):.0f}{unit})", STALE  # (12min): the column has no room for more
    if age is None:
        return marks.dash, BAD
    if age <= scene.run.frame_us:
        return "now", ""
    words = duration(age).split(" ")  # the first part of `18 h 27 min`
    return " ".join(words[:2]), WARN if age < 100 * scene.run.frame_us else BAD


_COLUMNS: Final = (
    _Column("node", 5, _name),
    _Column("state", 13, _state),
    _Column("pair", -10, _pair),
    _Column("role", -8, _role),
    _Column("answer", 8, _answer, 120),
    _Column("link", 7, _link),
    _Column("temp C", -6, _temperature, reported=True),
    _Column("virt C", -6, _die),
    _Column("W", -6, _power, reported=True),
    _Column("MHz", -6, _clock, reported=True),
    _Column("steps/s", -7, _rate, reported=True, real=True),
    _Column("steps/sim s", -11, _rate, reported=True, real=False),
    _Column("ecc", -4, _corrected, reported=True),
    _Column("trip ms", -7, _round_trip, 120, reported=True),
    _Column("starts", -6, _starts, 120, reported=True),
    _Column("hits/d", -8, _hits_per_day, 140),
    _Column("mem MiB", -7, _memory, 140, reported=True),
    _Column("up", -9, _uptime, 160, reported=True),
    _Column("sent/again", -12, _sent, 160),
    _Column("heard", -7, _heard),
    _Column("board", 14, _board, 120),
)


def _is_the_plants(column: _Column, node: NodeFacts) -> bool:
    """Return whether the value comes from the plant, so that it does not get old when the board is
    silent."""
    measured = node.reading is not None and node.reading.power_w is not None
    capped = node.plant is not None and node.plant.level != PowerLevel.FULL
    return (column.text is _power and not measured) or (column.text is _clock and capped)


def nodes_table(scene: Scene, width: int, marks: Marks, cursor: int | None) -> list[Text]:
    """Return a line for each node. Columns that no board can fill are left out."""
    shown: list[_Column] = []
    widest = max([len(node.name) for node in scene.nodes], default=0)
    used = 3 + max(0, min(widest, 16) - 5)
    # The columns of the narrow screen come first, and the wide `steps/sim s` last of them.
    wanted = sorted(_COLUMNS, key=lambda c: (c.least, c.real is False))
    for column in wanted:
        if column.real not in {None, scene.run.pace == "realtime"}:
            continue
        if width < column.least or used + abs(column.width) + 1 > width:
            continue
        texts = [column.text(node, scene, marks)[0] for node in scene.nodes]
        if all(text == marks.dash for text in texts) and column.width < 0:
            continue
        shown.append(column)
        used += abs(column.width) + 1
    shown.sort(key=_COLUMNS.index)
    if widest > shown[0].width:
        shown[0] = replace(shown[0], width=min(widest, 16))
    if shown[-1].title == "board":  # it gets the rest of the line
        longest = max(len(shown[-1].text(node, scene, marks)[0]) for node in scene.nodes)
        spare = width - used - 1 + shown[-1].width
        shown[-1] = replace(shown[-1], width=max(shown[-1].width, min(longest, spare)))
    head = columns([(c.title, c.width, DIM) for c in shown], marks)
    out = [line("   ", head)]
    for node in scene.nodes:
        level = health.node_level(node, scene)
        age_s = health.reading_age_s(node, scene)
        old = age_s is None or age_s > health.stale_s(scene) or health.is_stale(scene)
        old = old or node.status in _SILENT
        cells = []
        for column in shown:
            text, style = column.text(node, scene, marks)
            reported = column.reported and not _is_the_plants(column, node)
            if old and reported and text != marks.dash:
                text, style = f"({text})", STALE
            cells.append((text, column.width, style))
        row = line(" ", (marks.levels[level], STYLES[level]), " ", columns(cells, marks))
        if cursor == node.index:
            row.stylize(CURSOR, 1, 3 + abs(shown[0].width))
        out.append(row)
    if scene.run.rule.refresh:
        out.append(line(f" {marks.warn} ", (fit(scene.run.rule.refresh, width - 4, marks), WARN)))
    return out
