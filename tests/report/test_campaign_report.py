"""The page of a campaign: one file without a network, with the numbers of the result file."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.errors import RecordError
from hil.record.campaign_file import SCHEMA_VERSION, CampaignFile
from hil.record.campaign_rows import EFFECTS, InstructionRow
from hil.record.campaign_step import instruction_rows
from hil.record.campaign_summary import CampaignSummary, campaign_summary
from hil.report.campaign_report import campaign_page, write_campaign_report
from hil.report.campaign_sections import verdict
from hil.report.packed import unpacked
from hil.upsets.words import NodeEffect
from tests.command_line import Hil

pytestmark = pytest.mark.ptrace

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Structure(HTMLParser):
    """The elements of a page: whether they are closed in order, and their ids and links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.outside: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "action", "data", "srcset"):
                (self.links if (value or "").startswith("#") else self.outside).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()


@pytest.fixture(scope="module")
def page(result: Path) -> str:
    with CampaignFile(result) as file:
        return campaign_page(file)


@pytest.fixture(scope="module")
def summary(result: Path) -> CampaignSummary:
    with CampaignFile(result) as file:
        return campaign_summary(file)


@pytest.fixture(scope="module")
def instructions(result: Path) -> list[InstructionRow]:
    with CampaignFile(result) as file:
        return instruction_rows(file)


def data_of(page: str) -> Any:
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL
    )
    return json.loads(text)


def cells_of(row: str) -> list[str]:
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in cells]


# --- structure ------------------------------------------------------------------------------------


def test_the_page_is_one_file_that_asks_for_nothing(page: str) -> None:
    structure = Structure(page)
    assert structure.open == []
    assert structure.outside == []
    assert not re.search(r"url\(|@import|https?:", re.sub(r"http-equiv", "", page))
    assert "default-src 'none'" in page


def test_links_lead_somewhere(page: str) -> None:
    structure = Structure(page)
    assert len(structure.ids) == len(set(structure.ids))
    assert {link[1:] for link in structure.links} <= set(structure.ids)


def test_the_verdict_stands_first(page: str, summary: CampaignSummary) -> None:
    sdc, faults = summary.total.effects[NodeEffect.SDC], summary.total.faults
    (first,) = re.findall(r"<h1>(.*?)</h1>", page)
    share = f"{100 * sdc / faults:.3f} %"
    assert first == f"{share} of all {faults:,} single-bit faults corrupt silently."
    assert page.index("<h1>") < page.index("<table")


@pytest.mark.parametrize(
    ("counts", "first", "more"),
    [
        ({NodeEffect.MASKED: 1, NodeEffect.CRASH: 10**6 - 1}, "None of all 1,000,000",
         "Less than 0.001 % are masked; more than 99.999 % crash."),
        ({NodeEffect.SDC: 1, NodeEffect.MASKED: 10**6 - 1}, "Less than 0.001 % of all 1,000,000",
         "1 fault gives a wrong output that nothing shows. More than 99.999 % are masked; none"),
        ({NodeEffect.SDC: 100}, "100.000 % of all 100",
         "100 faults give a wrong output that nothing shows. None are masked; none"),
    ],
)  # fmt: skip
def test_sentences_begin_in_upper_case_and_count_right(
    summary: CampaignSummary, counts: dict[NodeEffect, int], first: str, more: str
) -> None:
    faults = sum(counts.values())
    target = replace(summary.targets[0], faults=faults, effects=Counter(counts))
    sentence, rest = verdict(replace(summary, targets=[target]))
    assert sentence.startswith(first) and rest.startswith(more)


def test_what_was_tested_is_named(page: str, summary: CampaignSummary) -> None:
    meta = summary.meta
    for value in (meta.workload, meta.arch, meta.board, meta.plan, meta.path, meta.hil_version):
        assert value in page
    assert f"frame {meta.frame}" in page and f"{meta.instructions:,} instructions" in page


# --- numbers --------------------------------------------------------------------------------------


def test_the_table_has_the_numbers_of_the_summary(page: str, summary: CampaignSummary) -> None:
    table = page[page.index("<table") : page.index("</table>")]
    rows = [cells_of(row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)]
    for totals, row in zip((*summary.targets, summary.total), rows[1:], strict=True):
        assert row[:3] == [totals.target, f"{totals.length:,}", f"{totals.faults:,}"]
        for effect, cell in zip(EFFECTS, row[3:9], strict=True):
            count = totals.effects[effect]
            assert cell == (f"{100 * count / totals.faults:.3f} %" if count else "·")


def test_the_data_of_the_map_add_up_to_the_summary(page: str, summary: CampaignSummary) -> None:
    """Unpacked as the page's script does it, and added without the code that made them."""
    data = data_of(page)
    ascending = ("position", "byte")
    classes = {
        name: unpacked(text, differences=name in ascending)
        for name, text in data["classes"].items()
    }
    unread = {name: unpacked(t, differences=name == "byte") for name, t in data["unread"].items()}
    assert data["effects"] == [effect.value for effect in EFFECTS]
    for number, totals in enumerate(summary.targets):
        counts = dict.fromkeys(EFFECTS, 0)
        mine = classes["target"] == number
        for weight, pattern in zip(
            classes["weight"][mine].tolist(), classes["pattern"][mine].tolist(), strict=True
        ):
            for digit in data["patterns"][pattern]:
                counts[EFFECTS[int(digit)]] += weight
        assert sum(counts.values()) == totals.measured
        for weight, effect in zip(
            unread["weight"][unread["target"] == number].tolist(),
            unread["effect"][unread["target"] == number].tolist(),
            strict=True,
        ):
            counts[EFFECTS[effect]] += 8 * weight
        for effect in EFFECTS[1:]:
            assert counts[effect] == totals.effects[effect]
        assert counts[NodeEffect.MASKED] <= totals.effects[NodeEffect.MASKED]


def test_the_path_of_the_map_leads_through_the_instructions(
    page: str, instructions: list[InstructionRow]
) -> None:
    data = data_of(page)
    assert [row[:2] for row in data["code"]] == [[f"{r.address:x}", r.text] for r in instructions]
    first = unpacked(data["path"]["position"], differences=True)
    number = unpacked(data["path"]["instruction"])
    executed = np.zeros(len(instructions), dtype=np.int64)
    ends = [*first[1:].tolist(), data["instructions"]]
    for begin, end, at in zip(first.tolist(), ends, number.tolist(), strict=True):
        executed[at : at + end - begin] += 1
    assert executed.tolist() == [row.executions for row in instructions]


def test_source_and_functions_are_those_of_the_workload(
    page: str, instructions: list[InstructionRow]
) -> None:
    assert {"gather", "propagate", "commit"} <= {row.symbol for row in instructions}
    files = {row.file for row in instructions if row.file}
    assert "csrc/kernel/workloads/attitude.c" in files
    assert not [file for file in files if file.startswith("/")]
    assert "multiply(q, q, turn);" in page


# --- what is refused ------------------------------------------------------------------------------


def test_the_page_is_the_same_again_and_replaces_nothing(
    hil: Hil,
    result: Path,
    tmp_path: Path,
    page: str,
) -> None:
    done = hil("report", result, "-o", tmp_path / "page.html", "--json")
    assert done.json == {"report": str(tmp_path / "page.html")}
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    again = hil("report", result, "-o", tmp_path / "page.html")
    assert again.code == 2 and "exists already" in again.err
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["page.html"]


def test_what_cannot_be_reported_is_one_message(
    hil: Hil,
    result: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "text.campaign").write_text("no database")
    with closing(sqlite3.connect(tmp_path / "other.campaign")) as db:
        db.execute("CREATE TABLE classes (number INTEGER)")
    for words, code, message in (
        (("text.campaign",), 3, "not a database"),
        (("other.campaign",), 3, "not the result of a campaign"),
        (("none.campaign",), 2, "no run folder and no result file none.campaign"),
        ((".",), 2, "there is no run at"),
        (("leo-iss-day",), 2, "leo-iss-day is a scenario, not a run"),
        (("none.campaign", "leo-iss-day"), 2, "hil run leo-iss-day"),
        ((str(result), "-o", "no/page.html"), 2, "no folder no"),
        ((str(result), "-o", "."), 2, "exists already"),
    ):
        done = hil("report", *words)
        assert done.code == code and message in done.err, (words, done.err)
        assert len(done.err.splitlines()) <= 2
    assert not list(tmp_path.glob("*.html*"))


def altered(result: Path, folder: Path, statement: str) -> Path:
    path = folder / "altered.campaign"
    path.write_bytes(result.read_bytes())
    with closing(sqlite3.connect(path)) as db:
        db.executescript(statement)
        db.commit()
    return path


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (f"PRAGMA user_version = {SCHEMA_VERSION + 1}", "newer hil"),
        ("PRAGMA user_version = 1", "older hil"),
        ("UPDATE classes SET byte = 1000000000 WHERE number = 7", "`byte` inside it"),
        ("UPDATE classes SET region = 9 WHERE number = 7", "`byte` inside it"),
        (
            "UPDATE classes SET effects = x'0909090909090909' WHERE number = 7",
            "for each of eight bits",
        ),
        ("UPDATE classes SET effects = x'00' WHERE number = 7", "for each of eight bits"),
        ("DELETE FROM path", "its path"),
        ("DROP TABLE unread", "no such table"),
        ("DELETE FROM classes; DELETE FROM path", "not the result of an exact campaign"),
    ],
)
def test_a_file_that_is_damaged_or_of_another_version_is_refused(
    result: Path, tmp_path: Path, statement: str, message: str
) -> None:
    path = altered(result, tmp_path, statement)
    with pytest.raises(RecordError, match=message):
        write_campaign_report(path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_names_from_the_file_cannot_become_markup(result: Path, tmp_path: Path) -> None:
    text = "'</script><script>alert(1)</script>'"
    path = altered(result, tmp_path, f"UPDATE instructions SET text = {text}, symbol = {text}")
    write_campaign_report(path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert Structure(page).open == []
