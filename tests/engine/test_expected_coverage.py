"""The coverage that a run expects: which effective faults the system stood."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.scenario import Scenario

ONE = {"frame": 20, "node": "a", "target": "output", "bit": 3, "tick": 6}
OTHER = {**ONE, "frame": 60}


@pytest.mark.parametrize(
    ("scheme", "coverage", "faults"), [("tmr", 1.0, 2), ("simplex", 0.0, 2), ("dmr", None, 0)]
)
def test_coverage_is_the_share_of_effective_faults_that_did_no_harm(
    scheme: str, coverage: float | None, faults: int, tmp_path: Path
) -> None:
    """Without a fault that had an effect there is no coverage."""
    expected = {"effective_faults": faults} | ({} if coverage is None else {"coverage": coverage})
    s = Scenario.model_validate(
        {
            "workload": "attitude",
            "frames": 80,
            "rig": {"scheme": scheme, "board": "inproc"},
            "upsets": {"events": [ONE, OTHER] if faults else []},
            "expect": {**expected, "sdc_frames": ">= 0"},
        }
    )
    result = Loop(s, tmp_path).run()
    assert result.outcome == "pass", result.metrics
    assert ("coverage" in result.metrics) == (coverage is not None)
