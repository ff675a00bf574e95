"""All experiments by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.analysis.model_row import ModelRow
from hil.campaign.theory.checkpoint_costs import checkpoint_costs
from hil.campaign.theory.coverages import spares_by_coverage
from hil.campaign.theory.frame_votes import five_votes, tmr_repaired
from hil.campaign.theory.missions import five_mission, tmr_mission
from hil.campaign.theory.monitored_primaries import monitored_primaries
from hil.campaign.theory.order import TheoryOrder
from hil.campaign.theory.outages import tmr_outages
from hil.campaign.theory.persistence_counts import persistence_counts
from hil.campaign.theory.rotation_missions import rotation_missions
from hil.campaign.theory.scrubbed_words import scrubbed_words
from hil.campaign.theory.spare_missions import spare_missions
from hil.errors import UsageError
from hil.scenario.problems import did_you_mean

__all__ = ["EXPERIMENTS", "Experiment", "chosen"]


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment: what it measures, in a few words, and what carries it out."""

    summary: str
    carry_out: Callable[[TheoryOrder], list[ModelRow]]


EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    "tmr": Experiment("reliability of TMR without repair", tmr_mission),
    "5mr": Experiment("reliability of five nodes without repair", five_mission),
    "5mr-frame": Experiment("majority of five nodes in one frame", five_votes),
    "tmr-repair": Experiment("mean time to failure of TMR repaired every frame", tmr_repaired),
    "tmr-outages": Experiment("mean time to failure of TMR with outages", tmr_outages),
    "primary": Experiment("mean time to failure of a primary with monitors", monitored_primaries),
    "spares": Experiment("reliability with a cold spare, and with a hot one", spare_missions),
    "rotation": Experiment("reliability of two boards of three, in rotation", rotation_missions),
    "coverage": Experiment("cold spares with imperfect detection", spares_by_coverage),
    "scrubbing": Experiment("words of a scrubbed SECDED memory that are lost", scrubbed_words),
    "checkpoints": Experiment("the best interval between checkpoints", checkpoint_costs),
    "persistence": Experiment("the best number of faults before exclusion", persistence_counts),
}


def chosen(names: Sequence[str]) -> list[str]:
    """Return the names of the experiments to carry out, in order; all without names. Raises:
    UsageError for an unknown name."""
    for name in names:
        if name not in EXPERIMENTS:
            raise UsageError(
                f"there is no experiment `{name}`",
                remedy=did_you_mean(name, EXPERIMENTS) or f"one of {', '.join(EXPERIMENTS)}",
            )
    return [name for name in EXPERIMENTS if name in names or not names]
