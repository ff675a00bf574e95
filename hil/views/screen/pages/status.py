"""The status line at the top: the run, the frame, live or not. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from hil.record.live import State
from hil.run_outcome import RunOutcome
from hil.views.alarm_limits import Level
from hil.views.screen.model import health
from hil.views.screen.model.facts import Scene, SceneRun
from hil.views.screen.model.playback import Player
from hil.views.screen.pages.style import BAND, STYLES, Marks, Part, fit, line
from hil.views.style import BAD, DIM, HEAD, WARN, duration, flight_time

__all__ = ["runs_line", "source_words", "status_line"]


def source_words(scene: Scene, player: Player, marks: Marks) -> tuple[str, str]:
    """Return the source of the values (live, recorded, stale), and its style."""
    if scene.state in (State.WAITING, State.LOST):
        lost = scene.state is State.LOST
        return (f"{marks.bad} LOST", BAD) if lost else (f"{marks.paused} WAITING", WARN)
    if not player.following and not scene.newest:
        behind = duration(scene.run.time.t_us(scene.last) - scene.t_us)
        if player.playing:
            return f"{marks.playing} REPLAY {player.speed:g}x", HEAD
        return f"{marks.paused} PAUSED, {behind} behind", WARN
    if scene.state is State.ENDED:
        return (
            f"{marks.ended} ENDED {scene.outcome}",
            "" if scene.outcome == RunOutcome.PASS else BAD,
        )
    return _live_words(scene, player, marks)


def _live_words(scene: Scene, player: Player, marks: Marks) -> tuple[str, str]:
    if scene.writer_ended:
        return f"{marks.bad} STOPPED", BAD
    if health.is_stale(scene):
        return f"{marks.warn} STALE", WARN
    if scene.paused_by:
        return f"{marks.paused} RUN PAUSED", WARN
    return (f"{marks.live} LIVE", HEAD) if player.following else (f"{marks.paused} PAUSED", WARN)


def status_line(scene: Scene, player: Player, page: str, width: int, marks: Marks) -> Text:
    """Return the status line: everything that fits, the most important first."""
    run = scene.run
    words, style = source_words(scene, player, marks)
    whole = f"/{run.frames:,}" if run.frames and not run.time.known else ""
    flight = (run.frames - 1) * run.frame_us
    share = f" {scene.t_us / flight:.0%}" if flight > 0 else ""
    wanted: list[tuple[str, str]] = [
        (words, style),
        (run.name, HEAD),
        (page, ""),
        *([(f"frame {scene.head:,}{whole}{share}", "")] if scene.head >= 0 else []),
        *([(flight_time(scene.t_us), "")] if scene.head >= 0 else []),
        *([(_accelerated(run), WARN)] if (run.accel, run.voted_accel) != (1, 1) else []),
        *([("one upset at a time", WARN)] if run.rule.one_at_a_time else []),
        *([(_pace(scene), "")] if scene.rate is not None else []),
        (run.workload, DIM),
        *([(f"seed {run.seed}", DIM)] if run.name else []),
        (run.path, DIM),
    ]
    parts: list[Part] = [" "]
    used = 1
    wanted[0] = (fit(words, width - 2, marks), style)  # this one in any case
    for text, its in wanted:
        if not text or used + len(text) + (2 if used > 1 else 0) > width:
            continue
        parts += [(text, its), "  "]
        used += len(text) + 2
    out = line(*parts)
    out.pad_right(max(0, width - used))
    out.stylize(BAND, 0, len(out))
    return out


def _pace(scene: Scene) -> str:
    return f"{scene.speed or 0.0:.3g}x real time, {scene.rate or 0.0:,.0f} frames per real s"


def runs_line(
    runs: Sequence[tuple[str, str, Level]], current: int, width: int, marks: Marks
) -> Text:
    """Return a line of all runs that are watched, each with its state in a word."""
    parts: list[Part] = [" "]
    room = max(12, (width - 2) // max(1, len(runs)) - 3)
    for index, (name, word, level) in enumerate(runs):
        text = fit(f"{marks.levels[level]} {name} {word}", room, marks)
        style = STYLES[level] + (" reverse" if index == current else "")
        parts += [(f" {text} ", style.strip()), " "]
    return line(*parts)


def _accelerated(run: SceneRun) -> str:
    if run.voted_accel == run.accel:
        return f"accelerated {run.accel:g}x"
    return f"accelerated {run.accel:g}x, voted data {run.voted_accel:.3g}x"
