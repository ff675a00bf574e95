"""All single hits of one step of every node, and of how many the wrong output leaves the system."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Final

import numpy as np

from hil.analysis.scheme_figures import SingleHits
from hil.campaign.inproc_samples import FaultBench, fault_array
from hil.campaign.sampling import FaultTable
from hil.campaign.scheme_answers import NodeFault, WrongAnswer
from hil.campaign.scheme_model import SchemeModel
from hil.kernel import Golden
from hil.record.campaign_rows import EFFECTS
from hil.rig.node import CRASHED, HUNG
from hil.scenario import Scenario, UpsetTarget
from hil.scenario.words import WORKLOADS
from hil.upsets.words import NodeEffect

__all__ = ["all_hits", "single_hits"]

_MOST: Final = 4_000_000
"""Hits; more are not counted while somebody waits for a table."""
_FRAME: Final = 16
_TARGETS: Final = (UpsetTarget.STATE, UpsetTarget.INPUT, UpsetTarget.OUTPUT)
_SCHEMES: Final = frozenset(
    {"simplex", "dmr", "tmr", "4mr", "5mr", "6mr", "7mr"}
    | {"rotating_tmr", "primary_monitors", "plan_pair"}
)
"""Schemes that `SchemeModel` knows."""
_ANSWERS: Final = {
    NodeEffect.SDC: WrongAnswer(output_right=False, state_right=False),
    NodeEffect.LATENT: WrongAnswer(state_right=False),
    NodeEffect.CRASH: WrongAnswer(status=CRASHED),
    NodeEffect.HANG: WrongAnswer(status=HUNG),
}


def all_hits(bench: FaultBench, target: UpsetTarget) -> FaultTable:
    """Return all hits of a target in the step that the bench holds: every bit at every tick."""
    of = bench.workload
    lengths = {
        UpsetTarget.STATE: of.state_len,
        UpsetTarget.INPUT: of.input_len,
        UpsetTarget.OUTPUT: of.output_len,
    }
    bits = 8 * lengths[target]
    number = np.arange(bits * (bench.ticks + 1))
    none = np.zeros_like(number)
    bit, moment = number % bits, number // bits
    return FaultTable(number, none, none, bit // 8, bit % 8, moment)


def single_hits(scenario: Scenario) -> SingleHits | None:
    """Return the count for the voted data of the nodes of a scenario (state, input, output); None
    if it takes too long, the workload is not one of hil, or its scheme, voter or spares are not
    modelled. Raises: KernelError if the step does not end."""
    rig = scenario.rig
    spares = rig.hot_spares + rig.cold_spares
    plain = rig.scheme.value in _SCHEMES and rig.voter.is_exact and not spares
    if scenario.workload_name not in WORKLOADS or not plain or rig.follows is not None:
        return None
    bench = FaultBench(partial(Golden, scenario.workload_name, scenario.seed))
    of = bench.workload
    bits = 8 * (of.state_len + of.input_len + of.output_len)
    if bits * (of.ticks + 1) * (of.ticks + 1) > _MOST:
        return None
    bench.hold(min(_FRAME, scenario.frame_count - 1))
    effects: Counter[NodeEffect] = Counter()
    for target in _TARGETS:
        codes, _ = bench.run(fault_array(all_hits(bench, target), [target]))
        effects.update(EFFECTS[code] for code in codes)
    model = SchemeModel(scenario)
    escaped = 0
    for node in model.names[: model.wanted]:
        for effect, answer in _ANSWERS.items():
            if effects[effect]:
                fault = NodeFault(UpsetTarget.STATE, (answer,), in_state=True)
                left = model.carry_out(node, fault).escaped
                escaped += effects[effect] if left else 0
    return SingleHits(model.wanted * effects.total(), escaped)
