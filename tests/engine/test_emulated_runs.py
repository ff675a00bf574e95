"""Whole runs on emulated boards: the same digest as elsewhere, and storms in their memory."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.board_types.agent_build import cached_agent
from hil.board_types.compilers import target_named
from hil.engine.loop import Loop
from hil.record.board_context import BOARD_CONTEXT
from hil.record.reader import Reader
from hil.record.recorded_context import parse_context
from hil.scenario import Scenario
from hil.verification.replay import verify
from tests.between_frames import between_frames

from ..emulated import machines, possible
from .test_runs import on, rows, run, shipped_scenario

pytestmark = [pytest.mark.slow, pytest.mark.emulated, pytest.mark.usefixtures("possible")]
__all__ = ["possible"]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    assert machines() == []
    yield
    assert machines() == [], "an emulator was left running"


@pytest.mark.parametrize("name", ["emulated-rpi", "memory-storm", "one-node-lies"])
def test_the_run_digest_is_that_of_every_other_board(tmp_path: Path, name: str) -> None:
    s = shipped_scenario(name)
    frames = min(s.frame_count, 600)
    events = [e for e in s.model_dump(by_alias=True)["upsets"]["events"] if e["frame"] < frames]
    upsets = {**s.model_dump(by_alias=True)["upsets"], "events": events}
    got = {
        board: run(
            on(s, board, frames=frames, duration=None, upsets=upsets, expect={}), tmp_path / board
        )
        for board in ("inproc", "process", "emulated")
    }
    assert {r.outcome for r in got.values()} == {"pass"}
    assert got["emulated"].upsets.injected == got["inproc"].upsets.injected > 0
    assert len({r.run_digest for r in got.values()}) == 1
    assert all(r.reproducible for r in got.values())
    assert verify_ok(tmp_path / "emulated")


def verify_ok(out: Path) -> bool:
    reader = Reader(out)
    try:
        return verify(reader).ok
    finally:
        reader.close()


def test_a_storm_in_the_memory_kills_guests_that_come_back(tmp_path: Path) -> None:
    s = shipped_scenario("board-ram-storm")
    result = run(s, tmp_path / "storm")
    out = tmp_path / "storm"
    assert not result.reproducible
    assert result.metrics["sdc_frames"] == 0
    cycles = rows(out, "SELECT * FROM repairs WHERE action IN ('power_cycle', 'reset')")
    back = [r for r in cycles if r["ok"]]
    assert len(back) >= 2, "guests died for real, and came back"
    assert result.outcome == "pass", result.failed
    undelivered = rows(
        out,
        "SELECT f.frame, count(r.node) AS live FROM frames f LEFT JOIN replies r "
        "ON r.frame = f.frame AND r.execution = 0 AND r.status = 'done' "
        "AND r.output_digest = f.golden_output AND (f.voters >> r.node) & 1 "
        "WHERE f.output != f.golden_output GROUP BY f.frame",
    )
    assert all(f["live"] < 2 for f in undelivered), "two that live are enough"
    hits = rows(out, "SELECT * FROM upsets WHERE target='board-ram' AND state='injected'")
    assert len(hits) > 100
    assert all(h["verified"] and h["detail"].startswith("physical address 0x") for h in hits)
    assert {h["effect"] for h in hits} & {"hang", "reboot", "crash"}
    guests_said_why_they_died(out)


def guests_said_why_they_died(out: Path) -> None:
    """The kernels' own words in the record, and what they and the agents were."""
    reader = Reader(out)
    content = reader.meta_object(BOARD_CONTEXT)
    reader.close()
    assert content is not None
    nodes = parse_context(content).nodes
    agent = hashlib.sha256(cached_agent(target_named("aarch64")).read_bytes()).hexdigest()
    said: list[str] = []
    for node in nodes.values():
        assert node.agent_sha256 == agent
        assert [image.what for image in node.booted][:2] == ["kernel", "device tree"]
        log = node.kernel_log
        assert log is not None and log.before is not None and log.before.lines > 100
        assert any("Run /init as init process" in line for line in log.tail)
        said += log.new
    assert any("Booting Linux" in line for line in said), "a guest has booted again"
    fell = "cause IN ('silent', 'rebooted')"
    deaths = rows(
        out,
        f"SELECT frame, node FROM transitions WHERE after IN ('power_cycle', 'reset') AND {fell}",
    )
    killers = rows(
        out,
        "SELECT detected_frame AS frame, node FROM upsets u WHERE effect IN ('hang', 'reboot') AND "
        "EXISTS (SELECT 1 FROM transitions t WHERE t.frame = u.detected_frame AND "
        f"t.node = u.node AND {fell}) ORDER BY detected_frame, node",
    )
    assert killers == sorted(deaths, key=lambda row: (row["frame"], row["node"]))
    later = rows(out, "SELECT * FROM upsets WHERE detail LIKE '%had not answered since frame%'")
    assert later and {u["effect"] for u in later} <= {"", "masked"}
    assert verify_ok(out)


def test_a_board_that_loses_power_stops_and_boots_again_while_the_others_vote(
    tmp_path: Path,
) -> None:
    event = {"frame": 20, "node": "b", "target": "board", "returns_after_frames": 10}
    s = Scenario.model_validate(
        {
            "workload": "sha256",
            "frames": 400,
            "frame_ms": 50,
            "pace": "realtime",
            "rig": {"scheme": "tmr", "board": "emulated-rpi3"},
            "timeouts": {"lost_after_ms": 1000},
            "upsets": {"events": [event]},
        }
    )
    result = run(s, tmp_path / "power")
    assert result.metrics["sdc_frames"] == 0
    assert result.availability >= 0.97
    back = rows(tmp_path / "power", "SELECT * FROM repairs WHERE ok AND node='b' ORDER BY frame")
    assert back[0]["frame"] > 30, "it took seconds to boot, and frames went on"
    states = rows(tmp_path / "power", "SELECT * FROM transitions WHERE node='b' ORDER BY frame")
    assert states[-1]["after"] == "voting"


class Killer:
    """Kills the emulator of one node at a frame, as a crash of the host's own would."""

    def __init__(self) -> None:
        self.loop: Loop | None = None
        self.done = False

    def __call__(self) -> bool:
        assert self.loop is not None
        if self.loop.next_frame == 30 and not self.done:
            self.done = True
            pid = self.loop.controls.rig.nodes[2].board.pid  # type: ignore[attr-defined]
            os.kill(pid, signal.SIGKILL)
        return False


def test_an_emulator_that_dies_is_replaced(tmp_path: Path) -> None:
    s = Scenario.model_validate(
        {
            "workload": "infer",
            "frames": 80,
            "rig": {"scheme": "tmr", "board": "emulated"},
            "expect": {"unresolved": 0},
        }  # whoever kills an emulator is not explained
    )
    killer = Killer()
    loop = killer.loop = Loop(s, tmp_path, **between_frames(killer))
    result = loop.run()
    assert killer.done and result.outcome == "pass" and result.metrics["sdc_frames"] == 0
    (repair,) = rows(tmp_path, "SELECT * FROM repairs WHERE action='power_cycle'")
    assert repair["ok"] and repair["node"] == "c"
