"""Lines that corrupt, lose, double and delay bytes, in both directions of every link."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.engine.loop import Loop
from hil.record.run_result import RunResult
from hil.scenario import Scenario
from tests.engine.cabled_boards import NAMES, Board, bench, rows

KINDS = ("corrupt", "drop", "duplicate", "delay")


def run(out: Path, frames: int, upsets: bool, **bad: float) -> tuple[RunResult, dict[str, Board]]:
    out.mkdir()
    with bench(out.parent, **bad) as boards:
        nodes = [
            {"name": n, "board": "serial", "port": str(b.cable.host.path)}
            for n, b in boards.items()
        ]
        events = [
            {"frame": f, "node": NAMES[f // 10 % 3], "target": "state", "tick": 2}
            for f in range(5, frames, 10)
        ]
        s = Scenario.model_validate(
            {
                "workload": "infer",
                "frames": frames,
                "timeouts": {
                    "lost_after_ms": 20_000,
                    # On a good line nothing is to be asked twice, however busy the computer is.
                    "retry_ms": 60 if any(bad.values()) else 5000,
                    "calibration_frames": 8,
                },
                "rig": {"scheme": "tmr", "nodes": nodes},
                "recovery": {"resyncs": 50},
                "upsets": {"events": events if upsets else []},
            }
        )
        return Loop(s, out).run(), boards


def counters(out: Path, boards: dict[str, Board]) -> list[dict[str, int]]:
    """What each link's host counted, and beside it what its cable really did."""
    found = []
    links = rows(out, "SELECT * FROM links ORDER BY node")
    for row, board in zip(links, boards.values(), strict=True):
        to_board, to_host = board.cable.to_board, board.cable.to_host
        assert to_board is not None and to_host is not None
        harm = sum(b.counts[k] for b in (to_board, to_host) for k in KINDS)
        lost = to_host.counts["drop"] - to_host.counts["duplicate"]
        found.append(
            {
                **row,
                "harm": harm,
                "carried_to_board": to_board.counts["bytes"],
                "carried_to_host": to_host.counts["bytes"] - lost,
            }
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_one_byte_in_a_hundred_bad_makes_no_verdict_wrong(tmp_path: Path, kind: str) -> None:
    result, boards = run(tmp_path / "run", 60, True, **{kind: 0.01})
    assert result.metrics["sdc_frames"] == 0 and result.availability == 1
    assert result.verdicts["unanimous"] + result.verdicts["majority"] == 60
    assert result.upsets.verified == 6 and result.unexplained == 0
    for link in counters(tmp_path / "run", boards):
        assert link["tx_bytes"] == link["carried_to_board"], "what was sent is what was counted"
        assert link["rx_bytes"] <= link["carried_to_host"]
        assert link["rx_errors"] + link["naks"] > link["harm"] / 20
        assert link["retries"] >= 10


@pytest.mark.slow
def test_throughput_falls_gracefully(tmp_path: Path) -> None:
    """What it costs is repetition: bytes for a frame grow with the share of bad bytes, and a frame
    that cost nothing without noise costs no more than it must with it."""
    cost: list[float] = []
    harm: list[int] = []
    for share in (0.0, 0.001, 0.003, 0.01):
        out = tmp_path / f"run-{share}"
        result, boards = run(out, 150, False, **dict.fromkeys(KINDS, share / 4))
        assert result.verdicts["unanimous"] == 150 and result.metrics["sdc_frames"] == 0
        links = counters(out, boards) if share else rows(out, "SELECT * FROM links")
        cost.append(sum(link["tx_bytes"] + link["rx_bytes"] for link in links) / 150)
        harm.append(sum(link.get("harm", 0) for link in links))
        if not share:
            assert all(link["rx_errors"] + link["naks"] + link["retries"] == 0 for link in links)
    assert cost == sorted(cost), cost
    assert harm == sorted(harm) and harm[1] > 10, harm
    # A frame of n bytes arrives whole with (1 - share)^n: here n is about 200 for both ways.
    assert cost[1] < 2 * cost[0] and cost[2] < 4 * cost[0] and cost[3] < 16 * cost[0], cost
