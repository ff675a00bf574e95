"""The answers that a model of a scheme takes from a node: the right one, and wrong ones.

For the exact majority an answer is right or wrong, and nothing more. A voter by value takes the
bytes of an output. All wrong outputs of one node with which it decides alike, while all others are
right, are one and the same to the scheme: `ModelVote.representative` returns one of them for all.
A wrong output whose bytes are not known has every bit inverted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.errors import ConfigError, Problem
from hil.kernel import digest64
from hil.redundancy.electorate import Electorate, Scheme
from hil.redundancy.primary import FIRST_COMMANDS
from hil.redundancy.schemes import scheme_of
from hil.redundancy.value_vote import OutputBallots, OutputBytes
from hil.redundancy.voting import Ballot
from hil.rig.node import DONE, EXCLUDED_RESULT, NodeResult
from hil.scenario import Scenario, UpsetTarget

__all__ = ["STATE", "ModelVote", "NodeFault", "WrongAnswer", "excluded_or", "inverted"]

_OUTPUT: Final = 0x60_1DE0
STATE: Final = 0x60_1DE5
"""The digest of the right state."""
_OTHER: Final = 0xBAD


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """The answer of one step: `status` and `signal` as in NodeResult; whether its output and state
    are right, and the number of its progress ticks. `output`: the wrong output, if a voter by value
    is to decide on it and its bytes are known."""

    status: int = DONE
    signal: int = 0
    output_right: bool = True
    state_right: bool = True
    ticks_right: bool = True
    output: bytes = b""


@dataclass(frozen=True, slots=True)
class NodeFault:
    """The answers of a node after an upset, as long as it is not repaired: to the step that was
    hit, and to those that follow, after which it answers right.

    `in_state`: what follows comes from the state, which a resync puts right; otherwise from what
    else a worker keeps, which only another worker puts right. `unsettled`: it is not known what
    follows after these answers. `target`: what was hit. `stays`: the node gives all of these
    answers, whatever is repaired."""

    target: UpsetTarget
    answers: tuple[WrongAnswer, ...]
    in_state: bool = False
    unsettled: bool = False
    stays: bool = False


def inverted(output: bytes) -> bytes:
    """Return an output with every bit inverted."""
    return bytes(byte ^ 0xFF for byte in output)


class ModelVote:
    """The scheme of a scenario, and the results and ballots that it decides on. `golden`: the right
    output, which a voter by value needs. Not thread-safe. Raises: ConfigError for a voter by value
    without it, or whose fields do not fit the output."""

    def __init__(self, scenario: Scenario, golden: bytes | None) -> None:
        if scenario.rig.scheme.has_checkers:
            what = "checkers compute another workload than the doer: no proof has two"
            remedy = "`hil compare` counts the escapes of all hits of one step of each"
            raise ConfigError([Problem("", 0, 0, "$.rig.scheme", what, remedy)])
        by_value = not scenario.rig.voter.is_exact
        if by_value and golden is None:
            kind = scenario.rig.voter.kind
            what = f"the voter `{kind}` decides by values, and the right output is not known here"
            raise ConfigError(
                [Problem("", 0, 0, "$.rig.voter", what, "use `exact`, or measure by runs")]
            )
        self._golden = golden if by_value and golden is not None else b""
        self.scheme: Scheme = scheme_of(scenario, len(self._golden) if by_value else None)
        self.output_digest = digest64(self._golden) if by_value else _OUTPUT
        self.right = NodeResult(DONE, 0, self.output_digest, STATE, self._golden)
        self._first = () if self.scheme.values is None else self.scheme.values.memory
        self._known: dict[bytes, bytes] = {}
        self._classes: dict[object, bytes] = {}

    def begin(self) -> None:
        """Forget what a voter remembers: all frames so far were right."""
        values = self.scheme.values
        if self.scheme.primary is not None:
            self.scheme.primary.memory = FIRST_COMMANDS
        if values is None:
            return
        values.memory = self._first
        size = self.scheme.serving
        ballots = self.ballots([self.right] * size)
        everybody = Electorate((1 << size) - 1, 0)
        values.settle(self.scheme.decide(0, ballots, everybody, self.output_digest, frames_alone=0))

    def result_of(self, answer: WrongAnswer) -> NodeResult:
        """Return what the host receives."""
        if answer.status != DONE:
            return NodeResult(answer.status, answer.signal)
        state = STATE if answer.state_right else _OTHER
        ticks = not answer.ticks_right
        if answer.output_right:
            return self.right._replace(state_digest=state, miscounted=ticks)
        if self.scheme.values is None:
            return NodeResult(DONE, 0, _OTHER, state, miscounted=ticks)
        output = answer.output or inverted(self._golden)
        return NodeResult(DONE, 0, digest64(output), state, output, miscounted=ticks)

    def ballots(self, results: Sequence[NodeResult]) -> list[Ballot]:
        """Return the ballots of all nodes, for a voter by value with their outputs."""
        ballots = [Ballot(r.status, r.signal, r.output_digest, r.state_digest) for r in results]
        if self.scheme.values is None:
            return ballots
        return OutputBallots(ballots, OutputBytes([r.output for r in results], self._golden))

    def compared(self, results: Mapping[str, NodeResult]) -> dict[str, NodeResult]:
        """Return results as they are compared with the golden run: with a voter by value, one that
        agrees with it has its digests (`hil.engine.frame_ballots.Worth`)."""
        values = self.scheme.values
        if values is None:
            return dict(results)
        out: dict[str, NodeResult] = {}
        for name, result in results.items():
            compared = result
            if result.status == DONE and values.is_right(result.output, self._golden):
                state = STATE if self.scheme.ignores_states else result.state_digest
                compared = result._replace(output_digest=self.output_digest, state_digest=state)
            out[name] = compared
        return out

    def representative(self, difference: bytes) -> bytes:
        """Return the output that stands for the one with this exclusive-or to the right one."""
        output = bytes(a ^ b for a, b in zip(self._golden, difference, strict=True))
        known = self._known.get(output)
        if known is None:
            key = self._class_of(output)
            known = self._known[output] = self._classes.setdefault(key, output)
        return known

    def _class_of(self, output: bytes) -> object:
        """Return what a voter makes of an output of each node in turn, while all others are right:
        the verdict but for its digest, and what is remembered."""
        values = self.scheme.values
        assert values is not None
        size = self.scheme.serving
        everybody = Electorate((1 << size) - 1, 0)
        key: list[object] = [values.is_right(output, self._golden)]
        wrong = NodeResult(DONE, 0, digest64(output), STATE, output)
        for node in range(size):
            self.begin()
            results = [wrong if i == node else self.right for i in range(size)]
            v = self.scheme.decide(
                1, self.ballots(results), everybody, self.output_digest, frames_alone=0
            )
            memory = () if v.values is None else tuple(vote.memory for vote in v.values.fields)
            key.append((v.kind, v.voters, v.flags, v.agree, v.dissent, v.latent, memory))
        return tuple(key)


def excluded_or(results: Mapping[str, NodeResult], names: Sequence[str]) -> list[NodeResult]:
    """Return the results of all nodes in their order; a node without one is excluded."""
    return [results.get(name, EXCLUDED_RESULT) for name in names]
