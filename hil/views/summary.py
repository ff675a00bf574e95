"""The end of a run on one page, made from its record: the outcome first, then why.

Works for every finished run without the engine. Of a run that is not finished it is given what the
record tells so far.
"""

from __future__ import annotations

import math
import sqlite3
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hil.record.queries import (
    isolated_though_right,
    node_power,
    repair_attempts,
    throttled_readings,
)
from hil.record.reader import Reader
from hil.views.ending import ended_by, lost_boards, untested
from hil.views.evidence import Trouble, evidence
from hil.views.listing import anomaly_text
from hil.views.style import (
    BAD,
    DIM,
    GOOD,
    HEAD,
    WARN,
    Glyphs,
    duration,
    flight_time,
    plural,
    state_text,
)
from hil.wire.throttling import FLAGS, flag_words, flags_now, flags_since_boot

__all__ = ["outcome_line", "render"]

_EFFECTS: Final = ("masked", "latent", "sdc", "crash", "hang", "reboot", "detected", "late")
_VERDICTS: Final = ("unanimous", "majority", "simplex", "no_majority", "no_quorum")
_ACTIONS: Final = ("rollback", "resync", "restart", "reset", "power_cycle", "refresh")
_OUTCOMES: Final = (
    "no_effect",
    "corrected",
    "recovered",
    "degraded",
    "detected_unresolved",
    "unavailable",
    "sdc_escaped",
)
_BAD_OUTCOMES: Final = frozenset({"detected_unresolved", "unavailable", "sdc_escaped"})
_OUTCOMES_PER_LINE: Final = 4
_SHOWN: Final = 4
_NOTES: Final = 5
_REASONS: Final = 3
_AROUND: Final = 3


def outcome_line(result: Mapping[str, Any], glyphs: Glyphs) -> Text:
    """The outcome: glyph, word, colour."""
    outcome = str(result["outcome"])
    style, glyph, word = {
        "pass": ("bold black on green", glyphs.ok, "PASS"),
        "untested": ("bold black on yellow", glyphs.warn, "UNTESTED"),
        "fail": ("bold white on red", glyphs.bad, "FAIL"),
        "aborted": ("bold black on yellow", glyphs.warn, "ABORTED"),
        "error": ("bold white on red", glyphs.bad, "ERROR"),
    }.get(outcome, ("bold black on yellow", glyphs.warn, "UNFINISHED"))
    return Text(f" {glyph} {word} ", style=style)


def render(
    reader: Reader, result: Mapping[str, Any], glyphs: Glyphs, *, steps: tuple[tuple[str, str], ...]
) -> RenderableType:
    """The summary of the run in `reader`.

    `result` is its result, or what is known of it; `steps` are commands to try next, each with what
    it shows. RecordError if the record cannot be read.
    """
    page = _Page(reader, result, glyphs)
    parts = [
        page.head(),
        page.facts(),
        page.troubles(),
        page.expectations(),
        page.upsets(),
        page.repairs(),
        page.nodes(),
        page.foot(),
        page.next_steps(steps),
        page.last_line(),
    ]
    return Group(*(part for part in parts if part is not None))


def _grid() -> Table:
    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def _columns() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=DIM)


def _section(title: str, *content: RenderableType) -> RenderableType:
    return Group(Text(f"\n {title}", style=HEAD), *(Padding(c, (0, 0, 0, 3)) for c in content))


def _whole(line: Text) -> Text:
    """A line that is to be copied: never wrapped, never cut."""
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _number(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{int(value)}" if float(value).is_integer() else f"{value:.6g}"


def _short(count: int) -> str:
    """A count in five characters at most: 999, 12k, 3.4M."""
    if count < 10_000:
        return str(count)
    for unit in "kMG":
        count_of = count / 1000
        if count_of < 999.5 or unit == "G":
            return f"{count_of:.1f}{unit}" if count_of < 9.95 else f"{count_of:.0f}{unit}"
        count = round(count_of)
    raise AssertionError


def _bytes(count: int) -> str:
    if count < 10_000:
        return f"{count} B"
    if count < 10_000_000:
        return f"{count / 1024:.0f} KiB"
    return f"{count / 1024**2:.0f} MiB"


class _Page:
    """One summary under construction."""

    def __init__(self, reader: Reader, result: Mapping[str, Any], glyphs: Glyphs) -> None:
        self._reader = reader
        self._result = result
        self._glyphs = glyphs
        self._scenario: Mapping[str, Any] = reader.meta_json("scenario") or {}
        self._frame_us = reader.frame_us
        self._run = str(result.get("run_dir") or reader.path.parent)

    # --- what came out ----------------------------------------------------------------------------

    def head(self) -> RenderableType:
        name = self._scenario.get("name", self.path_name)
        line = Text.assemble(" ", outcome_line(self._result, self._glyphs), (f"  {name}", HEAD))
        about = str(self._scenario.get("summary", ""))
        return Group(line, Padding(Text(about, style=DIM), (0, 0, 0, 3))) if about else line

    @property
    def path_name(self) -> str:
        return Path(self._run).name

    def facts(self) -> RenderableType:
        r = self._result
        frames = int(r.get("frames") or 0)
        grid = _grid()
        grid.add_column(style=DIM, no_wrap=True)
        grid.add_column()
        grid.add_row("frames", self._frames_text(frames))
        if r.get("campaign_mode"):
            grid.add_row("campaign", Text(str(r["campaign_mode"]), style=WARN))
        grid.add_row("verdicts", self._verdicts_text(r.get("verdicts") or {}))
        availability = r.get("availability")
        skipped = int(r.get("skipped") or 0)
        if availability is not None and frames:
            text = self._availability_text(float(availability), frames + skipped)
            grid.add_row("availability", text)
        wrong = int(self._metric("sdc_frames") or 0)
        if wrong:
            text = Text(f"{plural(wrong, 'wrong output')} left the system", style=BAD)
            grid.add_row("", text)
        held = int(self._metric("held_frames") or 0)
        if held:
            count = plural(held, "frame")
            text = Text(f"{count} without a voted output: the last one was held", style=WARN)
            grid.add_row("", text)
        if skipped:
            grid.add_row("", f"{skipped:,} quiet frames were skipped: nothing could happen in them")
        grid.add_row("upsets", self._upsets_text())
        if r.get("plant"):
            grid.add_row("plant", self._plant_text(r["plant"]))
        grid.add_row("recoveries", self._recoveries_text())
        slips = self._slips_text(int(r.get("slips") or 0))
        if slips is not None:
            grid.add_row("slips", slips)
        return Padding(grid, (1, 0, 0, 3))

    def _metric(self, name: str) -> float | None:
        """A metric of the result; of a run that has none yet, what was counted so far."""
        value = (self._result.get("metrics") or self._result).get(name)
        return None if value is None else float(value)

    def _availability_text(self, availability: float, frames: int) -> Text:
        """`frames` are those of the flight, skipped ones included."""
        without = round(frames * (1 - availability))
        if not without:
            return Text.assemble(("100 %", GOOD), " of the frames delivered the right output")
        # Never rounded up: what is not 100 % must not read 100 %.
        share = f"{math.floor(availability * 1e7) / 1e5:.5g} %"
        return Text.assemble((share, WARN), f"; {plural(without, 'frame')} without a right output")

    def _frames_text(self, frames: int) -> str:
        planned = self._planned_frames
        skipped = int(self._result.get("skipped") or 0)
        of = f" of {planned:,}" if planned not in (None, frames + skipped) else ""
        text = f"{frames:,}{of}, {duration((frames + skipped) * self._frame_us)} of flight"
        wall_us = self._wall_us
        if wall_us and frames:
            text += f" in {duration(wall_us)} ({frames / wall_us * 1e6:,.0f} frames/s)"
        return text

    @property
    def _planned_frames(self) -> int | None:
        planned = self._result.get("planned_frames") or self._scenario.get("frames")
        return planned if isinstance(planned, int) else None

    @property
    def _wall_us(self) -> int:
        """Real time of the run, by the record's own clock."""
        return self._reader.wall_us

    def _verdicts_text(self, verdicts: Mapping[str, int]) -> Text:
        text = Text()
        for name in _VERDICTS:
            if verdicts.get(name):
                bad = name in ("no_majority", "no_quorum")
                text.append(f"{name.replace('_', ' ')} ", style=BAD if bad else "")
                text.append(f"{verdicts[name]:,}   ", style=BAD if bad else "")
        return text or Text("none")

    def _upsets_text(self) -> Text:
        u = self._result.get("upsets") or {}
        injected, missed = int(u.get("injected") or 0), int(u.get("not_injected") or 0)
        text = Text(f"{injected:,} injected and read back")
        if missed:
            text.append(f", {missed:,} not injected", style=WARN)
        events = self._events_text()
        if events:
            text.append(f"; {events}", style=WARN)
        held = int(self._result.get("held_back") or 0)
        if held:
            text.append(f", {held:,} held back until the end, never injected", style=WARN)
        frames = int(self._result.get("frames") or 0)
        accel = float(self._result.get("accel") or 1)
        if injected and frames:
            flown = frames + int(self._result.get("skipped") or 0)
            rate = injected / (flown * self._frame_us / 1e6)
            text.append(f"; {rate:.3g} per second of flight")
        if accel != 1:
            text.append(f",\nACCELERATED {accel:g}x", style=WARN)
        return text

    def _events_text(self) -> str:
        """How many of the scenario's own upsets were not injected; empty if all were."""
        events = (self._result.get("upsets") or {}).get("events") or {}
        missed = int(events.get("missed") or 0)
        planned = int(events.get("planned") or 0)
        if not missed:
            return ""
        was = "was" if missed == 1 else "were"
        return f"{missed:,} of {plural(planned, 'planned event')} {was} not injected"

    def _plant_text(self, plant: Mapping[str, float]) -> Text:
        parts = []
        if plant["max_die_c"] > -200.0:  # power and heat were modelled
            parts.append(f"battery at least {100 * plant['min_soc']:.0f} %")
            parts.append(f"chips at most {plant['max_die_c']:.0f} °C")
        for key, one, many in (
            ("sheds", "node taken out", "nodes taken out"),
            ("latch_ups", "latch-up", "latch-ups"),
            ("too_hot", "chip too hot", "chips too hot"),
        ):
            count = int(plant[key])
            if count:
                parts.append(f"{count} {one if count == 1 else many}")
        return Text(", ".join(parts) or "nothing of it was modelled but radiation")

    def _recoveries_text(self) -> Text:
        done = int(self._result.get("recoveries") or 0)
        text = Text(f"{plural(done, 'repair')} that succeeded")
        failed = sum(not attempt["ok"] for attempt in repair_attempts(self._reader))
        if failed:
            text.append(f", {failed:,} that failed", style=WARN)
        return text

    def _slips_text(self, slips: int) -> Text | None:
        if not slips:
            return None
        row = self._reader.rows(
            "SELECT frame, node, late_wall_us, detail FROM slips ORDER BY late_wall_us DESC LIMIT 1"
        )
        text = Text(plural(slips, "deadline") + " missed", style=WARN)
        if row:
            worst = row[0]
            who = f"{worst['node']}: " if worst["node"] else ""
            late = duration(worst["late_wall_us"])
            text.append(f"; worst {late} in frame {worst['frame']} ({who}{worst['detail']})")
        return text

    # --- what failed ------------------------------------------------------------------------------

    def troubles(self) -> RenderableType | None:
        """What failed first, and everything that no upset explains."""
        parts: list[RenderableType] = []
        for board in self._result.get("lost_boards") or ():
            text = (
                f"the board of node {board['node']} was lost in frame {board['frame']} and is not "
                f"back: {board['reason']}"
            )
            parts.append(Text(f"\n {self._glyphs.bad} {text}", style=BAD))
        found = sorted(dict.fromkeys(self._troubles()), key=lambda t: t.frame)[:_SHOWN]
        if found:
            out = _grid()
            out.add_column(style=BAD, justify="right", no_wrap=True)
            out.add_column()
            for trouble in found:
                out.add_row(f"frame {trouble.frame}", trouble.text)
            when = flight_time(self._reader.t_us(found[0].frame))
            parts.append(_section(f"What failed first, {when} into the flight", out))
            first = found[0].frame
            span = f"{max(0, first - _AROUND)}:{first + _AROUND}"
            parts.append(
                _whole(Text(f"   {self._glyphs.arrow} hil replay {self._run} --frames {span}"))
            )
        odd = self._reader.rows("SELECT frame, node, effect, reason FROM anomalies ORDER BY id")
        if odd:
            parts.append(
                Text(f"\n {self._glyphs.bad} Unexplained anomalies: {len(odd):,}", style=BAD)
            )
            parts.append(self._anomalies(odd))
        notes = self._reader.rows("SELECT frame, text FROM notes ORDER BY id")
        for note in notes[:_NOTES]:
            where = "" if note["frame"] is None else f"frame {note['frame']}: "
            parts.append(Text(f"\n {self._glyphs.warn} {where}{note['text']}", style=WARN))
        if len(notes) > _NOTES:
            more = plural(len(notes) - _NOTES, "more note")
            parts.append(Text(f"\n {self._glyphs.warn} and {more} in the record", style=WARN))
        return Group(*parts) if parts else None

    def _anomalies(self, odd: list[sqlite3.Row]) -> RenderableType:
        lines = [Text(f"frame {a['frame']}  {anomaly_text(a)}", style=BAD) for a in odd[:_SHOWN]]
        if len(odd) > _SHOWN:
            lines.append(Text(f"and {len(odd) - _SHOWN} more"))
        lines.append(Text("Nothing that was injected did this: look there first.", style=DIM))
        return Padding(Group(*lines), (0, 0, 0, 3))

    def _troubles(self) -> Iterator[Trouble]:
        failed = [e for e in self._result.get("expectations") or () if not e["ok"]]
        for e in failed:
            trouble = evidence(self._reader, e["metric"])
            if trouble is not None:
                yield trouble
        if not failed and self._result["outcome"] not in ("pass", "untested", "aborted"):
            trouble = evidence(self._reader, "availability")
            if trouble is not None:
                yield trouble

    def expectations(self) -> RenderableType | None:
        expectations = self._result.get("expectations")
        if expectations is None:
            return None
        untested = Text("none: the scenario says `expect: none`, so nothing was tested", style=WARN)
        if not expectations:
            return _section("Expectations", untested)
        grid = _grid()
        for _ in range(5):
            grid.add_column(no_wrap=True)
        for e in expectations:
            ok, style = (self._glyphs.ok, GOOD) if e["ok"] else (self._glyphs.bad, BAD)
            grid.add_row(
                Text(f"{ok} {'ok' if e['ok'] else 'failed'}", style=style),
                e["metric"],
                Text(e["wanted"], style=DIM),
                Text(f"measured {_number(e['measured'])}", style="" if e["ok"] else BAD),
                Text("default" if e.get("default") else "", style=DIM),
            )
        missing = [
            Text(f"{self._glyphs.warn} {text}: no expectation covers this", style=WARN)
            for text in self._result.get("not_covered") or ()
        ]
        if self._result["outcome"] == "untested":
            missing.insert(0, untested)
        return _section("Expectations", grid, *missing)

    # --- upsets and repairs -----------------------------------------------------------------------

    def upsets(self) -> RenderableType | None:
        rows = self._reader.rows(
            "SELECT target, CASE WHEN effect='' THEN 'masked' ELSE effect END AS effect, "
            "count(*) AS n FROM upsets WHERE state='injected' AND verified GROUP BY 1, 2"
        )
        if not rows:
            return Group(Text(""), *self._missed()) if self._missed() else None
        counts: dict[str, Counter[str]] = {}
        for row in rows:
            counts.setdefault(row["target"], Counter())[row["effect"]] = row["n"]
        out = _columns()
        out.add_column("target", no_wrap=True)
        for name in ("hits", *_EFFECTS):
            out.add_column(name, justify="right", no_wrap=True)
        for target in sorted(counts):
            effects = counts[target]
            values = [effects.total(), *(effects[e] for e in _EFFECTS)]
            out.add_row(target, *map(self._cell, values))
        if len(counts) > 1:
            total: Counter[str] = sum(counts.values(), Counter())
            values = [total.total(), *(total[e] for e in _EFFECTS)]
            out.add_row("all", *map(self._cell, values), style=HEAD)
        return Group(
            _section("Upsets: what they hit, and what they did to the node", out),
            *self._missed(),
            _section("What the system made of them", self._outcomes()),
        )

    def _cell(self, value: int) -> Text:
        return Text(f"{value:,}") if value else Text(self._glyphs.none, style=DIM)

    def _missed(self) -> list[RenderableType]:
        """Upsets that were not made, and why."""
        rows = self._reader.rows(
            "SELECT CASE WHEN state='injected' THEN 'not verified' ELSE state END, detail, "
            "group_concat(DISTINCT target), count(*) FROM upsets "
            "WHERE NOT (state='injected' AND verified) GROUP BY 1, 2 ORDER BY 4 DESC"
        )
        lines: list[RenderableType] = []
        for state, detail, targets, count in rows[:_REASONS]:
            why = detail or {"missed": "their position was not reached"}.get(state, "")
            text = f"{count:,} {state}{f': {why}' if why else ''} ({targets.replace(',', ', ')})"
            lines.append(Padding(Text(text, style=WARN), (0, 0, 0, 3)))
        if len(rows) > _REASONS:
            count = sum(row[3] for row in rows[_REASONS:])
            text = f"{count:,} for other reasons"
            lines.append(Padding(Text(text, style=WARN), (0, 0, 0, 3)))
        return lines

    def _outcomes(self) -> RenderableType:
        rows = self._reader.rows(
            "SELECT CASE WHEN outcome='' THEN 'no_effect' ELSE outcome END, count(*) "
            "FROM upsets WHERE state='injected' AND verified GROUP BY 1"
        )
        found = {row[0]: row[1] for row in rows}
        out = _grid()
        for _ in range(_OUTCOMES_PER_LINE):
            out.add_column(no_wrap=True)
        cells: list[Text] = []
        for name in _OUTCOMES:
            count = found.get(name, 0)
            bad = BAD if name in _BAD_OUTCOMES else WARN if name == "degraded" else ""
            words = name.replace("_", " ")
            cells.append(Text(f"{words} {count:,}", style=bad if count else DIM))
        for at in range(0, len(cells), _OUTCOMES_PER_LINE):
            out.add_row(*cells[at : at + _OUTCOMES_PER_LINE])
        return out

    def repairs(self) -> RenderableType | None:
        rows = repair_attempts(self._reader)
        if not rows:
            return None
        kinds: dict[str, list[sqlite3.Row]] = {}
        for row in rows:
            kinds.setdefault(row["action"], []).append(row)
        out = _columns()
        out.add_column("repair", no_wrap=True)
        for name in ("times", "failed", "median", "worst", "moved"):
            out.add_column(name, justify="right", no_wrap=True)
        order = {name: i for i, name in enumerate(_ACTIONS)}
        for action in sorted(kinds, key=lambda a: order.get(a, 99)):
            done = kinds[action]
            spent = [r["duration_wall_us"] for r in done]
            failed = sum(not r["ok"] for r in done)
            out.add_row(
                action.replace("_", " "),
                f"{len(done):,}",
                Text(f"{failed:,}", style=BAD) if failed else self._cell(0),
                duration(statistics.median(spent)),
                duration(max(spent)),
                _bytes(sum(r["bytes_moved"] for r in done)),
            )
        return _section("Recovery", out)

    # --- nodes, and how to go on ------------------------------------------------------------------

    def nodes(self) -> RenderableType:
        ends = {
            r["node"]: r["after"]
            for r in self._reader.rows("SELECT node, after FROM transitions ORDER BY id")
        }
        links = {r["node"]: r for r in self._reader.rows("SELECT * FROM links")}
        out = _columns()
        out.add_column("node", min_width=12)
        out.add_column("board", no_wrap=True)
        for name in ("sent", "received", "errors", "naks", "retries", "reconn."):
            out.add_column(name, justify="right", no_wrap=True)
        where: list[RenderableType] = []
        for node in self._reader.rows("SELECT * FROM nodes ORDER BY idx"):
            if node["board"] == "serial":
                known = (node["name"] + ":", node["model"], node["serial"], "at", node["port"])
                where.append(_whole(Text("   " + " ".join(filter(None, known)), style=DIM)))
            link = links.get(node["idx"])
            state = state_text(node["name"], ends.get(node["name"], "voting"), self._glyphs)
            cells: list[RenderableType] = [state, node["board"]]
            if ends.get(node["name"]) == "isolated" and self._was_right(node["name"]):
                text = (
                    f"{node['name']} was right when it was isolated: a wrong majority outvoted it"
                )
                where.append(Text(f"   {self._glyphs.bad} {text}", style=BAD))
            if link is not None:
                cells += [
                    f"{_short(link['tx_frames'])}/{_short(link['tx_bytes'])}",
                    f"{_short(link['rx_frames'])}/{_short(link['rx_bytes'])}",
                    *(self._cell(link[c]) for c in ("rx_errors", "naks", "retries", "reconnects")),
                ]
            out.add_row(*cells)
            where += self._drawn(node["idx"], node["name"])
            where += self._firmware(node["idx"], node["name"])
        return Group(_section("Nodes, and frames/bytes on their links", out), *where)

    def _drawn(self, index: int, name: str) -> Iterator[RenderableType]:
        """What a node's own sensors say that its board draws."""
        row = node_power(self._reader, index)
        if row is not None and row["readings"]:
            text = (
                f"{name}: draws {row['mean_mw'] / 1e3:.2f} W, at most "
                f"{row['most_mw'] / 1e3:.2f} W, "
                f"by its own sensors ({plural(row['readings'], 'reading')})"
            )
            yield Text(f"   {text}", style=DIM)

    def _firmware(self, index: int, name: str) -> Iterator[RenderableType]:
        """What the firmware of a node said of its supply and clock: in the run, and before it."""
        rows = throttled_readings(self._reader, index)
        readings = sum(row["readings"] for row in rows)
        told = 0
        for bit in FLAGS:
            held = sum(r["readings"] for r in rows if (flags_now(r["throttled"]) or 0) & bit)
            if held:
                told |= bit
                text = f"{name}: {flag_words(bit)} in {held:,} of {plural(readings, 'reading')}"
                yield Text(f"   {self._glyphs.warn} {text}", style=WARN)
        since = 0
        for row in rows:
            since |= flags_since_boot(row["throttled"]) or 0
        if since & ~told:
            text = f"{name}: {flag_words(since & ~told)} since its boot, in none of its readings"
            yield Text(f"   {text}", style=DIM)

    def _was_right(self, node: str) -> bool:
        rows = self._reader.rows(
            "SELECT frame FROM transitions WHERE node=? AND after='isolated' ORDER BY id DESC "
            "LIMIT 1",
            node,
        )
        return bool(rows) and isolated_though_right(self._reader, rows[0]["frame"], node)

    def foot(self) -> RenderableType:
        grid = _grid()
        grid.add_column(style=DIM, no_wrap=True)
        grid.add_column(overflow="fold")
        c = self._reader.meta_json("calibration")
        if c:
            grid.add_row(
                "calibration",
                f"a step takes {duration(c['cpu_us_median'])} of CPU time (worst "
                f"{duration(c['cpu_us_worst'])} in {c['frames']} frames);\n"
                f"it counts as hung after {duration(c['budget_cpu_us'])}",
            )
        grid.add_row("seed", str(self._result.get("seed", self._reader.meta.get("seed", "?"))))
        if self._result.get("run_digest"):
            grid.add_row("run digest", str(self._result["run_digest"]))
        why = self._not_reproducible()
        if why:
            grid.add_row("", Text(f"not reproducible: {why}", style=WARN))
        folder = Text.assemble(("   run folder   ", DIM), self._run)
        return Group(Padding(grid, (1, 0, 0, 3)), _whole(folder))

    def _not_reproducible(self) -> str:
        if self._result.get("reproducible", True):
            return ""
        if self._result.get("not_reproducible"):
            return str(self._result["not_reproducible"])
        if self._scenario.get("pace", "free") != "free":
            return "a paced run depends on real time (--pace free does not)"
        return "upsets with `us:` hit by real time (`tick:` does not)"

    def next_steps(self, steps: tuple[tuple[str, str], ...]) -> RenderableType | None:
        if not steps:
            return None
        lines = [Text("\n Next", style=HEAD)]
        width = max(len(shows) for _, shows in steps)
        for command, shows in steps:
            lines.append(_whole(Text.assemble((f"   {shows:{width}}  ", DIM), command)))
        return Group(*lines)

    def last_line(self) -> RenderableType:
        """The outcome once more, and why: on a small terminal the first line has scrolled away."""
        line = Text.assemble("\n ", outcome_line(self._result, self._glyphs))
        for text, style in self._reasons():
            line.append("  " if line.plain.endswith(" ") else "; ")
            line.append(text, style=style)
        return line

    def _reasons(self) -> Iterator[tuple[str, str]]:
        """What the outcome follows from, and what should be known beside it."""
        outcome = self._result["outcome"]
        for text, style in (
            (ended_by(self._result, self._planned_frames), WARN),
            (lost_boards(self._result), BAD),
            (untested(self._result), WARN),
        ):
            if text:
                yield text, style
        failed = [e for e in self._result.get("expectations") or () if not e["ok"]]
        others = [e for e in failed if e["metric"] != "events.missed"]
        if others and outcome != "aborted":
            first = others[0]
            why = f"{first['metric']} {first['wanted']}: measured {_number(first['measured'])}"
            if len(others) > 1:
                why += f", and {len(others) - 1} more"
            yield why, BAD
        events = self._events_text()
        if events:
            yield events, WARN if len(others) == len(failed) else BAD
        if self._result.get("campaign_mode"):
            yield "a campaign's mode, one upset at a time", WARN
        for text in self._result.get("not_covered") or ():
            yield f"{text}: no expectation covers this", WARN
        for text in self._result.get("left_out") or ():
            yield text, WARN
