"""Finds out why a board cannot be used: its port cannot be opened, its agent does not answer, or it
is not the board of the bench file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.errors import HilError, SetupError
from hil.rig.bench_test.board_links import BoardUnderTest
from hil.rig.discovery.line_test import find_fault
from hil.rig.discovery.probe import USUAL_BAUDS, Candidate, probe
from hil.rig.transport import PortFault, TransportLost
from hil.scenario.bench_report import BenchFault, BenchFinding

__all__ = ["finding_of_error", "finding_of_line", "finding_of_silence", "identity_finding"]

_WAIT_S: Final = 0.6
_FAULTS: Final = {
    PortFault.ECHO: BenchFault.ECHO,
    PortFault.LINE: BenchFault.LINE,
    PortFault.VERSION: BenchFault.WRONG_VERSION,
    PortFault.SILENT: BenchFault.NO_ANSWER,
    PortFault.TALKS: BenchFault.NO_ANSWER,
}
_REMEDIES: Final = {
    PortFault.SILENT: "has the board power, does hil-agent run there, and are RX and TX crossed, "
    "with a common ground?",
}


def finding_of_error(board: BoardUnderTest, fault: BenchFault, error: HilError) -> BenchFinding:
    """Return a finding with the message of an error."""
    message = error.message.removeprefix(f"node {board.name}: ")
    return BenchFinding(fault, (board.name,), f"{board.name}: {message}", error.remedy or "")


def finding_of_silence(board: BoardUnderTest) -> BenchFinding | None:
    """Return why the agent of a board did not answer: the port, which must be closed, is asked at
    all usual rates. None if it answers at its own rate now: it was booting."""
    config = board.config
    result = probe(
        Candidate(board.port, None, config.baud, config.token_file), USUAL_BAUDS, _WAIT_S
    )
    if result.hello is not None and result.baud != config.baud:
        return BenchFinding(
            BenchFault.WRONG_BAUD,
            (board.name,),
            f"{board.name} answers at {result.baud} baud, and the bench file says {config.baud}",
            f"write `baud: {result.baud}`, or start its agent with `--baud {config.baud}`",
        )
    if result.hello is not None:
        return None
    return BenchFinding(
        _FAULTS.get(result.why, BenchFault.UNREACHABLE),
        (board.name,),
        f"{board.name}: {result.reason}",
        _REMEDIES.get(result.why, result.remedy),
    )


def finding_of_line(board: BoardUnderTest) -> BenchFinding | None:
    """Return how the line of a board that answers changes bytes; None if it carries all."""
    transport = board.node.link.transport
    if transport is None:
        return None
    try:
        fault = find_fault(transport, board.node.link.clock)
    except TransportLost:
        return None
    if fault is None:
        return None
    return BenchFinding(
        BenchFault.LINE, (board.name,), f"{board.name}: {fault.reason}", fault.remedy
    )


def identity_finding(
    board: BoardUnderTest, others: Sequence[BoardUnderTest]
) -> BenchFinding | None:
    """Return a finding if another board answers than the bench file says; None if it is right or
    nothing is said. `others`: all boards of the bench."""
    if board.hello is None:
        return None
    try:
        board.node.check(board.hello)
    except SetupError as error:
        serial = board.hello.serial
        owner = next((o.name for o in others if o.config.serial == serial), None)
        if owner is None or owner == board.name:
            return finding_of_error(board, BenchFault.OTHER_BOARD, error)
        return BenchFinding(
            BenchFault.OTHER_BOARD,
            (board.name,),
            f"{board.name}: the board {owner} answers there (serial number {serial})",
            "exchange the two data cables, or correct `port:` or `adapter:` in the bench file",
        )
    return None
