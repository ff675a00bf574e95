"""Many experiments leave no process, zombie, descriptor or memory behind."""

from __future__ import annotations

import contextlib
import gc
import os
from pathlib import Path

import pytest

from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
from hil.campaign.regions import EXACT_TARGETS
from hil.record.campaign_file import CampaignFile
from hil.scenario import Scenario, UpsetTarget

from ..descriptors import open_descriptors

pytestmark = [pytest.mark.ptrace]

NOISE_BYTES = 2 << 20
"""A growth up to this is noise of the allocator."""


def children() -> list[str]:
    """The processes whose parent is this one, zombies among them, with their states."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text().partition(" (")[2].rpartition(") ")
            state, parent = rest.split()[:2]
            if int(parent) == os.getpid():
                found.append(f"{stat.parent.name} {name} {state}")
    return sorted(found)


def resident() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(30_000, marks=pytest.mark.slow),
        pytest.param(1_000_000, marks=[pytest.mark.stress, pytest.mark.timeout(3600)]),
    ],
)
def test_nothing_is_left_behind(tmp_path: Path, wanted: int) -> None:
    """Whole campaigns, one after the other: boards, journals and threads come and go."""
    rig = {"scheme": "simplex", "board": "process"}
    scenario = Scenario.model_validate({"workload": "attitude", "frames": 10, "rig": rig})
    targets = tuple(t for t in EXACT_TARGETS if t is not UpsetTarget.GPR)
    done, before = 0, (0, 0)
    processes = children()
    while done < wanted:
        result = tmp_path / "a"
        order = ExactOrder(scenario, 3, targets, result, 2)
        run_exact_campaign(order, lambda _: None, lambda _: None)
        with CampaignFile(result) as file:
            done += file.experiments()
        result.unlink()
        if not before[0] and done >= wanted // 3:  # all that is allocated once is there by now
            before = open_descriptors(), resident()
    assert children() == processes
    assert list(tmp_path.iterdir()) == []
    print(f"{done} experiments: {before} -> {open_descriptors()}, {resident()}")  # noqa: T201
    assert open_descriptors() == before[0]
    assert resident() - before[1] <= NOISE_BYTES
