"""The table of results: frames, verdicts, availability, upsets, repairs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from hil.record.row_counts import repair_costs
from hil.record.scheme_changes import scheme_changes
from hil.record.span_rows import worst_slip
from hil.redundancy.rotation import rotation_text
from hil.redundancy.voting import MAX_NODES, VerdictKind
from hil.views.style import BAD, DIM, GOOD, WARN, duration, plural
from hil.views.summary.layout import grid
from hil.views.summary.recorded_run import RecordedRun

__all__ = ["result_table"]

_VERDICTS: Final = tuple(kind.word for kind in VerdictKind)


def result_table(run: RecordedRun) -> RenderableType:
    """Return the frames, verdicts, availability, upsets and repairs of the run, one a row."""
    r = run.result
    table = grid()
    table.add_column(style=DIM, no_wrap=True)
    table.add_column()
    table.add_row("frames", _frames_text(run))
    if r.campaign_mode:
        table.add_row("campaign", Text(r.campaign_mode, style=WARN))
    table.add_row("verdicts", _verdicts_text(r.verdicts))
    for name, what in _of_some_schemes(run):
        if what:
            table.add_row(name, what)
    if r.frames:
        table.add_row("availability", _availability_text(r.availability, r.flown))
    if r.sdc_frames:
        text = Text(f"{plural(r.sdc_frames, 'wrong output')} left the system", style=BAD)
        table.add_row("", text)
    if r.held_frames:
        count = plural(r.held_frames, "frame")
        text = Text(f"{count} without a voted output: the last one was held", style=WARN)
        table.add_row("", text)
    if r.skipped:
        table.add_row("", f"{r.skipped:,} quiet frames were skipped: nothing could happen in them")
    table.add_row("upsets", _upsets_text(run))
    if r.plant:
        table.add_row("plant", _plant_text(r.plant))
        radiation = _radiation_text(r.plant)
        if radiation is not None:
            table.add_row("radiation", radiation)
    table.add_row("recoveries", _recoveries_text(run))
    slips = _slips_text(run, r.slips)
    if slips is not None:
        table.add_row("slips", slips)
    if failures := int(r.metrics.get("supply_errors", 0)):
        text = Text(plural(failures, "failure"), style=WARN)
        table.add_row("supplies", text.append(", or trips of their own: see the notes"))
    return Padding(table, (1, 0, 0, 3))


def _executions_text(metrics: Mapping[str, float]) -> str:
    """Return how many executions a run with time redundancy had, and how often they differed; empty
    for other runs."""
    count, frames = int(metrics.get("executions", 0)), int(metrics.get("frames", 0))
    if not count or not frames:
        return ""
    differed = int(metrics.get("executions_disagreed", 0))
    return (
        f"{count:,} of a step, {count / frames:.4g} per frame; they differed in "
        f"{plural(differed, 'frame')}"
    )


def _voters_text(metrics: Mapping[str, float]) -> str:
    """Return the numbers of voting nodes with their frames; empty if it was the same in all."""
    frames = {n: int(metrics.get(f"voting.{n}", 0)) for n in reversed(range(MAX_NODES + 1))}
    parts = [
        f"{plural(n, 'node')} in {plural(count, 'frame')}" for n, count in frames.items() if count
    ]
    return ", ".join(parts) if len(parts) > 1 else ""


def _scheme_text(run: RecordedRun) -> str:
    """Return how a scheme that follows the orbit has changed, or how its nodes have taken turns;
    empty for any other."""
    follows = run.scenario.follows or rotation_text(run.scenario.scheme)
    if not follows:
        return ""
    changes, put_off = scheme_changes(run.reader)
    parts = [follows]
    for reason in dict.fromkeys(change.reason for change in changes):
        mine = [change for change in changes if change.reason == reason]
        took = [change.frames for change in mine if change.frames is not None]
        text = f"{plural(len(mine), 'node')} woken, {reason}"
        if took:
            text += f", voted after {statistics.median(took):g} frames (at most {max(took)})"
        parts.append(text)
    parts.append(f"{plural(put_off, 'node')} put on stand-by again" if put_off else "")
    return "; ".join(part for part in parts if part)


def _of_some_schemes(run: RecordedRun) -> Iterator[tuple[str, str | Text | None]]:
    """Yield the rows that only some schemes have; a text that is empty is none."""
    metrics = run.result.metrics
    yield "executions", _executions_text(metrics)
    yield "voters", Text(_voters_text(metrics), style=WARN)
    yield "scheme", _scheme_text(run)
    yield "doer", _checked_text(metrics)


def _checked_text(metrics: Mapping[str, float]) -> Text | None:
    """Return what the checkers made of the doer's results; None for a scheme without them."""
    if "refused_frames" not in metrics:
        return None
    names = ("refused", "refused_right", "degraded", "accepted_wrong")
    refused, though_right, degraded, accepted = (int(metrics[f"{n}_frames"]) for n in names)
    text = Text(f"refused in {plural(refused, 'frame')}", style=WARN if refused else "")
    if though_right:
        text.append(f", {though_right:,} of them although it was right", style=WARN)
    text.append(f"; degraded: {degraded:,}", style=WARN if degraded else "")
    text.append(f"; accepted although wrong: {accepted:,}", style=BAD if accepted else "")
    return text


def _availability_text(availability: float, frames: int) -> Text:
    """Return the availability over `frames` of the flight, skipped ones included."""
    without = round(frames * (1 - availability))
    if not without:
        return Text.assemble(("100 %", GOOD), " of the frames delivered the right output")
    # Never rounded up: what is not 100 % must not read 100 %.
    share = f"{math.floor(availability * 1e7) / 1e5:.5g} %"
    return Text.assemble((share, WARN), f"; {plural(without, 'frame')} without a right output")


def _frames_text(run: RecordedRun) -> str:
    planned = run.planned_frames
    frames, flown = run.result.frames, run.result.flown
    of = f" of {planned:,}" if planned not in (None, flown) else ""
    text = f"{frames:,}{of}, {duration(flown * run.frame_us)} of flight"
    wall_us = run.reader.wall_us
    if wall_us and frames:
        text += f" in {duration(wall_us)} ({frames / wall_us * 1e6:,.0f} frames/s)"
    return text


def _verdicts_text(verdicts: Mapping[str, int]) -> Text:
    text = Text()
    for name in _VERDICTS:
        if verdicts.get(name):
            bad = name in (VerdictKind.NO_MAJORITY.word, VerdictKind.NO_QUORUM.word)
            text.append(f"{name.replace('_', ' ')} ", style=BAD if bad else "")
            text.append(f"{verdicts[name]:,}   ", style=BAD if bad else "")
    return text or Text("none")


def _upsets_text(run: RecordedRun) -> Text:
    result, u = run.result, run.result.upsets
    text = Text(f"{u.injected:,} injected and read back")
    if u.not_injected:
        text.append(f", {u.not_injected:,} not injected", style=WARN)
    events = run.missed_events_text()
    if events:
        text.append(f"; {events}", style=WARN)
    if result.held_back:
        text.append(f", {result.held_back:,} held back until the end, never injected", style=WARN)
    if u.injected and result.frames:
        rate = u.injected / (result.flown * run.frame_us / 1e6)
        text.append(f"; {rate:.3g} per second of flight")
    voted = result.accel * run.scenario.voted_accel
    if (result.accel, voted) != (1, 1):
        also = "" if voted == result.accel else f", hits of voted data {voted:.3g}x"
        text.append(f",\nACCELERATED {result.accel:g}x{also}", style=WARN)
    return text


def _radiation_text(plant: Mapping[str, float]) -> Text | None:
    """Return the radiation on a board of the run; None if there was none."""
    upsets, voted = plant.get("upsets_per_day", 0.0), plant.get("voted_per_day", 0.0)
    flown, corrected = plant.get("voted_flown_per_day", 0.0), int(plant.get("corrected", 0))
    idle = int(plant.get("idle", 0))
    if not (upsets or voted or flown or corrected):
        return None
    text = Text(f"{upsets:.3g} upsets a day in a board, {voted:.3g} of them in the voted data")
    if flown != voted:
        text.append(f", {flown:.3g} after acceleration")
    counted = [
        f"{count:,} {what}"
        for count, what in ((corrected, "corrected by hardware"), (idle, "without effect"))
        if count
    ]
    if counted:
        text.append(f"\nin this run {', '.join(counted)}: counted, not injected")
    return text


def _plant_text(plant: Mapping[str, float]) -> Text:
    parts = []
    if plant["max_die_c"] > -200.0:  # power and heat were modelled
        parts.append(f"battery at least {100 * plant['min_soc']:.0f} %")
        parts.append(f"chips at most {plant['max_die_c']:.0f} °C")
    for key, one, many in (
        ("sheds", "node taken out", "nodes taken out"),
        ("latch_ups", "latch-up", "latch-ups"),
        ("too_hot", "chip too hot", "chips too hot"),
        ("worn_out", "board dead by dose", "boards dead by dose"),
    ):
        count = int(plant.get(key, 0))
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    return Text(", ".join(parts) or "nothing of it was modelled but radiation")


def _recoveries_text(run: RecordedRun) -> Text:
    text = Text(f"{plural(run.result.recoveries, 'repair')} that succeeded")
    failed = sum(not attempt.ok for attempt in repair_costs(run.reader))
    if failed:
        text.append(f", {failed:,} that failed", style=WARN)
    return text


def _slips_text(run: RecordedRun, slips: int) -> Text | None:
    if not slips:
        return None
    text = Text(plural(slips, "deadline") + " missed", style=WARN)
    worst = worst_slip(run.reader)
    if worst is not None:
        node = f"{worst.node}: " if worst.node else ""
        # A node that has not answered at all is late by no known time.
        late = f"worst {duration(worst.late_wall_us)}" if worst.late_wall_us else "the first"
        text.append(f"; {late} in frame {worst.frame} ({node}{worst.detail})")
    return text
