"""The page of a campaign: one HTML file that shows its result and needs no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from hil.errors import RecordError
from hil.printable import quoted
from hil.record.campaign_file import CampaignFile
from hil.record.campaign_rows import EFFECTS
from hil.report.campaign_figures import CampaignFigures, figures_of
from hil.report.campaign_listing import disassembly_section, function_section, source_section
from hil.report.campaign_sections import (
    bit_section,
    byte_section,
    conditions,
    effect_name,
    outcome_section,
    verdict,
)
from hil.report.fault_map import map_data
from hil.report.markup import text
from hil.report.page_file import asset, document, must_be_new, write_file
from hil.report.sample_figures import sample_figures
from hil.report.sample_sections import sample_body

__all__ = ["campaign_page", "write_campaign_report"]

_WITH_STEPS: Final = 2
"""The first version of result files that say what the step does."""
_SCRIPTS: Final = ("packed.js", "fault_space.js", "painter.js", "fault_map.js", "campaign.js")


def write_campaign_report(result: Path, page: Path) -> None:
    """Write the page of a result file to a new file.

    Raises: UsageError if `page` exists already or its folder does not; RecordError for a result
    file that cannot be read; SetupError if the page cannot be written."""
    must_be_new(page)
    with CampaignFile(result) as file:
        content = campaign_page(file)
    write_file(page, content)


def campaign_page(file: CampaignFile) -> str:
    """Return the page of a result file. Raises: RecordError."""
    meta, name = file.meta, file.path.name
    if meta.sampling is not None:
        body = sample_body(sample_figures(file), name)
    else:
        body = _exact_body(file)
    title = f"{meta.scenario}: fault campaign"
    return document(title, body, asset("campaign.css"))


def _exact_body(file: CampaignFile) -> str:
    if file.version < _WITH_STEPS:
        raise RecordError(
            f"{file.path} was written by an older hil, and does not say what the step does",
            remedy="carry out the campaign again",
        )
    figures = figures_of(file)
    sentence, more = verdict(figures.summary)
    return _header(figures, sentence, more) + _sections(figures, file.path.name)


def _header(figures: CampaignFigures, sentence: str, more: str) -> str:
    meta = figures.summary.meta
    kicker = f"Fault campaign · {meta.scenario} · one step of {meta.workload} on {meta.board}"
    return (
        f'<header><div class="kicker">{text(kicker)}</div><h1>{text(sentence)}</h1>'
        f'<p class="lead">{text(more)}</p></header>'
    )


def _sections(figures: CampaignFigures, result: str) -> str:
    read = (
        "A fault lies where it struck until an instruction reads it. Counted here is what each is "
        "the first to read: faults known by experiments, by what they come to."
    )
    source = source_section(figures)
    return "".join(
        (
            outcome_section(figures.summary),
            "<h2>What was tested</h2>",
            conditions(figures.summary.meta, figures.summary),
            "<h2>Fault-space map</h2>",
            _map(figures, result),
            "<h2>Bits</h2>",
            bit_section(figures),
            "<h2>Registers and bytes</h2>" if figures.step.parts else "<h2>Bytes</h2>",
            byte_section(figures),
            f"<h2>Functions</h2><p>{read}</p>",
            function_section(figures),
            f"<h2>Source</h2>{source}" if source else "",
            "<h2>Disassembly</h2>",
            disassembly_section(figures),
            f"<footer>hil report of {text(result)}, written by hil "
            f"{text(figures.summary.meta.hil_version)}. This page needs no network.</footer>",
        )
    )


def _map(figures: CampaignFigures, result: str) -> str:
    present = figures.summary.total.effects
    legend = "".join(
        f'<label><input type="checkbox" value="{effect.value}" checked>'
        f'<i class="box {effect.value}"></i> {effect_name(effect)}</label>'
        for effect in EFFECTS[1:]
        if present[effect]
    )
    masked = '<label><i class="box masked"></i> masked, by experiment</label>'
    unread = '<label><i class="box overwritten"></i> overwritten, or never read</label>'
    data = json.dumps(map_data(figures, quoted(result)), separators=(",", ":"))
    scripts = "\n".join(asset(name) for name in _SCRIPTS)
    return asset("map.html").format(
        legend=legend + masked + unread,
        data=data.replace("<", "\\u003c"),
        scripts=f'"use strict";\n{scripts}',
    )
