"""Starts simulated bench supplies as processes, gives them orders, and reads their logs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.rig.power import make
from hil.scenario.supply import SupplyConfig
from tests.waiting import wait_until

PROGRAM = Path(__file__).with_name("bench_supply.py")


@dataclass
class RunningSupply:
    """One simulated supply: its VISA name, its process, and its folder's files."""

    resource: str
    process: subprocess.Popen[str]
    log: Path
    orders: Path

    def order(self, *lines: str) -> None:
        """Give orders and wait until they are carried out."""
        new = self.orders.with_suffix(".new")
        new.write_text("\n".join(lines) + "\n")
        new.rename(self.orders)
        wait_until(lambda: not self.orders.exists())

    def unplug(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def reached(self, output: int, *words: str) -> list[list[str]]:
        """The logged changes of one output, without their times: `VOLT 3 19.0 by 2`."""
        lines = [line.split()[1:] for line in self.log.read_text().splitlines()]
        return [
            line
            for line in lines
            if line[0] in (words or ("VOLT", "CURR", "OUTP")) and line[1] == str(output)
        ]

    def time_of(self, *words: str) -> float:
        """The time of the first line of the log with these words."""
        for line in self.log.read_text().splitlines():
            time_s, *rest = line.split()
            if rest[: len(words)] == list(words):
                return float(time_s)
        raise AssertionError(f"{words} is not in the log:\n{self.log.read_text()}")

    def power(self, node: str, channel: int = 1, **data: Any) -> Any:
        given = {
            "kind": "scpi",
            "resource": self.resource,
            "channel": channel,
            "off_s": 0.01,
            **data,
        }
        return make(node, SupplyConfig.model_validate(given))


@contextmanager
def running_supply(folder: Path, *options: str, name: str = "psu") -> Iterator[RunningSupply]:
    """A simulated supply on a socket, or with `--pty LINK` among the options on a terminal."""
    log, orders = folder / f"{name}.log", folder / f"{name}.orders"
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "--log", str(log), "--orders", str(orders), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        place = process.stdout.readline().strip()
        resource = (
            f"ASRL{place}::INSTR" if "--pty" in options else f"TCPIP::127.0.0.1::{place}::SOCKET"
        )
        yield RunningSupply(resource, process, log, orders)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
