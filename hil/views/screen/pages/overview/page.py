"""The overview page: the health of the system, its nodes, verdicts, orbit and events. Pure.

Within 24 lines of 80 columns; wider ones add columns, higher ones give the ticker more room.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.facts import Scene
from hil.views.screen.pages.overview.banner import banner
from hil.views.screen.pages.overview.nodes import nodes_table
from hil.views.screen.pages.overview.orbit import TALL, orbit
from hil.views.screen.pages.overview.scheme import scheme
from hil.views.screen.pages.overview.texts import texts
from hil.views.screen.pages.overview.ticker import ticker
from hil.views.screen.pages.overview.verdicts import verdicts
from hil.views.screen.pages.style import Marks, line

__all__ = ["overview"]

_TICKER_MIN: Final = 4
"""The lines that the events are to have: a title, and three of them."""
_SCHEME_MAX: Final = 6
"""The most lines of the picture of the scheme."""


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
    """Return the whole page. `node` and `cell` (from the newest backwards) are under the cursor."""
    out = [*banner(scene, alarms, width, marks)]
    if not scene.nodes:
        return out
    gap = [line("")] if height >= TALL else []
    nodes = nodes_table(scene, width, marks, node)
    parts = [
        part
        for part in (
            texts(scene, width, marks),
            verdicts(scene, width, marks, cell),
            orbit(scene, width, height, marks),
        )
        if part
    ]
    used = len(out) + len(nodes) + sum(map(len, parts)) + (len(parts) + 3) * len(gap)
    room = min(_SCHEME_MAX, height - used - _TICKER_MIN)
    own = scheme(scene, width, room, marks, tall=height >= TALL)
    for part in (nodes, own, *parts):
        out += [*gap, *part] if part else []
    out += gap
    out += ticker(scene.events, scene.run, width, max(2, height - len(out)), marks)
    return out
