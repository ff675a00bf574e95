"""The tables and bars of a campaign's page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from hil.record.campaign_rows import EFFECTS, CampaignMeta
from hil.record.campaign_summary import CampaignSummary, TargetTotals
from hil.report.campaign_figures import CampaignFigures, RegionFigures
from hil.report.markup import bar, count_text, element, exact_text, percent_text, table, text
from hil.upsets.words import NodeEffect
from hil.views.style import plural

__all__ = [
    "bit_section",
    "byte_section",
    "conditions",
    "effect_bar",
    "outcome_section",
    "present_effects",
    "verdict",
]

_WORST: Final = 16
_FAILURES: Final = (NodeEffect.CRASH, NodeEffect.HANG, NodeEffect.DETECTED)
_NAMES: Final = {NodeEffect.SDC: "SDC"}

Counts = npt.NDArray[np.int64]


def effect_name(effect: NodeEffect) -> str:
    """Return the name of an effect as a heading."""
    return _NAMES.get(effect, effect.value)


def present_effects(summary: CampaignSummary) -> list[NodeEffect]:
    """Return the effects that any fault of the campaign has, besides masked ones."""
    total = summary.total.effects
    return [effect for effect in EFFECTS if effect is not NodeEffect.MASKED and total[effect]]


def effect_bar(counts: Sequence[int] | Counts, whole: int, *, of: str = "faults") -> str:
    """Return a bar of counts by effect; what is masked is left empty."""
    numbers = {effect.value: int(count) for effect, count in zip(EFFECTS, counts, strict=True)}
    label = ", ".join(f"{name} {count:,}" for name, count in numbers.items() if count)
    shown = {name: n for name, n in numbers.items() if name != NodeEffect.MASKED.value}
    return bar(shown, whole, f"{of}: {label or 'none'}")


# --- the verdict ----------------------------------------------------------------------------------


def verdict(summary: CampaignSummary) -> tuple[str, str]:
    """Return what the campaign says: its sentence, and what more there is to say. Plain text."""
    total = summary.total
    faults = exact_text(total.faults)
    silent = total.effects[NodeEffect.SDC]
    if silent:
        share = _share(total, NodeEffect.SDC)
        first = f"{_sentence(share)} of all {faults} single-bit faults corrupt silently"
    else:
        first = f"None of all {faults} single-bit faults corrupts silently"
    give = "gives" if silent == 1 else "give"
    wrong = f"{plural(silent, 'fault')} {give} a wrong output that nothing shows."
    rest = [wrong] if silent else []
    rest.append(f"{_sentence(_share(total, NodeEffect.MASKED))} are masked")
    if total.effects[NodeEffect.LATENT]:
        latent = _share(total, NodeEffect.LATENT)
        rest[-1] += f", {latent} leave a wrong state behind a right output"
    failures = [
        f"{_share(total, effect)} {verb}"
        for effect, verb in zip(_FAILURES, ("crash", "hang", "are detected"), strict=True)
        if total.effects[effect]
    ]
    rest[-1] += f"; {', '.join(failures)}." if failures else "; none crashes, hangs or is detected."
    return f"{first}.", " ".join(rest)


def _share(totals: TargetTotals, effect: NodeEffect) -> str:
    if not totals.effects[effect]:
        return "none"
    share = percent_text(totals.effects[effect], totals.faults)
    return share.replace("&lt;", "less than").replace("&gt;", "more than")


def _sentence(words: str) -> str:
    """Return the beginning of a sentence."""
    return words[:1].upper() + words[1:]


# --- what was tested ------------------------------------------------------------------------------


def conditions(meta: CampaignMeta, summary: CampaignSummary) -> str:
    """Return what was tested."""
    rows = {
        "scenario": text(meta.scenario),
        "step": f"{text(meta.workload)}, frame {meta.frame:,} of seed {meta.seed:,}: "
        f"{meta.instructions:,} instructions",
        "board": f"{text(meta.board)}, {text(meta.arch)}",
        "faults": f"every bit of {text(', '.join(meta.targets))}, flipped before every instruction",
        "experiments": f"{summary.experiments:,}, which stand for {summary.total.measured:,} "
        "faults; the others are overwritten before they are read, or never read",
        "certainty": _certainty(summary),
        "made by": f"hil {text(meta.hil_version)}",
        "digests": f"<code>{text(meta.plan)}</code> of the experiments, "
        f"<code>{text(meta.path)}</code> of the path of the fault-free step",
    }
    if meta.source_sha256:
        rows["C file"] = f"{text(meta.workload)}.c, SHA-256 <code>{text(meta.source_sha256)}</code>"
    lines = (f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items())
    return element("dl", "".join(lines))


def _certainty(summary: CampaignSummary) -> str:
    if not summary.total.effects[NodeEffect.HANG]:
        return "exact counts: there is no interval"
    return (
        "exact counts, but for loops whose instructions cannot be counted and that last just as "
        "long as the limit of CPU time, which may be hangs in one campaign and not in another"
    )


# --- outcomes -------------------------------------------------------------------------------------


def outcome_section(summary: CampaignSummary) -> str:
    """Return the table of outcomes by target, with the same numbers as that of `hil campaign`."""
    head = ["target", "bytes", "faults", *(effect_name(effect) for effect in EFFECTS), ""]
    targets = [*summary.targets, summary.total] if len(summary.targets) > 1 else summary.targets
    rows = [_outcome_row(totals) for totals in targets]
    foot = 1 if len(summary.targets) > 1 else 0
    return table(head, rows, name="outcomes", foot=foot) + _legend(summary)


def _outcome_row(totals: TargetTotals) -> list[str]:
    shares = [_exact_share(totals.effects[effect], totals.faults) for effect in EFFECTS]
    counts = [totals.effects[effect] for effect in EFFECTS]
    size = [text(totals.target), exact_text(totals.length), exact_text(totals.faults)]
    return [*size, *shares, effect_bar(counts, totals.faults)]


def _exact_share(count: int, whole: int) -> str:
    share = percent_text(count, whole)
    return element("span", share, title=f"{count:,} of {whole:,} faults") if count else share


def _legend(summary: CampaignSummary) -> str:
    boxes = [
        f'<i class="box {effect.value}"></i> {effect_name(effect)}'
        for effect in present_effects(summary)
    ]
    return element(
        "p",
        f"{' &nbsp; '.join(boxes)}{' &nbsp; ' if boxes else ''}Shares of all faults of a target. "
        "That of SDC is its architectural vulnerability factor (AVF).",
        class_="note",
    )


# --- bits and bytes -------------------------------------------------------------------------------


def bit_section(figures: CampaignFigures) -> str:
    """Return a heat map for each effect: the share of it among the faults of each bit."""
    return "".join(_heat(figures, effect) for effect in present_effects(figures.summary))


def _heat(figures: CampaignFigures, effect: NodeEffect) -> str:
    number = EFFECTS.index(effect)
    head = "".join(element("th", str(bit), scope="col") for bit in reversed(range(8)))
    rows = []
    for region in figures.regions:
        faults = region.row.faults // 8
        cells = []
        for bit in reversed(range(8)):
            count = int(region.by_bit[bit, number])
            strength = math.sqrt(count / faults) if faults else 0.0  # small shares are seen, too
            style = f"--hue:var(--{effect.value});--share:{strength:.4f}"
            shown = percent_text(count, faults, 1)
            cells.append(element("td", shown, style=style, title=f"{count:,} of {faults:,} faults"))
        rows.append(element("tr", element("td", text(region.row.target)) + "".join(cells)))
    title = element("h3", f"{effect_name(effect)}, by bit")
    top = element("tr", f'<th scope="col">target</th>{head}')
    return element("div", f"{title}<table>{top}{''.join(rows)}</table>", class_="heat")


def byte_section(figures: CampaignFigures) -> str:
    """Return the registers, where they are targets, and the most vulnerable bytes of memory."""
    effects = present_effects(figures.summary)
    tables = [
        _register_table(region, figures, effects)
        for region in figures.regions
        if _parts(figures, region)
    ]
    memory = [region for region in figures.regions if not _parts(figures, region)]
    if memory:
        tables.append(element("h3", "Bytes with most silent corruption") + _worst(memory, effects))
    return "".join(tables)


def _parts(figures: CampaignFigures, region: RegionFigures) -> Mapping[str, slice]:
    """Return the named parts of a region."""
    return {
        part.name: slice(part.first, part.first + part.length)
        for part in figures.step.parts
        if part.region == region.row.number
    }


def _register_table(
    region: RegionFigures, figures: CampaignFigures, effects: Sequence[NodeEffect]
) -> str:
    rows = []
    for name, span in _parts(figures, region).items():
        counts = region.by_byte[span].sum(axis=0)
        rows.append((int(counts[2]), [text(name), *_byte_cells(counts, effects)]))
    rows.sort(key=lambda row: -row[0])
    head = ["register", "faults", *(effect_name(effect) for effect in effects), ""]
    title = element("h3", f"Registers ({text(region.row.target)})")
    return title + table(head, [row for _, row in rows], name="share")


def _worst(regions: Sequence[RegionFigures], effects: Sequence[NodeEffect]) -> str:
    order = [2, 3, 4, 5, 1]  # by SDC, then crash, hang, detected, latent
    ranked = sorted(
        (
            (*(-int(region.by_byte[byte, i]) for i in order), number, byte)
            for number, region in enumerate(regions)
            for byte in _candidates(region)
        )
    )
    rows = []
    for *_, number, byte in ranked[:_WORST]:
        region = regions[number]
        name = f"{text(region.row.target)} {byte:,} <span class=dim>0x{byte:x}</span>"
        rows.append([name, *_byte_cells(region.by_byte[byte], effects)])
    head = ["byte", "faults", *(effect_name(effect) for effect in effects), ""]
    return table(head, rows, name="share")


def _candidates(region: RegionFigures) -> list[int]:
    """Return the bytes of a region with most silent corruption, more than are shown."""
    order = np.argsort(-region.by_byte[:, 2], kind="stable")[: 4 * _WORST]
    return [int(byte) for byte in order if region.by_byte[byte, 1:].any()]


def _byte_cells(counts: Counts, effects: Sequence[NodeEffect]) -> list[str]:
    whole = int(counts.sum())
    shares = [_exact_share(int(counts[EFFECTS.index(effect)]), whole) for effect in effects]
    return [count_text(whole), *shares, effect_bar(counts, whole)]
