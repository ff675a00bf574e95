"""Whole runs of pairs that compare their plans before anything is commanded."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hil.engine.loop import Loop
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.redundancy.voting import Verdict, unpack_all
from hil.scenario import Scenario
from hil.scenario.words import Unvoted
from hil.verification.replay import verify


def scenario(scheme: str = "plan_pair", **data: Any) -> Scenario:
    rig = {"scheme": scheme, "board": "inproc", **data.pop("rig", {})}
    base = {"workload": "attitude", "frames": 60, "rig": rig, "expect": "none"}
    return Scenario.model_validate({**base, **data})


def damaged(frame: int) -> dict[str, Any]:
    """A damaged cell of node a."""
    cell = {"frame": frame, "node": "a", "target": "state", "permanent": True, "bit": 70}
    return {"events": [{**cell, "pattern": {"kind": "stuck", "value": v}} for v in (0, 1)]}


def run(s: Scenario, out: Path) -> tuple[RunResult, list[Verdict]]:
    out.mkdir()
    result = Loop(s, out).run()
    with closing(Reader(out)) as reader:
        assert verify(reader).differences == []
        return result, [v for *_, data in reader.blocks() for v in unpack_all(data, 2)]


@pytest.mark.parametrize("horizon", [None, 3, 8])
def test_last_agreed_plan_is_flown_on_for_the_horizon_and_then_the_pair_is_safe(
    horizon: int | None, tmp_path: Path
) -> None:
    rig = {} if horizon is None else {"unvoted_frames": horizon}
    s = scenario(rig=rig, upsets=damaged(20))
    assert (s.rig.unvoted, s.rig.unvoted_frames) == (Unvoted.HOLD, horizon or 5)
    result, found = run(s, tmp_path / "run")
    first = next(v.frame for v in found if not v.delivered)
    held = [v.frame for v in found if v.held]
    assert held == list(range(first, first + (horizon or 5)))
    later = found[held[-1] + 1 :]
    assert later and not any(v.delivered or v.held for v in later), "it is safe: nothing leaves"
    assert result.sdc_frames == 0


def test_transient_disagreement_is_planned_again_from_the_last_agreed_state(tmp_path: Path) -> None:
    hits = [
        {"frame": k, "node": n, "target": "state", "bit": 77} for k, n in ((20, "a"), (40, "b"))
    ]
    result, found = run(scenario(upsets={"events": hits}), tmp_path / "run")
    assert result.availability == 1 and result.metrics["rollbacks"] == 2
    assert not any(v.held for v in found)


def test_it_decides_as_a_pair_that_holds_its_last_output(tmp_path: Path) -> None:
    """What the page says that it is: the verdicts are the same, byte by byte."""
    rates = {"rates": [{"targets": ["state", "output"], "per_s": 4.0}]}
    how: dict[str, Any] = {"upsets": rates, "recovery": {"rollbacks": 0, "resyncs": 0}}
    hold = {"unvoted_output": "hold", "unvoted_frames": 5}
    pair = run(scenario(**how), tmp_path / "pair")[1]
    dmr = run(scenario("dmr", **how, rig=hold), tmp_path / "dmr")[1]
    assert [v.record for v in pair] == [v.record for v in dmr] and any(v.held for v in pair)
