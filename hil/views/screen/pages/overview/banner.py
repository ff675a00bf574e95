"""The banner: the health of the system in one large word, its reason, and since when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from hil.views.alarm_limits import Level
from hil.views.screen.model import health
from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.facts import Scene
from hil.views.screen.pages.large_letters import big
from hil.views.screen.pages.style import STYLES, Marks, fit, line
from hil.views.style import BAD, DIM, GOOD, WARN, plural

__all__ = ["banner"]

_BIG: Final = 66
"""The least width for large letters [column]."""


def banner(scene: Scene, alarms: Sequence[Alarm], width: int, marks: Marks) -> list[Text]:
    """Return the state in one word in large letters, and the reason."""
    state = health.health(scene, alarms)
    style = GOOD if state.level is Level.GOOD else STYLES[state.level]
    if width < _BIG:
        return _small_banner(scene, alarms, state, width, marks)
    letters = big(state.word, ascii_only=marks.ascii_only)
    room = max(len(text) for text in letters) + 4
    glyph = marks.levels[state.level]
    since = health.since_text(state.since_us, scene.t_us)
    bad = style if state.level > Level.NOTE else ""
    first, second = _two_lines(f"{glyph} {state.why}", width - room)
    rest = [line((first, bad))]
    if second and scene.nodes:  # the reason is more important than the redundancy
        tail = f"; {since}" if since else ""
        if len(second) + len(tail) > width - room - 2:  # the age is less important
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
    """Return `text` cut between words to `width` columns, and the rest."""
    if len(text) <= width:
        return text, ""
    at = text.rfind(" ", 2, width + 1)
    return (text[:at], text[at + 1 :]) if at > 0 else (text[:width], text[width:])


def _small_banner(
    scene: Scene, alarms: Sequence[Alarm], state: health.NodeHealth, width: int, marks: Marks
) -> list[Text]:
    """Return the banner of a screen without room for large letters."""
    style = GOOD if state.level is Level.GOOD else STYLES[state.level]
    word = f"{marks.levels[state.level]} {state.word}"
    reason = fit(state.why, width - len(word) - 4, marks)
    why = line(" ", (word, f"bold {style}".strip()), "  ", reason)
    if not scene.nodes:
        return [why, line(" ", (fit(scene.run.path, width - 2, marks), DIM))]
    since = health.since_text(state.since_us, scene.t_us)
    return [
        why,
        line(" ", _redundancy_line(scene, since, width - 2, marks)),
        line(" ", _totals_line(scene, alarms, width - 2, marks)),
    ]


def _redundancy_line(scene: Scene, since: str, width: int, marks: Marks) -> Text:
    mode = health.redundancy(scene)
    verb = "speak" if scene.run.rule.pairs else "serve" if scene.run.rule.has_roles else "vote"
    verb += "s" if mode.voting == 1 else ""
    text = f"{mode.mode}: {mode.voting} of {mode.of} {verb}, {mode.text}"
    if scene.run.rule.executions > 1:
        text = f"{mode.mode}: {mode.text}"
    text = _shorter(text, width)
    if mode.rule and len(text) + len(mode.rule) + 4 + len(since) <= width:
        text += f"; {mode.rule}"
    shown = fit(text, width, marks)
    tail = f"; {since}" if since and len(shown) + len(since) + 2 <= width else ""
    if since and not tail:  # the time is more important than the redundancy
        shown = fit(f"{mode.mode} {mode.voting}/{mode.of}; {since}", width, marks)
    return line((shown, STYLES[mode.level]), (tail, ""))


def _shorter(text: str, width: int) -> str:
    """Return a text without its last parts between commas, until it fits or has no comma left."""
    while len(text) > width and ", " in text:
        text = text.rpartition(", ")[0]
    return text


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
