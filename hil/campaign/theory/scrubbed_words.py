"""A checkpoint in SECDED memory that the board scrubs, until two bits of a word are wrong."""

from __future__ import annotations

import math
from typing import Final

from hil.analysis.model_row import ModelRow, share_of
from hil.analysis.reliability.scrubbing import exponential_scrub_mean_time, word_failure
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.trial import NO_REPAIR, bare_scenario, run_trials
from hil.kernel import workload

__all__ = ["exposures", "scrubbed_words"]

_FRAMES: Final = 401
_DATA_BITS: Final = 64
_BITS: Final = 72
_PER_BIT: Final = 1e-4
"""[1/frame] Upsets of a bit."""


def scrubbed_words(order: TheoryOrder) -> list[ModelRow]:
    """Return the probability that a scrubbed checkpoint has a word that cannot be corrected, by the
    model of periodic scrubs and that of random ones. Raises: what a run raises."""
    words = -(-workload("attitude").state_len * 8 // _DATA_BITS)
    rates = [
        {"target": "checkpoint", "per_s": _PER_BIT * words * _DATA_BITS},
        {"target": "check-bits", "per_s": _PER_BIT * words * (_BITS - _DATA_BITS)},
    ]
    recovery = {**NO_REPAIR, "checkpoint_every": 1_000_000, "scrub_words": 1}
    scenarios = (
        bare_scenario(seed, "simplex", _FRAMES, recovery=recovery, upsets={"rates": rates})
        for seed in order.seeds
    )
    trials = run_trials(scenarios, order, patience=None)
    measured = share_of(sum(trial.uncorrected > 0 for trial in trials), order.runs)
    times = exposures(words, _FRAMES)
    kept = math.fsum(math.log1p(-word_failure(_BITS, _PER_BIT, time)) for time in times)
    exponential = exponential_scrub_mean_time(_BITS, _PER_BIT, 1.0 / words)
    derived = (
        f"{_PER_BIT:g} upsets per bit and frame; {words} words of {_BITS} bits, one is scrubbed in "
        "each frame"
    )
    quantity = f"P(word lost in {_FRAMES - 1} frames)"
    return [
        ModelRow(
            "SECDED, periodic scrubs", quantity, -math.expm1(kept), measured, derived
        ),
        ModelRow(
            "SECDED, random scrubs",
            quantity,
            -math.expm1(-sum(times) / exponential),
            measured,
            derived,
            "it has scrubs at random times, which leave some words for long; these come in turn",
        ),
    ]  # fmt: skip


def exposures(words: int, frames: int) -> list[int]:
    """Return the frames between the scrubs of all words that are met before the end of the run. The
    checkpoint is stored at the end of frame 0, and frame f ends with the scrub of word f modulo
    `words`."""
    out = []
    for word in range(words):
        last = 0
        for frame in range(1, frames):
            if frame % words == word:
                out.append(frame - last)
                last = frame
    return out
