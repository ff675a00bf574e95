"""`hil power`: the supplies of a bench, without a run."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import Hil
from tests.rig.supplies.running import RunningSupply, running_supply
from tests.waiting import wait_until

pytest.importorskip("pyvisa_py", reason="pyvisa-py is not installed")


@pytest.fixture
def supply(tmp_path: Path) -> Iterator[RunningSupply]:
    with running_supply(tmp_path) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, supply: RunningSupply) -> Path:
    """Two boards on two outputs of one supply, one on a relay, one that nothing switches."""
    file = tmp_path / "bench.yaml"
    scpi = f'kind: scpi, resource: "{supply.resource}", off_s: 0.01, timeout_s: 2'
    file.write_text(
        "schema: 1\nboards:\n"
        f"  - {{name: left, port: /dev/tty-left, power: {{{scpi}, channel: 1}}}}\n"
        f"  - {{name: right, port: /dev/tty-right, power: {{{scpi}, channel: 2}}}}\n"
        "  - {name: relay, port: /dev/tty-relay, power: {kind: relay, line: 17}}\n"
        "  - {name: bare, port: /dev/tty-bare}\n"
    )
    return file


def test_a_board_is_switched_and_measured_and_no_other(
    hil: Hil, bench: Path, supply: RunningSupply
) -> None:
    done = hil("power", "off", "right", "--bench", bench, "--json")
    (state,) = json.loads(done.out)["boards"]
    assert (done.code, state["board"], state["on"], state["voltage_v"]) == (0, "right", False, 0)
    states = json.loads(hil("power", "read", "left", "right", "--bench", bench, "--json").out)
    assert [b["on"] for b in states["boards"]] == [True, False]
    assert hil("power", "on", "right", "--bench", bench).code == 0
    assert hil("power", "cycle", "right", "--bench", bench).code == 0
    assert [words[2] for words in supply.reached(2, "OUTP")] == ["OFF", "ON", "OFF", "ON"]
    assert supply.reached(1, "OUTP") == supply.reached(3, "OUTP") == []


def test_a_table_shows_what_each_supply_gives(hil: Hil, bench: Path) -> None:
    done = hil("power", "read", "left", "right", "--bench", bench)
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["board", "power", "V", "A", "W", "supply"]
    assert [row[:2] for row in rows[1:]] == [["left", "on"], ["right", "on"]]


def test_a_supply_that_fails_is_named_and_the_others_are_read(
    hil: Hil, bench: Path, supply: RunningSupply
) -> None:
    supply.unplug()
    with bench.open("a") as file:
        file.write("  - {name: other, port: /dev/tty-other, power: {kind: mock}}\n")
    done = hil("power", "read", "left", "other", "--bench", bench, "--json")
    content = json.loads(done.out)
    left, other = content["boards"]
    assert (done.code, content["ok"]) == (3, False)
    assert "does not answer" in left["error"] and left["on"] is None
    assert (other["error"], other["on"]) == (None, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("off", "nobody"), "the bench has no board `nobody`; it has left, right, relay, bare"),
        (("off", "bare"), "nothing is known that switches the power of board bare"),
        (("off", "relay"), "falls back when this command ends"),
        (("read", "bare"), "nothing is known that switches the power of board bare"),
    ],
)
def test_a_board_that_cannot_be_switched_so_is_refused(
    hil: Hil, bench: Path, supply: RunningSupply, words: tuple[str, ...], message: str
) -> None:
    done = hil("power", *words, "--bench", bench)
    assert done.code == 2 and message in done.err
    assert supply.reached(1) == supply.reached(2) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cycle_that_is_ended_switches_the_board_on_first(
    hil: Hil, bench: Path, supply: RunningSupply, number: signal.Signals
) -> None:
    bench.write_text(bench.read_text().replace("off_s: 0.01", "off_s: 3000"))
    with hil.start("power", "cycle", "left", "--bench", bench) as process:
        wait_until(lambda: supply.reached(1, "OUTP"))
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "left: its power is switched on before this command ends" in stderr
    assert [words[2] for words in supply.reached(1, "OUTP")] == ["OFF", "ON"]
