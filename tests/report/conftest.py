"""One campaign, carried out for real, that the tests of reports look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.campaign.exact_campaign import ExactOrder, run_exact_campaign
from hil.campaign.regions import EXACT_TARGETS
from hil.scenario import Scenario, UpsetTarget

MEMORY = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT, UpsetTarget.HEAP)
SMALL = (*MEMORY, UpsetTarget.STACK)


def carried_out(path: Path, workload: str, targets: tuple[UpsetTarget, ...]) -> Path:
    rig = {"scheme": "simplex", "board": "process"}
    scenario = Scenario.model_validate({"workload": workload, "frames": 10, "rig": rig})
    order = ExactOrder(scenario, 3, targets, path, 1)
    run_exact_campaign(order, lambda _: None, lambda _: None)
    return path


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `attitude`, in its memory and stack."""
    return carried_out(tmp_path_factory.mktemp("campaign") / "small.campaign", "attitude", SMALL)


@pytest.fixture(scope="session")
def with_registers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `attitude`, in all targets. It takes a while."""
    return carried_out(
        tmp_path_factory.mktemp("campaign") / "all.campaign", "attitude", EXACT_TARGETS
    )
