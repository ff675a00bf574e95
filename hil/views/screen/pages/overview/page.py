"""The overview page: the health of the system, its nodes, verdicts, orbit and events. Pure.

Within 24 lines of 80 columns; wider ones add columns, higher ones give the ticker more room.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from hil.views.screen.model.alarms import Alarm
from hil.views.screen.model.facts import Scene
from hil.views.screen.pages.overview.banner import banner
from hil.views.screen.pages.overview.nodes import nodes_table
from hil.views.screen.pages.overview.orbit import TALL, orbit
from hil.views.screen.pages.overview.texts import texts
from hil.views.screen.pages.overview.ticker import ticker
from hil.views.screen.pages.overview.verdicts import verdicts
from hil.views.screen.pages.style import Marks, line

__all__ = ["overview"]


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
    for part in (
        nodes_table(scene, width, marks, node),
        texts(scene, width, marks),
        verdicts(scene, width, marks, cell),
        orbit(scene, width, height, marks),
    ):
        out += [*gap, *part] if part else []
    out += gap
    out += ticker(scene.events, scene.run, width, max(2, height - len(out)), marks)
    return out
