"""The link to the ground on screen and page, against what the record says of it as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.record.live import LiveRecord
from hil.record.offload_figures import offload_figures, waiting_bytes
from hil.record.offload_rows import offload_rows
from hil.record.reader import Reader
from hil.report.run_page.ground import ground_section
from hil.report.run_page.svg import time_axis
from hil.scenario import parse_scenario
from hil.views.screen.model.scene import SceneReader
from hil.views.screen.pages.overview.orbit import orbit
from hil.views.screen.pages.style import Marks
from hil.views.summary.ground_table import ground_lines
from hil.views.summary.layout import size_text

SCENARIO = """
schema: 1
workload: sha256
frames: 300
frame_ms: 1000
rig: {scheme: tmr, board: inproc}
offload:
  isl: {rate_bit_s: 500, availability: 0.5, slot_s: 30}
  memory_bytes: 600
  results: {max_age_s: 50}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    Loop(parse_scenario(SCENARIO), folder).run()
    return folder


def test_the_screen_has_the_figures_of_the_record_at_every_frame(run: Path) -> None:
    reader, source = Reader(run), LiveRecord(run)
    try:
        rows = offload_rows(reader)
        figures = offload_figures(rows, 300_000_000)
        source.poll()
        scenes = SceneReader(source)
        last = scenes.scene(source.last).ground
        assert last is not None
        flow = figures.flows["result"]
        assert (last.waiting, last.waiting_bytes) == (flow.waiting, flow.bytes_waiting)
        assert last.dropped == flow.dropped > 0
        for head in (200, 100, 250):  # there and back
            seen = scenes.scene(head).ground
            assert seen is not None
            end_us = (head + 1) * 1_000_000
            curve = [size for at_us, size in waiting_bytes(rows) if at_us <= end_us]
            assert seen.waiting_bytes == curve[-1]
            here = [c for c in rows.contacts if c.start_us <= head * 1_000_000 < c.end_us]
            assert [seen.station] == ([c.station for c in here] or [""])
        shown = "".join(row.plain for row in orbit(scenes.scene(299), 100, 24, Marks()))
        assert f"{last.waiting:,} waiting" in shown and f"{last.dropped:,} dropped" in shown
    finally:
        reader.close()
        source.close()


def test_the_page_has_the_table_of_the_run(run: Path) -> None:
    reader = Reader(run)
    try:
        page = ground_section(reader, time_axis(300_000_000))
        flow = offload_figures(offload_rows(reader), 300_000_000).flows["result"]
    finally:
        reader.close()
    assert f"<td>result</td><td>{flow.items:,}</td><td>{flow.delivered:,}</td>" in page
    assert "Rate of the downlink" in page


def test_a_run_that_got_nothing_down_says_so_and_gives_no_age(run: Path) -> None:
    reader = Reader(run)
    try:
        rows = offload_rows(reader)
    finally:
        reader.close()
    unheard = offload_figures(replace(rows, contacts=(), events=()), 300_000_000)
    assert [line.plain for line in ground_lines(unheard)] == [
        "no contact with the ground: nothing could come down",
        "no result came down",
    ]
    late = offload_figures(replace(rows, events=()), 300_000_000)
    assert ground_lines(late)[1].plain == "no result came down"
    assert "newest result" in ground_lines(offload_figures(rows, 300_000_000))[1].plain


def test_sizes_have_a_fitting_unit() -> None:
    sizes = (9_999, 9_999_999, 9_999_999_999, 18248 << 20)
    assert [size_text(size) for size in sizes] == ["9999 B", "9766 KiB", "9537 MiB", "17.8 GiB"]


def test_a_run_without_a_link_has_no_such_section(tmp_path: Path) -> None:
    Loop(
        parse_scenario("schema: 1\nworkload: sha256\nframes: 5\nrig: {board: inproc}\n"), tmp_path
    ).run()
    reader, source = Reader(tmp_path), LiveRecord(tmp_path)
    try:
        source.poll()
        assert ground_section(reader, time_axis(5)) == ""
        assert SceneReader(source).scene(4).ground is None
    finally:
        reader.close()
        source.close()
