"""The presenter of one run: its page, the frame on view, and the cursor.

It knows no terminal: keys are calls, and a page is a list of lines. It is called from one thread at
a time, the one that reads the record.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rich.text import Text

from hil.record.live import LiveRecord, State
from hil.views.alarm_limits import Level
from hil.views.screen.event_list import EventList
from hil.views.screen.model import health
from hil.views.screen.model.alarm_feed import AlarmFeed
from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.decision import neighbour
from hil.views.screen.model.facts import Scene
from hil.views.screen.model.playback import Player
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.model.verdict_strip import ZOOMS
from hil.views.screen.page_source import PageSource
from hil.views.screen.pages.decision import decision_page
from hil.views.screen.pages.events import events_page
from hil.views.screen.pages.map import map_page
from hil.views.screen.pages.node import curve_points, node_page
from hil.views.screen.pages.overview.banner import banner
from hil.views.screen.pages.overview.page import overview
from hil.views.screen.pages.status import status_line
from hil.views.screen.pages.style import Marks, line

__all__ = ["Presenter", "View"]

_LEAST: Final = (20, 2)
_STRIP_US: Final = 120_000_000
"""The simulated time on the strip until + or - is pressed [us]; of a shorter run, all of it."""
_HISTORY: Final = (1, 10, 60, 600)
"""Accounts (seconds) per point of a node's curves."""


class View(enum.Enum):
    """The pages of the screen."""

    OVERVIEW = "overview"
    NODE = "node"
    DECISION = "decision"
    EVENTS = "events"
    MAP = "map"


def _overall(head: int, cells: int, frame_us: int) -> int:
    """Return the zoom with which `cells` cells show the last minutes, or the whole run."""
    wanted = min(head + 1, _STRIP_US // frame_us)
    return next((k for k, zoom in enumerate(ZOOMS) if zoom * cells >= wanted), len(ZOOMS) - 1)


class Presenter:
    """The presenter of the run in the folder `run`. `clock` returns real time [s]."""

    def __init__(self, run: Path, marks: Marks, player: Player, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.source = LiveRecord(run)
        self.marks = marks
        self.player = player
        self.view = View.OVERVIEW
        self.zoom: int | None = None  # index of ZOOMS; None: what shows the last minutes
        self.node: int | None = None
        self._picked: int | None = None  # a frame of the cell under the cursor
        self.frame: int | None = None
        self.events = EventList()
        self.scroll = 0
        self.history_zoom = 0
        self._begin()
        self.scene = Scene(self.scene_reader.run)
        self.alarms: tuple[Alarm, ...] = ()
        self.lines = 0
        self._back: list[View] = []
        self._size = (80, 24)

    def _begin(self) -> None:
        """Begin with a new record, and forget the values of the previous one."""
        self._epoch = self.source.epoch
        self.scene_reader = SceneReader(self.source, self._clock)
        self._alarm_feed = AlarmFeed(self.source, self._clock)
        self._pages = PageSource(self.source, self.scene_reader.history)
        self.events.clear()

    # --- looking ------------------------------------------------------------------------------

    def refresh(self, width: int, height: int) -> None:
        """Read what is new for a page of this size; the terminal crops wider lines."""
        width, height = max(_LEAST[0], width), max(_LEAST[1], height)
        self._size = (width, height)
        self.source.poll()
        if self.source.epoch != self._epoch:  # another record has replaced it
            self._begin()
        head = self.head
        cells = max(10, width - 2)
        zoom = self.zoom
        if zoom is None:
            zoom = _overall(head, cells, self.source.frame_us)
        self.scene = self.scene_reader.scene(
            head, cells=cells, zoom=ZOOMS[zoom], events=max(12, height)
        )
        if self.source.state is not State.WAITING and head >= 0:
            self.alarms = self._alarm_feed.follow(head)

    @property
    def cell(self) -> int | None:
        """Return the cell of the strip under the cursor, counted from the newest backwards; it
        moves with its frame. None without a cursor."""
        if self._picked is None:
            return None
        back = self.scene.head // self.scene.zoom - self._picked // self.scene.zoom
        return back if 0 <= back < len(self.scene.strip) else None

    @property
    def head(self) -> int:
        """Return the frame on view."""
        return self.player.head(self.source.last, self._clock(), self.source.frame_us)

    @property
    def moving(self) -> bool:
        """Return whether the page changes with time, without anything new in the record."""
        return (self.player.playing and self.head < self.source.last) or self._alarm_feed.behind

    def page(self) -> list[Text]:
        """Return the status line, and the page below it."""
        width, height = self._size
        room = height - 1
        body = self._body(width, room)
        self.lines = len(body)
        self.scroll = max(0, min(self.scroll, len(body) - room))
        shown = body[self.scroll : self.scroll + room]
        if self.scroll + room < len(body):
            more = f" {self.marks.more} {len(body) - self.scroll - room + 1} more lines below"
            shown[-1] = line((more, "reverse"))
        status = status_line(self.scene, self.player, self.view.value, width, self.marks)
        return [status, *shown]

    def _body(self, width: int, height: int) -> list[Text]:
        scene, marks = self.scene, self.marks
        if not scene.nodes:
            return banner(scene, self.alarms, width, marks)
        if self.view is View.NODE:
            return self._node_page(width, height)
        if self.view is View.DECISION:
            frame = scene.head if self.frame is None else self.frame
            if frame < 0:
                return banner(scene, self.alarms, width, marks)
            return decision_page(self._pages.decision(frame), width, marks)
        if self.view is View.EVENTS:
            self.events.events = self._pages.events(scene, self.events.limit(self._size[1]))
            return events_page(
                scene,
                self.alarms,
                self._alarm_feed.watched_from,
                self.events.listed,
                width=width,
                height=height,
                marks=marks,
            )
        if self.view is View.MAP:
            return map_page(scene, self._pages.sky(scene), width, height, marks)
        return overview(scene, self.alarms, width, height, marks, node=self.node, cell=self.cell)

    def _node_page(self, width: int, height: int) -> list[Text]:
        node = self.scene.nodes[(self.node or 0) % len(self.scene.nodes)]
        points, every = curve_points(width), _HISTORY[self.history_zoom]
        return node_page(
            self.scene,
            node,
            self._pages.history(self.scene, node, points, every),
            self._pages.node_events(self.scene, node),
            width=width,
            height=height,
            marks=self.marks,
        )

    def summary(self) -> tuple[str, Level]:
        """Return the health of the run in a word and its level, for the list of runs."""
        state = health.health(self.scene, self.alarms)
        return state.word, state.level

    # --- keys ---------------------------------------------------------------------------------

    def go(self, view: View) -> None:
        """Show another page."""
        if view is self.view:
            return
        self._back.append(self.view)
        del self._back[:-10]
        if view is View.DECISION and self.frame is None:
            self.frame = self._picked_frame()
        self._show(view)

    def back(self) -> None:
        """Show the previous page."""
        if self.view is View.OVERVIEW and (self.cell is not None or self.node is not None):
            self._picked = self.node = None
        else:
            self._show(self._back.pop() if self._back else View.OVERVIEW)

    def _show(self, view: View) -> None:
        if view is not View.DECISION:
            self.frame = None
        self.view, self.scroll = view, 0

    def _picked_frame(self) -> int | None:
        """Return the frame under the cursor, else the one on view; None before the first one."""
        strip = self.scene.strip
        cell = self.cell
        if cell is not None and cell < len(strip):
            return max(0, strip[-1 - cell].frame)
        return self.scene.head if self.scene.head >= 0 else None

    @property
    def target(self) -> str:
        """Return the name of what Enter opens; empty if it opens nothing."""
        if self.view is View.EVENTS:
            return "its frame"
        if self.view is View.OVERVIEW and self.scene.nodes:
            if self.node is not None:
                return f"node {self.scene.nodes[self.node % len(self.scene.nodes)].name}"
            return "frame" if self.scene.head >= 0 else ""
        return "frame" if self.view is View.NODE and self.scene.nodes else ""

    def enter(self) -> None:
        """Open what is under the cursor."""
        if not self.target:
            return
        if self.view is View.OVERVIEW and self.node is not None:
            self.go(View.NODE)
        elif self.view is View.EVENTS:
            chosen = self.events.choose()
            if chosen is not None:
                self.frame = chosen.frame
                self.go(View.DECISION)
        elif self.view is View.NODE:
            node = self.scene.nodes[(self.node or 0) % len(self.scene.nodes)]
            events = self._pages.node_events(self.scene, node)
            self.frame = events[0].frame if events else self.scene.head
            self.go(View.DECISION)
        elif self.view is View.OVERVIEW and self.scene.head >= 0:
            self.go(View.DECISION)

    def vertical(self, step: int) -> None:
        """Move the cursor up (-1) or down (1)."""
        if self.view is View.OVERVIEW and self.scene.nodes:
            count = len(self.scene.nodes)
            start = -1 if step > 0 else 0
            self.node = ((start if self.node is None else self.node) + step) % count
            self._picked = None
        elif self.view is View.EVENTS:
            self.events.move(step)
        else:
            self.scroll = max(0, self.scroll + step)

    def horizontal(self, step: int) -> None:
        """Move the cursor left (-1) or right (1)."""
        if self.view is View.OVERVIEW:
            cells = [cell for cell in self.scene.strip if cell.last >= 0 and cell.mark]
            cell = (-1 if self.cell is None else self.cell) - step
            if cells:
                self._pick(cells[-1 - max(0, min(cell, len(cells) - 1))].first)
        elif self.view is View.NODE and self.scene.nodes:
            self.node = ((self.node or 0) + step) % len(self.scene.nodes)
        elif self.view is View.DECISION:
            self.step(step)

    def _pick(self, frame: int) -> None:
        """Put the cursor on the cell of a frame; the strip keeps its scale from now on."""
        self.zoom = ZOOMS.index(self.scene.zoom)
        self._picked, self.node = max(0, frame), None

    def mark(self, step: int) -> None:
        """Go to the next (1) or previous (-1) frame that was more than agreement."""
        here = self.frame if self.view is View.DECISION else self._picked_frame()
        frame = neighbour(self.source, self.scene.head if here is None else here, step)
        if frame is None:
            return
        if self.view is View.DECISION:
            self.frame, self.scroll = frame, 0
            return
        zoom = self.scene.zoom
        newest = self.scene.head // zoom
        if frame > self.scene.head or newest - frame // zoom >= len(self.scene.strip):
            self.seek(frame)
        self._pick(frame)

    def change_zoom(self, step: int) -> None:
        """Show more (1) or fewer (-1) frames in a cell, or seconds in a point."""
        if self.view is View.NODE:
            self.history_zoom = max(0, min(self.history_zoom + step, len(_HISTORY) - 1))
            return
        if self.cell is not None:
            self._picked = self._picked_frame()
        zoom = ZOOMS.index(self.scene.zoom) if self.zoom is None else self.zoom
        self.zoom = max(0, min(zoom + step, len(ZOOMS) - 1))

    def pause(self) -> None:
        """Pause, or continue: follow an active run, play one that has ended."""
        now, head = self._clock(), self.head
        if self.source.last < 0:
            return  # no frame has been recorded yet
        follows = self.player.following and self.source.state is State.RUNNING
        if follows or (self.player.playing and head < self.source.last):
            self.player = self.player.pause(head, now)
        else:
            self.player = self.player.play(head, self.source.last, now)

    def step(self, frames: int) -> None:
        """Go `frames` frames forward or back and stay there; in a decision, from its frame."""
        if self.source.last < 0:
            return
        if self.view is View.DECISION:
            self.seek((self.scene.head if self.frame is None else self.frame) + frames)
            return
        paused = self.player.pause(self.head, self._clock())
        self.player = paused.seek(self.head + frames, self.source.last, self._clock())

    def seek(self, frame: int) -> None:
        """Show a frame; in a decision, that frame's."""
        if self.view is View.DECISION:
            self.frame, self.scroll = max(0, min(frame, self.source.last)), 0
            return
        if self.source.last < 0:
            return
        self.player = self.player.seek(frame, self.source.last, self._clock())

    def page_by(self, screens: int) -> None:
        """Go a screen down or up; on the overview, along the strip through the run."""
        if self.view is View.OVERVIEW:
            self.step(screens * self.scene.zoom * max(1, len(self.scene.strip)))
        elif self.view is View.EVENTS:
            self.vertical(screens * max(1, self._size[1] - 8))
        else:
            self.scroll = max(0, self.scroll + screens * (self._size[1] - 3))

    def newest(self) -> None:
        """Go to the newest frame, and stay with it."""
        self.frame = self.source.last if self.view is View.DECISION else None
        self.player = self.player.follow()
        self._picked, self.zoom = None, None
        self.events.to_newest()

    def faster(self, steps: int) -> None:
        """Change the speed of playing by some steps."""
        self.player = self.player.faster(steps, self.head, self._clock())

    def acknowledge(self) -> int:
        """Acknowledge all alarms; return their number."""
        count = self._alarm_feed.acknowledge()
        self.alarms = self._alarm_feed.alarms
        return count
