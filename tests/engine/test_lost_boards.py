"""A run that ends with boards lost and not back is an error; one whose boards were taken out on
purpose, or are back, is not.

The boards are agents on cables (tests/rig/cable.py); what happens to them happens at known frames.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hil.control.inbox import Inbox
from hil.engine.loop import Loop
from hil.record.run_result import RunResult
from hil.redundancy.recovery import NodeState
from hil.rig.backends.process import find_agent
from hil.rig.backends.serial_board import SerialBoard
from hil.rig.power import PowerMonitor
from hil.scenario import Scenario
from hil.scenario.supply import SupplyConfig
from tests.between_frames import between_frames
from tests.engine.cabled_boards import Board, Socket, bench, rows, scenario
from tests.waiting import wait_until

FRAMES = 120


class Deeds:
    """Does things to boards at frames, from the loop's `stop` hook."""

    def __init__(self, boards: dict[str, Board], deeds: dict[int, Callable[[], object]]) -> None:
        self.boards = boards
        self.deeds = dict(deeds)
        self.loop: Loop | None = None

    def __call__(self) -> bool:
        assert self.loop is not None
        for frame in [f for f in self.deeds if f <= self.loop.next_frame]:
            if self.deeds.pop(frame)() is True:
                return True
        return False


def run(
    out: Path, deeds: Callable[[dict[str, Board]], dict[int, Callable[[], object]]], **more: Any
) -> RunResult:
    out.mkdir()
    with bench(out.parent) as boards:
        hook = Deeds(boards, deeds(boards))
        hook.loop = Loop(
            scenario(boards, frames=FRAMES, boot_s=1, **more), out, **between_frames(hook)
        )
        return hook.loop.run()


def names(result: RunResult) -> list[str]:
    return [board.node for board in result.lost]


def test_boards_that_are_killed_for_good_end_the_run_as_an_error(tmp_path: Path) -> None:
    def kill_all(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        def kill_each() -> None:
            for board in boards.values():
                board.kill()

        return {40: kill_each}

    result = run(tmp_path / "r", kill_all, expect={"sdc_frames": 0})
    assert (result.outcome, result.exit_code, names(result)) == ("error", 3, ["a", "b", "c"])
    assert result.frames == FRAMES, "the record is complete"
    assert all(board.frame in (40, 41) for board in result.lost)
    assert "boards of nodes a (from frame 4" in result.error
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    assert manifest["outcome"] == "error" and manifest["exit_code"] == 3
    assert [board["node"] for board in manifest["lost_boards"]] == ["a", "b", "c"]
    assert rows(tmp_path / "r", "SELECT value FROM meta WHERE key='outcome'") == [
        {"value": "error"}
    ]


def test_one_lost_board_of_three_is_an_error_although_two_carry_on(tmp_path: Path) -> None:
    def unplug(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        return {40: lambda: boards["b"].cable.unplug(boards["b"].cable.host)}

    result = run(tmp_path / "r", unplug, expect={"sdc_frames": 0, "availability": 1})
    assert (result.outcome, names(result), result.availability) == ("error", ["b"], 1)


def test_a_board_that_falls_silent_in_the_last_frame_is_lost(tmp_path: Path) -> None:
    def kill(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        return {FRAMES - 1: boards["c"].kill}

    result = run(tmp_path / "r", kill, expect={"sdc_frames": 0})
    assert (result.outcome, names(result)) == ("error", ["c"])


@pytest.mark.parametrize("upset", [True, False], ids=["of an upset", "of nothing"])
@pytest.mark.slow
def test_a_board_that_is_only_late_when_the_run_ends_hangs_if_it_stays_silent(
    tmp_path: Path, upset: bool
) -> None:
    def stop(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        return {FRAMES - 3: lambda: boards["c"].signal(signal.SIGSTOP)}

    events = [{"frame": 60, "node": "c", "target": "agent", "bit": 0}] if upset else []
    result = run(
        tmp_path / "r",
        stop,
        pace="realtime",
        frame_ms=20,
        upsets={"events": events},
        expect={"sdc_frames": 0},
    )
    hangs = rows(tmp_path / "r", "SELECT node, frame FROM anomalies WHERE effect='hang'")
    if upset:
        told = rows(tmp_path / "r", "SELECT state, detail, effect, outcome FROM upsets")[0]
        assert tuple(told.values()) == ("injected", "", "hang", "degraded")
        assert hangs == []
    else:
        assert hangs == [{"node": "c", "frame": FRAMES - 1}]
    # A bit of its agent does not excuse a board that is gone: a cable may have been pulled.
    assert (result.outcome, names(result)) == ("error", ["c"])
    assert result.lost[0].reason.startswith("no answer for ")


def test_a_hit_of_its_agent_does_not_excuse_a_board_that_is_unplugged(tmp_path: Path) -> None:
    def unplug(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        return {100: lambda: boards["c"].cable.unplug(boards["c"].cable.host)}

    events = [{"frame": 60, "node": "c", "target": "agent", "bit": 0}]
    result = run(tmp_path / "r", unplug, upsets={"events": events}, expect={"sdc_frames": 0})
    assert result.upsets.injected == 1
    assert (result.outcome, result.exit_code, names(result)) == ("error", 3, ["c"])


def test_a_board_that_is_back_is_not_lost(tmp_path: Path) -> None:
    def reboot(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        def back() -> None:
            boards["a"].start()
            wait_until(lambda: boards["a"].process is not None)

        return {40: boards["a"].kill, 60: back, FRAMES - 2: lambda: wait_until_back(boards)}

    def wait_until_back(_: dict[str, Board]) -> None:
        assert loops
        wait_until(
            lambda: "a" not in loops[0].controls.rig.reconnector.searched_for or arrived(loops[0])
        )

    loops: list[Loop] = []
    out = tmp_path / "r"
    out.mkdir()
    with bench(tmp_path) as boards:
        hook = Deeds(boards, reboot(boards))
        loops.append(
            Loop(
                scenario(boards, frames=FRAMES, boot_s=1, expect={"sdc_frames": 0}),
                out,
                **between_frames(hook),
            )
        )
        hook.loop = loops[0]
        result = loops[0].run()
    assert (result.outcome, names(result)) == ("pass", [])


def arrived(loop: Loop) -> bool:
    """A board has answered, and nobody has taken it in yet."""
    return loop.controls.rig.reconnector.wait(0)


def test_a_board_that_recovery_gave_up_while_it_answers_is_not_lost(tmp_path: Path) -> None:
    stuck = {"target": "output", "bit": 5, "pattern": "stuck", "permanent": True}
    recovery = {"resyncs": 0, "restarts": 0, "resets": 0, "power_cycles": 0}
    result = run(
        tmp_path / "r",
        lambda boards: {},
        recovery=recovery,
        upsets={"events": [{"frame": 20, "node": "b", **stuck}]},
        expect={"isolated": 1},
    )
    assert (result.outcome, names(result)) == ("pass", [])


def test_a_board_that_the_operator_isolated_is_not_lost(tmp_path: Path) -> None:
    def isolate_then_kill(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        def isolate() -> None:
            assert loops
            loops[0].controls.recovery.isolate(30, "b", "the operator")

        return {30: isolate, 50: boards["b"].kill}

    loops: list[Loop] = []
    out = tmp_path / "r"
    out.mkdir()
    with bench(tmp_path) as boards:
        hook = Deeds(boards, isolate_then_kill(boards))
        s = scenario(boards, frames=FRAMES, boot_s=1, expect={"isolated": 1})
        loops.append(Loop(s, out, **between_frames(hook), inbox=Inbox()))
        hook.loop = loops[0]
        result = loops[0].run()
    assert (result.outcome, names(result)) == ("pass", [])


@pytest.mark.parametrize("board", ["inproc", "process"])
def test_a_board_whose_power_the_scenario_cut_is_not_lost(tmp_path: Path, board: str) -> None:
    out = tmp_path / "r"
    out.mkdir()
    event = {"frame": 20, "node": "b", "target": "board", "action": "power_loss"}
    result = Loop(soft(board, upsets={"events": [event]}, expect={"isolated": 1}), out).run()
    assert (result.outcome, names(result)) == ("pass", [])


def soft(board: str, **data: Any) -> Scenario:
    base = {"workload": "infer", "frames": FRAMES, "rig": {"scheme": "tmr", "board": board}}
    timeouts = {"lost_after_ms": 400, "retry_ms": 50}
    return Scenario.model_validate({**base, "timeouts": timeouts, **data})


def test_a_process_board_that_cannot_be_started_again_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, out = tmp_path / "agent", tmp_path / "r"
    shutil.copy(find_agent(), agent)
    monkeypatch.setenv("HIL_AGENT", str(agent))
    out.mkdir()

    def stop() -> bool:
        if loop.next_frame == 40 and agent.exists():
            agent.unlink()
            loop.controls.rig.nodes[1].board.power_off()
        return False

    loop = Loop(soft("process", expect={"sdc_frames": 0}), out, **between_frames(stop))
    result = loop.run()
    assert not agent.exists() and loop.controls.recovery.state("b") is NodeState.ISOLATED
    assert (result.outcome, names(result)) == ("error", ["b"])


def test_a_settled_upset_does_not_excuse_a_lost_board(tmp_path: Path) -> None:
    """The agent is reset by the scenario and comes back; later its board is killed."""

    def kill(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        return {80: boards["b"].kill}

    event = {"frame": 20, "node": "b", "target": "cpu", "sefi": "reset"}
    result = run(tmp_path / "r", kill, upsets={"events": [event]}, expect={"sdc_frames": 0})
    assert result.upsets.by_node_effect["reboot"] == 1
    assert (result.outcome, names(result)) == ("error", ["b"])


def test_an_upset_of_the_worker_excuses_no_loss_of_the_board(tmp_path: Path) -> None:
    def kill(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        return {40: boards["b"].kill}

    events = [
        {"frame": 20, "node": "b", "target": "stack", "tick": 3},
        {"frame": 40, "node": "b", "target": "state"},
    ]
    result = run(
        tmp_path / "r", kill, upsets={"events": events, "allow_missed": 1}, expect={"sdc_frames": 0}
    )
    assert (result.outcome, names(result)) == ("error", ["b"])


def test_a_run_that_is_ended_without_its_boards_is_aborted_and_names_them(tmp_path: Path) -> None:
    def kill_and_end(boards: dict[str, Board]) -> dict[int, Callable[[], object]]:
        return {40: boards["b"].kill, 60: lambda: True}

    result = run(tmp_path / "r", kill_and_end, expect={"sdc_frames": 0})
    assert (result.outcome, result.exit_code, names(result)) == ("aborted", 130, ["b"])
    manifest = json.loads((tmp_path / "r" / "manifest.json").read_text())
    assert manifest["outcome"] == "aborted" and manifest["aborted_by"] == "the user"


@pytest.mark.parametrize("how", ["unplugged", "stopped"])
def test_a_power_loss_of_a_board_that_was_silent_before_is_not_injected_and_excuses_nothing(
    tmp_path: Path, how: str
) -> None:
    """Its switch switches nothing: that the board is silent afterwards, too, is no proof."""
    out = tmp_path / "r"
    out.mkdir()
    cut = {"frame": 60, "node": "b", "target": "board", "action": "power_loss"}
    with bench(tmp_path) as boards:
        b = boards["b"]
        silence = {
            "unplugged": lambda: b.cable.unplug(b.cable.host),
            "stopped": lambda: b.signal(signal.SIGSTOP),
        }
        hook = Deeds(boards, {10: silence[how]})
        switch = {"kind": "command", "on": "true", "off": "true", "off_s": 0.1}
        nodes = [
            {"name": name, "board": "serial", "port": str(each.cable.host.path), "power": switch}
            for name, each in boards.items()
        ]
        more: dict[str, Any] = {"upsets": {"events": [cut]}, "expect": {"sdc_frames": 0}}
        rig = {"scheme": "tmr", "nodes": nodes}
        hook.loop = Loop(
            scenario(boards, frames=FRAMES, boot_s=1, rig=rig, **more), out, **between_frames(hook)
        )
        result = hook.loop.run()
    (upset,) = rows(out, "SELECT state, detail FROM upsets")
    assert upset["state"] == "refused" and "was silent before" in upset["detail"]
    assert (result.outcome, result.exit_code, names(result)) == ("error", 3, ["b"])


def test_a_board_that_was_only_late_before_its_power_loss_is_asked_once_more(
    tmp_path: Path,
) -> None:
    """It answers, so it can show the loss: here, that there was none."""
    out = tmp_path / "r"
    out.mkdir()
    cut = {"frame": 60, "node": "b", "target": "board", "action": "power_loss"}
    with bench(tmp_path) as boards:

        def is_late() -> None:
            assert hook.loop is not None
            hook.loop.controls.rig.nodes[1].link.unanswered_since_us = 1

        hook = Deeds(boards, {60: is_late})
        switch = {"kind": "command", "on": "true", "off": "true", "off_s": 0.1}
        nodes = [
            {"name": name, "board": "serial", "port": str(each.cable.host.path), "power": switch}
            for name, each in boards.items()
        ]
        more: dict[str, Any] = {"upsets": {"events": [cut]}, "expect": {"sdc_frames": 0}}
        s = scenario(boards, frames=FRAMES, boot_s=1, rig={"scheme": "tmr", "nodes": nodes}, **more)
        hook.loop = Loop(s, out, **between_frames(hook))
        result = hook.loop.run()
    (upset,) = rows(out, "SELECT state, detail FROM upsets")
    assert upset["state"] == "failed" and "switched nothing" in upset["detail"]
    assert (result.outcome, names(result)) == ("fail", [])


def test_a_board_that_does_not_boot_after_the_scenarios_power_loss_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its power is back, but it does not come up in the time that a boot may take."""
    event = {
        "frame": 20,
        "node": "b",
        "target": "board",
        "action": "power_loss",
        "returns_after_frames": 20,
    }
    out = tmp_path / "r"
    out.mkdir()
    with bench(tmp_path) as boards:
        monkeypatch.setattr(boards["b"], "start", lambda: None)  # it has lost its SD card
        supply = {"kind": "mock", "off_s": 1.0}
        nodes = [
            {"name": name, "board": "serial", "port": str(each.cable.host.path)}
            for name, each in boards.items()
        ]
        rig = {"scheme": "tmr", "nodes": [nodes[0], {**nodes[1], "power": supply}, nodes[2]]}
        more: dict[str, Any] = {"upsets": {"events": [event]}, "expect": {"sdc_frames": 0}}
        loop = Loop(scenario(boards, frames=FRAMES, boot_s=1, rig=rig, **more), out)
        board = loop.controls.rig.nodes[1].board
        assert isinstance(board, SerialBoard)
        board.power = Socket(boards["b"], SupplyConfig.model_validate(supply))
        board.can_cycle = True
        loop.controls.rig.power = PowerMonitor([board.power], period_s=0.01)
        result = loop.run()
    assert result.upsets.injected == 1
    assert (result.outcome, names(result)) == ("error", ["b"])
