"""The exact share of hits that do harm: every bit of a target at every tick of a step, tried.

A random hit of a run strikes any bit at any tick of its frame, so this share times the rate of hits
is the rate of faults. It differs a little between frames and inputs: the mean of some frames of
some seeds is taken, each of them exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import numpy as np

from hil.campaign.inproc_samples import FaultBench, fault_array
from hil.campaign.single_step import all_hits
from hil.kernel import Golden
from hil.record.campaign_rows import EFFECTS
from hil.scenario import UpsetTarget
from hil.upsets.words import NodeEffect

__all__ = ["HarmShare", "harm_share"]

_SEEDS: Final = 4


@dataclass(frozen=True, slots=True)
class HarmShare:
    """The number of hits of some frames that do harm, which is any effect but none; and of those
    that leave the output right, and only the state wrong; `hits` is that of all."""

    harmful: int
    latent: int
    hits: int

    @property
    def share(self) -> float:
        """Return the share of hits that do harm."""
        return self.harmful / self.hits

    @property
    def latent_share(self) -> float:
        """Return the share of hits that leave only the state wrong."""
        return self.latent / self.hits

    def __str__(self) -> str:
        return f"{self.harmful:,} of {self.hits:,} hits do harm"


@cache
def harm_share(workload: str, target: UpsetTarget, frames: int, seed: int) -> HarmShare:
    """Return the share of hits of `target` that do harm, over some of the first `frames` of runs
    with some seeds from `seed` on. Raises: KernelError for an unknown workload."""
    harmful = latent = hits = 0
    masked, only_state = EFFECTS.index(NodeEffect.MASKED), EFFECTS.index(NodeEffect.LATENT)
    chosen = sorted({1 + (frames - 1) * part // 4 for part in range(4)})
    for one in range(seed, seed + _SEEDS):
        bench = FaultBench(partial(Golden, workload, one))
        for frame in chosen:
            bench.hold(frame)
            effects, _ = bench.run(fault_array(all_hits(bench, target), [target]))
            found = np.frombuffer(effects, np.uint8)
            harmful += int((found != masked).sum())
            latent += int((found == only_state).sum())
            hits += len(found)
    return HarmShare(harmful, latent, hits)
