"""All single hits of one step of a doer and of its checkers: what the real voter makes of each.

Every hit is carried out, and its output is compared within the bounds. A hit of the doer escapes if
the checkers accept a wrong output in the frame that is hit. Where there is no majority, nodes go
back and compute again without the hit, as they do in a run."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from hil.analysis.scheme_figures import NotCounted, SingleHits
from hil.campaign.inproc_samples import FaultBench, fault_array
from hil.campaign.single_step import HIT_TARGETS, all_hits
from hil.kernel import Golden, digest64
from hil.record.campaign_rows import EFFECTS
from hil.redundancy.checked_vote import DOER, CheckedOutputs, CheckedVoter, checked_voter
from hil.redundancy.voting import Ballot, NodeStatus, Verdict
from hil.rig.checked_golden import CheckedGolden
from hil.scenario import Scenario
from hil.upsets.words import NodeEffect

__all__ = ["checked_hits"]

_MOST: Final = 400_000
"""Hits; more are not counted while somebody waits for a table."""
_FRAME: Final = 16
"""After the frames in which nothing is refused."""
_STATUS: Final = {NodeEffect.CRASH: NodeStatus.CRASHED, NodeEffect.HANG: NodeStatus.HUNG}


def checked_hits(scenario: Scenario) -> SingleHits | NotCounted:
    """Return the count for the voted data of all nodes (state, input, output) of a rig with a doer,
    or why there is none. Raises: KernelError if a step does not end."""
    checkers = scenario.rig.checkers
    assert checkers is not None, "a scheme with checkers says what they compute"
    golden = CheckedGolden(scenario.workload_name, checkers.workload, scenario.seed)
    voter = checked_voter(scenario, golden.workload.output_len)
    assert voter is not None, "a scheme with checkers has their voter"
    frame = min(checkers.after_frames + _FRAME, scenario.frame_count - 1)
    for _ in range(frame + 1):
        golden.step()
    nodes = 1 + checkers.count
    total = escaped = 0
    for node, copies in ((DOER, 1), (DOER + 1, checkers.count)):
        counted = _of_node(golden, voter, scenario, nodes, node)
        if isinstance(counted, NotCounted):
            return counted
        total += copies * counted.hits
        escaped += copies * counted.escaped
    return SingleHits(total, escaped)


def _of_node(
    golden: CheckedGolden, voter: CheckedVoter, scenario: Scenario, nodes: int, node: int
) -> SingleHits | NotCounted:
    own = golden.of(node)
    bench = FaultBench(partial(Golden, own.workload.name, scenario.seed))
    of = own.workload
    hits = 8 * (of.state_len + of.input_len + of.output_len) * (of.ticks + 1)
    if hits > _MOST:
        return NotCounted(f"a step of {of.name} has {hits:,} hits: too many for a table")
    bench.hold(golden.next_frame - 1)
    frame = _Frame(golden, voter, nodes)
    total = escaped = 0
    for target in HIT_TARGETS:
        faults = fault_array(all_hits(bench, target), [target])
        codes, _ = bench.run(faults)
        effects = np.frombuffer(codes, np.uint8)
        total += len(faults)
        right = [EFFECTS.index(NodeEffect.MASKED)]
        for index in np.flatnonzero(~np.isin(effects, right)).tolist():
            effect = EFFECTS[effects[index]]
            status = _STATUS.get(effect, NodeStatus.DONE)
            _, _, output, state = bench.inspect(faults[index : index + 1])
            verdict = frame.vote(node, status, output, state)
            escaped += verdict.delivered and not verdict.correct
    return SingleHits(total, escaped)


class _Frame:
    """A frame in which all nodes but one have answered right."""

    def __init__(self, golden: CheckedGolden, voter: CheckedVoter, nodes: int) -> None:
        self._voter = voter
        self._number = golden.next_frame - 1
        runs = [golden.of(node) for node in range(nodes)]
        self._outputs = [run.output for run in runs]
        done = NodeStatus.DONE
        self._ballots = [Ballot(done, 0, r.output_digest, r.state_digest) for r in runs]
        self._digests = (golden.output_digest, golden.reduced.output_digest)
        self._golden = golden.output

    def vote(self, node: int, status: int, output: bytes, state: bytes) -> Verdict:
        """Return the verdict with this answer of a node."""
        ballots, outputs = list(self._ballots), list(self._outputs)
        done = status == NodeStatus.DONE
        digests = (digest64(output), digest64(state)) if done else (0, 0)
        ballots[node] = Ballot(status, 0, *digests)
        outputs[node] = output if done else b""
        everybody = (1 << len(ballots)) - 1
        of_frame = CheckedOutputs(outputs, self._golden, self._digests)
        return self._voter.vote(self._number, ballots, everybody, of_frame)
