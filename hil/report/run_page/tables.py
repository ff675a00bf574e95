"""The tables of a run's page."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from statistics import median
from typing import Final

from hil.analysis.intervals import clopper_pearson
from hil.record.row_values import RecordedUpset
from hil.report.markup import bar, count_text, element, exact_text, key_text, table, text
from hil.report.run_page.dissent_values import value_table, voter_table
from hil.report.run_page.dissents import BitDifference, Dissent, listed
from hil.report.run_page.facts import RunFacts
from hil.report.run_page.figures import UPSETS_LISTED, effect_colour
from hil.report.run_page.verdict import acceleration_text, cause_text, delivered_text, healing_texts
from hil.upsets.words import COUNTED_EFFECTS, NodeEffect, SystemOutcome
from hil.views.listing import signal_name, upset_text
from hil.views.style import duration, flight_time, plural

__all__ = [
    "acceleration_words",
    "boards_words",
    "conditions",
    "dissent_section",
    "expectation_table",
    "is_sample",
    "outcome_section",
    "recovery_section",
    "shares",
    "upset_section",
]

CONFIDENCE: Final = 0.95
_PERCENT: Final = 100.0


def expectation_table(facts: RunFacts) -> str:
    """Return what the scenario expects, and what was measured; and what it does not look at."""
    result = facts.result
    rows = [
        [
            element(
                "span", "met" if e.ok else "FAILED", class_="mark good" if e.ok else "mark bad"
            ),
            key_text(e.metric),
            text(e.wanted).replace("_", "_<wbr>"),
            "not measured" if e.measured is None else f"{e.measured:,.6g}",
            "default" if e.default else "",
        ]
        for e in result.expectations or ()
    ]
    parts = []
    if rows:
        parts.append(table(["", "metric", "wanted", "measured", ""], rows, name="plain"))
    if result.expectations is None:
        parts.append("<p>The run did not end, so its expectations were not judged.</p>")
    parts += [
        f'<p class="warning">Not covered by an expectation: {text(t)}</p>'
        for t in result.not_covered
    ]
    parts += [f'<p class="warning">Left out by an option: {text(t)}</p>' for t in result.left_out]
    parts += [
        f'<p class="warning">The board of node {text(b.node)} was lost in frame {b.frame:,}: '
        f"{text(b.reason)}</p>"
        for b in result.lost
    ]
    return "".join(parts)


def _met() -> str:
    return element("span", "met", class_="mark good")


def _failed() -> str:
    return element("span", "FAILED", class_="mark bad")


def acceleration_words(facts: RunFacts) -> str:
    """Return whether and by how much the rates of upsets were accelerated. Plain text."""
    return acceleration_text(facts) or "those of the scenario, not accelerated"


def boards_words(facts: RunFacts) -> str:
    """Return how many boards of which kinds a run has. Plain text."""
    boards = Counter(node.board for node in facts.nodes)
    return ", ".join(f"{count} of kind {kind}" for kind, count in boards.items())


def _rates(facts: RunFacts) -> str:
    words = text(acceleration_words(facts))
    return f"<b>{words}</b>" if acceleration_text(facts) else words


def conditions(facts: RunFacts) -> str:
    """Return what was tested: scenario, boards, versions, hashes."""
    meta, result, scenario = facts.meta, facts.result, facts.meta.scenario
    rows = {
        "scenario": text(f"{scenario.name or 'unnamed'}: {scenario.summary}".rstrip(": ")),
        "workload": text(scenario.workload),
        "redundancy": text(f"{scenario.scheme}, nodes {', '.join(facts.node_names)}"),
        "boards": text(boards_words(facts)),
        "upset rates": _rates(facts),
        "began": text(meta.started_utc),
        "took": f"{duration(result.wall_us)} of real time",
        "command": f"<code>{text(shlex.join(['hil', *(meta.command or ())]))}</code>",
        "seed": "" if result.seed is None else exact_text(result.seed),
        "made by": text(f"hil {meta.hil_version}, Python {meta.python}, {meta.system}"),
        "formats": f"wire version {meta.wire_version}, record version {meta.record_version}",
        "scenario hash": _code(meta.config_hash),
        "run digest": _code(result.run_digest),
        "record digest": _code(facts.record_digest or ""),
    }
    lines = (f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items() if value)
    return element("dl", "".join(lines)) + _scenario(facts)


def _code(value: str) -> str:
    return f"<code>{text(value)}</code>" if value else ""


def _scenario(facts: RunFacts) -> str:
    content = facts.meta.scenario.text
    if not content:
        return ""
    return (
        "<details><summary>Effective scenario</summary><p class=note>Saved as "
        "<code>scenario.yaml</code>, it can be run again: JSON is YAML.</p>"
        f"<pre class=long>{text(content)}</pre></details>"
    )


# --- outcomes -----------------------------------------------------------------------------------


def is_sample(facts: RunFacts) -> bool:
    """Return whether upsets were drawn by chance, so that their shares are estimates."""
    return any(not u.source.startswith("event") for u in facts.upsets)


def shares(count: int, whole: int, *, sample: bool) -> str:
    """Return a count, and of a sample the range of the share that it comes from."""
    if not whole:
        return "·"
    if not sample:
        return exact_text(count) if count else "·"
    low, high = clopper_pearson(count, whole, CONFIDENCE)
    name = f"{_PERCENT * low:.3g} to {_PERCENT * high:.3g} % of {whole:,}"
    return f'{count:,} <span class="dim range">{name}</span>'


def outcome_section(facts: RunFacts) -> str:
    """Return injected upsets by target and effect, and by what the system made of them."""
    result = facts.result
    if not result.upsets.injected:
        missed = result.upsets.not_injected
        more = f" {missed:,} were planned and not injected." if missed else ""
        return f"<p>No upset was injected.{more}</p>"
    effects = [e for e in COUNTED_EFFECTS if result.upsets.by_node_effect.get(e)]
    head = ["target", "upsets", *effects, ""]
    rows = [_effect_row(t, by_effect, effects) for t, by_effect in sorted(facts.effects.items())]
    foot = 0
    if len(rows) > 1:
        total = {e: result.upsets.by_node_effect.get(e, 0) for e in effects}
        rows.append(_effect_row("all", total, effects))
        foot = 1
    return table(head, rows, name="outcomes", foot=foot) + _system_outcomes(facts)


def _effect_row(target: str, counts: Mapping[str, int], effects: Sequence[str]) -> list[str]:
    whole = sum(counts.values())
    cells = [exact_text(n) if (n := counts.get(e, 0)) else "·" for e in effects]
    label = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    shown = {e: counts.get(e, 0) for e in effects if e != NodeEffect.MASKED.value}
    return [text(target), exact_text(whole), *cells, bar(shown, whole, label)]


def _system_outcomes(facts: RunFacts) -> str:
    counts, whole = facts.result.upsets.by_system_outcome, facts.result.upsets.injected
    sample = is_sample(facts)
    rows = [
        [text(o.value.replace("_", " ")), shares(counts.get(o.value, 0), whole, sample=sample)]
        for o in SystemOutcome
        if o.value
    ]
    note = "Exact counts: every upset was scheduled, so that there is no interval."
    if sample:
        note = (
            "Upsets were drawn by chance: each count with the range that holds the true share with "
            f"{_PERCENT * CONFIDENCE:g} % (Clopper and Pearson), if upsets do not influence each "
            "other."
        )
    title = "<h3>What the system made of them</h3>"
    return f'{title}{table(["outcome", "upsets"], rows, name="plain")}<p class="note">{note}</p>'


# --- dissents and upsets ------------------------------------------------------------------------


def dissent_section(facts: RunFacts) -> str:
    """Return a row for each frame with a dissent: its bits, cause and healing."""
    if not facts.dissents:
        return "<p>All nodes agreed on the right output in every frame.</p>"
    shown = listed(facts.dissents)
    head = ["frame", "time", "verdict", "nodes", "bits", "cause", "healing"]
    rows = "".join(_dissent_row(d) for d in shown)
    top = "".join(f'<th scope="col">{name}</th>' for name in head)
    rest = len(facts.dissents) - len(shown)
    more = ""
    if rest:
        more = f'<p class="note">{rest:,} more, all with a right output, are left out here.</p>'
    body = f'<table class="events"><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>'
    note = (
        '<p class="note">Healing: how long a repair took is real time; how much later a node was '
        "right again is simulated time.</p>"
    )
    return element("div", body, class_="wide") + note + more


def _dissent_row(dissent: Dissent) -> str:
    moment = dissent.moment
    kind = "bad" if dissent.is_bad else "warn"
    verdict = f"{moment.verdict.replace('_', ' ')}, {delivered_text(dissent)}"
    cells = [
        exact_text(moment.frame),
        flight_time(moment.t_us),
        element("span", text(verdict), class_=f"mark {kind}"),
        text(", ".join(moment.dissent)),
        "".join(_bits(each) for each in dissent.differences),
        linked(cause_text(dissent)),
        "".join(f"<div>{linked(each)}</div>" for each in healing_texts(dissent)),
    ]
    inside = value_table(dissent) + voter_table(dissent)
    below = f'<tr class="inside"><td></td><td colspan="6">{inside}</td></tr>' if inside else ""
    row = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr id="{dissent.anchor}">{row}</tr>{below}'


def linked(content: str) -> str:
    """Return a text as HTML in which `#12` leads to the row of that upset."""
    words = []
    for word in content.split(" "):
        number = word[1:]
        if word.startswith("#") and number.isdigit() and int(number) <= UPSETS_LISTED:
            words.append(f'<a href="#u{number}">{word}</a>')
        else:
            words.append(text(word))
    return " ".join(words)


def _bits(difference: BitDifference) -> str:
    """Return the bytes that differ, in bits, with the wrong ones marked."""
    lines = "".join(
        f"<div><span class=dim>{offset:,}:</span> {_marked(found, right)}</div>"
        for offset, found, right in difference.bytes_shown
    )
    title = f"{text(difference.node)} {difference.where}: {plural(difference.bits, 'bit')}"
    return f'<div class="bits-of"><div>{title}</div><code>{lines}</code></div>'


def _marked(found: int, right: int) -> str:
    return "".join(
        f"<b>{found >> bit & 1}</b>" if (found ^ right) >> bit & 1 else f"{found >> bit & 1}"
        for bit in reversed(range(8))
    )


def upset_section(facts: RunFacts) -> str:
    """Return a row for each upset, as far as a page lists them."""
    shown = [u for u in facts.upsets if u.id <= UPSETS_LISTED]
    if not shown:
        return "<p>There was no upset.</p>"
    head = ["upset", "frame", "time", "node", "what", "source", "before → after", "effect"]
    anchors = {d.anchor for d in listed(facts.dissents)}
    rows = "".join(_upset_row(u, facts, anchors) for u in shown)
    top = "".join(f'<th scope="col">{name}</th>' for name in head)
    rest = len(facts.upsets) - len(shown)
    more = f'<p class="note">The first {UPSETS_LISTED:,}; {rest:,} more stand in the record.</p>'
    body = f'<table class="events"><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>'
    opened = " open" if len(shown) <= 100 else ""
    return (
        f"<details{opened}><summary>{plural(len(shown), 'upset')}</summary>"
        f'<div class="wide">{body}</div>{more if rest else ""}</details>'
    )


def _upset_row(upset: RecordedUpset, facts: RunFacts, anchors: AbstractSet[str]) -> str:
    seen = ""
    if upset.detected_frame is not None:
        anchor, seen = f"f{upset.detected_frame}", f"seen in frame {upset.detected_frame:,}"
        # What the link's checks found and a repeated request mended is no dissent, and has no row.
        seen = f' <a href="#{anchor}">{seen}</a>' if anchor in anchors else f" {seen}"
    effect = upset_text(upset).partition(": ")[2]
    if upset.signal:
        effect = effect.replace(signal_name(upset.signal), signal_name(upset.signal))
    cells = [
        f"#{upset.id}",
        exact_text(upset.frame),
        flight_time(facts.timeline.t_us(upset.frame)),
        text(upset.node),
        text(f"{upset.target} {upset.kind.replace('_', ' ')}"),
        text(upset.source),
        f"<code>{upset.before[:8].hex()} → {upset.after[:8].hex()}</code>" if upset.after else "",
        f'<i class="box {effect_colour(upset)}"></i> {text(effect)}{seen}',
    ]
    return f'<tr id="u{upset.id}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


# --- recovery -------------------------------------------------------------------------------------


def recovery_section(facts: RunFacts) -> str:
    """Return what repairs cost, and how long nodes were out of the vote."""
    costs = facts.recovery.costs
    if not costs and not facts.recovery.by_node:
        return "<p>No node was repaired, and none left the vote.</p>"
    rows = []
    for strategy in sorted({cost.strategy for cost in costs}):
        mine = [cost for cost in costs if cost.strategy == strategy]
        times = [cost.duration_wall_us for cost in mine]
        rows.append(
            [
                text(strategy),
                exact_text(len(mine)),
                exact_text(sum(not cost.ok for cost in mine)),
                duration(median(times)),
                duration(max(times)),
                count_text(sum(cost.bytes_moved for cost in mine)),
            ]
        )
    head = ["repair", "attempts", "failed", "median", "worst", "bytes moved"]
    parts = [table(head, rows, name="plain")] if rows else []
    outages = [
        [
            text(o.node),
            exact_text(o.outages),
            duration(o.out_s * 1e6),
            duration(o.longest_s * 1e6),
            "·" if o.mttr_s is None else duration(o.mttr_s * 1e6),
            "·" if o.mtbf_s is None else duration(o.mtbf_s * 1e6),
            "out at the end" if o.away else "",
        ]
        for o in facts.recovery.by_node
    ]
    if outages:
        head = ["node", "times out of the vote", "in all", "longest", "MTTR", "MTBF", ""]
        parts.append(table(head, outages, name="plain"))
    return "".join(parts)
