"""The tables of a campaign's result, read back by other programs: they say what the summary
says."""

from __future__ import annotations

import csv
import random
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.campaign.fault_list import read_faults
from hil.errors import SetupError, UsageError
from hil.export import parquet_file
from hil.export.campaign_tables import CampaignTable, campaign_table_of
from hil.export.csv_file import write_csv
from hil.record.campaign_file import CampaignFile, write_campaign, write_samples
from hil.record.campaign_rows import (
    EFFECTS,
    CampaignMeta,
    ClassRow,
    FrameRow,
    InstructionRow,
    MomentUnit,
    PathRow,
    RegionRow,
    SampleRow,
    SamplingMeta,
    StepRows,
)
from hil.record.campaign_summary import campaign_summary
from hil.upsets.words import NodeEffect
from tests.command_line import Hil

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


@pytest.mark.parametrize("table", [t for t in CampaignTable if t is not CampaignTable.FRAMES])
def test_parquet_has_the_rows_of_the_csv(
    hil: Hil, result: Path, tmp_path: Path, table: CampaignTable
) -> None:
    """Read back by duckdb."""
    duckdb = pytest.importorskip("duckdb", reason="the extra `parquet` is not installed")
    path = tmp_path / "r.parquet"
    done = hil("export", result, "-o", path, "--table", table.value)
    assert done.code == 0, done.err
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


def test_experiments_as_parquet_have_the_sums_of_the_summary(
    hil: Hil, result: Path, tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb", reason="the extra `parquet` is not installed")
    path = tmp_path / "e.parquet"
    assert hil("export", result, "--out", path).code == 0
    sums = duckdb.sql(
        f"SELECT target, effect, sum(weight) FROM '{path}' GROUP BY target, effect"
    ).fetchall()
    wanted = {key: count for key, count in measured(result).items() if count}
    assert {(target, effect): int(count) for target, effect, count in sums} == wanted


def test_pyarrow_reads_the_parquet_file(hil: Hil, result: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="the extra `parquet` is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = tmp_path / "c.parquet"
    assert hil("export", result, "--out", path, "--table", "classes").code == 0
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
    hil: Hil, result: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "empty.db").write_bytes(b"")
    source = tmp_path / "empty.db" if message.startswith("is not") else result
    done = hil("export", source, *words)
    assert done.code in (2, 3)
    assert message in done.err
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert not (tmp_path / "x.csv").exists()


# --- samples ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(9)
    path = tmp_path_factory.mktemp("export") / "s.campaign"
    sampling = SamplingMeta(
        MomentUnit.INSTRUCTION,
        "3,8",
        5,
        NodeEffect.SDC,
        None,
        0.95,
        (CLASSES,),
        in_proportion=False,
    )
    samples = [
        SampleRow(
            number, rng.choice((3, 8)), rng.randrange(2), rng.randrange(4000), rng.randrange(64),
            rng.randrange(8), rng.choice(EFFECTS), rng.randrange(1, 256), FIRST + number % 4,
        )
        for number in range(CLASSES)
    ]  # fmt: skip
    frames = [FrameRow(3, 4000, "aa"), FrameRow(8, 4000, "ab")]
    instructions = [
        InstructionRow(FIRST + i, 3, text, f"f{i}", "a.c", i) for i, text in enumerate(TEXTS[:3])
    ]
    meta = replace(META, sampling=sampling)
    write_samples(path, meta, REGIONS, frames, samples, instructions=instructions)
    return path


def test_samples_as_csv_are_those_of_the_result(drawn: Path, tmp_path: Path) -> None:
    rows = read_csv(exported(drawn, CampaignTable.EXPERIMENTS, tmp_path / "e.csv"))
    with CampaignFile(drawn) as file:
        samples, counts = list(file.samples()), file.sample_counts()
    assert [int(row["experiment"]) for row in rows] == [sample.number for sample in samples]
    for row, sample in zip(rows, samples, strict=True):
        place = (row["frame"], row["target"], row["byte"], row["bit"], row["position"], row["unit"])
        names = (META.targets[sample.region], str(sample.byte), str(sample.bit), str(sample.moment))
        assert place == (str(sample.frame), *names, "instruction")
        assert row["effect"] == sample.effect.value
        assert (row["signal"] != "") == (row["effect"] == "crash")
        assert (row["wrong_bits"] != "") == (row["effect"] == "sdc")
        which = sample.address - FIRST
        assert row["address"] == str(sample.address)
        assert row["instruction"] == (TEXTS[which] if which < 3 else "")
    for row in read_csv(exported(drawn, CampaignTable.TARGETS, tmp_path / "t.csv")):
        here = counts[META.targets.index(row["target"])]
        assert {e: int(row[e.value]) for e in EFFECTS} == {e: here.get(e, 0) for e in EFFECTS}
        assert int(row["samples"]) == sum(here.values())
    frames = read_csv(exported(drawn, CampaignTable.FRAMES, tmp_path / "f.csv"))
    assert [(row["frame"], row["moments"], row["path"]) for row in frames] == [
        ("3", "4000", "aa"), ("8", "4000", "ab"),
    ]  # fmt: skip


def test_tables_that_a_campaign_does_not_have_are_refused(result: Path, drawn: Path) -> None:
    for path, table, others in (
        (result, CampaignTable.FRAMES, "experiments, classes, targets, instructions"),
        (drawn, CampaignTable.CLASSES, "experiments, targets, frames, instructions"),
    ):
        with CampaignFile(path) as file, pytest.raises(UsageError, match="has no table") as refused:
            campaign_table_of(file, table)
        assert others in str(refused.value)


def test_the_faults_of_a_sample_are_a_list(
    hil: Hil, result: Path, drawn: Path, tmp_path: Path
) -> None:
    path = tmp_path / "l.faults"
    assert hil("export", drawn, "-o", path).code == 0
    listed = read_faults(path)
    with CampaignFile(drawn) as file:
        samples = list(file.samples())
    columns = [column.tolist() for column in listed.faults.columns]
    assert list(zip(*columns, strict=True)) == [
        (s.number, s.frame, s.region, s.byte, s.bit, s.moment) for s in samples
    ]
    assert (listed.head.workload, listed.head.seed, listed.head.frames) == ("attitude", 7, "3,8")
    refused = hil("export", result, "-o", tmp_path / "x.faults")
    assert refused.code == 2
    assert "has all faults, and no list of them" in refused.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l.faults"]
