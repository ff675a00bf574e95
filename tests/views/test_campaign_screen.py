"""The screen of a campaign that is going on, as text: look at tests/views/campaign_screens.

HIL_UPDATE_GOLDEN=1 writes them anew; look at the difference before it is committed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from hil.campaign.executor import RangeOutcomes
from hil.campaign.fault_layout import FaultLayout
from hil.campaign.progress import CampaignTally
from hil.record.campaign_rows import EFFECTS
from hil.views.campaign_screen.campaign_app import CampaignApp
from hil.views.campaign_screen.campaign_page import campaign_help
from hil.views.campaign_screen.fault_map import map_rows
from hil.views.campaign_screen.live_campaign import LiveCampaign
from hil.views.campaign_screen.rates import RateMeter
from tests.views.picture import text_of
from tests.views.terminal import press, resize, settled

SCREENS = Path(__file__).parent / "campaign_screens"
LENGTHS = {"state": 64, "input": 56, "output": 56, "heap": 136, "stack": 16384, "gpr": 144}
DURATION = 1551
UNITS = 2400
PART = 100


class Bench:
    """A campaign of a computed kind on a screen, and a clock that is turned by hand."""

    def __init__(self, targets: int) -> None:
        self.now_s = 0.0
        names = tuple(LENGTHS)[:targets]
        lengths = tuple(LENGTHS[name] for name in names)
        unit = np.arange(UNITS, dtype=np.int64)
        target = unit % targets
        byte = unit * 7 % np.array(lengths)[target]
        time = unit * DURATION // UNITS
        layout = FaultLayout(names, lengths, DURATION, "instruction", 8, target, byte, time)
        self.tally = CampaignTally(layout)
        self.live = LiveCampaign("memory-storm: every fault of step 3", lambda: self.now_s)
        self.stopped = threading.Event()

    def begin(self) -> None:
        self.live.say("tracing the step")
        self.live.say("controls: all 7 hits with a certain effect had it")
        self.live.say(f"{8 * UNITS:,} experiments")
        self.live.report(self.tally.progress)
        self.live.measure()

    def go_on(self, parts: int, boards: int = 2) -> None:
        """Carry out that many parts, one a second; each board works from another place on."""
        done = self.tally.progress.done // 8 // PART
        for number in range(done, done + parts):
            self.now_s += 1.0
            share = UNITS // PART // boards
            first = PART * (number % boards * share + number // boards)
            units = range(first, first + PART)
            effects = bytes(
                min(len(EFFECTS) - 1, u * u % 97 % 7 % 6) for u in units for _ in "8bits678"
            )
            outcomes = RangeOutcomes(first, PART, effects, bytes(len(effects)),
                                     f"board {number % boards + 1}")  # fmt: skip
            self.tally.add(outcomes)
            self.live.report(self.tally.progress)
            self.live.measure()


def drive(
    bench: Bench,
    flow: Callable[[CampaignApp], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
    *,
    ascii_only: bool = False,
) -> str | None:
    async def go() -> str | None:
        app = CampaignApp(bench.live, bench.stopped.set, ascii_only=ascii_only)
        async with app.run_test(size=size):
            await settled(app)
            app.draw()
            await settled(app)
            await flow(app)
        if app.failure is not None:
            raise app.failure
        return app.return_value

    return asyncio.run(go())


def shown(app: CampaignApp) -> str:
    return text_of(app.export_screenshot(), *app.size)


def compare(name: str, picture: str) -> None:
    path = SCREENS / f"{name}.txt"
    if os.environ.get("HIL_UPDATE_GOLDEN"):
        SCREENS.mkdir(exist_ok=True)
        path.write_text(picture, encoding="utf-8")
    assert path.is_file() and path.read_text(encoding="utf-8") == picture, picture


@pytest.mark.parametrize(
    ("name", "size", "targets", "parts", "boards"),
    [
        ("beginning-80x24", (80, 24), 4, 0, 2),
        ("half-80x24", (80, 24), 4, 12, 2),
        ("half-120x40", (120, 40), 4, 12, 2),
        ("all-targets-80x24", (80, 24), 6, 20, 2),
        ("many-boards-120x40", (120, 40), 2, 24, 12),
        ("narrow-60x12", (60, 12), 4, 12, 2),
    ],
)
def test_the_page(name: str, size: tuple[int, int], targets: int, parts: int, boards: int) -> None:
    bench = Bench(targets)
    bench.begin()
    bench.go_on(parts, boards)

    async def flow(app: CampaignApp) -> None:
        compare(name, shown(app))

    drive(bench, flow, size)


def test_ascii_is_ascii() -> None:
    bench = Bench(4)
    bench.begin()
    bench.go_on(12)

    async def flow(app: CampaignApp) -> None:
        picture = shown(app)
        assert picture.isascii()
        compare("ascii-80x24", picture)

    drive(bench, flow, ascii_only=True)


def test_before_the_experiments_the_page_says_what_goes_on() -> None:
    bench = Bench(2)

    async def flow(app: CampaignApp) -> None:
        assert "opening the board ..." in shown(app)
        bench.live.say("tracing the step")
        app.draw()
        await settled(app)
        assert "tracing the step ..." in shown(app)

    drive(bench, flow)


def test_the_map_fills_in_while_experiments_come() -> None:
    bench = Bench(4)
    bench.begin()

    async def flow(app: CampaignApp) -> None:
        filled = []
        for _ in range(3):
            app.tick()
            await settled(app)
            lines = shown(app).splitlines()
            at = next(i for i, text in enumerate(lines) if "FAULTS BY PLACE" in text)
            rows = [text[9:] for text in lines[at + 1 : -1]]
            filled.append(sum(mark != " " for row in rows for mark in row))
            bench.go_on(8)
        assert filled[0] == 0 < filled[1] < filled[2]

    drive(bench, flow)


def test_q_stops_the_campaign_and_waits_for_its_end() -> None:
    bench = Bench(2)
    bench.begin()

    async def flow(app: CampaignApp) -> None:
        assert not bench.stopped.is_set()
        await press(app, "q")
        assert bench.stopped.is_set() and "stopping after" in shown(app)
        assert app.is_running
        bench.live.end()
        app.tick()

    assert drive(bench, flow) == "ended"


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_who_asks_again_leaves_at_once(key: str) -> None:
    bench = Bench(2)
    bench.begin()

    async def flow(app: CampaignApp) -> None:
        await press(app, key)
        await press(app, key)

    assert drive(bench, flow) == "left"


def test_help_comes_and_goes_and_ctrl_c_works_on_it() -> None:
    bench = Bench(2)
    bench.begin()

    async def flow(app: CampaignApp) -> None:
        await press(app, "question_mark")
        assert "most frequent effect" in shown(app)
        rows = [row.strip(" │") for row in shown(app).splitlines()]
        assert all(line.plain.strip() in rows for line in campaign_help(app.marks)), "none is cut"
        await press(app, "q")
        assert "most frequent effect" not in shown(app) and not bench.stopped.is_set()
        await press(app, "question_mark")
        await press(app, "ctrl+c")
        assert bench.stopped.is_set()

    drive(bench, flow)


@pytest.mark.parametrize("size", [(20, 5), (40, 8), (200, 60), (1, 1)])
def test_every_size_of_terminal_is_drawn(size: tuple[int, int]) -> None:
    bench = Bench(6)
    bench.begin()
    bench.go_on(5, 3)

    async def flow(app: CampaignApp) -> None:
        await resize(app, *size)
        app.tick()
        await settled(app)
        assert app.is_running

    drive(bench, flow)


def test_rates_count_from_the_first_moment_and_over_ten_seconds() -> None:
    meter = RateMeter()
    assert (meter.now, meter.mean) == (0.0, 0.0)
    for second in range(31):  # 1000 were there before; then 10 a second, later 100
        meter.add(100.0 + second, 1000 + 10 * second + (90 * (second - 20) if second > 20 else 0))
    assert meter.now == pytest.approx(100.0)
    assert meter.mean == pytest.approx((300 + 900) / 30)


def test_targets_share_the_rows_by_length_and_each_has_one() -> None:
    assert map_rows([64, 56, 56, 136], 8) == [2, 2, 1, 3]
    assert map_rows([64, 56], 1) == [0, 0]
    assert map_rows([1, 16384], 5) == [1, 4]
    assert map_rows([2, 3], 40) == [2, 3], "no more rows than bytes"
