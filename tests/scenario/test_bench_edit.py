"""A bench file is edited as a careful person would: nothing else in it changes."""

from __future__ import annotations

import difflib

import pytest

from hil.errors import ConfigError, SetupError
from hil.scenario.bench import parse_bench
from hil.scenario.bench_edit import BenchText, NewBoard, fresh_text

BY_HAND = """\
# my bench, do not touch the left one
schema: 1


boards:            # as they lie on the table
    # it has a fan
    - {name: left,   port: '/dev/ttyUSB0', baud: 921600}   # the old one
    - port:    /dev/ttyUSB1    # moves
      name:    "middle"        # with its own supply
      power:
          kind: mock

          off_s: 1
    - name: right
      port: socket://10.0.0.5:4000

# the end
"""


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_only_the_value_changes() -> None:
    text = BenchText(BY_HAND, "b")
    text.set_key(1, "port", "/dev/serial/by-id/usb-FTDI_X-if00")
    text.set_key(0, "baud", 115200)
    text.set_key(2, "port", "socket://10.0.0.6:1")
    assert changed_lines(BY_HAND, text.finished()) == [
        "-     - {name: left,   port: '/dev/ttyUSB0', baud: 921600}   # the old one",
        "+     - {name: left,   port: '/dev/ttyUSB0', baud: 115200}   # the old one",
        "-     - port:    /dev/ttyUSB1    # moves",
        "+     - port:    /dev/serial/by-id/usb-FTDI_X-if00    # moves",
        "-       port: socket://10.0.0.5:4000",
        "+       port: socket://10.0.0.6:1",
    ]


def test_new_keys_stand_behind_the_name() -> None:
    text = BenchText(BY_HAND, "b")
    for index in range(3):
        text.set_key(index, "absent", value=True)
    assert changed_lines(BY_HAND, text.finished()) == [
        "-     - {name: left,   port: '/dev/ttyUSB0', baud: 921600}   # the old one",
        "+     - {name: left, absent: true,   port: '/dev/ttyUSB0', baud: 921600}   # the old one",
        "+       absent: true",
        "+       absent: true",
    ]
    for index in range(3):
        text.set_key(index, "absent", value=False)
    assert [b.absent for b in parse_bench(text.finished()).boards] == [False] * 3


def test_new_boards_come_last_and_the_rest_stays() -> None:
    text = BenchText(BY_HAND, "b")
    text.append(NewBoard("new", port="/dev/ttyUSB9", serial="100e5"), "a Pi")
    assert changed_lines(BY_HAND, text.finished()) == [
        "+     - name: new  # a Pi",
        "+       port: /dev/ttyUSB9",
        '+       serial: "100e5"',
    ]
    assert text.text.endswith("\n\n# the end\n")


@pytest.mark.parametrize(
    "text",
    [
        "boards: [{name: a, port: x}]\n",
        "boards:\n- {name: a, port: x}",
        "boards:\n- name: a\n  port: x",
        "boards:\n- name: a\n  port: x\nschema: 1\n",
        '{"boards": [{"name": "a", "port": "x"}]}',
        "boards:\n  - name: a # c\n    port: x\r\n",
    ],
)
def test_every_way_of_writing_can_be_changed(text: str) -> None:
    bench = BenchText(text, "b")
    bench.append(NewBoard("b", port="rfc2217://10.0.0.5:4000"))
    bench.set_key(0, "adapter", "usb-path:1-1.2:1.0")
    bench.set_key(0, "port", "/dev/x y")
    bench.append(NewBoard("c", port="no", baud=9600))
    boards = parse_bench(bench.finished()).boards
    assert [(b.name, b.port, b.adapter) for b in boards] == [
        ("a", "/dev/x y", "usb-path:1-1.2:1.0"),
        ("b", "rfc2217://10.0.0.5:4000", None),
        ("c", "no", None),
    ]


@pytest.mark.parametrize(
    "text", ["boards:\n- name: a\n  port: |\n    x\n", "boards:\n  a: {name: a, port: x}\n"]
)
def test_what_cannot_be_changed_safely_is_left_alone(text: str) -> None:
    bench = BenchText(text, "mine.yaml")
    with pytest.raises(SetupError, match=r"mine\.yaml cannot be changed safely"):
        bench.set_key(0, "port", "/dev/z")
    assert bench.text == text


def test_a_fresh_file_is_a_bench_file() -> None:
    text = fresh_text([(NewBoard("a", port="/dev/x", adapter="usb-serial:A1"), "a Pi")])
    (board,) = parse_bench(text).boards
    assert (board.name, board.port, board.adapter) == ("a", "/dev/x", "usb-serial:A1")
    with pytest.raises(ConfigError):
        BenchText("boards:\n- {name: a}\n", "b").finished()
