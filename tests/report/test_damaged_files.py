"""Whatever is changed in the record of a run, or in the result of a campaign: who reads it gets an
answer or a clear refusal, and `hil verify` says that it was changed. Never an internal error."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.analysis.comparison import compare
from hil.analysis.economics.price_table import shipped_prices
from hil.analysis.economics.priced_run import Terms, price_run
from hil.analysis.sample_comparison import compare_samples
from hil.analysis.sample_summary import sample_summary
from hil.api import open_run
from hil.campaign.sample_stages import Sampling
from hil.campaign.sampled_campaign import SampledOrder, run_sampled_campaign
from hil.errors import HilError
from hil.export.campaign_tables import CampaignTable, campaign_table_of
from hil.export.csv_file import write_csv
from hil.export.fault_list_file import write_fault_list
from hil.export.run_files import run_file_table
from hil.json_values import JsonObject
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_summary import campaign_summary
from hil.record.held_record import held_record
from hil.record.run_tables import RunTable
from hil.report.campaign_report import campaign_page
from hil.report.evidence.evidence_check import check_evidence
from hil.report.evidence.evidence_file import evidence_of, read_evidence, write_evidence
from hil.report.run_report import runs_page
from hil.scenario import Scenario, UpsetTarget
from hil.upsets.words import NodeEffect
from hil.verification.recorded_run import result_of
from hil.views import listing
from hil.views.frame_listing import frame_values
from tests.command_line import Hil
from tests.report.runs import run

VALUES = ("'zz'", "-1", "x'ff'", "x''", "''", "9e18", "9000000000000000000", "1e300", "1000003")
SOME = 4
"""How many changed places a test looks at by default; `slow` looks at all."""


def changes(path: Path, value: str) -> list[str]:
    """A statement for each column of each table, and for each property, that sets `value` in one
    row, the middle one."""
    statements = []
    with closing(sqlite3.connect(path)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            columns = db.execute(f"PRAGMA table_info({table})").fetchall()
            keys = [row[1] for row in columns if row[5]]
            quoted = ", ".join(f"quote({key})" for key in keys)
            rows = db.execute(f"SELECT {quoted} FROM {table}").fetchall()
            some = rows if table == "meta" else rows[len(rows) // 2 :][:1]
            for row in some:
                where = " AND ".join(f"{k} IS {v}" for k, v in zip(keys, row, strict=True))
                statements += [
                    f"UPDATE OR IGNORE {table} SET {column[1]} = {value} WHERE {where}"
                    for column in columns
                ]
    return statements


def changed(original: Path, copy: Path, statement: str) -> bool:
    """Copy a database with a change; False if SQLite refuses it, or it changes nothing."""
    shutil.copy(original, copy)
    with closing(sqlite3.connect(copy)) as db:
        db.execute("PRAGMA ignore_check_constraints = 1")
        try:
            db.execute(statement)
        except sqlite3.IntegrityError:
            return False
        db.commit()
        return copy.read_bytes() != original.read_bytes()


def refused_or_answered(readers: Sequence[Callable[[], object]], statement: str) -> None:
    for number, reader in enumerate(readers):
        try:
            reader()
        except HilError:
            pass
        except Exception as error:
            raise AssertionError(f"reader {number}, after {statement}") from error


# --- campaigns ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sampled") / "s.campaign"
    rig = {"scheme": "simplex", "board": "inproc"}
    scenario = Scenario.model_validate({"workload": "attitude", "frames": 10, "rig": rig})
    how = Sampling(3, 40, None, 0.95, NodeEffect.SDC, in_proportion=False)
    targets = (UpsetTarget.STATE, UpsetTarget.OUTPUT)
    order = SampledOrder(scenario, (2, 5), targets, how, None, path, 1, source="mine.yaml")
    run_sampled_campaign(order, lambda _: None, lambda _: None)
    return path


def with_file(path: Path, use: Callable[[CampaignFile], object]) -> Callable[[], object]:
    def opened() -> object:
        with CampaignFile(path) as file:
            return use(file)

    return opened


def readers_of_campaign(path: Path, folder: Path, *, exact: bool) -> list[Callable[[], object]]:
    def exported(table: CampaignTable) -> Callable[[], object]:
        out = folder / f"{table}.csv"
        return with_file(path, lambda file: write_csv(campaign_table_of(file, table), out))

    summary: Callable[[CampaignFile], Any] = campaign_summary if exact else sample_summary
    both: Callable[[CampaignFile], Any] = (
        (lambda file: compare(file, file, 5)) if exact else (lambda f: compare_samples(f, f))
    )
    return [
        with_file(path, summary),
        with_file(path, both),
        with_file(path, campaign_page),
        with_file(path, lambda file: write_fault_list(file, folder / "x.faults")),
        *map(exported, CampaignTable),
    ]


def look_at_campaign(original: Path, folder: Path, value: str, step: int, *, exact: bool) -> None:
    copy = folder / original.name
    content = evidence_of(original)
    readers = readers_of_campaign(copy, folder, exact=exact)
    for statement in changes(original, value)[::step]:
        if changed(original, copy, statement):
            check = check_evidence(content, copy)
            assert any("digest" in line for line in check.differences), statement
            refused_or_answered(readers, statement)


@pytest.mark.slow
@pytest.mark.parametrize("value", VALUES)
def test_every_change_of_an_exact_campaign_is_found(
    result: Path, tmp_path: Path, value: str
) -> None:
    look_at_campaign(result, tmp_path, value, 1, exact=True)


def test_changes_of_a_sampled_campaign_are_found(sampled: Path, tmp_path: Path) -> None:
    step = len(changes(sampled, "'zz'")) // SOME
    look_at_campaign(sampled, tmp_path, "'zz'", step, exact=False)


@pytest.mark.slow
@pytest.mark.parametrize("value", VALUES)
def test_every_change_of_a_sampled_campaign_is_found(
    sampled: Path, tmp_path: Path, value: str
) -> None:
    look_at_campaign(sampled, tmp_path, value, 1, exact=False)


def test_a_changed_campaign_is_refused_by_commands_with_what_to_do(
    result: Path, tmp_path: Path, hil: Hil
) -> None:
    copy = tmp_path / "c.campaign"
    shutil.copy(result, copy)
    evidence = write_evidence(copy)
    with closing(sqlite3.connect(copy)) as db:
        db.execute("UPDATE classes SET region = 7 WHERE number = 3")
        db.commit()
    done = hil("verify", evidence)
    assert done.code == 1
    assert "the record was changed: its digest is" in done.out
    assert "row number 3" in done.out and "`region` is 7" in done.out
    done = hil("report", copy)
    assert done.code == 3
    assert "is damaged: table `classes`, row number 3" in done.err
    assert "try: take it from a copy" in done.err
    copy.write_bytes(copy.read_bytes()[:20_000])
    done = hil("export", copy, "-o", tmp_path / "x.csv")
    assert done.code == 3
    assert "is damaged: database disk image is malformed" in done.err
    assert "try: take it from a copy" in done.err


# --- runs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = run(tmp_path_factory.mktemp("damaged") / "r")
    write_evidence(folder)
    return folder


_TABLES = {table.value for table in RunTable}


def readers_of_run(folder: Path, out: Path, table: str) -> list[Callable[[], object]]:
    def listed() -> None:
        with held_record(folder) as reader:
            list(listing.moments(reader, 0, 2**62))
            frame_values(reader, 0, 2**62)

    def priced() -> None:
        with held_record(folder) as reader:
            price_run(reader, result_of(reader), Terms(shipped_prices(), 1.0, None, 1, 100, 1))

    def exported(table: RunTable) -> Callable[[], None]:
        def write() -> None:
            with held_record(folder) as reader:
                write_csv(run_file_table(reader, table), out / "t.csv")

        return write

    def opened() -> None:
        opened = open_run(folder)
        assert opened.result is not None
        opened.verify()

    tables = {RunTable.FRAMES, RunTable.BALLOTS, *([RunTable(table)] if table in _TABLES else [])}
    return [lambda: runs_page([folder]), priced, listed, opened, *map(exported, tables)]


@pytest.mark.slow
@pytest.mark.parametrize("value", VALUES)
def test_every_change_of_a_run_is_found(honest: Path, tmp_path: Path, value: str) -> None:
    folder = tmp_path / "r"
    shutil.copytree(honest, folder)
    content: JsonObject = read_evidence(folder / "evidence.json")
    for statement in changes(honest / "run.db", value):
        if changed(honest / "run.db", folder / "run.db", statement):
            assert not check_evidence(content, folder / "run.db").ok, statement
            table = statement.removeprefix("UPDATE OR IGNORE ").split()[0]
            refused_or_answered(readers_of_run(folder, tmp_path, table), statement)


@pytest.mark.parametrize("column", ["node", "output"])
def test_a_changed_run_is_refused_by_commands_with_what_to_do(
    honest: Path, tmp_path: Path, hil: Hil, column: str
) -> None:
    folder = tmp_path / "r"
    shutil.copytree(honest, folder)
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.execute(f"UPDATE OR IGNORE replies SET {column} = 'zz' WHERE node = 1")
        db.commit()
    done = hil("verify", folder / "evidence.json")
    assert done.code == 1
    assert "table `replies`" in done.out
    done = hil("report", folder)
    assert done.code == 3
    assert "run.db is damaged: table `replies`" in done.err
    assert "`hil replay RUN --verify` lists what was changed" in done.err
