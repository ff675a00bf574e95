"""Upsets of the voter and of recovery: every bit of what the host decides with, and what becomes of
each while all nodes answer right. And the answers of one node against the real voter.

The host is not hit in a run: this bench trusts it. What is listed here is what a flight computer
would have to protect otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from hil.campaign.scheme_model import SchemeModel, SchemeResult, scheme_parts
from hil.record.scheme_proof import AnswerCheck, HostFate, HostRow
from hil.redundancy.electorate import Electorate
from hil.redundancy.recovery import RUNGS, NodeRecoverySnapshot, NodeState, RecoveryMachine
from hil.redundancy.voting import Ballot, NodeStatus, VoterUpset, vote, voter_fields
from hil.scenario import Scenario

__all__ = ["check_answers", "host_upsets", "recovery_upsets"]

_STATES: Final = tuple(NodeState)
_COUNT_BITS: Final = 3  # of the attempts of one rung, of which the policy allows few
_AGREED_BITS: Final = 8
_WORD: Final = 64
_ALL: Final = (1 << _WORD) - 1

Tamper = Callable[[RecoveryMachine], None]
_Change = Callable[[NodeRecoverySnapshot], NodeRecoverySnapshot]
_FLAGS: Final[dict[str, _Change]] = {
    "held": lambda node: replace(node, held=not node.held),
    "shed": lambda node: replace(node, shed=not node.shed),
    "out": lambda node: replace(node, out=not node.out),
}


def _fate(result: SchemeResult) -> HostFate:
    if result.escaped:
        return HostFate.WRONG
    if result.host_failed:
        return HostFate.STOPS
    if result.lost:
        return HostFate.LOST
    return HostFate.HARMLESS if result.restored else HostFate.NODE_OUT


def host_upsets(scenario: Scenario) -> list[HostRow]:
    """Hit every bit of the voter's memory before and after its decision, and every bit of the state
    of recovery between two frames; return what became of them, by field."""
    model = SchemeModel(scenario)
    rows: list[HostRow] = []
    for decided, part in ((False, "voter, before it decides"), (True, "voter, its decision")):
        for name, first, size in voter_fields(len(model.names)):
            fates: Counter[HostFate] = Counter()
            for bit in range(first, first + size):
                hit = partial(vote, upset=VoterUpset(bit, decided))
                fates[_fate(model.carry_out(voter=hit))] += 1
            rows.append(HostRow(part, name, fates))
    for name, tampers in recovery_upsets(model.names):
        outcome = Counter(_fate(model.carry_out(tamper=tamper)) for tamper in tampers)
        rows.append(HostRow("recovery", name, outcome))
    return rows


def recovery_upsets(names: list[str]) -> Iterator[tuple[str, list[Tamper]]]:
    """Return the fields of recovery while all nodes vote, each with a change for every bit. The
    state is three bits, the attempts of a rung are a small count."""
    for name in names:
        yield f"{name}.state", [partial(_set_state, name, bit) for bit in range(3)]
        yield f"{name}.agreed", [partial(_set_agreed, name, b) for b in range(_AGREED_BITS)]
        for flag, change in _FLAGS.items():
            yield f"{name}.{flag}", [partial(_set_flag, name, change)]
        for rung in RUNGS:
            tampers: list[Tamper] = [partial(_set_tried, name, rung, b) for b in range(_COUNT_BITS)]
            yield f"{name}.tried.{rung}", tampers
        yield f"in_service.{name}", [partial(_leave_out, name)]
    yield "voters", [partial(_flip_mask, "voters", bit) for bit in range(8)]
    yield "returning", [partial(_flip_mask, "returning", bit) for bit in range(8)]


def _set_state(name: str, bit: int, machine: RecoveryMachine) -> None:
    snapshot = machine.snapshot()
    number = _STATES.index(snapshot[name].state) ^ 1 << bit
    machine.restore({name: replace(snapshot[name], state=_STATES[number])})


def _set_agreed(name: str, bit: int, machine: RecoveryMachine) -> None:
    snapshot = machine.snapshot()
    machine.restore({name: replace(snapshot[name], agreed=snapshot[name].agreed ^ 1 << bit)})


def _set_flag(name: str, change: _Change, machine: RecoveryMachine) -> None:
    machine.restore({name: change(machine.snapshot()[name])})


def _set_tried(name: str, rung: NodeState, bit: int, machine: RecoveryMachine) -> None:
    node = machine.snapshot()[name]
    machine.restore({name: replace(node, tried={**node.tried, rung: (99,) * (1 << bit)})})


def _leave_out(name: str, machine: RecoveryMachine) -> None:
    machine.in_service = tuple(n for n in machine.in_service if n != name)


def _flip_mask(mask: str, bit: int, machine: RecoveryMachine) -> None:
    setattr(machine, mask, getattr(machine, mask) ^ 1 << bit)


# --- the answers of one node ------------------------------------------------------------------


def check_answers(scenario: Scenario, output: int, state: int) -> AnswerCheck:
    """Put answers of each node in turn to the real voter, while all others answer right: every way
    a step can end, with right, missing, exchanged and neighbouring digests. `output` and `state`
    are the right ones."""
    scheme, _ = scheme_parts(scenario)
    size = scheme.members
    right = Ballot(NodeStatus.DONE, 0, output, state)
    everybody = Electorate((1 << size) - 1, 0)
    counts: Counter[str] = Counter()
    for node in range(size):
        for answer in _answers(output, state):
            ballots = [answer if i == node else right for i in range(size)]
            verdict = scheme.decide(0, ballots, everybody, output, frames_alone=0)
            counts["right" if verdict.correct else "wrong" if verdict.delivered else "none"] += 1
    return AnswerCheck(counts.total(), counts["right"], counts["wrong"], counts["none"])


def _answers(output: int, state: int) -> Iterator[Ballot]:
    for status in NodeStatus:
        for digest in _digests(output, state):
            yield Ballot(status, 0, digest, state)
            yield Ballot(status, 0, output, digest)
            yield Ballot(status, 0, digest, digest)


def _digests(output: int, state: int) -> Iterator[int]:
    yield from (output, state, 0, _ALL, output ^ _ALL, state ^ _ALL)
    for bit in range(_WORD):
        yield output ^ 1 << bit
        yield state ^ 1 << bit
