"""Reads the values of the pages beyond the scene, again only when they may have changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar, cast

from hil.record.live import LiveRecord
from hil.views.screen.model import decision as decisions
from hil.views.screen.model.curves import History, history
from hil.views.screen.model.events import newest_events
from hil.views.screen.model.facts import EventLine, NodeFacts, Scene
from hil.views.screen.model.ground_track import sky
from hil.views.screen.model.output_curves import OutputCurves
from hil.views.screen.model.verdict_strip import VerdictHistory
from hil.views.screen.pages.map import MapSky

__all__ = ["PageSource"]

_OF_A_NODE: Final = 60
_PLANT_US: Final = 1_000_000
"""The simulated time after which curves of the plant are read again [us]."""
_SKY_US: Final = 10_000_000
_SETTLED: Final = 1000
"""The number of frames after which nothing is added to a frame any more."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Cached:
    """A value from the record, and the key that it depends on."""

    key: tuple[object, ...]
    value: object


class PageSource:
    """Values of one record; the last one of each kind is kept."""

    def __init__(self, source: LiveRecord, history: VerdictHistory) -> None:
        self._source = source
        self._history = history
        self._outputs = OutputCurves(source)
        self._cache: dict[str, _Cached] = {}

    def _cached(self, what: str, key: tuple[object, ...], ask: Callable[[], _T]) -> _T:
        """Return the previous value, unless something that it depends on has changed."""
        cached = self._cache.get(what)
        if cached is None or cached.key != key:
            cached = self._cache[what] = _Cached(key, ask())
        return cast("_T", cached.value)

    def decision(self, frame: int) -> decisions.Decision:
        """Return the vote of a frame."""
        # Repairs shortly after a frame still belong to it.
        changed = self._source.changed if frame > self._source.last - _SETTLED else 0
        return self._cached(
            "decision", (frame, changed), lambda: decisions.decision(self._source, frame)
        )

    def sky(self, scene: Scene) -> MapSky:
        """Return the values of the map."""
        return self._cached(
            "sky", (scene.t_us // _SKY_US, scene.upsets), lambda: sky(self._source, scene.head)
        )

    def history(self, scene: Scene, node: NodeFacts, points: int, every: int) -> History:
        """Return the curves of a node: `points` points, `every` accounts (seconds) apart."""
        newest = node.reading.frame if node.reading else -1
        plant = scene.plant.t_us // _PLANT_US if scene.plant else -1
        known = self._outputs.advance(scene.head)  # it grows only where outputs have curves
        return self._cached(
            "history",
            (node.index, newest, plant, points, every, known, scene.head if known else -1),
            lambda: self._with_outputs(
                history(self._source, node.index, scene.head, points, every), scene, node, points
            ),
        )

    def _with_outputs(self, past: History, scene: Scene, node: NodeFacts, points: int) -> History:
        """Return the curves of what a node reports of itself, before them those of its outputs, of
        the same stretch."""
        first = past.frames[0] if past.curves else 0
        outputs = self._outputs.of(node.index, first, scene.head, points)
        if not outputs:
            return past
        return replace(past, frames=(first, scene.head), curves=(*outputs, *past.curves))

    def node_events(self, scene: Scene, node: NodeFacts) -> list[EventLine]:
        """Return the newest events of a node, newest first."""
        return self._cached(
            "node events",
            (node.name, scene.head, self._source.changed),
            lambda: list(
                newest_events(self._source, self._history, scene.head, _OF_A_NODE, node.name)
            ),
        )

    def events(self, scene: Scene, count: int) -> list[EventLine]:
        """Return the newest `count` events, newest first."""
        return self._cached(
            "events",
            (scene.head, self._source.changed, count),
            lambda: list(newest_events(self._source, self._history, scene.head, count)),
        )
