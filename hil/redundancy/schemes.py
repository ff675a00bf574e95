"""Schemes: the policy object of the redundancy that a rig states."""

from __future__ import annotations

from hil.redundancy.checked_vote import CheckedVoter, checked_voter
from hil.redundancy.cold_start import CommandRule
from hil.redundancy.electorate import Scheme
from hil.redundancy.pairs import pairs_of
from hil.redundancy.primary import PrimaryVoter
from hil.redundancy.value_vote import ValueVoter, value_voter
from hil.redundancy.voting import vote
from hil.scenario import Scenario
from hil.scenario.monitors import MonitorsConfig

__all__ = ["command_rule", "scheme_of"]


def scheme_of(scenario: Scenario, output_len: int | None = None) -> Scheme:
    """Return the scheme of the rig of a scenario, as its runs and the verification of their records
    use it. `output_len` is the length of an output [byte]; without it, the scheme has no voter by
    value, and knows only what is delivered without a majority. Raises: ConfigError if the fields of
    the output do not fit the voter."""
    rig, name = scenario.rig, scenario.rig.scheme
    monitors = rig.monitors or MonitorsConfig()
    members = name.size
    if name.has_primary:
        members = 1 + monitors.count
    elif name.has_checkers and rig.checkers is not None:
        members = 1 + rig.checkers.count
    primary = PrimaryVoter(monitors.needed_votes, monitors.frames) if name.has_primary else None
    return Scheme(
        members,
        rig.unvoted,
        rig.unvoted_frames,
        voter=primary or vote,
        primary=primary,
        executions=name.executions,
        pairs=pairs_of(name.pairs),
        by_priority=name.by_priority,
        values=None if output_len is None else _by_value(scenario, output_len),
        hot_spares=rig.hot_spares,
        awake=name.awake if name.awake < name.size else 0,
    )


def _by_value(scenario: Scenario, output_len: int) -> ValueVoter | CheckedVoter | None:
    return checked_voter(scenario, output_len) or value_voter(scenario, output_len)


def command_rule(scenario: Scenario, scheme: Scheme) -> CommandRule:
    """Return the rule of who may command after a dead bus, as the scenario states it."""
    cold = scenario.recovery.cold_start
    return CommandRule(scheme, None if cold is None else cold.alone_after_frames)
