"""The page of a sampled campaign: one file without a network, with the numbers of its result."""

from __future__ import annotations

import base64
import html
import re
import sqlite3
from collections import Counter
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hil.analysis.intervals import wilson
from hil.analysis.sample_summary import sample_summary
from hil.campaign.fault_list import read_faults
from hil.campaign.sample_stages import Sampling
from hil.campaign.sampled_campaign import SampledOrder, run_sampled_campaign
from hil.errors import RecordError
from hil.record.campaign_file import CampaignFile
from hil.report.campaign_report import campaign_page, write_campaign_report
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect

pytestmark = pytest.mark.ptrace

TARGETS = (UpsetTarget.STATE, UpsetTarget.GPR, UpsetTarget.TEXT)
VOID = {"meta", "input", "br", "hr", "img", "link"}


class Structure(HTMLParser):
    """The elements of a page: whether they are closed in order, and where their links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sampled") / "a b.campaign"
    rig = {"scheme": "simplex", "board": "process"}
    scenario = Scenario.model_validate({"workload": "attitude", "frames": 10, "rig": rig})
    how = Sampling(3, 150, None, 0.95, NodeEffect.SDC, in_proportion=False)
    order = SampledOrder(scenario, (2, 5), TARGETS, how, None, path, 1, source="mine.yaml")
    run_sampled_campaign(order, lambda _: None, lambda _: None)
    return path


@pytest.fixture(scope="module")
def page(sampled: Path) -> str:
    with CampaignFile(sampled) as file:
        return campaign_page(file)


def rows_after(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table behind a heading."""
    begin = page.index(heading)
    table = page[page.index("<table", begin) : page.index("</table>", begin)]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]
    return [[html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in cells if row]


@pytest.mark.slow
def test_the_page_is_one_file_that_asks_for_nothing(page: str) -> None:
    structure = Structure(page)
    assert structure.open == []
    assert all(link.startswith("data:text/plain;base64,") for link in structure.links)
    assert not re.search(r"url\(|@import|https?:", re.sub(r"http-equiv", "", page))
    assert "<script" not in page


def test_shares_and_intervals_are_those_of_the_summary(page: str, sampled: Path) -> None:
    with CampaignFile(sampled) as file:
        summary = sample_summary(file)
    rows = rows_after(page, "<header>")
    assert [row[0] for row in rows] == [*(t.value for t in TARGETS), "all"]
    for target, row in zip(summary.targets, rows, strict=False):
        assert row[2] == "150"
        count = target.effects[NodeEffect.SDC]
        low, high = wilson(count, 150, 0.95)
        assert f"{100 * count / 150:.2f} % ({100 * low:.2f} to {100 * high:.2f})" in row
    share, (low, high) = summary.total(NodeEffect.SDC)
    shown = f"{100 * share:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
    (first,) = re.findall(r"<h1>(.*?)</h1>", page)
    assert first == f"{shown} of {summary.faults:,} single-bit faults corrupt silently."


def test_registers_functions_and_frames_have_all_samples(page: str, sampled: Path) -> None:
    with CampaignFile(sampled) as file:
        samples = list(file.samples())
        symbols = {row.address: row.symbol for row in file.instructions()}
    registers = {row[0]: int(row[1]) for row in rows_after(page, "<h2>Registers (gpr)")}
    assert {"rip", "rsp"} <= set(registers) or {"pc", "sp"} <= set(registers)
    functions = {row[0] for row in rows_after(page, "<h2>Machine code, by function")}
    assert functions and functions <= {*symbols.values(), *functions}
    executed = Counter(symbols[row.address] for row in samples)
    shown = {row[0]: int(row[1]) for row in rows_after(page, "<h2>Functions")}
    assert shown == {name: count for name, count in executed.items() if name}
    frames = {row[0]: int(row[1]) for row in rows_after(page, "<h2>Frames")}
    assert frames == {"2": Counter(r.frame for r in samples)[2],
                      "5": Counter(r.frame for r in samples)[5]}  # fmt: skip


def test_each_failure_has_the_command_that_carries_it_out(page: str, sampled: Path) -> None:
    rows = rows_after(page, "<h2>Experiments")
    with CampaignFile(sampled) as file:
        samples = {row.number: row for row in file.samples()}
    failed = [row for row in samples.values() if row.effect is not NodeEffect.MASKED]
    assert len(rows) == len(failed)
    assert rows[0][1].strip() == "SDC"
    for row in rows:
        sample = samples[int(row[0].replace(",", ""))]
        assert row[5] == f"hil campaign 'a b.campaign' --repeat {sample.number}"
        assert f"bit {sample.bit} of byte {sample.byte:,} of" in row[2]


def test_the_fault_list_of_the_page_is_that_of_the_result(
    page: str, sampled: Path, tmp_path: Path
) -> None:
    (link,) = Structure(page).links
    path = tmp_path / "list"
    path.write_bytes(base64.b64decode(link.partition(",")[2]))
    listed = read_faults(path)
    with CampaignFile(sampled) as file:
        samples = list(file.samples())
    assert listed.faults.number.tolist() == [row.number for row in samples]
    assert listed.faults.moment.tolist() == [row.moment for row in samples]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE samples SET region = 9 WHERE number = 7", "row number 7.*`region` is 9"),
        ("UPDATE samples SET byte = -1 WHERE number = 7", "row number 7.*`byte` is -1"),
        ("UPDATE samples SET effect = 'bang' WHERE number = 7", "damaged"),
        ("DROP TABLE samples", "no such table"),
    ],
)
def test_a_damaged_file_is_refused(
    sampled: Path, tmp_path: Path, statement: str, message: str
) -> None:
    path = tmp_path / "altered.campaign"
    path.write_bytes(sampled.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        db.executescript(statement)
        db.commit()
    with pytest.raises(RecordError, match=message):
        write_campaign_report(path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_names_from_the_file_cannot_become_markup(sampled: Path, tmp_path: Path) -> None:
    path = tmp_path / "altered.campaign"
    path.write_bytes(sampled.read_bytes())
    bad = "'</code><script>alert(1)</script>'"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            f"UPDATE instructions SET text = {bad}, symbol = {bad}; UPDATE parts SET name = {bad}"
        )
        db.commit()
    write_campaign_report(path, tmp_path / "page.html")
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in written
    assert Structure(written).open == []
