"""Result files of campaigns that were made up, small enough to be counted by hand.

Ten instructions, of which five are executed twice; a state of two bytes and an output of one:

    state 0    read by instruction 3 (for 0 to 3) and by 7 (4 to 7); 8 and 9 are read by nobody
    state 1    overwritten by instruction 5 (0 to 5); 6 to 9 are read by nobody
    output 0   overwritten by instruction 8 (0 to 8); 9 leaves with the output"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hil.record.campaign_file import CampaignFile, write_campaign
from hil.record.campaign_rows import (
    EFFECTS,
    CampaignMeta,
    ClassRow,
    InstructionRow,
    PathRow,
    RegionRow,
    StepRows,
    UnreadRow,
)
from hil.upsets.words import NodeEffect

MASKED, LATENT, SDC, CRASH, HANG, DETECTED = EFFECTS
META = CampaignMeta(
    hil_version="0",
    scenario="small",
    workload="small",
    seed=1,
    frame=3,
    board="process",
    arch="x86_64",
    targets=("state", "output"),
    instructions=10,
    plan="0",
    path="0",
)
FIRST = (SDC, SDC, LATENT, CRASH, MASKED, MASKED, MASKED, MASKED)
SECOND = (LATENT,) * 8
ADDRESS = 0x1000
SYMBOLS = ("sense", "sense", "control", "control", "commit")


def codes(effects: tuple[NodeEffect, ...]) -> bytes:
    return bytes(EFFECTS.index(effect) for effect in effects)


def small_campaign(
    path: Path,
    *,
    first: tuple[NodeEffect, ...] = FIRST,
    second: tuple[NodeEffect, ...] = SECOND,
    read_at: int = 3,
    **meta: int | str | tuple[str, ...],
) -> Path:
    """Write the campaign; the two classes of byte 0 of the state come to `first` and `second`, and
    its first read is by instruction `read_at`."""
    write_campaign(
        path,
        replace(META, **meta),  # type: ignore[arg-type]
        [
            RegionRow(0, "state", 2, 160, 48, {LATENT: 48}),
            RegionRow(1, "output", 1, 80, 72, {SDC: 8}),
        ],
        [
            InstructionRow(ADDRESS + 4 * i, 2, f"op {i}", symbol, "small.c", 10 + i)
            for i, symbol in enumerate(SYMBOLS)
        ],
        [
            ClassRow(0, 0, read_at, 0, read_at + 1, codes(first), bytes(8)),
            ClassRow(1, 0, 7, 0, 7 - read_at, codes(second), bytes(8)),
        ],
        StepRows(
            unread=[
                UnreadRow(0, 0, 2, LATENT),
                UnreadRow(0, 1, 4, LATENT),
                UnreadRow(1, 0, 1, SDC),
            ],
            path=[PathRow(0, ADDRESS), PathRow(5, ADDRESS)],
        ),
    )
    return path


def opened(path: Path) -> CampaignFile:
    return CampaignFile(path)
