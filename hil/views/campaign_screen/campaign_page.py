"""The page of a campaign that is going on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from hil.record.campaign_rows import EFFECTS
from hil.upsets.words import NodeEffect
from hil.views.campaign_screen.fault_map import (
    EFFECT_STYLES,
    effect_marks,
    fault_map,
    map_rows,
)
from hil.views.screen.pages.style import Marks, columns, fit, line, rule
from hil.views.style import DIM, GOOD, HEAD, duration

if TYPE_CHECKING:
    from hil.campaign.progress import CampaignProgress, TargetMap
    from hil.views.campaign_screen.live_campaign import LiveCampaign

__all__ = ["campaign_help", "campaign_page"]

_NAME: Final = 7
_COUNT: Final = 10
_SHARE: Final = 7
_RATE: Final = 10
_BAR_MIN: Final = 8
_BOARDS_MIN: Final = 3  # lines, with their head
_BOARDS_MAX: Final = 9
_PERCENT: Final = 100.0


def campaign_page(
    live: LiveCampaign, width: int, height: int, marks: Marks, *, stopping: bool
) -> list[Text]:
    """Return the lines of the page, exactly `height` of them."""
    body = _head(live, width, marks)
    if live.progress is not None:
        maps = live.progress.tally.maps()
        body += _outcomes(maps, live.progress, width, marks)
        room = height - 1 - len(body)
        body += _boards(live, width, max(_BOARDS_MIN, room - 1 - len(maps)), marks)
        body += _map(maps, live.progress, width, height - 1 - len(body), marks)
    else:
        body += [line(f"   {fit(note, width - 4, marks)}") for note in live.notes]
    body = body[: height - 1]
    body += [line("")] * (height - 1 - len(body))
    return [*body, _foot(stopping)]


def _foot(stopping: bool) -> Text:
    if stopping:
        return line((" stopping after the experiments that are going on; q again: at once", HEAD))
    return line((" q", HEAD), " stop (the same command continues)   ", ("?", HEAD), " help")


def _head(live: LiveCampaign, width: int, marks: Marks) -> list[Text]:
    title = fit(live.title, width - 2, marks)
    progress = live.progress
    if progress is None:
        doing = live.notes[-1] if live.notes else "opening the board"
        return [line((f" {title}", HEAD)), line(f" {fit(doing, width - 6, marks)} ..."), line("")]
    share = progress.done / progress.total if progress.total else 1.0
    tail = f" {share:4.0%}  {progress.done:,} of {progress.total:,}"
    room = max(_BAR_MIN, width - len(tail) - 2)
    done = int(share * room)
    now, mean = live.rate.now, live.rate.mean
    rate = now or mean
    rest = progress.total - progress.done
    left = f"{duration(rest / rate * 1e6)} left" if rate and rest else ""
    times = f"{duration(live.elapsed_s * 1e6)} so far"
    return [
        line((f" {title}", HEAD)),
        line(" ", (marks.bar * done, GOOD), (marks.rest * (room - done), DIM), tail),
        line(f" {now:,.0f} experiments/s now, {mean:,.0f}/s on average   {times}   ", (left, HEAD)),
        line((f" {fit(_controls(live), width - 2, marks)}", DIM)),
    ]


def _controls(live: LiveCampaign) -> str:
    """Return the newest sentence on controls, or the newest of all."""
    about = [note for note in live.notes if note.startswith("controls")]
    return (about or live.notes or [""])[-1]


# --- outcomes -----------------------------------------------------------------------------------


def _outcomes(
    maps: Sequence[TargetMap], progress: CampaignProgress, width: int, marks: Marks
) -> list[Text]:
    """Return the shares of the experiments so far, by target and in all."""
    bar = width - _NAME - _COUNT - sum(_width(effect) + 1 for effect in EFFECTS) - 4
    heads = [("target", _NAME, DIM), ("done", -_COUNT, DIM)]
    heads += [(effect.value, -_width(effect), EFFECT_STYLES[effect]) for effect in EFFECTS]
    lines = [rule("EXPERIMENTS", width, marks, "by effect, not yet weighted")]
    lines.append(line(" ", columns(heads, marks)))
    for target in maps:
        sums = target.counts.sum(axis=(0, 1)).tolist()
        effects = Counter(dict(zip(EFFECTS, sums, strict=True)))
        lines.append(_shares(target.target, effects, bar, marks))
    if len(maps) > 1:
        lines.append(_shares("all", progress.effects, bar, marks))
    return lines


def _width(effect: NodeEffect) -> int:
    return max(_SHARE, len(effect.value))


def _shares(name: str, effects: Counter[NodeEffect], bar: int, marks: Marks) -> Text:
    total = effects.total()
    cells = [(name, _NAME, ""), (f"{total:,}", -_COUNT, "")]
    for effect in EFFECTS:
        count = effects[effect]
        text = f"{_PERCENT * count / total:.1f} %" if count else marks.none
        cells.append((text, -_width(effect), EFFECT_STYLES[effect] if count else DIM))
    return line(" ", columns(cells, marks), *_stacked(effects, bar, marks))


def _stacked(effects: Mapping[NodeEffect, int], width: int, marks: Marks) -> list[tuple[str, str]]:
    """Return a bar of `width` columns, divided by effect; no effect that there is has none, if
    there is room."""
    total = sum(effects.values())
    if not total or width < _BAR_MIN:
        return []
    signs, parts, given, so_far = effect_marks(ascii_only=marks.ascii_only), [], 0, 0
    for effect in EFFECTS:
        so_far += effects[effect]
        until = round(so_far / total * width)
        parts.append((signs[effect] * (until - given), EFFECT_STYLES[effect]))
        given = until
    return parts


# --- boards -------------------------------------------------------------------------------------


def _boards(live: LiveCampaign, width: int, room: int, marks: Marks) -> list[Text]:
    """Return the boards, `room` lines of them at most, the busiest first if they are too many."""
    assert live.progress is not None
    counts = live.progress.tally.workers()
    total = sum(counts.values())
    shown = list(counts.items())
    most = min(room, _BOARDS_MAX) - 1
    if len(shown) > most:
        shown = sorted(shown, key=lambda one: -one[1])[: max(0, most - 1)]
    lines = [rule("BOARDS", width, marks, f"{len(counts)} with experiments of this command")]
    name = max([_NAME, *(len(worker) for worker, _ in shown)])
    name = max(_NAME, min(name, width - _COUNT - _SHARE - _RATE - _BAR_MIN - 6))
    bar = width - name - _COUNT - _SHARE - _RATE - 6
    for worker, count in shown:
        share = count / total
        done = round(share * max(0, bar))
        rate = f"{live.worker_rates[worker].now:,.0f}/s" if worker in live.worker_rates else ""
        cells = [(worker, name, ""), (f"{count:,}", -_COUNT, "")]
        cells += [(f"{_PERCENT * share:.1f} %", -_SHARE, ""), (rate, -_RATE, "")]
        lines.append(line(" ", columns(cells, marks), (marks.bar * done, GOOD)))
    others = len(counts) - len(shown)
    if others and most > 0:
        lines.append(line((f" and {others} more", DIM)))
    return lines


# --- the map ------------------------------------------------------------------------------------


def _map(
    maps: Sequence[TargetMap], progress: CampaignProgress, width: int, room: int, marks: Marks
) -> list[Text]:
    """Return the map of faults, if there is room for a line of each target."""
    layout = progress.tally.layout
    rows = map_rows(layout.lengths, room - 1)
    if not any(rows):
        return []
    span = f"{layout.time_unit} 0 to {layout.duration:,} across, bytes down"
    head = rule("FAULTS BY PLACE", width, marks, span)
    return [head, *fault_map(maps, rows, width - 1, ascii_only=marks.ascii_only)]


# --- help ---------------------------------------------------------------------------------------


def campaign_help(marks: Marks) -> list[Text]:
    """Return the page of help."""
    signs = effect_marks(ascii_only=marks.ascii_only)
    legend = [line((signs[e], EFFECT_STYLES[e]), f" {e.value}  ") for e in EFFECTS]
    return [
        line((" KEYS", HEAD)),
        line("   q, ctrl+c   stop after the experiments that are going on, and keep"),
        line("               their outcomes: the same command continues. Again: at once"),
        line("   ?           this page"),
        line(""),
        line((" EFFECTS", HEAD)),
        line("   ", *legend),
        line(""),
        line((" EXPERIMENTS", HEAD)),
        line("   Shares of the experiments so far. The table at the end counts faults:"),
        line("   an experiment of an exact campaign stands for as many as it weighs."),
        line(""),
        line((" FAULTS BY PLACE", HEAD)),
        line("   Each cell has its most frequent effect so far. An empty one has no"),
        line("   experiment yet, or needs none: what is overwritten, or never read."),
    ]
