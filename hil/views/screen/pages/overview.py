"""The overview: is it healthy; what is wrong, since when, and why. Pure.

Within 24 lines of 80 columns; wider ones add columns, higher ones give the ticker more room.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.text import Text

from hil.views.correctness import Answered
from hil.views.screen.model import health
from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.facts import (
    EventLine,
    Level,
    NodeFacts,
    Place,
    PlantReading,
    Run,
    Scene,
)
from hil.views.screen.model.verdict_strip import Cell
from hil.views.screen.pages.large_letters import big
from hil.views.screen.pages.style import (
    CURSOR,
    MARK_STYLES,
    MARK_WORDS,
    STALE,
    STYLES,
    Marks,
    columns,
    fit,
    line,
    number,
    rule,
    spark,
)
from hil.views.style import BAD, DIM, GOOD, HEAD, WARN, duration, flight_time, plural
from hil.wire.throttling import UNDER_VOLTAGE

__all__ = ["STRIP_MARGIN", "banner", "event_line", "overview"]

STRIP_MARGIN: Final = 2
_BROKEN_BUS: Final = 255
_TALL: Final = 34
_BIG: Final = 66
"""From so many columns on the word stands in large letters."""
_END: Final = " the run ends"


def overview(
    scene: Scene,
    alarms: Sequence[Alarm],
    width: int,
    height: int,
    marks: Marks,
    *,
    node: int | None = None,
    cell: int | None = None,
) -> list[Text]:
    """The whole page. `node` and `cell` (from the newest backwards) are under the cursor."""
    out = [*banner(scene, alarms, width, marks)]
    if not scene.nodes:
        return out
    gap = [line("")] if height >= _TALL else []
    for part in (
        nodes_table(scene, width, marks, node),
        verdicts(scene, width, marks, cell),
        orbit(scene, width, height, marks),
    ):
        out += [*gap, *part] if part else []
    out += gap
    out += ticker(scene.events, scene.run, width, max(2, height - len(out)), marks)
    return out


# --- is it healthy --------------------------------------------------------------------------------


def banner(scene: Scene, alarms: Sequence[Alarm], width: int, marks: Marks) -> list[Text]:
    """One word that can be read across a room, and why."""
    found = health.health(scene, alarms)
    style = GOOD if found.level is Level.GOOD else STYLES[found.level]
    if width < _BIG:
        return _small_banner(scene, alarms, found, width, marks)
    letters = big(found.word, ascii_only=marks.ascii_only)
    room = max(len(text) for text in letters) + 4
    glyph = marks.levels[found.level]
    since = health.since_text(found.since_us, scene.t_us)
    bad = style if found.level > Level.NOTE else ""
    first, second = _two_lines(f"{glyph} {found.why}", width - room)
    rest = [line((first, bad))]
    if second and scene.nodes:  # the reason is more than what else could happen
        tail = f"; {since}" if since else ""
        if len(second) + len(tail) > width - room - 2:  # how long ago is the less of the two
            tail = tail.partition(", ")[0]
        text = fit(second, max(8, width - room - len(tail) - 2), marks)
        rest.append(line("  ", (text, bad), tail))
        margin = health.redundancy(scene)
        mode = f"{margin.mode} {margin.voting}/{margin.of}  "
        rest.append(
            line(
                (mode, STYLES[margin.level]),
                _totals_line(scene, alarms, width - room - len(mode), marks),
            )
        )
    elif scene.nodes:
        rest.append(_redundancy_line(scene, since, width - room, marks))
        rest.append(_totals_line(scene, alarms, width - room, marks))
    else:
        where = (fit(scene.run.path, width - room, marks), DIM)
        more = fit(second, max(0, width - room - 2), marks)
        rest += [line("  ", (more, bad)), line(where)] if more else [line(where), line("")]
    return [
        line(" ", (text.ljust(room - 1), style), right)
        for text, right in zip(letters, rest, strict=True)
    ]


def _two_lines(text: str, width: int) -> tuple[str, str]:
    """`text`, and what of it does not fit into `width` columns, cut between words."""
    if len(text) <= width:
        return text, ""
    at = text.rfind(" ", 2, width + 1)
    return (text[:at], text[at + 1 :]) if at > 0 else (text[:width], text[width:])


def _small_banner(
    scene: Scene, alarms: Sequence[Alarm], found: health.NodeHealth, width: int, marks: Marks
) -> list[Text]:
    """The same where there is no room for large letters."""
    style = GOOD if found.level is Level.GOOD else STYLES[found.level]
    word = f"{marks.levels[found.level]} {found.word}"
    reason = fit(found.why, width - len(word) - 4, marks)
    why = line(" ", (word, f"bold {style}".strip()), "  ", reason)
    if not scene.nodes:
        return [why, line(" ", (fit(scene.run.path, width - 2, marks), DIM))]
    since = health.since_text(found.since_us, scene.t_us)
    return [
        why,
        line(" ", _redundancy_line(scene, since, width - 2, marks)),
        line(" ", _totals_line(scene, alarms, width - 2, marks)),
    ]


def _redundancy_line(scene: Scene, since: str, width: int, marks: Marks) -> Text:
    found = health.redundancy(scene)
    verb = "votes" if found.voting == 1 else "vote"
    text = f"{found.mode}: {found.voting} of {found.of} {verb}, {found.text}"
    if found.rule and len(text) + len(found.rule) + 4 + len(since) <= width:
        text += f"; {found.rule}"
    left = fit(text, width, marks)
    tail = f"; {since}" if since and len(left) + len(since) + 2 <= width else ""
    if since and not tail:  # when is more than what else could happen
        left = fit(f"{found.mode} {found.voting}/{found.of}; {since}", width, marks)
    return line((left, STYLES[found.level]), (tail, ""))


def _totals_line(scene: Scene, alarms: Sequence[Alarm], width: int, marks: Marks) -> Text:
    totals = scene.totals
    bad = totals.no_output + totals.wrong
    share = f"{totals.availability:.4%}" if bad else "100%"
    known = share if totals.complete else f"counting{marks.more}"
    parts: list[tuple[str, str]] = []
    unseen = [alarm for alarm in alarms if not alarm.acknowledged]
    if unseen:
        worst = max(alarm.latched for alarm in unseen)
        parts.append((f"{marks.levels[worst]} {plural(len(unseen), 'alarm')}", STYLES[worst]))
    parts += [
        (f"available {known}", BAD if bad else ""),
        *([(f"wrong {totals.wrong:,}", BAD)] if totals.wrong else []),
        (f"upsets {scene.upsets:,}", ""),
        *([(f"not made {scene.missed:,}", WARN)] if scene.missed else []),
        (f"repairs {scene.recoveries:,}", ""),
        (f"slips {scene.slips:,}", WARN if scene.slips else ""),
    ]
    out, used = line(), 0
    for text, style in parts:
        if used + len(text) + 2 > width:
            break
        out.append("  " if used else "")
        out.append(text, style=style or None)
        used += len(text) + 2
    return out


# --- nodes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: from which width of the screen on it is shown, and what stands in it."""

    title: str
    width: int
    text: Callable[[NodeFacts, Scene, Marks], tuple[str, str]]
    least: int = 0
    told: bool = False  # by the board itself, so it gets old when the board is silent
    real: bool | None = None  # of runs only that are, or are not, held to the clock


def _name(node: NodeFacts, _scene: Scene, _marks: Marks) -> tuple[str, str]:
    return node.name, HEAD


def _state(node: NodeFacts, scene: Scene, _marks: Marks) -> tuple[str, str]:
    return node.state.replace("_", " "), STYLES[health.node_level(node, scene)]


def _answer(node: NodeFacts, scene: Scene, _marks: Marks) -> tuple[str, str]:
    bit = 1 << node.index
    if node.status == "done" and scene.vote is not None:
        if not (scene.vote.delivered and scene.vote.correct) and node.answer is not None:
            if node.answer is Answered.WRONG:
                return ("WRONG", BAD) if scene.vote.delivered else ("wrong", WARN)
            return ("is right", "") if node.answer is Answered.RIGHT else ("latent", WARN)
        if scene.vote.dissent & bit:
            return "dissents", WARN
        if scene.vote.latent & bit:
            return "latent", WARN
        if scene.vote.kind == "simplex" and len(scene.nodes) > 1:
            return "alone", WARN
        return "agrees", ""
    return node.status, WARN if node.status != "excluded" else DIM


def _link(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    if node.status == "silent":
        return "silent", BAD
    if node.link is None or node.status == "excluded":
        return marks.dash, ""
    bad = node.link.rx_errors + node.link.naks
    now, then = node.reading, node.earlier
    growing = now is not None and then is not None and now.rx_errors > then.rx_errors
    return (f"{bad:,} err", WARN if growing else "") if bad else ("ok", "")


def _temperature(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    told = node.reading.temp_c if node.reading else None
    return number(told, ".1f", marks), ""


def _die(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return number(node.plant.die_c if node.plant else None, ".1f", marks), ""


_SILENT: Final = frozenset({"silent", "excluded"})
"""What a node told of itself before is old, however little real time has passed."""


def _power(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    told = node.reading.power_w if node.reading else None
    if told is None and node.plant is not None:
        told = node.plant.power_w
    return number(told, ".2f", marks), ""


def _clock(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    reading = node.reading
    text = number(reading.clock_mhz if reading else None, ".0f", marks)
    flags = reading.flags_now if reading else 0
    hot = bool(node.plant and node.plant.throttle)
    capped = node.plant.level if node.plant and node.plant.level != "full" else ""
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


def _upsets_per_day(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return number(node.plant.upsets_per_day if node.plant else None, ".3g", marks), ""


def _board(node: NodeFacts, _scene: Scene, marks: Marks) -> tuple[str, str]:
    return node.model or node.board or marks.dash, ""


def _heard(node: NodeFacts, scene: Scene, marks: Marks) -> tuple[str, str]:
    age = health.heard_age_us(node, scene)
    if health.is_stale(scene) and age is not None:
        told, unit = duration((scene.age_s or 0) * 1e6).split(" ")[:2]
        return f"({float(told):.0f}{unit})", STALE  # (12min): as much as its column holds
    if age is None:
        return marks.dash, BAD
    if age <= scene.run.frame_us:
        return "now", ""
    words = duration(age).split(" ")  # of `18 h 27 min` the first part is enough here
    return " ".join(words[:2]), WARN if age < 100 * scene.run.frame_us else BAD


_COLUMNS: Final = (
    _Column("node", 5, _name),
    _Column("state", 13, _state),
    _Column("answer", 8, _answer, 120),
    _Column("link", 7, _link),
    _Column("temp C", -6, _temperature, told=True),
    _Column("virt C", -6, _die),
    _Column("W", -6, _power, told=True),
    _Column("MHz", -6, _clock, told=True),
    _Column("steps/s", -7, _rate, told=True, real=True),
    _Column("steps/sim s", -11, _rate, told=True, real=False),
    _Column("ecc", -4, _corrected, told=True),
    _Column("trip ms", -7, _round_trip, 120, told=True),
    _Column("starts", -6, _starts, 120, told=True),
    _Column("upsets/d", -8, _upsets_per_day, 140),
    _Column("mem MiB", -7, _memory, 140, told=True),
    _Column("up", -9, _uptime, 160, told=True),
    _Column("sent/again", -12, _sent, 160),
    _Column("heard", -7, _heard),
    _Column("board", 14, _board, 120),
)


def _is_the_plants(column: _Column, node: NodeFacts) -> bool:
    """What the plant makes of a board is known whether or not the board says anything."""
    measured = node.reading is not None and node.reading.power_w is not None
    capped = node.plant is not None and node.plant.level != "full"
    return (column.text is _power and not measured) or (column.text is _clock and capped)


def nodes_table(scene: Scene, width: int, marks: Marks, cursor: int | None) -> list[Text]:
    """One line a node. Columns that nobody could fill are left out."""
    shown: list[_Column] = []
    widest = max([len(node.name) for node in scene.nodes], default=0)
    used = 3 + max(0, min(widest, 16) - 5)
    # The narrow screen's columns come first; of those the one that is wide for little comes last.
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
    if shown[-1].title == "board":  # what is left of the line is its
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
            told = column.told and not _is_the_plants(column, node)
            if old and told and text != marks.dash:
                text, style = f"({text})", STALE
            cells.append((text, column.width, style))
        row = line(" ", (marks.levels[level], STYLES[level]), " ", columns(cells, marks))
        if cursor == node.index:
            row.stylize(CURSOR, 1, 3 + abs(shown[0].width))
        out.append(row)
    if scene.run.rule.refresh:
        out.append(line(f" {marks.warn} ", (fit(scene.run.rule.refresh, width - 4, marks), WARN)))
    return out


# --- verdicts -------------------------------------------------------------------------------------


def verdicts(scene: Scene, width: int, marks: Marks, cursor: int | None) -> list[Text]:
    """The strip: the worst of every frame, or bucket of frames, newest on the right."""
    cells = scene.strip[-(width - STRIP_MARGIN) :]
    per = f"1 cell = {plural(scene.zoom, 'frame')}, {duration(scene.zoom * scene.run.frame_us)}"
    picked = cells[-1 - cursor] if cursor is not None and cursor < len(cells) else None
    right = per if picked is None else _cell_text(picked, marks)
    out = [rule("VERDICTS" if picked is None else f"VERDICTS  {per}", width, marks, right)]
    strip = line(" ")
    at = 0
    while at < len(cells):  # runs of the same mark are one span
        end = at
        while end < len(cells) and cells[end].mark == cells[at].mark:
            end += 1
        mark = cells[at].mark
        strip.append(marks.strip[mark] * (end - at), style=MARK_STYLES[mark] or None)
        at = end
    if picked is not None:
        where = len(cells) - (cursor or 0)
        strip.stylize(CURSOR, where, where + 1)
    out.append(strip)
    first = next((cell for cell in cells if cell.first >= 0), None)
    if first is not None and cells:
        time = scene.run.time
        span = time.t_us(cells[-1].last + 1) - time.t_us(first.first)
        legend = "  ".join(f"{marks.strip[m]} {MARK_WORDS[m]}" for m in list(MARK_WORDS)[2:])
        left = f"{duration(span)} before"
        room = width - 2 - len(left) - 4
        middle = legend if len(legend) + 4 <= room else ""
        out.append(line(" ", (left, DIM), (f"  {middle}".ljust(room + 1), DIM), ("now", DIM)))
    return out


def _cell_text(cell: Cell, marks: Marks) -> str:
    glyph = marks.strip[cell.mark].strip()
    word = f"{glyph} {MARK_WORDS[cell.mark]}".strip()
    if cell.first == cell.last:
        return f"frame {cell.first:,} {word}"
    if not cell.notable:
        return f"frames {max(0, cell.first):,}-{cell.last:,} {word}"
    more = f", {cell.notable:,} of {cell.last - max(0, cell.first) + 1:,} notable"
    return f"frame {cell.frame:,} {word}{more}"


# --- orbit ----------------------------------------------------------------------------------------


def orbit(scene: Scene, width: int, height: int, marks: Marks) -> list[Text]:
    """Half an hour behind, an hour ahead: light, anomaly, ground, battery. Nothing without it."""
    if not scene.places:
        return []
    label = 9
    room = width - label - 2
    tall = height >= _TALL
    begin = scene.t_us - room // 3 * _bin_us(room)
    bins = [_nearest(scene.places, begin + k * _bin_us(room), _bin_us(room)) for k in range(room)]
    now = room // 3
    before, ahead = duration(now * _bin_us(room)), duration((room - now) * _bin_us(room))
    right = f"{before} before {marks.pipe} now {marks.pipe} {ahead} ahead"
    title = "ORBIT  " + _where(scene)
    if len(title) + len(right) + 6 > width:
        right = f"{before} {marks.pipe} {ahead}"
    out = [rule(title, width, marks, right)]
    light = "".join(_light(place, marks) for place in bins)
    known = len(light.rstrip())
    if now < known < room - len(_END) and _ends_by(scene, begin + room * _bin_us(room)):
        light = light[:known] + _END
    out.append(_orbit_line("sunlight", light, now, marks))
    belt = "".join(marks.saa if p and p.saa else marks.none if p else " " for p in bins)
    ground = "".join(marks.full if p and p.contact else marks.none if p else " " for p in bins)
    if tall:
        out.append(_orbit_line("anomaly", belt, now, marks))
        out.append(_orbit_line("ground", ground, now, marks))
    else:
        merged = "".join(g if b == marks.none else b for b, g in zip(belt, ground, strict=True))
        out.append(_orbit_line("saa, gnd", merged, now, marks))
    out += _power_lines(scene, begin, room, now, marks)
    if tall:
        legend = (
            f"{marks.sun} sunlight  {marks.shade} penumbra  {marks.dark} eclipse  "
            f"{marks.saa} in the anomaly (saa)  {marks.full} ground contact"
        )
        out.append(line(" " * (label + 1), (fit(legend, room, marks), DIM)))
    return out


def _ends_by(scene: Scene, t_us: int) -> bool:
    """Whether the run is over at this time: of what comes after it nothing is known."""
    run = scene.run
    return 0 < run.frames * run.frame_us <= t_us


def _bin_us(room: int) -> int:
    return 5_400_000_000 // room


def _nearest(places: Sequence[Place], t_us: int, within_us: int) -> Place | None:
    if not places or t_us < 0:
        return None
    step = (places[-1].t_us - places[0].t_us) / max(1, len(places) - 1)
    guess = round((t_us - places[0].t_us) / step) if step else 0
    if not -1 <= guess <= len(places):
        return None
    found = places[max(0, min(guess, len(places) - 1))]
    return found if abs(found.t_us - t_us) <= max(within_us, step) else None


def _light(place: Place | None, marks: Marks) -> str:
    if place is None or place.illumination is None:
        return " "
    lit = place.illumination
    return marks.sun if lit > 0.9 else marks.dark if lit < 0.1 else marks.shade


def _orbit_line(label: str, text: str, now: int, marks: Marks) -> Text:
    return line(f" {label:<9}", text[:now], (marks.pipe, HEAD), (text[now + 1 :], DIM))


def _where(scene: Scene) -> str:
    place = _nearest(scene.places, scene.t_us, 10**12)
    if place is None:
        return ""
    words = []
    if place.illumination is not None:
        lit = place.illumination
        words.append("sunlight" if lit > 0.9 else "eclipse" if lit < 0.1 else "penumbra")
    words += ["PROTONS OF THE SUN" if _is_the_suns(scene, place) else "IN THE ANOMALY"] * place.saa
    words += [f"contact {place.contact}"] if place.contact else []
    words += _next_change(scene, place)
    return ", ".join(words)


def _next_change(scene: Scene, here: Place) -> list[str]:
    """The anomaly, if it is near: how long until it begins or ends."""
    change = next((p for p in scene.places if p.t_us > scene.t_us and p.saa != here.saa), None)
    if change is None:
        return []
    left = duration(change.t_us - scene.t_us)
    what = "protons" if _is_the_suns(scene, change) else "anomaly"
    return [f"out in {left}" if here.saa else f"{what} in {left}"]


def _is_the_suns(scene: Scene, place: Place) -> bool:
    """Whether many protons at this place are not those of the anomaly."""
    lat, lon = place.latitude_deg, place.longitude_deg
    if not scene.run.anomaly or lat is None or lon is None:
        return False
    return (int(lat // 3) * 3, int(lon // 3) * 3) not in scene.run.anomaly


def _power_lines(scene: Scene, begin: int, room: int, now: int, marks: Marks) -> list[Text]:
    plant = scene.plant
    if plant is None or not scene.plants:
        return []
    bin_us = _bin_us(room)
    by_bin: dict[int, PlantReading] = {(p.t_us - begin) // bin_us: p for p in scene.plants}
    held: list[PlantReading | None] = []
    newest: PlantReading | None = None
    for k in range(now + 1):
        newest = by_bin.get(k, newest)
        held.append(newest)
    socs = [p.soc if p else None for p in held]
    battery = spark(socs, marks, 0.0, 1.0)
    text = f"{plant.soc:.0%}" if plant.soc is not None else ""
    flow = "" if plant.battery_w is None else f", {plant.battery_w:+.1f} W"
    bus = "" if plant.bus_v is None else f", bus {plant.bus_v:.2f} V"
    load = "" if plant.load_w is None else f", load {plant.load_w:.1f} W"
    broken = plant.stage == _BROKEN_BUS
    shed = f"{marks.bad} BUS DOWN" if broken else f"{marks.warn} stage {plant.stage} shed"
    level = (f"{shed}, ", BAD if broken else WARN) if plant.stage else ("", "")
    rest = fit(f"{text}{flow}{bus}{load}", room - now - 3 - len(level[0]), marks)
    out = [line(f" {'battery':<9}", battery[:now], (marks.pipe, HEAD), " ", level, rest)]
    hottest = max(plant.temperatures_c.items(), key=lambda item: item[1], default=None)
    if hottest is not None:
        name = hottest[0]
        temps = [p.temperatures_c.get(name) if p else None for p in held]
        known = [value for value in temps if value is not None]
        curve = spark(temps, marks, min(known), max(known)) if known else ""
        coldest = min(plant.temperatures_c.items(), key=lambda item: item[1])
        out.append(
            line(
                f" {'heat':<9}",
                curve[:now].ljust(now),
                (marks.pipe, HEAD),
                f" {name} {hottest[1]:.1f}, {coldest[0]} {coldest[1]:.1f} C",
            )
        )
    return out


# --- ticker ---------------------------------------------------------------------------------------


def ticker(
    events: Sequence[EventLine], run: Run, width: int, height: int, marks: Marks
) -> list[Text]:
    """What happened last."""
    out = [rule("LAST EVENTS", width, marks)]
    if not events:
        return [*out, line("   ", ("nothing has happened yet", DIM))]
    out += [event_line(event, run, width, marks) for event in events[: height - 1]]
    return out


def event_line(event: EventLine, run: Run, width: int, marks: Marks) -> Text:
    """One event: how bad, when, where, what."""
    times = f" (x{event.count:,}{'+' * event.more})" if event.count > 1 else ""
    if times and event.first is not None:
        times = f"{times[:-1]} since {flight_time(run.time.t_us(event.first))})"
    head = f"{event.frame:>9,} {flight_time(run.time.t_us(event.frame)):>12}  "
    name = f"{event.node:<3} " if event.node else ""
    text = fit(name + event.text, max(0, width - len(head) - 4 - len(times)), marks) + times
    style = STYLES[event.level]
    calm = style if event.level is Level.BAD else ""
    return line(" ", (marks.levels[event.level], style), (head, DIM), (text, calm))
