"""The findings of the power cycles of a bench: faults of supplies, switches and cables.

switched off: A    A stopped             A went on
others went on     right                 its supply reads off: back-fed, else a dead switch
another stopped    a shared supply       crossed supplies"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from hil.rig.bench_test.power_cycle import PowerCycle
from hil.rig.bench_test.wording import listed
from hil.rig.power import PowerReading
from hil.rig.power.protocol import LEAST_V
from hil.scenario.bench_report import BenchFault, BenchFinding

__all__ = ["power_findings"]

_LEAST_A: Final = 0.02
"""[A] A board that draws less is not fed by this output: the smallest boards draw 0.05 A."""


def power_findings(
    cycles: Sequence[PowerCycle], known: Collection[str], boot_wait_s: float
) -> list[BenchFinding]:
    """Return the faults that these power cycles show. `known`: boards that were identified by their
    serial numbers, so that their data cables are right; `boot_wait_s`: how long was waited for each
    board to answer again [s]."""
    findings: list[BenchFinding] = []
    crossed = {c.board: c for c in cycles if not c.was_cut and c.restarted}
    for cycle in cycles:
        if cycle.board in crossed:
            twin = _twin(cycle, crossed)
            if twin is None:
                findings.append(_misdirected(cycle, known))
            elif cycle.board < twin.board:
                findings.append(_crossed(cycle, twin, known))
        elif not cycle.was_cut:
            findings.append(_ran_on(cycle))
        else:
            findings += _side_effects(cycle)
        if cycle.unlinked:
            findings.append(_unlinked(cycle))
        if cycle.missing:
            findings.append(_missing(cycle, boot_wait_s))
    return findings


def _twin(cycle: PowerCycle, crossed: dict[str, PowerCycle]) -> PowerCycle | None:
    """Return the cycle of the board that this one stopped, if that stopped this one."""
    if len(cycle.restarted) != 1:
        return None
    other = crossed.get(cycle.restarted[0])
    return other if other is not None and other.restarted == (cycle.board,) else None


def _or_data_cables(names: Sequence[str], known: Collection[str]) -> str:
    if all(name in known for name in names):
        return ""
    return " (or their data cables: no serial number says which board answers)"


def _crossed(one: PowerCycle, other: PowerCycle, known: Collection[str]) -> BenchFinding:
    boards = (one.board, other.board)
    return BenchFinding(
        BenchFault.CROSSED_SUPPLIES,
        boards,
        f"the supply cables of {one.board} and {other.board} are crossed"
        f"{_or_data_cables(boards, known)}: switching either off stops the other, and it goes on",
        "exchange the two supply cables, or the outputs in the bench file",
    )


def _misdirected(cycle: PowerCycle, known: Collection[str]) -> BenchFinding:
    boards = (cycle.board, *cycle.restarted)
    return BenchFinding(
        BenchFault.CROSSED_SUPPLIES,
        boards,
        f"supply cables are crossed{_or_data_cables(boards, known)}: switching {cycle.board} off "
        f"stopped {listed(cycle.restarted)}, and {cycle.board} went on",
        f"connect {cycle.board} to the output that the bench file names ({cycle.supply}), or "
        "correct the file",
    )


def _ran_on(cycle: PowerCycle) -> BenchFinding:
    """Return the finding for a board that went on when its power was off, as all others did."""
    reading, name = _shown(cycle.off), cycle.board
    is_off = _is_off(cycle.off)
    if is_off is None:
        measures = "measures nothing"
        if cycle.reports_on is False:
            measures = "reports that it is off, and measures nothing of the board"
        return BenchFinding(
            BenchFault.DEAD_SWITCH,
            (name,),
            f"switching {name} off did nothing: its agent went on without a new start "
            f"({cycle.supply}, which {measures})",
            "is it the right switch, and does it cut the power? if it does, something else feeds "
            "the board: USB, HDMI or the adapter's TX (boards/README.md, Wiring)",
        )
    if not is_off:
        return BenchFinding(
            BenchFault.DEAD_SWITCH,
            (name,),
            f"switching {name} off did nothing: its agent went on without a new start, and "
            f"{cycle.supply} still gives {reading}",
            "its contact may be stuck, or the wrong one (`active_low:`); some hubs say off and "
            "leave the power on",
        )
    if cycle.idle.amps is not None and cycle.idle.amps < _LEAST_A:
        return BenchFinding(
            BenchFault.BACK_FED,
            (name,),
            f"{name} takes its power from elsewhere: {cycle.supply} gives {cycle.idle.amps:.2f} A "
            "even while it is on, and the board goes on when it is off",
            "connect the board to this output, or correct `power:` in the bench file",
        )
    return BenchFinding(
        BenchFault.BACK_FED,
        (name,),
        f"{name} is back-fed: {cycle.supply} was off ({reading}), and the board's agent went on "
        "without a new start",
        "find what else feeds it: USB, HDMI, or the adapter's TX, which needs a resistor of 1 kΩ "
        "(boards/README.md, Wiring)",
    )


def _is_off(reading: PowerReading) -> bool | None:
    """Return whether a supply gives nothing; None if it measures nothing. The current decides: a
    board that is fed from elsewhere may hold a voltage at the output that is off."""
    if reading.amps is not None:
        return abs(reading.amps) < _LEAST_A
    return None if reading.volts is None else reading.volts < LEAST_V


def _side_effects(cycle: PowerCycle) -> list[BenchFinding]:
    """Return the findings for a board that stopped as it should."""
    findings: list[BenchFinding] = []
    if cycle.restarted:
        findings.append(
            BenchFinding(
                BenchFault.SHARED_SUPPLY,
                (cycle.board, *cycle.restarted),
                f"switching {cycle.board} off stopped {listed(cycle.restarted)}, too",
                "give every board an output of its own, and a ground that does not lead through "
                "another board",
            )
        )
    if _is_off(cycle.off) is False:
        findings.append(
            BenchFinding(
                BenchFault.FALSE_READING,
                (cycle.board,),
                f"{cycle.board} stopped, and {cycle.supply} reads {_shown(cycle.off)} all the "
                "same: it measures another output",
                "correct `channel:` or `read:` of its supply",
            )
        )
    return findings


def _unlinked(cycle: PowerCycle) -> BenchFinding:
    return BenchFinding(
        BenchFault.SHARED_SUPPLY,
        (cycle.board, *cycle.unlinked),
        f"switching {cycle.board} off broke the link of {listed(cycle.unlinked)}, whose power "
        "stayed",
        "plug its adapter into a port that is not switched",
    )


def _missing(cycle: PowerCycle, boot_wait_s: float) -> BenchFinding:
    return BenchFinding(
        BenchFault.NO_RETURN,
        cycle.missing,
        f"{listed(cycle.missing)} did not answer within {boot_wait_s:g} s after {cycle.board} was "
        "switched on again",
        "does hil-agent start with the board? give it more time with --boot-wait",
    )


def _shown(reading: PowerReading) -> str:
    parts = ((reading.volts, "V"), (reading.amps, "A"))
    return ", ".join(f"{value:.2f} {unit}" for value, unit in parts if value is not None)
