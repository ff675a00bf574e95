"""A board that brings its worker to an instruction answers nothing meanwhile, and is not silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.scenario import Scenario
from hil.upsets.words import UpsetState


@pytest.mark.slow
@pytest.mark.ptrace
def test_a_hit_after_many_instructions_is_waited_for(tmp_path: Path) -> None:
    """40,000 stops of a worker take longer than the 100 ms after which a node is lost."""
    scenario = Scenario.model_validate(
        {
            "workload": "dense-bf16",
            "frames": 6,
            "rig": {"scheme": "tmr", "board": "process"},
            "timeouts": {"lost_after_ms": 100, "retry_ms": 50},
            "upsets": {
                "events": [
                    {"frame": 3, "node": "b", "target": "gpr", "bit": 5, "tick": 0, "steps": 40_000}
                ]
            },
            "expect": "none",
        }
    )
    Loop(scenario, tmp_path).run()
    reader = Reader(tmp_path)
    (upset,) = reader.rows("SELECT state, steps FROM upsets")
    silent = reader.rows(
        "SELECT node FROM replies WHERE status = 'silent' AND frame = 3 AND node = 1"
    )
    reader.close()
    assert upset["state"] == UpsetState.INJECTED and upset["steps"] == 40_000
    assert silent == []
