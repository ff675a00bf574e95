"""The tables of a campaign's result, read back by other programs: they say what the summary
says."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hil.errors import SetupError
from hil.export import parquet_file
from hil.export.campaign_tables import CampaignTable, campaign_table_of
from hil.export.csv_file import write_csv
from hil.record.campaign_file import CampaignFile, write_campaign
from hil.record.campaign_rows import (
    EFFECTS,
    CampaignMeta,
    ClassRow,
    InstructionRow,
    PathRow,
    RegionRow,
    StepRows,
)
from hil.record.campaign_summary import campaign_summary
from hil.upsets.words import NodeEffect

CLASSES = 500
FIRST = 0x7FFF_0000_0000
META = CampaignMeta(
    "0.1.0", "s", "attitude", 7, 3, "process", "x86_64", ("state", "gpr"), 4000, "aa", "bb",
    source="s.yaml", content="cc", classes=CLASSES,
)  # fmt: skip
REGIONS = [
    RegionRow(number, target, 64, 10_000_000, 1_000, {NodeEffect.LATENT: 16, NodeEffect.SDC: 8})
    for number, target in enumerate(META.targets)
]
STEP = StepRows(path=[PathRow(8 * number, FIRST) for number in range(CLASSES)])
"""Each eight positions begin with the first instruction, and go on in the order of addresses."""
TEXTS = ['mov rax, "quoted"', "lea rcx, [rdi + 8*rsi, 3]", "ré\nt", "", "add x0, x1, #4"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(4)
    path = tmp_path_factory.mktemp("export") / "r.campaign"
    classes = [
        ClassRow(
            number, rng.randrange(2), 8 * number + number % 5, rng.randrange(64),
            rng.randrange(1, 2**40),
            bytes(rng.randrange(6) for _ in range(8)), bytes(rng.randrange(256) for _ in range(8)),
        )
        for number in range(CLASSES)
    ]  # fmt: skip
    instructions = [
        InstructionRow(FIRST + i, i, text, f"f{i}" if i else "", "a.c" if i else "", i)
        for i, text in enumerate(TEXTS)
    ]
    write_campaign(path, META, REGIONS, instructions, classes, STEP)
    return path


def hil(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hil", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def exported(result: Path, table: CampaignTable, path: Path) -> Path:
    with CampaignFile(result) as file:
        write_csv(campaign_table_of(file, table), path)
    return path


def measured(result: Path) -> dict[tuple[str, str], int]:
    """The faults that experiments stand for, by target and effect, as the record sums them up."""
    with CampaignFile(result) as file:
        names = {region.number: region.target for region in file.regions()}
        return {
            (names[region], effect.value): count
            for region, effects in file.weighted_effects().items()
            for effect, count in effects.items()
        }


def test_experiments_as_csv_have_the_sums_of_the_summary(result: Path, tmp_path: Path) -> None:
    rows = read_csv(exported(result, CampaignTable.EXPERIMENTS, tmp_path / "e.csv"))
    assert len(rows) == 8 * CLASSES
    sums: Counter[tuple[str, str]] = Counter()
    for row in rows:
        sums[row["target"], row["effect"]] += int(row["weight"])
        assert (row["signal"] != "") == (row["effect"] == "crash")
        assert (row["wrong_bits"] != "") == (row["effect"] == "sdc")
        assert row["experiment"].endswith(f".{row['bit']}")
    assert dict(sums) == {key: count for key, count in measured(result).items() if count}


def test_classes_as_csv_have_the_sums_of_the_summary(result: Path, tmp_path: Path) -> None:
    rows = read_csv(exported(result, CampaignTable.CLASSES, tmp_path / "c.csv"))
    assert [int(row["class"]) for row in rows] == list(range(CLASSES))
    for target, effect in measured(result):
        total = sum(int(r["weight"]) * int(r[effect]) for r in rows if r["target"] == target)
        assert total == measured(result)[target, effect]


def test_an_experiment_has_the_instruction_before_which_it_strikes(
    result: Path, tmp_path: Path
) -> None:
    classes = read_csv(exported(result, CampaignTable.CLASSES, tmp_path / "c.csv"))
    experiments = read_csv(exported(result, CampaignTable.EXPERIMENTS, tmp_path / "e.csv"))
    for number, row in enumerate(classes):
        which = number % 5
        names = (f"f{which}", "a.c", str(which)) if which else ("", "", "")
        code = (str(FIRST + which), TEXTS[which], *names)
        for one in (row, experiments[8 * number + which]):
            columns = ("address", "instruction", "symbol", "file", "line")
            assert tuple(one[column] for column in columns) == code


def test_targets_have_also_what_is_known_without_experiments(result: Path, tmp_path: Path) -> None:
    rows = read_csv(exported(result, CampaignTable.TARGETS, tmp_path / "t.csv"))
    with CampaignFile(result) as file:
        summary = campaign_summary(file)
    for row, totals in zip(rows, summary.targets, strict=True):
        assert (row["target"], int(row["faults"])) == (totals.target, totals.faults)
        assert {e: int(row[e.value]) for e in EFFECTS} == {e: totals.effects[e] for e in EFFECTS}


def test_texts_come_back_as_they_were(result: Path, tmp_path: Path) -> None:
    rows = read_csv(exported(result, CampaignTable.INSTRUCTIONS, tmp_path / "i.csv"))
    assert [row["instruction"] for row in rows] == TEXTS
    assert int(rows[0]["address"]) == FIRST


@pytest.mark.parametrize("table", list(CampaignTable))
def test_parquet_has_the_rows_of_the_csv(
    result: Path, tmp_path: Path, table: CampaignTable
) -> None:
    """Read back by duckdb."""
    duckdb = pytest.importorskip("duckdb", reason="the extra `parquet` is not installed")
    path = tmp_path / "r.parquet"
    done = hil("export", result, "-o", path, "--table", table.value)
    assert done.returncode == 0, done.stderr
    relation = duckdb.read_parquet(str(path))
    rows = [tuple(map(text_of, row)) for row in relation.fetchall()]
    wanted = read_csv(exported(result, table, tmp_path / "r.csv"))
    assert relation.columns == list(wanted[0])
    assert rows == [tuple(row.values()) for row in wanted]
    with CampaignFile(result) as file:
        columns = campaign_table_of(file, table).columns
    types = {"integer": "BIGINT", "text": "VARCHAR"}
    assert [str(t) for t in relation.types] == [types[column.type.value] for column in columns]


def text_of(value: Any) -> str:
    return "" if value is None else str(value)


def test_experiments_as_parquet_have_the_sums_of_the_summary(result: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra `parquet` is not installed")
    path = tmp_path / "e.parquet"
    assert hil("export", result, "--out", path).returncode == 0
    sums = duckdb.sql(
        f"SELECT target, effect, sum(weight) FROM '{path}' GROUP BY target, effect"
    ).fetchall()
    wanted = {key: count for key, count in measured(result).items() if count}
    assert {(target, effect): int(count) for target, effect, count in sums} == wanted


def test_pyarrow_reads_the_parquet_file(result: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="the extra `parquet` is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "c.parquet"
    assert hil("export", result, "--out", path, "--table", "classes").returncode == 0
    columns = parquet.read_table(path).to_pydict()
    for (target, effect), count in measured(result).items():
        rows = zip(columns["target"], columns["weight"], columns[effect], strict=True)
        assert sum(weight * bits for name, weight, bits in rows if name == target) == count


def test_without_duckdb_the_message_says_what_to_install(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with CampaignFile(result) as file:
        table = campaign_table_of(file, CampaignTable.CLASSES)
        with pytest.raises(SetupError, match="duckdb, which is not installed") as refused:
            parquet_file.write_parquet(table, tmp_path / "x.parquet")
    assert "pip install" in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "x.txt"), "FILE.csv or FILE.parquet"),
        (("-o", "there.csv"), "exists already"),
        (("-o", "no/x.csv"), "there is no folder no"),
        (("-o", "x.csv", "--table", "runs"), "there is no table `runs`"),
        (("-o", "x.csv"), "is not the result of a campaign"),
    ],
)
def test_what_cannot_be_exported_is_one_message(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...],
    message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "empty.db").write_bytes(b"")
    source = tmp_path / "empty.db" if message.startswith("is not") else result
    done = hil("export", source, *words)
    assert done.returncode in (2, 3)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not (tmp_path / "x.csv").exists()
