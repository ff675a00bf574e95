"""The page of a campaign in a real browser: its map draws, zooms and says how to repeat a fault."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.report.campaign_report import write_campaign_report
from hil.upsets.words import NodeEffect

aiohttp = pytest.importorskip("aiohttp", reason="the extra `web` is not installed")

from tests.browser import CHROMIUM, Page, chromium, visited  # noqa: E402

pytestmark = [
    pytest.mark.ptrace,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]

INK = """(() => {
  const {x, y, width, height} = hilMap.frame;
  const scale = hilMap.canvas.width / hilMap.canvas.clientWidth;
  const pixels = new Uint32Array(hilMap.context.getImageData(
    x * scale, y * scale, width * scale, height * scale).data.buffer);
  const counts = {};
  for (const pixel of pixels) counts[pixel] = (counts[pixel] || 0) + 1;
  return Object.keys(counts).length;
})()"""
"""How many colours the picture has."""


BOX = "document.querySelector('#fault .box').className"
"""The colour of the chosen fault's outcome."""

READY = "document.documentElement?.dataset.drawnMs"


async def fault_at(page: Page, across: float, down: float) -> Any:
    """The fault at a place of the picture, by the page's own data; and the place on the screen."""
    return json.loads(
        await page.tells(f"""(() => {{
          const box = hilMap.canvas.getBoundingClientRect(), f = hilMap.frame;
          const x = Math.round(box.left + f.x + {across} * f.width) - box.left;
          const y = Math.round(box.top + f.y + {down} * f.height) - box.top;
          const fault = hilMap.faultAt(x, y);
          return JSON.stringify({{x: box.left + x, y: box.top + y, kind: fault.kind,
            number: fault.number, bit: fault.bit, byte: fault.byte, time: fault.time,
            effect: fault.effect, target: fault.target.id}});
        }})()""")
    )


PAINTED = """JSON.stringify(hilMap.space.targets.map((target) => {
  const colours = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => [n, 0, 0]), counts = Array(8).fill(0);
  const t1 = hilMap.space.instructions, ROWS = 512;
  for (let u0 = 8 * target.used; u0 < 8 * target.length; u0 += ROWS) {
    const u1 = Math.min(u0 + ROWS, 8 * target.length), image = new ImageData(t1, u1 - u0);
    hilMap.painter.paint(target, {t0: 0, t1, u0, u1}, image, colours, colours.map(() => true));
    for (let i = 0; i < image.data.length; i += 4) counts[image.data[i]]++;
  }
  return counts.slice(0, 7);
}))"""
"""Each target painted with a pixel for each fault: how many have which colour, by target."""


def colours_wanted(file: CampaignFile) -> list[list[int]]:
    """How many faults have which colour, by target: six effects, and what no experiment stands for
    and is masked."""
    counts = [[0] * 7 for _ in file.regions()]
    for number in range(file.experiments() // 8):
        row = file.one_class(number)
        assert row is not None
        for effect in row.effects:
            counts[row.region][effect] += row.weight
    for region, mine in zip(file.regions(), counts, strict=True):
        for unread, faults in region.unread.items():
            if unread is not NodeEffect.MASKED:
                mine[EFFECTS.index(unread)] += faults
        mine[6] = region.faults - sum(mine)
    return counts


def test_the_map_draws_zooms_and_repeats(result: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_campaign_report(result, path)
    with CampaignFile(result) as file:
        classes = [file.one_class(number) for number in range(file.experiments() // 8)]
        colours = colours_wanted(file)

    async def visit(page: Page) -> None:
        assert json.loads(await page.tells(PAINTED)) == colours
        await page.tells("hilMap.canvas.scrollIntoView({block: 'center'})")
        assert await page.tells(INK) > 5
        clicked = 0
        without: set[str] = set()
        for step in range(60):
            fault = await fault_at(page, 0.03 + step / 64, 0.07 + step / 66)
            if fault["kind"] != "class":
                if fault["effect"] == 0 and fault["kind"] not in without:
                    without.add(fault["kind"])
                    await page.click(fault["x"], fault["y"])
                    assert await page.tells(BOX) == "box overwritten"
                continue
            row = classes[fault["number"]]
            assert row is not None
            assert (row.region, row.byte) == (fault["target"], fault["byte"])
            assert row.position - row.weight < fault["time"] <= row.position
            assert row.effects[fault["bit"]] == fault["effect"]
            if clicked < 3:
                await page.click(fault["x"], fault["y"])
                command = f"hil campaign {result.name} --repeat {fault['number']}.{fault['bit']}"
                assert await page.tells("document.getElementById('command').textContent") == command
                told = await page.tells("document.getElementById('fault').textContent")
                assert EFFECTS[fault["effect"]].value in told or "SDC" in told
                clicked += 1
        assert clicked == 3
        assert without
        before = await page.tells("JSON.stringify(hilMap.view)")
        await page.press("+", "+")
        enlarged = json.loads(await page.tells("JSON.stringify(hilMap.view)"))
        whole = json.loads(before)
        assert enlarged["t1"] - enlarged["t0"] < whole["t1"] - whole["t0"]
        assert enlarged["u1"] - enlarged["u0"] < whole["u1"] - whole["u0"]
        place = await fault_at(page, 0.37, 0.41)
        await page.mouse("mouseWheel", place["x"], place["y"], deltaX=0, deltaY=-200)
        await page.until(f"hilMap.view.t1 - hilMap.view.t0 < {enlarged['t1'] - enlarged['t0']}")
        after = await fault_at(page, 0.37, 0.41)
        assert (after["time"], after["byte"]) == (place["time"], place["byte"])
        await page.press("0", "0")
        assert await page.tells("JSON.stringify(hilMap.view)") == before
        await page.tells("document.querySelectorAll('#targets button')[3].click()")
        assert await page.tells("hilMap.target.name") == "heap"

    with chromium(tmp_path / "profile") as port:
        asyncio.run(visited(path, port, READY, visit))


def test_a_link_to_an_experiment_shows_it(result: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_campaign_report(result, path)

    async def visit(page: Page) -> None:
        await page.tells("location.hash = '#5.3'")
        await page.until("hilMap.selected && hilMap.selected.number === 5")
        assert await page.tells("hilMap.selected.bit") == 3

    with chromium(tmp_path / "profile") as port:
        asyncio.run(visited(path, port, READY, visit))


@pytest.mark.slow
def test_the_map_has_each_fault_once(with_registers: Path, tmp_path: Path) -> None:
    """The page's spans, added up in the browser, against the result file."""
    path = tmp_path / "page.html"
    write_campaign_report(with_registers, path)
    with CampaignFile(with_registers) as file:
        wanted = file.weighted_effects()
        regions = file.regions()
        colours = colours_wanted(file)

    async def visit(page: Page) -> None:
        sums = json.loads(
            await page.tells("""JSON.stringify(hilMap.space.targets.map((target) => {
              const counts = [0, 0, 0, 0, 0, 0], {spans, life} = target;
              let all = 0;
              for (let i = 0; i < spans.start.length; i++)
                for (let e = 0; e < 6; e++)
                  counts[e] += (spans.end[i] - spans.start[i])
                    * hilMap.space.counts[6 * spans.pattern[i] + e];
              for (let i = 0; i < life.start.length; i++) all += 8 * (life.end[i] - life.start[i]);
              return [counts, all];
            }))""")
        )
        for region, (counts, faults) in zip(regions, sums, strict=True):
            assert faults == region.faults
            for number, effect in enumerate(EFFECTS):
                unread = region.unread.get(effect, 0)
                assert counts[number] == wanted.get(region.number, {}).get(effect, 0) + unread
        assert json.loads(await page.tells(PAINTED)) == colours

    with chromium(tmp_path / "profile") as port:
        asyncio.run(visited(path, port, READY, visit))
