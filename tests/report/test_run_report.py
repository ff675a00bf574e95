"""The page of a run: what it says is what the record has, whatever became of the run."""

from __future__ import annotations

import hashlib
import html
import json
import re
import shlex
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import scipy  # whose modules load when used

from hil.engine.loop import Loop
from hil.errors import RecordError, SetupError
from hil.json_values import JsonValue
from hil.record.board_context import BoardContext, KernelLog, LogExtent, NodeContext
from hil.record.reader import Reader
from hil.record.row_values import RecordedOrbit
from hil.report.printed_page import BROWSERS
from hil.report.run_page.board_context import executed, kernel_logs
from hil.report.run_page.condition_table import differing_keys, differing_lists
from hil.report.run_page.facts import run_facts
from hil.report.run_page.ground_map import ground_map
from hil.report.run_page.svg import Line, coinciding, thinned
from hil.report.run_page.tables import shares
from hil.report.run_page.theory import poisson_range
from hil.report.run_report import runs_page
from hil.verification.recorded_run import result_of
from tests.between_frames import between_frames
from tests.command_line import Hil
from tests.report.runs import EVENTS, Read, run, scenario


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("reported") / "r")


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "run.db")) as db:
        return db.execute(sql).fetchall()


def test_the_page_says_verdict_cause_and_command_first(honest: Path) -> None:
    page = runs_page([honest])
    text = Read(page).text
    top = text[: text.index("What was tested")]
    assert "PASS" in top
    assert "No wrong output left the system in 80 frames" in top
    assert "3 upsets were injected" in top
    assert "1 bit of the output of node a differs" in top
    assert "upset #1 of node a (output bit)" in top
    assert "--seed 5" in top
    digest = rows(honest, "SELECT value FROM meta WHERE key = 'result'")[0][0]
    assert json.loads(str(digest))["run_digest"] in top


def test_the_page_needs_nothing_else_and_its_links_lead_to_rows(honest: Path) -> None:
    read = Read(runs_page([honest]))
    assert read.sources == set()
    assert {"#u1", "#u2", "#u3", "#f10"} <= read.links
    assert {link for link in read.links if not link.startswith("#")} == set()
    assert {link[1:] for link in read.links} <= read.ids


def test_the_page_has_what_boards_executed_and_what_their_kernels_said(honest: Path) -> None:
    from hil import _kernel  # noqa: PLC0415

    page = runs_page([honest])
    agent = hashlib.sha256(Path(_kernel.__file__).read_bytes()).hexdigest()
    assert f'title="{agent}"' in page
    log = KernelLog(
        "its console",
        before=LogExtent(1, "a" * 64),
        tail=("[    0.000000] Booting <Linux>",),
        after=LogExtent(3, "b" * 64),
        new=("[   12.3] Kernel panic",),
        new_lines=2,
        lost=True,
    )
    silent = KernelLog("its console", "its console shows no line of a kernel")
    nodes = {
        "a": NodeContext(None, "only the board knows", kernel_log=log),
        "b": NodeContext(None, "only the board knows", kernel_log=silent),
    }
    context = BoardContext(7, "2026-11-02T14:03:07+00:00", None, nodes)
    text = Read(f"<section>{executed(context)}{kernel_logs(context)}</section>").text
    assert "a, b agent unknown only the board knows" in text
    assert "Kernel log of node a: 2 new lines; the kernel dropped lines in between" in text
    assert "+ [ 12.3] Kernel panic ⋮ 1 more" in text and "Booting <Linux>" in text
    assert "Kernel log of node b: unknown; its console shows no line of a kernel" in text
    assert "before frame 7, 2026-11-02T14:03:07+00:00" in text


def test_what_only_the_link_noticed_leads_to_no_row_of_dissents(tmp_path: Path) -> None:
    corrupt = {"frame": 20, "node": "b", "target": "link", "noise": "corrupt"}
    read = Read(runs_page([run(tmp_path / "r", upsets={"events": [*EVENTS, corrupt]})]))
    assert "seen in frame 20" in read.text
    assert {link[1:] for link in read.links} <= read.ids


def test_every_frame_with_a_dissent_has_a_row(honest: Path) -> None:
    read = Read(runs_page([honest]))
    named = {f"f{row[0]}" for row in rows(honest, "SELECT frame FROM frames WHERE dissent")}
    assert named
    assert named <= read.ids


def test_the_wrong_bit_is_marked(honest: Path) -> None:
    page = runs_page([honest])
    start = page.index('id="f10"')
    row = page[start : page.index("</tr>", start)]
    (value,) = rows(honest, "SELECT value FROM frames WHERE frame = 10")[0]
    (own,) = rows(honest, "SELECT output FROM replies WHERE frame = 10 AND node = 0")[0]
    assert isinstance(value, bytes) and isinstance(own, bytes)
    at = next(i for i in range(len(value)) if value[i] != own[i])
    bits = "".join(
        f"<b>{a}</b>" if a != b else a
        for a, b in zip(f"{own[at]:08b}", f"{value[at]:08b}", strict=True)
    )
    assert f"{at:,}:</span> {bits}" in row


def test_a_wrong_output_is_told_first(tmp_path: Path) -> None:
    hits = [{**EVENTS[0], "frame": 20, "node": node, "bit": 3} for node in "ab"]
    folder = run(tmp_path / "failed", upsets={"events": [EVENTS[0], *hits]})
    text = Read(runs_page([folder])).text
    top = text[: text.index("What was tested")]
    assert "FAIL" in top
    assert "expectations failed: sdc_frames" in top or "1 of 1 expectation failed" in top
    assert "A wrong output left the system in 1 of 80 frames" in top
    assert "frame 20" in top


def test_a_run_that_was_killed_has_no_verdict(tmp_path: Path) -> None:
    def cut() -> bool:
        if loop.next_frame == 40:
            loop.controls.record.commit()
            shutil.copytree(out, tmp_path / "cut")
        return False

    out = tmp_path / "killed"
    out.mkdir()
    loop = Loop(scenario(), out, batch=False, **between_frames(cut))
    loop.run()
    text = Read(runs_page([tmp_path / "cut"])).text
    assert "PASS" not in text
    assert "There is no verdict on it" in text
    assert "its expectations were not judged" in text
    assert "in 40 frames" in text


def test_a_run_that_failed_says_why(tmp_path: Path) -> None:
    def fail() -> bool:
        if loop.next_frame == 40:
            raise SetupError("the cable burns")
        return False

    out = tmp_path / "failed"
    out.mkdir()
    loop = Loop(scenario(), out, batch=False, **between_frames(fail))
    with pytest.raises(SetupError):
        loop.run()
    text = Read(runs_page([out])).text
    assert "ERROR" in text
    assert "The run failed: the cable burns." in text


def test_a_run_without_a_frame_tested_nothing(tmp_path: Path) -> None:
    out = tmp_path / "empty"
    out.mkdir()
    Loop(scenario(), out, stop=lambda: True).run()
    text = Read(runs_page([out])).text
    assert "No frame was computed: nothing was tested." in text
    assert "ABORTED" in text


def test_a_damaged_record_is_refused(honest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(honest, folder)
    content = bytearray((folder / "run.db").read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    (folder / "run.db").write_bytes(content)
    with pytest.raises(RecordError):
        runs_page([folder])


def test_what_the_scenario_says_is_text_and_no_markup(tmp_path: Path) -> None:
    folder = run(tmp_path / "r", summary="<script>alert(1)</script> & <b>")
    page = runs_page([folder])
    assert "<script>alert" not in page
    assert "<script>alert(1)</script> & <b>" in Read(page).text


def test_commands_of_a_page_are_quoted_for_a_shell(honest: Path, tmp_path: Path) -> None:
    name = '-sp ace & <b>"x'
    folder = shutil.copytree(honest, tmp_path / name)
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        db.execute("UPDATE meta SET value = json_set(value, '$.message', '') WHERE key = 'result'")
        text = json.dumps(["run", "my scenario.yaml", "--set", "name=a;b"])
        db.execute("INSERT OR REPLACE INTO meta VALUES ('command', ?)", (text,))
    page = runs_page([folder])
    commands = [html.unescape(c) for c in re.findall(r">(hil [^<]*)</(?:code|pre)>", page)]
    words = [shlex.split(command) for command in commands]
    verify = ["hil", "replay", f"./{name}", "--verify"]
    assert words.count(verify) == 2  # as advice, and of the changed record
    assert ["hil", "run", "my scenario.yaml", "--set", "name=a;b"] in words
    assert all(each == verify or "my scenario.yaml" in each for each in words)


def test_several_runs_are_compared(honest: Path, tmp_path: Path) -> None:
    other = run(tmp_path / "other", seed=6, frames=60)
    read = Read(runs_page([honest, other]))
    assert "2 of 2 runs passed" in read.text
    assert "2 different seeds" in read.text
    assert "frames 80 60" in read.text
    assert "; the same seed." in Read(runs_page([honest, honest])).text
    assert {link[1:] for link in read.links} <= read.ids


def test_a_comparison_shows_what_matters_first_and_lists_as_one_row(
    honest: Path, tmp_path: Path
) -> None:
    events = [*EVENTS, {"frame": 20, "node": "c", "target": "state", "bit": 1}]
    rig = {"scheme": "dmr", "board": "inproc"}
    less = run(tmp_path / "less", name="less", frames=20, upsets={"events": []}, rig=rig)
    more = run(tmp_path / "more", workload="infer", upsets={"events": events[3:]})
    page = runs_page([honest, less, more])
    text = Read(page).text
    text = text[text.index("What differs") : text.index("Run by run")]
    main, single = text.split("one by one")
    names = ["scenario", "workload", "redundancy", "boards", "frames", "rig", "upsets. events"]
    assert [main.index(f" {name}") for name in names] == sorted(
        main.index(f" {name}") for name in names
    )
    assert "scenario reported less reported" in main
    assert "workload attitude attitude infer" in main
    assert "frames 80 of 10 ms 20 of 10 ms 80 of 10 ms" in main
    assert "upsets. events 3 differ 3 0 1" in main
    assert "events[0]" not in main and "events[0]" in single
    assert '"' not in main


def test_a_part_that_one_scenario_lacks_is_one_difference() -> None:
    one: JsonValue = {"plant": None, "seed": 1, "same": [1, 2]}
    other: JsonValue = {"plant": {"orbit": {"altitude_km": 420}}, "seed": 2, "same": [1, 2]}
    assert differing_keys([one, other]) == {"plant": ["", "given"], "seed": ["1", "2"]}


def test_parts_of_lists_are_counted_where_they_differ() -> None:
    one: JsonValue = {"upsets": {"events": [{"bit": 1}, {"bit": 2}, {"bit": 3}]}}
    other: JsonValue = {"upsets": {"events": [{"bit": 1}, {"bit": 9}]}}
    keys = differing_keys([one, other])
    assert list(keys) == ["upsets.events[1].bit", "upsets.events[2].bit"]
    assert differing_lists([one, other], keys) == {"upsets.events": (["3", "2"], 2)}


@pytest.mark.parametrize(("count", "whole"), [(0, 37), (4, 37), (37, 37)])
def test_ranges_are_those_of_clopper_and_pearson(count: int, whole: int) -> None:
    ends = scipy.stats.binomtest(count, whole).proportion_ci(0.95, method="exact")
    wanted = f"{100 * ends.low:.3g} to {100 * ends.high:.3g} % of {whole}"
    assert wanted in shares(count, whole, sample=True)


@pytest.mark.parametrize("mean", [0.02, 1.0, 13.6, 350.0])
def test_the_range_of_expected_counts_is_that_of_poisson(mean: float) -> None:
    low, high = poisson_range(mean)
    assert scipy.stats.poisson.cdf(low - 1, mean) <= 0.025 < scipy.stats.poisson.cdf(low, mean)
    assert scipy.stats.poisson.cdf(high - 1, mean) < 0.975 <= scipy.stats.poisson.cdf(high, mean)


def test_a_thinned_curve_keeps_its_extremes() -> None:
    points = [(float(t), float((t * 7919) % 1000)) for t in range(50_000)]
    points[31_234] = (31_234.0, 5000.0)
    points[44_321] = (44_321.0, -5000.0)
    drawn = thinned(points, 50_000.0)
    assert len(drawn) <= 640
    assert max(v for _, v in drawn if v is not None) == 5000.0
    assert min(v for _, v in drawn if v is not None) == -5000.0


def test_curves_that_coincide_are_one_with_all_names() -> None:
    lines = [Line("die of a", [(0, 57.4281)]), Line("panels", [(0, 60.0)]),
             Line("a.junction", [(0, 57.43)])]  # fmt: skip
    assert [line.name for line in coinciding(lines, 2)] == ["die of a = a.junction", "panels"]


def test_the_map_has_the_ground_stations_and_where_they_are_in_sight(honest: Path) -> None:
    stations = [
        {"name": "a & b", "latitude_deg": 10.0, "longitude_deg": 20.0},
        {"name": "east", "latitude_deg": -10, "longitude_deg": 170},
        {"name": "nowhere", "latitude_deg": None, "longitude_deg": 170},
    ]
    orbit = [
        RecordedOrbit(
            60_000_000 * n, 0.0, 4.0 * n, 550.0, 1.0, 0.0, None, 0, "a & b" * (n in (3, 4))
        )
        for n in range(9)
    ]
    with closing(Reader(honest)) as reader:
        facts = run_facts(reader, result_of(reader))
    text = json.dumps({"plant": {"stations": stations}})
    meta = replace(facts.meta, scenario=replace(facts.meta.scenario, text=text))
    picture = ground_map(replace(facts, meta=meta, plant=replace(facts.plant, orbit=orbit)))
    assert picture.count('class="station"') == 2
    assert ">a &amp; b</text>" in picture and ">east</text>" in picture
    (track,) = re.findall(r'class="track in-sight" d="([^"]*)"', picture)
    assert track.count("M") == 1 and track.count("L") == 1  # two moments
    assert "in sight of a station" in picture
    plain = ground_map(replace(facts, plant=replace(facts.plant, orbit=orbit[:2])))
    assert "station" not in plain


def test_one_upset_is_not_several(tmp_path: Path) -> None:
    page = runs_page([run(tmp_path / "r", frames=20, upsets={"events": EVENTS[:1]})])
    assert "<summary>1 upset</summary>" in page


def test_a_training_run_has_its_loss_curve(tmp_path: Path) -> None:
    hit = {"frame": 20, "node": "b", "target": "state", "tick": 0, "bit": 8 * (280 + 4 * 1045) + 30}
    folder = run(tmp_path / "train", workload="train", upsets={"events": [hit]}, expect="none")
    text = Read(runs_page([folder])).text
    assert "loss [nat]" in text
    assert "fault-free node b" in text


def test_the_command_writes_the_page_and_never_over_another(
    honest: Path, tmp_path: Path, hil: Hil
) -> None:
    page = tmp_path / "page.html"
    done = hil("report", honest, "-o", page, "--json")
    assert (done.code, done.json) == (0, {"report": str(page)})
    assert "PASS" in Read(page.read_text(encoding="utf-8")).text
    again = hil("report", honest, "-o", page)
    assert again.code == 2
    assert "exists already" in again.err
    order = ("report", honest, "-o", tmp_path / "x.html", "--pdf", tmp_path / "x.pdf")
    bare = hil(*order, env={"PATH": ""})
    assert bare.code == 3
    assert "none is installed" in bare.err
    assert not (tmp_path / "x.html").exists()
    wrong = hil("report", honest, tmp_path / "nothing", "-o", tmp_path / "other.html")
    assert wrong.code == 2
    assert not (tmp_path / "other.html").exists()


@pytest.mark.slow
@pytest.mark.skipif(not any(shutil.which(name) for name in BROWSERS), reason="there is no Chromium")
def test_a_browser_prints_the_page(honest: Path, tmp_path: Path, hil: Hil) -> None:
    pdf, png = tmp_path / "page.pdf", tmp_path / "page.png"
    done = hil("report", honest, "-o", tmp_path / "page.html", "--pdf", pdf, "--png", png)
    assert done.code == 0
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_page_of_a_day_in_orbit_is_small_and_has_all_figures(tmp_path: Path, hil: Hil) -> None:
    folder, page = tmp_path / "day", tmp_path / "day.html"
    assert hil("run", "leo-iss-day", "--no-tui", "--quiet", "--out", folder).code == 0
    assert hil("report", folder, "-o", page).code == 0
    content = page.read_text(encoding="utf-8")
    assert len(content.encode()) <= 5_000_000
    read = Read(content)
    for figure in ("Altitude", "Flux", "Power", "State of charge", "Temperatures", "Where upsets"):
        assert figure in read.text
    assert "outside of the range" not in read.text
    assert {link[1:] for link in read.links} <= read.ids


def test_damaged_views_of_voters_are_said_to_be_damaged(tmp_path: Path) -> None:
    """What no run has written is not voted on, and the page says how to look at it."""
    split = {"node": "a", "target": "link", "noise": "corrupt", "to": ["c", "d"], "lasts_frames": 0}
    rig = {"scheme": "4mr", "board": "inproc", "voter_per_node": True}
    folder = run(tmp_path / "r", rig=rig, upsets={"events": [{"frame": 30, **split}]})
    assert 'id="frames"' in runs_page([folder])
    whole = (folder / "run.db").read_bytes()
    for change in ("node = 12", "frame = 80", "verdict = CAST(verdict || x'00' AS BLOB)"):
        (folder / "run.db").write_bytes(whole)
        with closing(sqlite3.connect(folder / "run.db")) as db, db:
            db.execute(f"UPDATE replicas SET {change} WHERE frame = 31 AND node = 3")
        page = runs_page([folder])
        assert 'id="frames"' not in page
        assert "is damaged in this record. Vote again with" in page


def test_a_page_says_which_tables_of_its_record_were_changed(honest: Path, tmp_path: Path) -> None:
    assert "was changed after" not in runs_page([honest])
    folder = tmp_path / "forged"
    shutil.copytree(honest, folder)
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        db.execute("UPDATE repairs SET duration_wall_us = 1")
        db.execute("UPDATE frames SET verdict = 'unanimous'")
    for page in (runs_page([folder]), runs_page([honest, folder])):
        text = Read(page).text
        assert "The record of run forged was changed after the run had ended" in text
        assert "the record digest was computed of: table frames, table repairs." in text
        assert "The record of run r was changed" not in text
