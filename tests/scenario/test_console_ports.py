"""Console ports in bench and scenario files: what names one, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import ConfigError
from hil.scenario import BoardKind, Overrides, load, parse_scenario
from hil.scenario.bench import parse_bench

LEFT = "name: left, port: /dev/ttyUSB0"
RIGHT = "name: right, port: /dev/ttyUSB1, adapter: usb-serial:R1"


def bench(left: str = "", right: str = "") -> str:
    return f"schema: 1\nboards:\n  - {{{LEFT}{left}}}\n  - {{{RIGHT}{right}}}\n"


@pytest.mark.parametrize(
    "console",
    ["/dev/ttyUSB5", "usb-serial:A10K3XYZ", "usb-path:1-1.2:1.1", '"socket://10.0.0.5:4001"'],
)
def test_a_console_is_a_port_or_an_adapter(console: str) -> None:
    board = parse_bench(bench(f", console: {console}, console_baud: 1500000")).boards[0]
    assert (board.console, board.console_baud) == (console.strip('"'), 1500000)


@pytest.mark.parametrize(
    ("left", "right", "path", "words"),
    [
        (
            ", console: /dev/ttyUSB0",
            "",
            "$.boards[0].console",
            "the console /dev/ttyUSB0 is the port of board left",
        ),
        (
            ", console: /dev/ttyUSB1",
            "",
            "$.boards[0].console",
            "the console /dev/ttyUSB1 is the port of board right",
        ),
        (
            ", console: usb-serial:R1",
            "",
            "$.boards[0].console",
            "the console usb-serial:R1 is the port of board right",
        ),
        (
            ", console: /dev/ttyUSB5",
            ", console: /dev/ttyUSB5",
            "$.boards[1].console",
            "the console /dev/ttyUSB5 is the console of board left; give the console a port of",
        ),
        (
            ", console: /dev/ttyUSB9",
            ', power: {kind: scpi, resource: "ASRL/dev/ttyUSB9::INSTR"}',
            "$.boards[0].console",
            "the console /dev/ttyUSB9 is the supply of board right",
        ),
        (
            ", console_baud: 9600",
            "",
            "$.boards[0].console_baud",
            "board left has `console_baud`, but no `console`; add `console:`",
        ),
        (
            ", console: usb-path:front",
            "",
            "$.boards[0].console",
            "`usb-path:front` is not a valid adapter",
        ),
        (
            ', console: "telnet://host:4000"',
            "",
            "$.boards[0].console",
            "did you mean `rfc2217://`?",
        ),
        (
            ", console: /dev/ttyUSB5, console_baud: 10",
            "",
            "$.boards[0].console_baud",
            "50",
        ),
    ],
)
def test_a_console_that_cannot_be_is_refused(left: str, right: str, path: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_bench(bench(left, right), file="b.yaml")
    (problem,) = caught.value.problems
    assert problem.path == path
    assert problem.line == 3 + int(path[9])
    assert words in str(problem)


def test_another_name_of_a_port_of_the_bench_is_that_port(tmp_path: Path) -> None:
    (tmp_path / "adapter").symlink_to("/dev/ttyUSB0")
    with pytest.raises(ConfigError, match="is the port of board left"):
        parse_bench(bench(f", console: {tmp_path / 'adapter'}"))


SCENARIO = """
schema: 1
workload: sha256
frames: 10
rig:
  scheme: simplex
  nodes: [{name: a, board: %s, %s}]
"""


def test_a_node_of_a_scenario_has_a_console_if_it_is_a_serial_board() -> None:
    scenario = parse_scenario(SCENARIO % ("serial", "port: /dev/ttyUSB0, console: /dev/ttyUSB5"))
    assert scenario.rig.nodes[0].console == "/dev/ttyUSB5"
    with pytest.raises(ConfigError, match="node a has `console`, but is a process board"):
        parse_scenario(SCENARIO % ("process", "console: /dev/ttyUSB5"))
    with pytest.raises(ConfigError, match="the console /dev/ttyUSB0 is the port of node a"):
        parse_scenario(SCENARIO % ("serial", "port: /dev/ttyUSB0, console: /dev/ttyUSB0"))


def test_a_run_on_a_bench_has_its_consoles_and_one_on_software_boards_none(tmp_path: Path) -> None:
    scenario, file = tmp_path / "s.yaml", tmp_path / "bench.yaml"
    scenario.write_text(SCENARIO % ("process", ""))
    file.write_text(bench(", console: usb-serial:C1, console_baud: 9600"))
    on_bench = load(str(scenario), Overrides(bench=file)).scenario.rig.nodes[0]
    assert (on_bench.console, on_bench.console_baud) == ("usb-serial:C1", 9600)
    scenario.write_text(SCENARIO % ("serial", "port: /dev/ttyUSB0, console: /dev/ttyUSB5"))
    (node,) = load(str(scenario), Overrides(board="process")).scenario.rig.nodes
    assert node.board is BoardKind.PROCESS and node.console is None
