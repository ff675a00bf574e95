"""`hil bench test` where the switch feeds the adapters, too: their ports vanish and come back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hil.rig.backends.process import find_agent
from hil.rig.bench_test.bench_tester import BenchTester
from hil.rig.bench_test.power_cycle import CyclePatience
from hil.rig.power import Power, PowerReading
from hil.scenario.bench import BenchBoardConfig
from hil.scenario.bench_report import BenchFault, SwitchState
from hil.scenario.supply import SupplyConfig

from ..cable import Cable

QUICK = CyclePatience(hold_up_us=200_000, hold_up_max_us=1_000_000, boot_us=20_000_000)
SUPPLY = {"kind": "command", "on": "true", "off": "true", "off_s": 0.1}


class PluggedBoard:
    """An agent at the far end of a cable."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.cable = Cable(folder, name)
        self.agent: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        words = [str(find_agent()), "--port", str(self.cable.board.path), "--exit-with-parent"]
        self.agent = subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.agent is not None:
            self.agent.kill()
            self.agent.wait()
            self.agent = None

    def close(self) -> None:
        self.kill()
        self.cable.close()

    @property
    def config(self) -> BenchBoardConfig:
        content = {"name": self.name, "port": str(self.cable.host.path), "power": SUPPLY}
        return BenchBoardConfig.model_validate(content)


class HubPort(Power):
    """Feeds a board, and the adapters of some."""

    def __init__(self, board: PluggedBoard, *adapters: PluggedBoard, is_on: bool = True) -> None:
        super().__init__(board.name, SupplyConfig.model_validate(SUPPLY))
        self.board, self.adapters, self.is_on = board, adapters, is_on
        if not is_on:
            self.off()

    @property
    def title(self) -> str:
        return "a port of a hub"

    def off(self) -> None:
        self.is_on = False
        self.board.kill()
        for adapter in self.adapters:
            adapter.cable.unplug(adapter.cable.host)

    def on(self) -> None:
        if not self.is_on:
            self.is_on = True
            for adapter in self.adapters:
                adapter.cable.plug(adapter.cable.host)
            self.board.start()

    def read(self) -> PowerReading:
        return PowerReading(5.1 if self.is_on else 0.0, None)


@pytest.fixture
def boards(tmp_path: Path) -> Iterator[list[PluggedBoard]]:
    with ExitStack() as stack:
        made = [PluggedBoard(tmp_path, name) for name in ("left", "right")]
        for board in made:
            stack.callback(board.close)
        yield made


@pytest.mark.slow
def test_an_adapter_on_the_switched_port_vanishes_with_its_board_and_comes_back(
    boards: list[PluggedBoard], tmp_path: Path
) -> None:
    left, right = boards
    powers = {"left": HubPort(left, left), "right": HubPort(right, right)}
    configs = [board.config for board in boards]
    report = BenchTester(tmp_path, configs, powers, patience=QUICK).run()
    assert report.findings == ()
    assert [b.power.state for b in report.boards] == [SwitchState.WORKS] * 2
    assert all(b.power.boot_s is not None and b.power.boot_s < 20 for b in report.boards)


def test_a_board_without_power_and_port_is_switched_on_and_off_again(
    boards: list[PluggedBoard], tmp_path: Path
) -> None:
    left, _ = boards
    power = HubPort(left, left, is_on=False)
    report = BenchTester(tmp_path, [left.config], {"left": power}, patience=QUICK).run()
    assert report.findings == () and report.boards[0].power.state is SwitchState.WORKS
    assert not power.is_on


def test_an_adapter_on_the_port_of_another_board_is_named(
    boards: list[PluggedBoard], tmp_path: Path
) -> None:
    left, right = boards
    powers = {"left": HubPort(left, left, right)}
    configs = [board.config for board in boards]
    report = BenchTester(tmp_path, configs, powers, patience=QUICK).run()
    (finding,) = report.findings
    assert (finding.fault, finding.boards) == (BenchFault.SHARED_SUPPLY, ("left", "right"))
    assert finding.message.startswith("switching left off broke the link of right")
