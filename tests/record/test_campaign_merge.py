"""Parts of a campaign put together: the file that one computer would have written, or a message."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.errors import RecordError, UsageError
from hil.record.campaign_file import CampaignFile, is_database, write_campaign
from hil.record.campaign_merge import merge_campaigns
from hil.record.campaign_rows import (
    CampaignMeta,
    ClassRow,
    InstructionRow,
    PartRow,
    PathRow,
    RegionRow,
    SourceRow,
    StackRow,
    StepRows,
    UnreadRow,
)
from hil.record.campaign_summary import campaign_summary
from hil.record.experiment_id import ClassBit, SampleNumber, parse_experiment_id
from hil.record.recorded_experiment import recorded_experiment
from hil.upsets.words import NodeEffect

CLASSES = 60
META = CampaignMeta(
    "0.1.0", "s", "attitude", 7, 3, "process", "x86_64", ("state", "heap"), 500, "aa", "bb",
    source="s.yaml", content="cc", classes=CLASSES,
)  # fmt: skip
UNREAD = {NodeEffect.MASKED: 0, NodeEffect.LATENT: 24, NodeEffect.SDC: 0}
REGIONS = [
    RegionRow(0, "state", 8, 32_000, 800, UNREAD),
    RegionRow(1, "heap", 8, 32_000, 800, UNREAD),
]
INSTRUCTIONS = [InstructionRow(0x400000 + 4 * i, 1 + i, f"add {i}") for i in range(9)]

STEP = StepRows(
    unread=[UnreadRow(0, 3, 3, NodeEffect.LATENT), UnreadRow(1, 3, 3, NodeEffect.LATENT)],
    path=[PathRow(0, 0x400000), PathRow(300, 0x400008)],
    stack=[StackRow(0, 64)],
    parts=[PartRow(1, 0, 8, "x0")],
    sources=[SourceRow("a.c", "int a;\n")],
)


def rows(seed: int = 1) -> list[ClassRow]:
    rng = random.Random(seed)
    return [
        ClassRow(
            number, number % 2, 8 * number, rng.randrange(8), 1 + rng.randrange(9),
            bytes(rng.randrange(6) for _ in range(8)), bytes(rng.randrange(256) for _ in range(8)),
        )
        for number in range(CLASSES)
    ]  # fmt: skip


ROWS = rows()


def written(path: Path, numbers: Sequence[int], meta: CampaignMeta = META) -> Path:
    write_campaign(path, meta, REGIONS, INSTRUCTIONS, [ROWS[number] for number in numbers], STEP)
    return path


@pytest.mark.parametrize("seed", range(20))
def test_the_merge_of_any_parts_is_the_file_of_the_whole(tmp_path: Path, seed: int) -> None:
    """Disjoint, overlapping, empty and scattered ones, in any order."""
    rng = random.Random(seed)
    whole = written(tmp_path / "whole", range(CLASSES))
    shares: list[set[int]] = [set() for _ in range(rng.randrange(2, 6))]
    for number in range(CLASSES):
        for share in rng.sample(shares, rng.randrange(1, len(shares) + 1)):
            share.add(number)
    rng.shuffle(shares)
    parts = [written(tmp_path / f"{i}", sorted(share)) for i, share in enumerate(shares)]
    merged = merge_campaigns(parts, tmp_path / "merged")
    assert (merged.classes, merged.missing) == (CLASSES, ())
    assert (tmp_path / "merged").read_bytes() == whole.read_bytes()


def test_what_no_part_has_is_named(tmp_path: Path) -> None:
    one, two = written(tmp_path / "1", range(5, 20)), written(tmp_path / "2", range(15, 30))
    merged = merge_campaigns([one, two], tmp_path / "m")
    assert merged.missing == ((0, 5), (30, 60))
    with CampaignFile(tmp_path / "m") as file:
        summary = campaign_summary(file)
        assert not summary.is_complete
        for totals in summary.targets:
            weights = [
                row.weight for row in file.classes() if REGIONS[row.region].target == totals.target
            ]
            assert totals.measured == 8 * sum(weights)
            assert totals.open == totals.faults - totals.measured - 824
    third = written(tmp_path / "3", [*range(5), *range(30, 60)])
    assert merge_campaigns([tmp_path / "m", third], tmp_path / "all").missing == ()


def test_parts_that_disagree_are_refused_by_their_first_class(tmp_path: Path) -> None:
    one = written(tmp_path / "1", range(40))
    changed = list(ROWS)
    for number in (33, 21):
        effects = bytearray(ROWS[number].effects)
        effects[5] = (effects[5] + 1) % 6
        changed[number] = replace(ROWS[number], effects=bytes(effects))
    write_campaign(tmp_path / "2", META, REGIONS, INSTRUCTIONS, changed[20:], STEP)
    with pytest.raises(RecordError, match=r"class 21, bit 5: .*/1 has \w+.*/2 \w+") as refused:
        merge_campaigns([one, tmp_path / "2"], tmp_path / "m")
    assert "--repeat 21.5" in str(refused.value)
    changed = [replace(row, weight=row.weight + (row.number == 25)) for row in ROWS]
    write_campaign(tmp_path / "3", META, REGIONS, INSTRUCTIONS, changed[20:], STEP)
    with pytest.raises(RecordError, match="class 25: it is another fault"):
        merge_campaigns([one, tmp_path / "3"], tmp_path / "m")
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "3"}


@pytest.mark.parametrize("key", [key for key in CampaignMeta.__slots__ if key != "sampling"])
def test_files_of_different_campaigns_are_refused(tmp_path: Path, key: str) -> None:
    value = getattr(META, key)
    other: Any = value + 1 if isinstance(value, int) else "other"
    if isinstance(value, bool):
        other = not value
    elif isinstance(value, tuple):
        other = ("state",)
    one = written(tmp_path / "1", range(30))
    two = written(tmp_path / "2", range(30, 60), replace(META, **{key: other}))
    with pytest.raises(RecordError, match="of another campaign than") as refused:
        merge_campaigns([one, two], tmp_path / "m")
    assert ("state, not" if isinstance(value, tuple) else str(other)) in str(refused.value)
    assert not (tmp_path / "m").exists()


def test_files_of_other_instructions_are_refused(tmp_path: Path) -> None:
    one = written(tmp_path / "1", range(30))
    write_campaign(tmp_path / "2", META, REGIONS, INSTRUCTIONS[:-1], ROWS[30:], STEP)
    with pytest.raises(RecordError, match="its instructions"):
        merge_campaigns([one, tmp_path / "2"], tmp_path / "m")


def test_files_of_another_step_are_refused(tmp_path: Path) -> None:
    one = written(tmp_path / "1", range(30))
    other = replace(STEP, path=[PathRow(0, 0x400000)])
    write_campaign(tmp_path / "2", META, REGIONS, INSTRUCTIONS, ROWS[30:], other)
    with pytest.raises(RecordError, match="its step"):
        merge_campaigns([one, tmp_path / "2"], tmp_path / "m")


def test_a_file_of_version_1_is_complete(tmp_path: Path) -> None:
    """It did not say how many classes its campaign has, and there were no parts."""
    path = written(tmp_path / "1", range(30))
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM meta WHERE key IN ('source', 'content', 'classes')")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    with CampaignFile(path) as file:
        assert file.meta == replace(META, source="", content="", classes=30)
        assert file.missing_ranges() == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("PRAGMA user_version = 99", "written by a newer hil"),
        ("PRAGMA application_id = 1", "not the result of a campaign"),
        ("UPDATE meta SET value = '{' WHERE key = 'seed'", "is damaged"),
        ("UPDATE meta SET value = 'null' WHERE key = 'severity'", "is damaged"),
        ("INSERT INTO meta VALUES ('more', '1')", "is damaged"),
        ("DELETE FROM meta WHERE key = 'targets'", "is damaged"),
        ("DROP TABLE classes", "no such table"),
    ],
)
def test_a_file_that_is_not_a_readable_result_is_one_message(
    tmp_path: Path, damage: str, message: str
) -> None:
    path = written(tmp_path / "1", range(30))
    with closing(sqlite3.connect(path)) as db:
        db.execute(damage)
        db.commit()
    with pytest.raises(RecordError, match=message), CampaignFile(path) as file:
        campaign_summary(file)


def test_only_a_database_can_be_a_result(tmp_path: Path) -> None:
    assert is_database(written(tmp_path / "1", range(3)))
    (tmp_path / "s.yaml").write_text("schema: 1\n")
    assert not is_database(tmp_path / "s.yaml")
    assert not is_database(tmp_path)
    assert not is_database(tmp_path / "none")


def test_names_of_experiments() -> None:
    assert parse_experiment_id("12.7") == ClassBit(12, 7)
    assert parse_experiment_id("0.0") == ClassBit(0, 0)
    assert parse_experiment_id("42") == SampleNumber(42)
    assert str(ClassBit(12, 7)) == "12.7"


@pytest.mark.parametrize(
    "text", ["", "1.8", "1.", ".1", "-1.0", "1.2.3", "x", "1,2", " 1.0", "\u0661.0"]
)
def test_what_names_no_experiment_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_experiment_id(text)


def test_a_file_without_experiments_says_so_when_one_is_asked_for(tmp_path: Path) -> None:
    """As an exact campaign of outputs alone, which nothing reads."""
    path = written(tmp_path / "none", (), replace(META, classes=0))
    with CampaignFile(path) as file, pytest.raises(UsageError) as refused:
        recorded_experiment(file, "0.0")
    assert "has no class 0" in str(refused.value)
    assert "no experiments" in str(refused.value)
    assert "to -1" not in str(refused.value)
