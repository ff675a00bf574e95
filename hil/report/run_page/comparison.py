"""Several runs beside each other: what differs in their conditions, and in what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from hil.record.reader import Reader
from hil.record.run_result import RunResult
from hil.report.markup import bar, element, exact_text, text
from hil.report.page_file import asset, document
from hil.report.run_page.condition_table import condition_table
from hil.report.run_page.facts import RunFacts, run_facts
from hil.report.run_page.figures import effect_legend, lanes
from hil.report.run_page.record_seal import changed_words
from hil.report.run_page.svg import time_axis
from hil.report.run_page.tables import is_sample, shares
from hil.report.run_page.verdict import (
    badge,
    first_dissent,
    lead,
    reproduce_command,
    sentence,
    story,
)
from hil.upsets.words import COUNTED_EFFECTS, NodeEffect
from hil.views.style import duration

__all__ = ["comparison_page"]


def comparison_page(runs: Sequence[tuple[Reader, RunResult]]) -> str:
    """Return the page of these runs, in their order. Raises: RecordError if a record cannot be
    read."""
    facts = [run_facts(reader, result) for reader, result in runs]
    failed = [f for f in facts if badge(f)[0] != "PASS"]
    title = f"{len(facts)} runs: {len(facts) - len(failed)} passed"
    same = "all with the same scenario" if len({f.meta.config_hash for f in facts}) == 1 else ""
    body = (
        f'<header><div class="kicker">Comparison of {len(facts)} runs</div>'
        f"<h1>{text(_headline(facts))}</h1>"
        f'<p class="lead">{text(_conditions_in_short(facts, same))}</p>'
        f"{''.join(changed_words(f.name, f.changed) for f in facts)}</header>"
        f"<h2>Results</h2>{_results(facts)}"
        f"<h2>What differs in their conditions</h2>{condition_table(facts)}"
        f"<h2>Run by run</h2>{''.join(_run(f, n) for n, f in enumerate(facts))}"
        "<footer>hil report. This page needs no network.</footer>"
    )
    return document(title, body, asset("campaign.css") + asset("run.css"))


def _headline(facts: Sequence[RunFacts]) -> str:
    passed = sum(badge(f)[0] == "PASS" for f in facts)
    wrong = sum(f.result.sdc_frames > 0 for f in facts)
    out = "no wrong output left the system in any"
    if wrong:
        out = f"a wrong output left the system in {wrong} of them"
    return f"{passed} of {len(facts)} runs passed; {out}."


def _conditions_in_short(facts: Sequence[RunFacts], same: str) -> str:
    names = ", ".join(dict.fromkeys(f.meta.scenario.name or f.name for f in facts))
    count = len({f.result.seed for f in facts})
    seeds = f"{count} different seeds" if count > 1 else "the same seed"
    return f"Scenarios: {names}{', ' + same if same else ''}; {seeds}."


def _results(facts: Sequence[RunFacts]) -> str:
    def row(name: str, cell: Callable[[RunFacts], str]) -> str:
        cells = "".join(f"<td>{cell(f)}</td>" for f in facts)
        return f'<tr><th scope="row">{name}</th>{cells}</tr>'

    lines = [
        row("verdict", lambda f: element("span", badge(f)[0], class_=f"mark {badge(f)[1]}")),
        row("frames", lambda f: exact_text(f.result.flown)),
        row("availability", lambda f: f"{100 * f.result.availability:.6g} %"),
        row("frames with a wrong output", lambda f: exact_text(f.result.sdc_frames)),
        row("frames with a dissent", lambda f: exact_text(len(f.dissents))),
        row("upsets injected", lambda f: exact_text(f.result.upsets.injected)),
        *(row(e, _effect_cell(e)) for e in COUNTED_EFFECTS if _any(facts, e)),
        row("", _effect_bar),
        row("repairs that succeeded", lambda f: exact_text(f.result.recoveries)),
        row("median repair", _median_repair),
        row("times out of the vote", lambda f: exact_text(len(f.recovery.outages))),
        row("unexplained", lambda f: exact_text(f.result.unexplained)),
        row("real time", lambda f: duration(f.result.wall_us)),
        row("run digest", lambda f: f"<code>{text(f.result.run_digest[:16])}</code>"),
    ]
    names = "".join(f'<th scope="col"><a href="#run{n}">{text(f.name)}</a></th>'
                    for n, f in enumerate(facts))  # fmt: skip
    head = f"<thead><tr><th></th>{names}</tr></thead>"
    body = f'<table class="plain">{head}<tbody>{"".join(lines)}</tbody></table>'
    legend = effect_legend(u for f in facts for u in f.upsets)
    note = ""
    if any(is_sample(f) for f in facts):
        note = (
            '<p class="note">Ranges: of the share that a count comes from, with 95 % (Clopper and '
            "Pearson). Runs whose ranges overlap need not differ.</p>"
        )
    return element("div", body, class_="wide") + legend + note


def _any(facts: Sequence[RunFacts], effect: str) -> bool:
    return any(f.result.upsets.by_node_effect.get(effect) for f in facts)


def _effect_cell(effect: str) -> Callable[[RunFacts], str]:
    def cell(facts: RunFacts) -> str:
        upsets = facts.result.upsets
        count = upsets.by_node_effect.get(effect, 0)
        return shares(count, upsets.injected, sample=is_sample(facts))

    return cell


def _effect_bar(facts: RunFacts) -> str:
    upsets = facts.result.upsets
    shown = {
        effect: upsets.by_node_effect.get(effect, 0)
        for effect in COUNTED_EFFECTS
        if effect != NodeEffect.MASKED.value
    }
    return bar(shown, upsets.injected, f"{facts.name}: effects of its upsets")


def _median_repair(facts: RunFacts) -> str:
    times = [cost.duration_wall_us for cost in facts.recovery.costs if cost.ok]
    return duration(median(times)) if times else "·"


def _run(facts: RunFacts, number: int) -> str:
    word, colour = badge(facts)
    told = first_dissent(facts)
    rows = "" if told is None else "".join(
        f"<dt>{name}</dt><dd>{text(words)}</dd>" for name, words in story(told)
    )  # fmt: skip
    axis = time_axis(facts.end_us)
    return (
        f'<h3 id="run{number}">{text(facts.name)}</h3>'
        f'<p><span class="mark {colour}">{word}</span> {text(sentence(facts))} '
        f"{text(lead(facts))}</p>"
        f"<pre class=command>{text(reproduce_command(facts))}</pre>"
        f"{f'<dl>{rows}</dl>' if rows else ''}"
        f"{lanes(facts, axis, (), linked=False)}"
    )
