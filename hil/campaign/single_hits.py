"""All single hits of one step of every node, and of how many the wrong output leaves the system."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.analysis.scheme_figures import NotCounted, SingleHits
from hil.campaign.checked_hits import checked_hits
from hil.campaign.inproc_samples import FaultBench, fault_array
from hil.campaign.scheme_answers import NodeFault, WrongAnswer
from hil.campaign.scheme_model import SchemeModel
from hil.campaign.single_step import HIT_TARGETS, all_hits
from hil.kernel import Golden
from hil.record.campaign_rows import EFFECTS
from hil.rig.node import CRASHED, HUNG
from hil.scenario import Scenario, UpsetTarget
from hil.scenario.words import WORKLOADS
from hil.upsets.words import NodeEffect

__all__ = ["single_hits"]

_MOST: Final = 4_000_000
"""Hits times ticks; more are not counted while somebody waits for a table."""
_MOST_OUTPUTS: Final = 200_000
"""Wrong outputs that a voter by value looks at."""
_FRAME: Final = 16
_ANSWERS: Final = {
    NodeEffect.SDC: WrongAnswer(output_right=False, state_right=False),
    NodeEffect.LATENT: WrongAnswer(state_right=False),
    NodeEffect.CRASH: WrongAnswer(status=CRASHED),
    NodeEffect.HANG: WrongAnswer(status=HUNG),
}


def single_hits(scenario: Scenario) -> SingleHits | NotCounted:
    """Return the count for the voted data of the nodes of a scenario (state, input, output), in
    each of the executions that its scheme plans, or why there is none. Nodes on stand-by compute
    nothing that could be hit. Raises: KernelError if the step does not end."""
    name = scenario.workload_name
    if scenario.rig.scheme.has_checkers:
        return checked_hits(scenario)
    if scenario.rig.follows is not None:
        return NotCounted("it changes between schemes: count each of them")
    if name not in WORKLOADS:
        return NotCounted(f"{name} is not a workload of hil")
    bench = FaultBench(partial(Golden, name, scenario.seed))
    of = bench.workload
    hits = 8 * (of.state_len + of.input_len + of.output_len) * (of.ticks + 1)
    if hits * (of.ticks + 1) > _MOST:
        return NotCounted(f"a step of {name} has {hits:,} hits: too many for a table")
    bench.hold(min(_FRAME, scenario.frame_count - 1))
    model = SchemeModel(scenario, bench.fault_free()[0])
    answers = _answers(bench, model)
    if answers is None:
        return NotCounted(f"more than {_MOST_OUTPUTS:,} wrong outputs for a voter by value")
    escaped = 0
    for answer, count in answers.items():
        fault = NodeFault(UpsetTarget.STATE, (answer,), in_state=True)
        for node in model.names[: model.wanted]:
            for execution in range(1, model.executions + 1):
                left = model.carry_out(node, fault, execution=execution).escaped
                escaped += count if left else 0
    return SingleHits(model.wanted * model.executions * hits, escaped)


def _answers(bench: FaultBench, model: SchemeModel) -> Counter[WrongAnswer] | None:
    """Return how many hits of a node's step make it give which wrong answer; None if a voter by
    value would have to look at too many."""
    found: Counter[WrongAnswer] = Counter()
    by_value = model.vote.scheme.values is not None
    looked = 0
    for target in HIT_TARGETS:
        faults = fault_array(all_hits(bench, target), [target])
        codes, _ = bench.run(faults)
        effects = np.frombuffer(codes, np.uint8)
        for effect, answer in _ANSWERS.items():
            chosen = np.flatnonzero(effects == EFFECTS.index(effect))
            if not (by_value and effect is NodeEffect.SDC):
                found[answer] += len(chosen)
                continue
            looked += len(chosen)
            if looked > _MOST_OUTPUTS:
                return None
            found += _by_value(bench, model, faults, chosen)
    return +found


def _by_value(
    bench: FaultBench,
    model: SchemeModel,
    faults: npt.NDArray[np.void],
    chosen: npt.NDArray[np.intp],
) -> Counter[WrongAnswer]:
    """Return the wrong answers of hits with wrong outputs, of which a voter by value takes the
    bytes."""
    right, right_state = bench.fault_free()
    found: Counter[WrongAnswer] = Counter()
    for number in chosen:
        _, _, output, state = bench.inspect(faults[number : number + 1])
        difference = bytes(a ^ b for a, b in zip(output, right, strict=True))
        output = model.vote.representative(difference)
        same = state == right_state
        found[WrongAnswer(output_right=False, state_right=same, output=output)] += 1
    return found
