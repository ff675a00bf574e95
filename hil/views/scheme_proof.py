"""The proof of a scheme, as tables and a statement."""

from __future__ import annotations

from collections import Counter
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil.record.scheme_proof import HostFate, SchemeFate, SchemeProof
from hil.scenario.words import SchemeName
from hil.views.style import BAD, DIM, GOOD, HEAD, Glyphs

__all__ = ["proof_table"]

_BAD: Final = (SchemeFate.ESCAPED,)
_ALWAYS: Final = (SchemeFate.NO_EFFECT, SchemeFate.CORRECTED, SchemeFate.ESCAPED)
_DEFINITIONS: Final = {
    SchemeFate.OUTVOTED: "Outvoted: corrected, but the damage is in what a worker keeps beside its "
    "state. It may show again, each time as a wrong answer of one node, until recovery starts that "
    "worker again: a full run ends as corrected or recovered.",
    SchemeFate.LATENT: "Latent: nothing has shown in the steps that were followed. What shows "
    "later is a wrong answer of one node: then a full run ends as corrected or recovered.",
}
"""What fates leave open: `MAY_END_AS`, for people."""
_NOT_REPEATED: Final = (
    "With a right state and a damaged worker the same step was not executed again on a board: what "
    "it answers is taken from the steps that follow, wrong outputs as alike, which nothing "
    "detects. Such faults are latent, outvoted, without an output or escaped."
)
_BY_VALUE: Final = (
    "The voter by value took the wrong outputs of the step byte by byte; how far off those of "
    "later steps are is open, and such faults are latent or outvoted. It is a program of the host: "
    "its own memory was not hit."
)
_LATENT_ALONE: Final = (
    "Latent: nothing has shown in the steps that were followed. What shows later escapes: there is "
    "no other node."
)


def proof_table(proof: SchemeProof, glyphs: Glyphs) -> RenderableType:
    """Return the upsets of all nodes by what the scheme makes of them, those of the voter and of
    recovery, and the statement."""
    parts: list[RenderableType] = [
        Text(
            f"Every single upset of step {proof.frame} of {proof.workload} (seed {proof.seed}) on "
            f"every node of {proof.scheme}, on {proof.board} ({proof.arch})"
        ),
        Text(""),
        _nodes(proof, glyphs),
        Text(""),
        _host(proof, glyphs),
        Text(""),
        *(Text(line, style=DIM) for line in _notes(proof)),
        Text(""),
        _statement(proof),
    ]
    return Group(*parts)


def _nodes(proof: SchemeProof, glyphs: Glyphs) -> Table:
    total = proof.total
    fates = [fate for fate in SchemeFate if total[fate] or fate in _ALWAYS]
    table = _table("node", "target", "faults", *(fate.value for fate in fates))
    for row in proof.rows:
        table.add_row(row.node, row.target.value, *_cells(row.fates, fates, glyphs))
    table.add_row("all", "", *_cells(total, fates, glyphs), style=HEAD)
    return table


def _cells(counts: Counter[SchemeFate], fates: list[SchemeFate], glyphs: Glyphs) -> list[Text]:
    cells = [Text(f"{counts.total():,}")]
    for fate in fates:
        count = counts[fate]
        style = BAD if fate in _BAD and count else ""
        cells.append(Text(f"{count:,}" if count else glyphs.none, style=style))
    return cells


def _host(proof: SchemeProof, glyphs: Glyphs) -> Table:
    parts: dict[str, Counter[HostFate]] = {}
    for row in proof.host:
        parts.setdefault(row.part, Counter()).update(row.bits)
    table = _table("beside the nodes", "hits", *(fate.value for fate in HostFate), texts=1)
    for part, bits in parts.items():
        cells = [Text(f"{bits[f]:,}" if bits[f] else glyphs.none) for f in HostFate]
        table.add_row(part, f"{bits.total():,}", *cells)
    return table


def _table(*headings: str, texts: int = 2) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < texts else "right")
    return table


def _notes(proof: SchemeProof) -> list[str]:
    answers = proof.answers
    delivered = "the right output was delivered each time"
    if answers.right < answers.answers:
        delivered = (
            f"the right output was delivered {answers.right:,} times, a wrong one "
            f"{answers.wrong:,} times, none {answers.none:,} times"
        )
    notes = [
        f"{proof.experiments:,} experiments on the nodes' workers; the real voter and recovery "
        f"took each answer. {answers.answers:,} answers of one node, silent and wrong in any "
        f"digest, were put to the voter: {delivered}."
    ]
    if len(proof.nodes) > 1:
        notes += [text for fate, text in _DEFINITIONS.items() if proof.total[fate]]
    elif SchemeName(proof.scheme).executions > 1:
        if not proof.holds or proof.may_repeat:
            notes.append(_NOT_REPEATED)
    elif proof.total[SchemeFate.LATENT]:
        notes.append(_LATENT_ALONE)
    if not any(row.part.startswith("voter") for row in proof.host):
        notes.append(_BY_VALUE)
    if proof.may_repeat:
        notes.append(
            f"{proof.may_repeat:,} of the recovered faults left damage in what a worker keeps "
            "beside its state, and no repair has started it again: it may show again."
        )
    notes += _stubborn(proof)
    single: dict[str, list[str]] = {}
    for row in proof.host:
        named = _named(row.bits)
        if named:
            text = f"{row.field} ({', '.join(named)})"
            single.setdefault(row.part, []).append(text)
    points = "; ".join(f"{part}: {', '.join(fields)}" for part, fields in single.items())
    return [
        *notes,
        "Voter and recovery run on the host, which this bench trusts. Their single points of "
        f"failure, while all nodes answer right: {points or 'none'}.",
        f"{proof.hits_outside_nodes.total():,} hits of voter, recovery and link in all: "
        f"{proof.hits_outside_nodes[HostFate.WRONG]:,} escapes.",
    ]


def _stubborn(proof: SchemeProof) -> list[str]:
    """Return what is said of nodes that go on to answer wrongly."""
    stubborn = proof.stubborn
    if not stubborn.orders:  # of a proof that an earlier hil has made
        return []
    return [
        "Each fault is followed with repairs that succeed. Without that assumption, and whatever "
        f"damage shows again: {stubborn.orders:,} orders of answers of one node in "
        f"{stubborn.frames} consecutive frames or executions (right, wrong output, wrong state, "
        "crash, silence), half of them with repairs that all fail: "
        f"{stubborn.escaped:,} with an escape, {stubborn.lost:,} with a frame without an output."
    ]


def _named(bits: Counter[HostFate]) -> list[str]:
    named = (f for f in HostFate if f not in (HostFate.HARMLESS, HostFate.REPEATED) and bits[f])
    return [f"{bits[fate]} {fate.value}" for fate in named]


def _statement(proof: SchemeProof) -> Text:
    total, runs = proof.total, proof.runs
    nodes = len(proof.nodes)
    text = f"Every one of {total.total():,} faults on {nodes} node{'s' * (nodes > 1)}: "
    text += f"{total[SchemeFate.ESCAPED]:,} escapes"
    if total[SchemeFate.LATENT]:
        text += f", {total[SchemeFate.LATENT]:,} latent after the steps that were followed"
    if total[SchemeFate.NO_OUTPUT]:
        text += f", {total[SchemeFate.NO_OUTPUT]:,} without an output"
    text += "."
    if runs.runs:
        right = runs.runs - len(runs.differences)
        text += f" {runs.runs:,} of them, drawn at random, were carried out in full runs: "
        text += "all" if right == runs.runs else f"{right:,}"
        text += " ended as proved."
        if right < runs.runs:
            text += f" Of the others {runs.escapes:,} escaped:"
    for difference in runs.differences:
        text += f"\n  {difference}"
    return Text(text, style=GOOD if proof.holds else BAD)
