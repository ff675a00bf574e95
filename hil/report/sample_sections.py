"""The sections of a sampled campaign's page."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from hil.analysis.intervals import Estimate
from hil.analysis.sample_summary import SampleSummary
from hil.printable import quoted
from hil.record.campaign_rows import EFFECTS, MomentUnit, SampleRow, SamplingMeta
from hil.record.fault_lines import FaultLines
from hil.report.campaign_sections import effect_bar, effect_name
from hil.report.markup import count_text, element, exact_text, table, text
from hil.report.sample_figures import SampleFigures, SampleGroup
from hil.upsets.words import NodeEffect
from hil.views.style import plural

__all__ = ["sample_body"]

_GROUPS_SHOWN: Final = 30
_SAMPLES_SHOWN: Final = 500
_LIST_MAX: Final = 20_000  # faults whose list is part of the page
_PERCENT: Final = 100.0
_RANKED: Final = (
    NodeEffect.SDC,
    NodeEffect.CRASH,
    NodeEffect.HANG,
    NodeEffect.DETECTED,
    NodeEffect.LATENT,
)


def sample_body(figures: SampleFigures, result: str) -> str:
    """Return the body of the page. `result`: the name of the file."""
    summary = figures.summary
    sentence, more = _verdict(summary)
    meta, sampling = summary.meta, summary.sampling
    kicker = (
        f"Sampled fault campaign · {meta.scenario} · {_frames(sampling)} of {meta.workload} "
        f"on {meta.board}"
    )
    struck = (
        "What was executed when samples struck. It is not always what their damage shows in: a bit "
        "of memory may be read much later."
    )
    sections = [
        f'<header><div class="kicker">{text(kicker)}</div><h1>{text(sentence)}</h1>'
        f'<p class="lead">{text(more)}</p></header>',
        _outcomes(summary),
        "<h2>What was tested</h2>",
        _conditions(summary),
        *(
            f"<h2>{_part_title(target)}</h2>{_groups('name', groups, summary)}"
            for target, groups in figures.parts.items()
            if groups
        ),
    ]
    if figures.functions:
        sections.append(f"<h2>Functions</h2><p>{struck}</p>")
        sections.append(_groups("function", figures.functions, summary))
    if len(figures.frames) > 1:
        sections.append(f"<h2>Frames</h2>{_groups('frame', figures.frames, summary)}")
    sections += [
        "<h2>Experiments</h2>",
        _experiments(figures, quoted(result)),
        "<h2>Fault list</h2>",
        _fault_list(figures, quoted(result)),
        f"<footer>hil report of {text(result)}, written by hil {text(meta.hil_version)}. This page "
        "needs no network.</footer>",
    ]
    return "".join(sections)


# --- shares -----------------------------------------------------------------------------------


def _share(estimate: Estimate) -> str:
    low, high = (_PERCENT * end for end in estimate.interval)
    return f"{_PERCENT * estimate.share:.2f} % ({low:.2f} to {high:.2f})"


def _verdict(summary: SampleSummary) -> tuple[str, str]:
    """Return what the campaign says: its sentence, and what more there is to say. Plain text."""
    faults = exact_text(summary.faults)
    silent = summary.total(NodeEffect.SDC)
    if summary.missing:
        first = "A part of a campaign: its shares are not those of the whole."
    elif summary.seen(NodeEffect.SDC):
        first = f"{_share(silent)} of {faults} single-bit faults corrupt silently."
    else:
        most = _PERCENT * silent.interval.high
        first = f"No silent corruption was seen: below {most:.2g} % of {faults} faults."
    seen = [
        f"{effect_name(effect)} {_share(summary.total(effect))}"
        for effect in EFFECTS
        if effect is not NodeEffect.SDC and summary.seen(effect)
    ]
    confidence = f"{_PERCENT * summary.sampling.confidence:g} %"
    more = f"Estimated from {plural(summary.samples, 'experiment')}, with ranges of {confidence}: "
    return first, f"{more}{'; '.join(seen) or 'nothing else was seen'}."


def _outcomes(summary: SampleSummary) -> str:
    effects = [effect for effect in EFFECTS if summary.seen(effect)]
    head = ["target", "faults", "samples", *map(effect_name, effects), ""]
    rows = [
        _row(t.target, t.faults, t.effects, [t.estimate(effect) for effect in effects])
        for t in summary.targets
    ]
    foot = 0
    if len(summary.targets) > 1:
        foot = 1
        bars = {e: round(summary.samples * summary.total(e).share) for e in EFFECTS}
        estimates = [summary.total(effect) for effect in effects]
        rows.append(_row("all", summary.faults, bars, estimates, summary.samples))
    note = (
        "Shares of all faults of a target, with the range that holds the true one: Wilson's for a "
        "target; for all of them, which count by their numbers of faults, Zou and Donner's."
    )
    listed = (
        " The faults are those of a list: the ranges hold if they were drawn evenly at random, and "
        "not if they were chosen."
        if summary.is_listed
        else ""
    )
    return table(head, rows, name="outcomes", foot=foot) + element(
        "p", note + listed, class_="note"
    )


def _row(
    name: str,
    faults: int | None,
    effects: Mapping[NodeEffect, int],
    estimates: Iterable[Estimate],
    samples: int | None = None,
) -> list[str]:
    counts = [effects.get(effect, 0) for effect in EFFECTS]
    total = sum(counts)
    shown = total if samples is None else samples
    size = [] if faults is None else [count_text(faults)]
    shares = [text(_share(estimate)) if estimate.share else "·" for estimate in estimates]
    bar = effect_bar(counts, max(1, total), of="samples")
    return [text(name), *size, count_text(shown), *shares, bar]


def _groups(what: str, groups: Sequence[SampleGroup], summary: SampleSummary) -> str:
    effects = [effect for effect in EFFECTS if summary.seen(effect)]
    ranked = sorted(groups, key=lambda g: [-g.effects[effect] for effect in _RANKED])
    rows = [
        _row(group.name, None, group.effects, [group.estimate(effect) for effect in effects])
        for group in ranked[:_GROUPS_SHOWN]
    ]
    hidden = len(groups) - len(rows)
    more = f"{hidden:,} more have fewer failures." if hidden > 0 else ""
    head = [what, "samples", *map(effect_name, effects), ""]
    return table(head, rows, name="share names") + (
        element("p", more, class_="note") if more else ""
    )


def _part_title(target: str) -> str:
    return text({"text": "Machine code, by function"}.get(target, f"Registers ({target})"))


# --- what was tested --------------------------------------------------------------------------


def _conditions(summary: SampleSummary) -> str:
    meta, sampling = summary.meta, summary.sampling
    drawn = "those of a list" if sampling.draw is None else f"drawn from seed {sampling.draw}"
    rows = {
        "scenario": text(meta.scenario),
        "steps": f"{text(meta.workload)}, {text(_frames(sampling))} of seed {meta.seed:,}: "
        f"{meta.instructions:,} {text(sampling.moment)}s",
        "board": f"{text(meta.board)}, {text(meta.arch)}",
        "faults": f"{text(', '.join(meta.targets))}: {exact_text(summary.faults)}, single bits; "
        f"{drawn}",
        "experiments": exact_text(summary.samples),
        "certainty": _certainty(summary),
        "made by": f"hil {text(meta.hil_version)}",
        "digests": f"<code>{text(meta.plan)}</code> of the faults"
        + (f", <code>{text(meta.path)}</code> of the paths" if meta.path else ""),
    }
    lines = (f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows.items())
    return element("dl", "".join(lines))


def _frames(sampling: SamplingMeta) -> str:
    return f"{'frame' if sampling.frames.isdigit() else 'frames'} {sampling.frames}"


def _certainty(summary: SampleSummary) -> str:
    sampling = summary.sampling
    parts = [f"intervals of {_PERCENT * sampling.each:.4g} %"]
    if len(sampling.sizes) > 1:
        parts.append(
            f"the campaign could stop at {len(sampling.sizes)} sizes, which were fixed before and "
            f"share the error of {_PERCENT * (1 - sampling.confidence):.3g} %"
        )
    if sampling.precision is not None:
        reached = "reached" if summary.reached else "not reached"
        parts.append(
            f"±{_PERCENT * sampling.precision:g} points of {sampling.outcome} were wanted: "
            f"{reached}"
        )
    return text("; ".join(parts))


# --- single experiments -----------------------------------------------------------------------


def _experiments(figures: SampleFigures, file: str) -> str:
    failed = [row for row in figures.samples if row.effect in _RANKED]
    failed.sort(key=lambda row: (_RANKED.index(row.effect), row.number))
    head = ["", "outcome", "fault", "frame", figures.summary.sampling.moment.value, "carry it out"]
    rows = [_experiment(row, figures, file) for row in failed[:_SAMPLES_SHOWN]]
    if not rows:
        return element("p", "All samples were masked.", class_="note")
    hidden = len(failed) - len(rows)
    more = (
        element("p", f"{hidden:,} more: hil export {text(file)} -o experiments.csv", class_="note")
        if hidden
        else ""
    )
    return table(head, rows, name="names experiments") + more


def _experiment(row: SampleRow, figures: SampleFigures, file: str) -> list[str]:
    fault = f"bit {row.bit} of byte {row.byte:,} of {figures.targets[row.region]}"
    at = f"{row.moment:,}"
    instruction = figures.instructions.get(row.address)
    if instruction is not None and (instruction.symbol or instruction.text):
        where = f" in {instruction.symbol}" if instruction.symbol else ""
        at += element("span", text(f" {instruction.text}{where}"), class_="dim code")
    command = f"hil campaign {file} --repeat {row.number}"
    outcome = f'<i class="box {row.effect.value}"></i> {effect_name(row.effect)}'
    return [
        f"{row.number:,}",
        outcome,
        text(fault),
        f"{row.frame:,}",
        at,
        element("code", text(command)),
    ]


def _fault_list(figures: SampleFigures, file: str) -> str:
    meta, sampling = figures.summary.meta, figures.summary.sampling
    again = f"hil campaign {quoted(meta.source or meta.scenario)} --sampled --faults list.faults"
    command = f"hil export {file} -o list.faults"
    usage = (
        f"<p>{element('code', text(command))} writes it, {element('code', text(again))} carries it "
        "out again, on another build, too, if its moments are ticks.</p>"
        if sampling.moment is MomentUnit.TICK
        else f"<p>{element('code', text(command))} writes it, {element('code', text(again))} "
        "carries it out again.</p>"
    )
    if len(figures.samples) > _LIST_MAX:
        return usage
    head = FaultLines(
        meta.workload, meta.seed, sampling.frames, meta.targets, sampling.moment, meta.path
    )
    content = "".join(
        head.lines(
            (row.number, row.frame, figures.targets[row.region], row.byte, row.bit, row.moment)
            for row in figures.samples
        )
    )
    packed = base64.b64encode(content.encode()).decode()
    link = element(
        "a",
        f"{plural(len(figures.samples), 'fault')} as a list",
        href=f"data:text/plain;base64,{packed}",
        download="list.faults",
    )
    return f"{usage}<p>{link}, which is part of this page.</p>"
