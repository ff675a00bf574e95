"""The ballots of a frame: the results of the nodes as the scheme takes them, and as they are
compared with the golden run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hil.kernel import Golden
from hil.redundancy.checked_vote import CheckedVoter, outputs_with
from hil.redundancy.electorate import Scheme
from hil.redundancy.hold import HeldOutput
from hil.redundancy.value_vote import OutputBallots, OutputBytes
from hil.redundancy.voting import Ballot, Verdict
from hil.rig.calibration import EXACT, Likeness
from hil.rig.node import DONE, EXCLUDED_RESULT, NodeResult
from hil.rig.rig import Rig

__all__ = ["Worth", "ballots_of", "delivered_output", "likeness_of"]


def likeness_of(scheme: Scheme) -> Likeness:
    """Return how fault-free nodes must be like the golden run, for the voter of a scheme."""
    if scheme.values is None:
        return EXACT
    return Likeness(not scheme.ignores_states, scheme.values.is_right)


def ballots_of(
    rig: Rig, results: Mapping[str, NodeResult], scheme: Scheme, golden: Golden
) -> list[Ballot]:
    """Return the ballots of all nodes in rig order; for a voter by value with their outputs, and
    that of the golden run."""
    ballots: list[Ballot] = []
    for node in rig.nodes:
        r = results.get(node.name, EXCLUDED_RESULT)
        ballots.append(Ballot(r.status, r.signal, r.output_digest, r.state_digest))
    if scheme.values is None:
        return ballots
    own = [results.get(node.name, EXCLUDED_RESULT).output for node in rig.nodes]
    if isinstance(scheme.values, CheckedVoter):
        return OutputBallots(ballots, outputs_with(golden, own))
    return OutputBallots(ballots, OutputBytes(own, golden.output))


def delivered_output(
    rig: Rig, results: Mapping[str, NodeResult], verdict: Verdict, offer: HeldOutput | None
) -> bytes:
    """Return the delivered output of a frame, `offer` if that was held; empty if none left the
    system."""
    if verdict.held and offer is not None:
        return offer.output
    if not verdict.delivered:
        return b""
    if verdict.values is not None and verdict.values.output is not None:
        return verdict.values.output
    for node, ballot in zip(rig.nodes, verdict.ballots, strict=True):
        if ballot.status == DONE and ballot.output_digest == verdict.output:
            return results[node.name].output
    return b""


@dataclass(frozen=True, slots=True)
class Worth:
    """Compares results of the nodes of `rig` with the golden run by the rule of `scheme`: with a
    voter by value, a result that agrees with it has its digests, and so has that of a checker that
    agrees with the golden run of checkers."""

    rig: Rig
    scheme: Scheme
    golden: Golden

    def of(self, name: str, result: NodeResult) -> NodeResult:
        """Return a result of the node `name` as it is compared with the golden run, by its
        digests."""
        values, golden = self.scheme.values, self.golden
        if values is None or result.status != DONE:
            return result
        if isinstance(values, CheckedVoter):
            return _as_of_doer(result, golden.of(self.rig.by_name[name].index), golden)
        if not values.is_right(result.output, golden.output):
            return result
        result = result._replace(output_digest=golden.output_digest)
        if self.scheme.ignores_states:
            result = result._replace(state_digest=golden.state_digest)
        return result

    def all_of(self, results: dict[str, NodeResult]) -> dict[str, NodeResult]:
        """Return all results of a frame as they are compared with the golden run."""
        if self.scheme.values is None:
            return results
        return {name: self.of(name, result) for name, result in results.items()}


def _as_of_doer(result: NodeResult, own: Golden, golden: Golden) -> NodeResult:
    """Return a result with the digests of `golden` where it has those of its `own` golden run."""
    if own is golden:
        return result
    if result.output_digest == own.output_digest:
        result = result._replace(output_digest=golden.output_digest)
    if result.state_digest == own.state_digest:
        result = result._replace(state_digest=golden.state_digest)
    return result
