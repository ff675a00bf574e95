"""Reads the scene of one frame from a record, with a few small queries.

Values that cannot have changed are not read again, and no query reads a long table as a whole.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from hil.errors import RecordError
from hil.record.digest import hex64
from hil.record.event_queries import last_hold
from hil.record.live import LiveRecord, State
from hil.record.queries import golden_digests, skipped_frames
from hil.record.result_json import recorded_result
from hil.record.run_result import RunResult
from hil.redundancy.voting import Verdict
from hil.views.ending import ended_by, lost_boards, untested
from hil.views.screen.model.event_counts import EventCounts
from hil.views.screen.model.events import newest_events
from hil.views.screen.model.facts import Scene, SceneRun
from hil.views.screen.model.ground_facts import GroundFacts
from hil.views.screen.model.node_facts import NodeFactsReader
from hil.views.screen.model.plant_facts import PlantFacts
from hil.views.screen.model.recorded_values import vote_of
from hil.views.screen.model.run_facts import run_of
from hil.views.screen.model.scheme_facts import SchemeFactsReader
from hil.views.screen.model.text_facts import TextFacts
from hil.views.screen.model.verdict_strip import StripTotals, VerdictHistory

__all__ = ["SceneReader"]

_READ_ON_S: Final = 0.02
_RATE_WINDOW_S: Final = 5.0


class SceneReader:
    """Reads scenes from one record."""

    def __init__(self, source: LiveRecord, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self.history = VerdictHistory(source, clock)
        self._known = -1
        self._run: tuple[tuple[int, int], SceneRun] | None = None
        self._ended: tuple[int, RunResult | None] | None = None
        self._rates: deque[tuple[int, int]] = deque()
        self._counts = EventCounts(source)
        self._nodes = NodeFactsReader(source)
        self._plant = PlantFacts(source)
        self._ground = GroundFacts(source)
        self._texts = TextFacts(source)
        self._scheme = SchemeFactsReader(source)
        self._paused: tuple[int, str] = (-1, "")

    # --- the whole ----------------------------------------------------------------------------

    def scene(self, head: int, *, cells: int = 60, zoom: int = 1, events: int = 12) -> Scene:
        """Return the scene of frame `head`, with a strip of `cells` cells of `zoom` frames and the
        newest `events` events."""
        source = self.source
        if source.state is State.WAITING:
            return Scene(SceneRun(path=str(source.run)), source.state, source.reason)
        if source.last < self._known:  # a killed run was resumed from its last snapshot
            self.history.forget(source.last + 1)
            self._counts.restart()
            self._nodes.forget()
            self._ground.restart()
            self._texts.forget()
            self._scheme.forget()
        self._known = source.last
        self.history.read_on(_READ_ON_S)
        with source.moment():
            return self._scene(head, cells, zoom, events)

    def _scene(self, head: int, cells: int, zoom: int, events: int) -> Scene:
        source, run = self.source, self.run
        verdict = source.verdict(head)
        golden = self._golden(head, verdict)
        upsets, missed, repaired, slips = self._counts.up_to(head)
        plant = self._plant.plant(head)
        newest = head >= source.last
        running = source.state is State.RUNNING
        paused_by = self._paused_by() if newest else ""
        going = newest and not paused_by and running
        rate, speed = self._rate() if going else (None, None)
        return Scene(
            run=run,
            state=source.state,
            reason=source.reason,
            outcome=source.outcome,
            writer_ended=newest and source.is_killed,
            paused_by=paused_by,
            age_s=source.age_s(),
            rate=rate,
            speed=speed,
            head=head,
            last=source.last,
            vote=vote_of(verdict),
            nodes=tuple(
                self._nodes.node(node, head, verdict, golden, self._plant.node(node.name))
                for node in source.nodes
            ),
            upsets=upsets,
            missed=missed,
            recoveries=repaired,
            slips=slips,
            totals=self._totals(head) if head >= 0 else StripTotals(),
            strip=self.history.strip(head, cells, zoom),
            zoom=zoom,
            events=newest_events(source, self.history, head, events),
            plant=plant,
            places=self._plant.orbit(head),
            plants=self._plant.recent,
            ground=self._ground.at(head, source.time.t_us(head)),
            expectations=self._expectations(),
            ending=self._ending(),
            texts=self._texts.span(head),
            scheme=self._scheme.facts(head, run.rule),
        )

    @property
    def run(self) -> SceneRun:
        """Return the constant properties of the run; they are read again with the meta values."""
        meta = self.source.meta
        key = (id(meta), id(self.source.time))
        if self._run is None or self._run[0] != key:
            nodes = len(self.source.nodes)
            self._run = (key, run_of(meta, str(self.source.run), self.source.time, nodes))
        return self._run[1]

    @property
    def _result(self) -> RunResult | None:
        """Return the result of a run that has ended; None if it has no valid one."""
        meta = self.source.meta
        if self.source.state is not State.ENDED or meta.result is None:
            return None
        if self._ended is None or self._ended[0] != id(meta):
            result = None
            with contextlib.suppress(RecordError):
                result = recorded_result(meta.result, self.source.run, 0)
            self._ended = (id(meta), result)
        return self._ended[1]

    def _expectations(self) -> tuple[tuple[str, str, str, bool], ...]:
        result = self._result
        return tuple(
            (
                e.metric,
                e.wanted,
                "not measured" if e.measured is None else f"{e.measured:g}",
                e.ok,
            )
            for e in ((None if result is None else result.expectations) or ())
        )

    def _ending(self) -> str:
        result = self._result
        if result is None:
            return ""
        reasons = (ended_by(result, self.run.frames or None), lost_boards(result), untested(result))
        return "; ".join(text for text in reasons if text)

    def _rate(self) -> tuple[float | None, float | None]:
        """Return the frames per real second, and simulated time per real time, of the last
        seconds."""
        pulse, time = self.source.pulse, self.source.time
        if pulse is None:
            return None, None
        if not self._rates or self._rates[-1][0] != pulse.unix_us:
            if self._rates and pulse.frame < self._rates[-1][1]:
                self._rates.clear()
            self._rates.append((pulse.unix_us, pulse.frame))
        while len(self._rates) > 2 and pulse.unix_us - self._rates[1][0] > _RATE_WINDOW_S * 1e6:
            self._rates.popleft()
        (then, first), (now, last) = self._rates[0], self._rates[-1]
        if now - then <= 400_000:
            return None, None
        flown_us = time.t_us(last) - time.t_us(first)
        return (last - first) / (now - then) * 1e6, flown_us / (now - then)

    def _golden(self, head: int, verdict: Verdict | None) -> tuple[str, str] | None:
        """Return the fault-free digests of a frame."""
        if verdict is None:
            return None
        golden = golden_digests(self.source, head)
        if golden is None and verdict.correct:
            golden = (hex64(verdict.output), hex64(verdict.state))
        return golden

    def _totals(self, head: int) -> StripTotals:
        """Return the totals up to `head`; frames that were skipped count like the one after
        them."""
        totals = self.history.totals(head)
        if not self.source.time.known:
            return totals
        over = head >= self.source.last and self.source.state is State.ENDED
        skipped, lost, wrong = skipped_frames(self.source, head, over=over)
        return replace(
            totals,
            frames=totals.frames + skipped,
            no_output=totals.no_output + lost,
            wrong=totals.wrong + wrong,
        )

    def _paused_by(self) -> str:
        """Return the user who paused the run at the newest frame; empty if it is not paused."""
        source = self.source
        if source.changed != self._paused[0]:
            hold = last_hold(source)
            holds = (
                hold is not None
                and hold.command == "pause"
                and hold.frame > source.last
                and source.state is State.RUNNING
            )
            self._paused = (source.changed, hold.who if hold and holds else "")
        return self._paused[1]
