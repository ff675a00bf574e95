"""Upsets of the voter and of recovery: every bit of what the host decides with, and what becomes of
each while all nodes answer right. And the answers of one node against the real voter.

The host is not hit in a run: this bench trusts it. What is listed here is what a flight computer
would have to protect otherwise."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final

from hil.campaign.scheme_answers import ModelVote, WrongAnswer, inverted
from hil.campaign.scheme_model import SchemeModel, SchemeResult, scheme_parts
from hil.errors import KernelError
from hil.record.scheme_proof import AnswerCheck, HostFate, HostRow
from hil.redundancy.electorate import Electorate, Scheme
from hil.redundancy.primary import PrimaryVoter
from hil.redundancy.recovery import RUNGS, NodeRecoverySnapshot, NodeState, RecoveryMachine
from hil.redundancy.time_redundancy import confirmed, wants_another
from hil.redundancy.voting import (
    Ballot,
    NodeStatus,
    Verdict,
    Voter,
    VoterUpset,
    vote,
    voter_fields,
)
from hil.scenario import Scenario

__all__ = ["check_answers", "host_upsets", "recovery_upsets"]

_STATES: Final = tuple(NodeState)
_COUNT_BITS: Final = 3  # of the attempts of one rung, of which the policy allows few
_AGREED_BITS: Final = 8
_PRIMARY_BITS: Final = 3
_CONTRADICTED_BITS: Final = 20
_WORD: Final = 64
_ALL: Final = (1 << _WORD) - 1

_VOTERS: Final = (
    ("voter, before it decides", False, False),
    ("voter, its decision", True, False),
    ("one of three voters, before", False, True),
    ("one of three, its decision", True, True),
)
"""The voters that are hit: what is hit, whether it has decided, and whether it is one of three."""

_Vote = Callable[[Voter], Verdict]
"""A vote that a voter can repeat."""
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


def host_upsets(scenario: Scenario, golden: bytes | None = None) -> list[HostRow]:
    """Hit every bit of the voter's memory before and after its decision, the same of one of three
    voters whose decisions are compared, and every bit of the state of recovery, and of what is
    remembered of a primary, between two frames;
    return what became of them, by field. `golden`: the right output, for a voter by value: it is a
    program of this host, and its memory is not hit."""
    model = SchemeModel(scenario, golden)
    rows: list[HostRow] = []
    votes: list[tuple[_Vote, bytes]] = []
    unharmed = _fate(model.carry_out(voter=partial(_noted, votes)))
    for part, decided, tripled in _VOTERS if scenario.rig.voter.is_exact else ():
        for name, first, size in voter_fields(len(model.names)):
            fates: Counter[HostFate] = Counter()
            for bit in range(first, first + size):
                hit = partial(vote, upset=VoterUpset(bit, decided))
                if tripled and all(_of_three(hit, again).record == r for again, r in votes):
                    fates[unharmed] += 1
                    continue
                voter = partial(_one_of_three, hit) if tripled else hit
                fates[_fate(model.carry_out(voter=voter))] += 1
            rows.append(HostRow(part, name, fates))
    primary = primary_upsets(model.vote.scheme.primary)
    for name, tampers in itertools.chain(recovery_upsets(model.names), primary):
        outcome = Counter(_fate(model.carry_out(tamper=tamper)) for tamper in tampers)
        rows.append(HostRow("recovery", name, outcome))
    return rows


def _noted(votes: list[tuple[_Vote, bytes]], *ballots: Any, **options: Any) -> Verdict:
    """Vote, and note how to vote on the same again, and the record of the verdict."""

    def again(voter: Voter) -> Verdict:
        return voter(*ballots, **options)

    verdict = again(vote)
    votes.append((again, verdict.record))
    return verdict


def _of_three(hit: Voter, again: _Vote) -> Verdict:
    """Return the verdict that most of three voters reach, one of which is hit: it may stop, or
    reach one that cannot be read. Two verdicts are one if they are equal in every bit."""
    verdicts = [again(vote) for _ in range(2)]
    with contextlib.suppress(KernelError, KeyError, ValueError):
        verdicts.append(again(hit))
    counts = Counter(verdict.record for verdict in verdicts)
    ((record, _),) = counts.most_common(1)
    return next(verdict for verdict in verdicts if verdict.record == record)


def _one_of_three(hit: Voter, *ballots: Any, **options: Any) -> Verdict:
    return _of_three(hit, lambda voter: voter(*ballots, **options))


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


def primary_upsets(voter: PrimaryVoter | None) -> Iterator[tuple[str, list[Tamper]]]:
    """Return what is remembered of a primary while all nodes agree, each with a change for every
    bit: its number, and the count of frames in which it was contradicted."""
    if voter is None:
        return
    for name, bits in (("node", _PRIMARY_BITS), ("contradicted", _CONTRADICTED_BITS)):
        yield f"primary.{name}", [partial(_set_primary, voter, name, bit) for bit in range(bits)]


def _set_primary(voter: PrimaryVoter, name: str, bit: int, _machine: RecoveryMachine) -> None:
    changed = {name: getattr(voter.memory, name) ^ 1 << bit}
    voter.memory = voter.memory._replace(**changed)


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


def check_answers(
    scenario: Scenario, output: int, state: int, golden: bytes | None = None
) -> AnswerCheck:
    """Put answers of each node in turn to the real voter, while all others answer right: every way
    a step can end, with right, missing, exchanged and neighbouring digests. `output` and `state`
    are the right ones. With time redundancy, one of the executions answers so. `golden`: the right
    output, for a voter by value: then every bit of it is changed, and all of them."""
    model, _ = scheme_parts(scenario, golden)
    scheme = model.scheme
    size = scheme.serving
    places = scheme.executions if scheme.executions > 1 else size
    counts: Counter[str] = Counter()
    for place in range(places):
        if scheme.values is not None and golden is not None:
            verdicts = _by_value(model, place, golden)
        elif scheme.executions > 1:
            verdicts = (
                _of_executions(scheme, place, a, output, state) for a in _answers(output, state)
            )
        else:
            verdicts = (_of_nodes(scheme, place, a, output, state) for a in _answers(output, state))
        for verdict in verdicts:
            counts["right" if verdict.correct else "wrong" if verdict.delivered else "none"] += 1
    return AnswerCheck(counts.total(), counts["right"], counts["wrong"], counts["none"])


def _of_nodes(scheme: Scheme, node: int, answer: Ballot, output: int, state: int) -> Verdict:
    size = scheme.serving
    right = Ballot(NodeStatus.DONE, 0, output, state)
    ballots = [answer if i == node else right for i in range(size)]
    return scheme.decide(0, ballots, Electorate((1 << size) - 1, 0), output, frames_alone=0)


def _of_executions(scheme: Scheme, which: int, answer: Ballot, output: int, state: int) -> Verdict:
    """Return the verdict on the only node, one of whose executions gives `answer`."""
    right = Ballot(NodeStatus.DONE, 0, output, state)
    executions: list[Ballot] = []
    while wants_another(executions, scheme.executions):
        executions.append(answer if len(executions) == which else right)
    agreed = confirmed(executions)
    last = executions[-1] if agreed is None else agreed
    sure = agreed is not None
    return scheme.decide(0, [last], Electorate(1, 0), output, frames_alone=0, confirmed=sure)


def _by_value(model: ModelVote, node: int, golden: bytes) -> Iterator[Verdict]:
    scheme = model.scheme
    size = scheme.serving
    changed = [golden, bytes(len(golden)), inverted(golden)]
    for bit in range(8 * len(golden)):
        number = int.from_bytes(golden, "little") ^ 1 << bit
        changed.append(number.to_bytes(len(golden), "little"))
    done = itertools.product([NodeStatus.DONE], (True, False), changed)
    others = itertools.product(set(NodeStatus) - {NodeStatus.DONE}, (True,), [golden])
    for status, state_right, one in itertools.chain(done, others):
        right = one == golden
        answer = WrongAnswer(
            int(status), 0, output_right=right, state_right=state_right, output=one
        )
        result = model.result_of(answer)
        model.begin()
        results = [result if i == node else model.right for i in range(size)]
        everybody = Electorate((1 << size) - 1, 0)
        ballots = model.ballots(results)
        yield scheme.decide(1, ballots, everybody, model.output_digest, frames_alone=0)


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
