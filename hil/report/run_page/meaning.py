"""The meaning of outputs to people, where the workload says it: the text that nodes wrote, and the
numbers that are watched over a run, such as a loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hil.kernel import Golden
from hil.record.node_outputs import node_outputs
from hil.record.reader import Reader
from hil.record.row_counts import packed_frames
from hil.record.text_outcomes import RecordedTexts, TextOutcome, recorded_texts, text_outcomes
from hil.record.timeline import recorded_timeline
from hil.record.written_texts import NOTHING
from hil.report.markup import element, exact_text, table, text
from hil.report.run_page.svg import Line, Point, TimeAxis, chart
from hil.scenario.output_meaning import OutputNumber, curve_names, curves
from hil.scenario.words import WORKLOADS

__all__ = ["curve_charts", "text_section"]

_FRAMES_MAX: Final = 20_000
"""The fault-free run is computed again for so many frames at most."""
_BEFORE: Final = 24
_SHOWN: Final = 240


def text_section(reader: Reader) -> str:
    """Return the texts that the nodes wrote and where they part from the right one; empty if the
    workload writes none. Raises: RecordError."""
    recorded = recorded_texts(reader)
    if recorded is None:
        return ""
    outcomes = text_outcomes(reader, recorded.texts, recorded.names, recorded.last)
    head = ["text", "outcome", "wrong characters", "of", "parted in frame", "times"]
    body = table(head, [_outcome_row(o) for o in outcomes], name="plain names")
    parted = [o.parted for o in outcomes if o.parted is not None]
    begin = max(0, recorded.last - _SHOWN + 1)
    if parted:
        first = min(parted)
        begin = max(recorded.texts.passage_of(first), first - _BEFORE)
    return f"<h2>Text</h2>{body}{_span(recorded, begin)}"


def _outcome_row(outcome: TextOutcome) -> list[str]:
    return [
        text(outcome.name),
        text(outcome.kind),
        exact_text(outcome.wrong),
        exact_text(outcome.characters),
        "·" if outcome.parted is None else exact_text(outcome.parted),
        exact_text(outcome.partings) if outcome.partings else "·",
    ]


def _span(recorded: RecordedTexts, begin: int) -> str:
    span = recorded.texts.span(begin, min(recorded.last, begin + _SHOWN - 1))
    lines = [f"<dt>right</dt><dd><code>{_plain(span.right)}</code></dd>"]
    for name, own in zip(recorded.names, span.nodes, strict=True):
        if own != span.right:
            lines.append(f"<dt>{text(name)}</dt><dd><code>{_marked(own, span.right)}</code></dd>")
    where = f"<p class=note>From frame {begin:,} on; wrong characters are marked.</p>"
    return where + element("dl", "".join(lines), class_="texts")


def _plain(content: str) -> str:
    return text(content.replace("\n", "↵").replace(NOTHING, "·"))


def _marked(own: str, right: str) -> str:
    return "".join(
        f"<b>{_plain(a)}</b>" if a not in (b, NOTHING) else _plain(a)
        for a, b in zip(own, right, strict=True)
    )


def curve_charts(reader: Reader, names: Sequence[str], axis: TimeAxis) -> str:
    """Return a chart for each watched number of the outputs: the fault-free run, and each node that
    differs from it. Empty if the workload has none. Raises: RecordError."""
    scenario = reader.scenario
    workload, seed = scenario.workload, scenario.seed
    shown = curve_names(workload) if workload in WORKLOADS else ()
    frames = min(packed_frames(reader), _FRAMES_MAX)
    if not shown or not frames or seed is None:
        return ""
    golden, right = Golden(workload, seed), list[tuple[OutputNumber, ...]]()
    for _ in range(frames):
        golden.step()
        right.append(curves(workload, golden.output))
    timeline = recorded_timeline(reader, reader.frame_us)
    times = [timeline.t_us(frame) for frame in range(frames)]
    own: dict[str, dict[int, tuple[OutputNumber, ...]]] = {}
    for index, name in enumerate(names):
        outputs = node_outputs(reader, index, 0, frames - 1)
        rows = {o.frame: curves(workload, o.output) for o in outputs}
        own[name] = {frame: row for frame, row in rows.items() if row != right[frame]}
    parts = [_curve(axis, number, times, right, own) for number in range(len(right[0]))]
    limit = ""
    if frames == _FRAMES_MAX:
        limit = f'<p class="note">The first {frames:,} frames.</p>'
    return f"<h2>What the nodes computed</h2>{''.join(parts)}{limit}"


def _curve(
    axis: TimeAxis,
    number: int,
    times: Sequence[int],
    right: Sequence[tuple[OutputNumber, ...]],
    own: dict[str, dict[int, tuple[OutputNumber, ...]]],
) -> str:
    first = right[0][number]
    unit = f" [{first.unit}]" if first.unit else ""
    lines = [Line("fault-free", _points(times, right, {}, number))]
    lines += [
        Line(f"node {name}", _points(times, right, rows, number))
        for name, rows in own.items()
        if rows
    ]
    return chart(f"{first.name.replace('_', ' ')}{unit}", axis, lines)


def _points(
    times: Sequence[int],
    right: Sequence[tuple[OutputNumber, ...]],
    own: dict[int, tuple[OutputNumber, ...]],
    number: int,
) -> list[Point]:
    out: list[Point] = []
    for frame, t_us in enumerate(times):
        row = own.get(frame, right[frame])
        out.append((t_us, row[number].value if number < len(row) else None))
    return out
