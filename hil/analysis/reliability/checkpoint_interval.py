"""The cost of checkpoints against that of computing again: the best interval, by Young and Daly.

Sources: Young, A first order approximation to the optimum checkpoint interval (CACM 17(9), 1974);
Daly, A higher order estimate of the optimum checkpoint interval for restart dumps (Future
Generation Computer Systems 22(3), 2006), equations 20 and 37.

Assumptions: failures arrive at a constant rate; a checkpoint takes a constant time and is sound; a
failure is noticed at once, and what was computed since the last checkpoint is computed again. Daly:
failures may also strike during checkpoints, restarts and what is computed again. Young and
`frame_overhead`: at most one per interval. `frame_overhead` counts whole frames: a failure that
shows at the end of the j-th frame after a checkpoint costs j frames."""

from __future__ import annotations

import math

from hil.scenario.checkpoint_interval import daly, young

__all__ = ["best_frames", "daly", "daly_time", "frame_overhead", "young"]


def daly_time(work: float, interval: float, cost: float, restart: float, mean_time: float) -> float:
    """Return the mean time in which `work` is done, with checkpoints after each `interval` of it: M
    exp(R/M) (exp((T + cost)/M) - 1) work/T."""
    once = math.exp(restart / mean_time) * math.expm1((interval + cost) / mean_time)
    return mean_time * once * work / interval


def frame_overhead(frames: int, cost: float, failures: float) -> float:
    """Return the mean extra work for each frame, in frames, with a checkpoint of `cost` after every
    `frames`, and a number of `failures` per frame: cost/k + f (k + 1)/2."""
    return cost / frames + failures * (frames + 1) / 2.0


def best_frames(cost: float, failures: float) -> int:
    """Return the number of frames between two checkpoints with the least `frame_overhead`: one of
    the two beside sqrt(2 cost/f), which is Young's interval."""
    near = max(1, math.floor(young(cost, 1.0 / failures)))
    return min((near, near + 1), key=lambda frames: frame_overhead(frames, cost, failures))
