"""Two names of the bench file that lead to one serial number, or to one board."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from hil.rig.bench_test.board_links import BoardUnderTest
from hil.rig.bench_test.wording import listed
from hil.rig.discovery.adapters import Adapter, matching
from hil.scenario.bench_report import BenchFault, BenchFinding
from hil.wire.messages import Hello

__all__ = ["same_adapters", "same_agents", "same_ports"]

_SAME_START_US: Final = 1_000_000
"""Two HELLOs of one agent show starts that differ by less than this."""


def same_ports(boards: Sequence[BoardUnderTest]) -> list[BenchFinding]:
    """Return a finding for each port that several boards of the bench file name, in different
    ways. Devices behind adapters must have been looked up."""
    users: dict[str, list[str]] = defaultdict(list)
    for board in boards:
        if board.port:
            users[_device(board.port)].append(board.name)
    return [
        BenchFinding(
            BenchFault.SAME_BOARD,
            tuple(names),
            f"{listed(names)} are one port, {port}, under {len(names)} names",
            "correct `port:` or `adapter:` of one of them; `hil discover` says which boards there "
            "are",
        )
        for port, names in users.items()
        if len(names) > 1
    ]


def _device(port: str) -> str:
    return port if "://" in port else os.path.realpath(port)


def same_adapters(boards: Sequence[BoardUnderTest], here: Sequence[Adapter]) -> list[BenchFinding]:
    """Return a finding for each serial number of an adapter by which boards are named, and which
    several of the adapters in `here` have."""
    users: dict[str, list[str]] = defaultdict(list)
    for board in boards:
        for number in _ambiguous_numbers(board, here):
            users[number].append(board.name)
    return [
        BenchFinding(
            BenchFault.SAME_SERIAL,
            tuple(names),
            f"{listed(names)}: several adapters have the serial number {number}, so that any of "
            "them may be meant",
            "run `hil discover -o FILE`, which names them by their USB sockets, and keep each in "
            "its socket",
        )
        for number, names in users.items()
    ]


def _ambiguous_numbers(board: BoardUnderTest, here: Sequence[Adapter]) -> set[str]:
    """Return the serial number of the board's adapter if the bench file relies on it, and another
    adapter has it, too."""
    config = board.config
    if config.adapter is not None:
        named = matching(config.adapter, here) if config.adapter.startswith("usb-serial:") else []
    elif config.port is not None and "/by-id/" in config.port:
        device = os.path.realpath(config.port)
        named = [adapter for adapter in here if os.path.realpath(adapter.device) == device]
    else:
        named = []
    return {a.serial for a in named if a.serial is not None and a.same_serial > 1}


def same_agents(
    boards: Sequence[BoardUnderTest], heard_at_us: dict[str, int]
) -> list[BenchFinding]:
    """Return a finding for each pair of boards behind which is one agent, and for each serial
    number that different boards report. `heard_at_us`: when each HELLO arrived, by name."""
    findings: list[BenchFinding] = []
    numbers: dict[str, list[str]] = defaultdict(list)
    first: list[BoardUnderTest] = []
    for board in boards:
        hello = board.hello
        if hello is None:
            continue
        twin = next((o for o in first if _is_one_agent(o, board, heard_at_us)), None)
        if twin is not None:
            findings.append(_one_agent(twin, board))
            continue
        first.append(board)
        if hello.serial:
            numbers[hello.serial].append(board.name)
    findings += [_one_number(names, number) for number, names in numbers.items() if len(names) > 1]
    return findings


def _start_us(hello: Hello, heard_at_us: int) -> int:
    return heard_at_us - hello.uptime_us


def _is_one_agent(one: BoardUnderTest, other: BoardUnderTest, heard_at_us: dict[str, int]) -> bool:
    """Return whether the agents have one boot id and started at one time: boards without a source
    of random numbers may have one boot id."""
    if one.hello is None or other.hello is None or one.hello.boot_id != other.hello.boot_id:
        return False
    starts = [_start_us(b.hello, heard_at_us[b.name]) for b in (one, other) if b.hello]
    return abs(starts[0] - starts[1]) < _SAME_START_US


def _one_agent(one: BoardUnderTest, other: BoardUnderTest) -> BenchFinding:
    return BenchFinding(
        BenchFault.SAME_BOARD,
        (one.name, other.name),
        f"{one.name} and {other.name} are one board: the same agent answers at {one.port} and at "
        f"{other.port}",
        "correct `port:` or `adapter:` of one of them, or remove it from the bench file",
    )


def _one_number(names: Sequence[str], number: str) -> BenchFinding:
    return BenchFinding(
        BenchFault.SAME_SERIAL,
        tuple(names),
        f"{listed(names)} report one serial number, {number}: two agents on one board, or boards "
        "without numbers of their own",
        "if they are different boards, remove `serial:` from the bench file; they are told apart "
        "by their ports alone",
    )
