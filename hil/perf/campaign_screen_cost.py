"""Cost of the screen of a campaign: what it takes from the boards of the same computer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from hil.campaign.executor import RangeOutcomes
from hil.campaign.fault_layout import FaultLayout
from hil.campaign.progress import CampaignTally
from hil.perf.row import PerfRow, make_row
from hil.record.campaign_rows import EFFECTS
from hil.views.campaign_screen.campaign_app import TICK_S, CampaignApp
from hil.views.campaign_screen.live_campaign import LiveCampaign

__all__ = ["campaign_screen"]

_UNITS: Final = 30_000
_PART: Final = 98
_LENGTHS: Final = {"state": 3000, "input": 64, "output": 10, "heap": 600}
_DURATION: Final = 100_000
_SIZE: Final = (120, 40)


def campaign_screen(quick: bool) -> Iterator[PerfRow]:
    """Measure the CPU time of pictures of a campaign with a rate as of two boards: counting its
    outcomes, composing the page and drawing it."""
    pictures = 10 if quick else 60
    share = asyncio.run(_share(pictures))
    yield make_row(
        f"campaign screen, a picture every {TICK_S:g} s",
        100 * share,
        "% of a core",
        target="<= 2 %",
        ok=share <= 0.02,
        note=f"{pictures} pictures of {_SIZE[0]}x{_SIZE[1]}, without the terminal's own work; "
        f"outcomes of {_PART * 8} experiments come twenty times for each",
    )


async def _share(pictures: int) -> float:
    """Return the share of a core that pictures take while outcomes come."""
    draw = np.random.default_rng(1)
    target = draw.integers(0, len(_LENGTHS), _UNITS)
    byte = draw.integers(0, 1 << 30, _UNITS) % np.array(list(_LENGTHS.values()))[target]
    moment = np.sort(draw.integers(0, _DURATION, _UNITS))
    names, lengths = tuple(_LENGTHS), tuple(_LENGTHS.values())
    layout = FaultLayout(names, lengths, _DURATION, "instruction", 8, target, byte, moment)
    tally = CampaignTally(layout)
    # As of real ones: neighbours come to the same, with exceptions.
    by_place = (byte * 7 // np.array(lengths)[target] + moment // 20_000) % len(EFFECTS)
    by_chance = draw.integers(0, len(EFFECTS), _UNITS)
    effects = np.where(draw.random(_UNITS) < 0.1, by_chance, by_place).astype(np.uint8)
    live = LiveCampaign("measured")
    app = CampaignApp(live, lambda: None)
    at, taken_s = 0, 0.0
    async with app.run_test(size=_SIZE) as pilot:
        live.report(tally.progress)
        await pilot.pause()
        for _ in range(pictures):
            began_s = time.process_time()
            for number in range(20):
                first = at % (_UNITS - _PART)
                part = np.repeat(effects[first : first + _PART], 8).tobytes()
                tally.add(RangeOutcomes(first, _PART, part, part, f"board {number % 2}"))
                live.report(tally.progress)
                at += _PART
            app.tick()
            await pilot.pause()
            taken_s += time.process_time() - began_s
    return taken_s / pictures / TICK_S
