"""`hil campaign --exact --workload A,B` and `--weights`: workloads beside each other, such as one
in several number formats, or with protections in software."""

# ruff: noqa: PLC0415  (imports in functions: `hil --help` must not load the engine)

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hil.cli.campaign_exact import ExactChoice, carry_out_exact
from hil.cli.output import answer, say, show
from hil.errors import UsageError
from hil.exit_codes import Exit

if TYPE_CHECKING:
    from hil.analysis.protection_costs import Conditions, VariantCosts
    from hil.campaign.weight_flips import WeightFlips
    from hil.cli.campaign_progress import CampaignShow
    from hil.record.flown_faults import FlownFaults
    from hil.scenario import Scenario, UpsetTarget

__all__ = ["VariantChoice", "compare_variants", "flip_all_weights"]

_EVERY_S: Final = 5.0
_WIDTH: Final = 120
_BOARD: Final = "raspberry-pi-4b"
_RELOAD_DAYS: Final = 1.0
"""Factors that all variants share: the board whose power counts, and how often the state is loaded
again."""


def _conditions(upset_rate: float) -> Conditions:
    """Return the conditions with the power of a board. Raises: UsageError."""
    from hil.analysis.protection_costs import Conditions
    from hil.board_types.catalogue import load_board_profile

    profile = load_board_profile(_BOARD)
    mode = next(m for m in profile.power.modes if m.name == profile.power.full)
    cores = 1.0 if mode.cores is None else mode.cores.value
    return Conditions(upset_rate, _RELOAD_DAYS, profile.name, mode.full_w.value / cores)


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """Workloads that are to be compared: the scenario with each of them, in the order given;
    `source`: the scenario as it was named."""

    scenarios: Sequence[Scenario]
    targets: tuple[UpsetTarget, ...]
    frame: int
    workers: int
    source: str


def compare_variants(
    choice: VariantChoice, upset_rate: float, flights: int, shown: CampaignShow
) -> int:
    """Carry out an exact campaign of each workload, or use the result that is there already, fly
    `flights` faults and as many pairs of them through three nodes, and print one table of all;
    return the exit code."""
    from hil.analysis.protection_costs import voted
    from hil.scenario.outputs import bare_name
    from hil.views.protection_costs import protection_costs_table

    under = _conditions(upset_rate)
    rows: list[VariantCosts] = []
    for scenario in choice.scenarios:
        row = _row(scenario, choice, shown)
        is_bare = bare_name(row.workload) == row.workload
        rows += [row, voted(row, _flown(scenario, flights, shown))] if is_bare else [row]
    if shown.as_json:
        answer(
            {
                "upsets_per_bit_day": under.upsets_per_bit_day,
                "reload_days": under.reload_days,
                "board": under.board,
                "core_w": under.core_w,
                "variants": [row.as_json(under) for row in rows],
            }
        )
    else:
        show(lambda glyphs: protection_costs_table(rows, under, glyphs), width=_WIDTH)
    return Exit.PASS


def _row(scenario: Scenario, choice: VariantChoice, shown: CampaignShow) -> VariantCosts:
    """Return the row of one workload. Raises: UsageError if the file of its result is that of
    another campaign."""
    from hil.analysis.protection_costs import variant_costs
    from hil.campaign.origin import content_digest
    from hil.campaign.step_cost import step_cost
    from hil.record.campaign_file import CampaignFile

    path = _result_of(scenario)
    if not path.exists():
        what = (scenario, choice.targets, choice.frame, path, choice.workers, None)
        carry_out_exact(ExactChoice(*what, severity=True, source=choice.source), shown)
        say(f"written: {path}")
    memory, step_s = step_cost(scenario, choice.frame)
    with CampaignFile(path) as file:
        meta = file.meta
        wanted = (content_digest(scenario), choice.frame, tuple(t.value for t in choice.targets))
        if (meta.content, meta.frame, meta.targets) != wanted or not meta.severity:
            raise UsageError(
                f"{path} is the result of another campaign", remedy="delete it, or move it away"
            )
        return variant_costs(file, memory, step_s)


def _result_of(scenario: Scenario) -> Path:
    return Path(f"{scenario.name}.{scenario.workload_name}.campaign")


def _flown(scenario: Scenario, flights: int, shown: CampaignShow) -> FlownFaults | None:
    """Fly faults of the workload; None if none are wanted, or its boards are no processes of this
    computer."""
    from hil.campaign.flown_faults import fly_faults
    from hil.record.campaign_file import CampaignFile
    from hil.scenario.words import BoardKind

    if not flights or any(n.board is not BoardKind.PROCESS for n in scenario.rig.nodes):
        return None
    next_s = time.monotonic() + _EVERY_S

    def report(done: int, total: int) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s and not shown.quiet:
            next_s = time.monotonic() + _EVERY_S
            say(f"{scenario.workload_name}, three nodes: run {done} of {total}")

    with CampaignFile(_result_of(scenario)) as file:
        return fly_faults(scenario, file, flights, report)


def flip_all_weights(choice: VariantChoice, images: int, shown: CampaignShow) -> int:
    """Flip each bit of each weight of the workloads, and print one table; return the exit code."""
    from hil.views.weight_flips import weight_flips_table

    results = [_flips(scenario, images, choice.workers, shown) for scenario in choice.scenarios]
    if shown.as_json:
        answer({"workloads": [result.as_json() for result in results]})
    else:
        show(lambda glyphs: weight_flips_table(results, glyphs), width=_WIDTH)
    return Exit.PASS


def _flips(scenario: Scenario, images: int, workers: int, shown: CampaignShow) -> WeightFlips:
    from hil.campaign.weight_flips import flip_weights

    name, next_s = scenario.workload_name, time.monotonic() + _EVERY_S

    def report(done: int, total: int) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s and not shown.quiet:
            next_s = time.monotonic() + _EVERY_S
            say(f"{name}: {done / total:4.0%}")

    return flip_weights(name, scenario.seed, images, workers, report)
