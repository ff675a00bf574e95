"""The page of a run: one HTML file that needs no network."""

from __future__ import annotations

import shlex

from hil.printable import quoted
from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.report.markup import text
from hil.report.page_file import asset, document
from hil.report.run_page.boards import board_section
from hil.report.run_page.dissents import Dissent
from hil.report.run_page.facts import RunFacts, run_facts
from hil.report.run_page.figures import run_figures
from hil.report.run_page.frames import SCRIPT_POLICY, vote_section
from hil.report.run_page.ground import ground_section
from hil.report.run_page.ground_map import ground_map
from hil.report.run_page.meaning import curve_charts, text_section
from hil.report.run_page.record_seal import changed_words
from hil.report.run_page.svg import time_axis
from hil.report.run_page.tables import (
    conditions,
    dissent_section,
    expectation_table,
    linked,
    outcome_section,
    recovery_section,
    upset_section,
)
from hil.report.run_page.theory import theory_section
from hil.report.run_page.verdict import (
    badge,
    first_dissent,
    lead,
    reproduce_command,
    reproduce_note,
    sentence,
    story,
)
from hil.views.style import plural

__all__ = ["run_page"]


def run_page(reader: Reader, result: RunResult) -> str:
    """Return the page of a run with this result. Raises: RecordError if its record cannot be
    read."""
    facts = run_facts(reader, result)
    body = _header(facts) + _summary(facts) + _sections(reader, facts)
    title = f"{facts.meta.scenario.name or facts.name}: {badge(facts)[0]}"
    styles = asset("campaign.css") + asset("run.css")
    return document(title, body, styles, policy=SCRIPT_POLICY)


def _header(facts: RunFacts) -> str:
    scenario = facts.meta.scenario
    word, colour = badge(facts)
    kicker = (
        f"Run {facts.name} · {scenario.workload} on {plural(len(facts.nodes), 'node')}, "
        f"{scenario.scheme} · {facts.meta.started_utc}"
    )
    return (
        f'<header><div class="kicker">{text(kicker)}</div>'
        f'<h1><span class="badge {colour}">{word}</span> {text(sentence(facts))}</h1>'
        f'<p class="lead">{text(lead(facts))}</p>'
        f"{changed_words(facts.name, facts.changed)}</header>"
    )


def _summary(facts: RunFacts) -> str:
    """Return the two boxes on top: one dissent told, and how to repeat the run."""
    told = first_dissent(facts)
    first = "<h3>Dissents</h3><p>All nodes agreed on the right output in every frame.</p>"
    if told is not None:
        first = _story(told, len(facts.dissents))
    elif not facts.result.flown:
        first = "<h3>Dissents</h3><p>There was no frame to disagree in.</p>"
    command = reproduce_command(facts)
    own = ""
    if any(word.endswith((".yaml", ".yml")) for word in shlex.split(command)):
        own = "<br>If that file is not at hand: the effective scenario stands below."
    second = (
        f"<h3>Reproduce</h3><pre class=command>{text(command)}</pre>"
        f'<p class="note">{text(reproduce_note(facts))}{own}</p>'
        f'<p class="note">Vote again outside of this page: <code>hil replay '
        f"{text(quoted(facts.name))} --verify</code></p>"
    )
    boxes = f'<section class="card">{first}</section><section class="card">{second}</section>'
    return f'<div class="cards two">{boxes}</div>'


def _story(dissent: Dissent, count: int) -> str:
    rows = "".join(f"<dt>{name}</dt><dd>{linked(words)}</dd>" for name, words in story(dissent))
    name = "A dissent without a right output" if dissent.is_bad else "One dissent, and its cause"
    more = f'<p class="note"><a href="#{dissent.anchor}">Its row</a>'
    more += f" among all {count:,}.</p>" if count > 1 else ".</p>"
    return f"<h3>{name}</h3><dl>{rows}</dl>{more}"


def _sections(reader: Reader, facts: RunFacts) -> str:
    parts = [
        f"<h2>Verdict</h2>{expectation_table(facts)}",
        vote_section(reader, facts),
        f"<h2>What was tested</h2>{conditions(facts)}",
    ]
    figures = run_figures(facts) if facts.result.flown else ""
    world = ground_map(facts)
    if figures or world:
        parts.append(f"<h2>Figures</h2>{figures}{world}")
    parts += [
        f"<h2>Upsets and outcomes</h2>{outcome_section(facts)}",
        theory_section(facts),
        f"<h2>Dissents</h2>{dissent_section(facts)}",
        f"<h2>Recovery</h2>{recovery_section(facts)}",
        ground_section(reader, time_axis(facts.end_us)),
        curve_charts(reader, facts.node_names, time_axis(facts.end_us)),
        text_section(reader),
        f"<h2>All upsets</h2>{upset_section(facts)}",
        f"<h2>Boards</h2>{board_section(facts)}",
        f"<footer>hil report of run {text(facts.name)}, recorded by hil "
        f"{text(facts.meta.hil_version)}. This page needs no network.</footer>",
    ]
    return "".join(parts)
